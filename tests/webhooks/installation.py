"""A deployed local stack, as the scripts here use it."""

import json
import pathlib
import time
import urllib.error
import urllib.parse
import urllib.request

import boto3

# What is waited for comes within this, on a slow machine; if not, the test fails.
PATIENCE = 180
TENANT = "demo"
SOURCE = "https://shop.example/"


class Installation:
    def __init__(self, description, tenant=TENANT):
        self.stack = json.loads(pathlib.Path(description).read_text())
        self.url = self.stack["api_url"]
        self.shop = self.token(self.stack["tenants"][tenant], "waybill/submit waybill/read")
        # A tenant of a test's own has none.
        operator = self.stack["operators"].get(tenant)
        self.operator = operator and self.token(operator, "waybill/operate")

    def token(self, client, scope):
        form = {name: client[name] for name in ("client_id", "client_secret")}
        form |= {"grant_type": "client_credentials", "scope": scope}
        with urllib.request.urlopen(self.stack["token_url"], urllib.parse.urlencode(form).encode()) as answer:
            return json.load(answer)["access_token"]

    def ask(self, method, path, body=None, token=None, headers=None, expected=(200, 201, 202, 204)):
        """The answer: its headers, and its body as JSON if it has one."""
        url = path if path.startswith("http") else f"{self.url}{path}"
        headers = {"Authorization": f"Bearer {token or self.shop}"} | (headers or {"Content-Type": "application/json"})
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method)) as answer:
                status, answered, text = answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            status, answered, text = error.code, error.headers, error.read()
        assert status in expected, f"{method} {path}: {status} {text.decode(errors='replace')}"
        return answered, json.loads(text) if text else None

    def operate(self, method, path, body=None):
        return self.ask(method, path, body, self.operator)[1]

    def send(self, kind, order, data):
        """A command for an order; gives where its operation is."""
        command = {"specversion": "1.0", "id": fresh("c"), "source": SOURCE, "type": kind, "subject": order, "data": data}
        headers = {"Content-Type": "application/cloudevents+json"}
        return self.ask("POST", "/commands", command, headers=headers)[0]["Location"]

    def submit_order(self):
        """An order on account: its id, and where its operation is."""
        order = fresh("O")
        line = {"sku": "TEA-1", "quantity": 2, "unitPrice": {"amount": 450, "currency": "EUR"}}
        return order, self.send("SubmitOrder", order, {"customer": fresh("C"), "onAccount": True, "lines": [line]})

    def succeeded(self, operation):
        def ended():
            found = self.ask("GET", operation)[1]
            return found if found["status"] in ("succeeded", "rejected", "discarded") else None

        found = until("the command ends", ended)
        assert found["status"] == "succeeded", found
        return found

    def register(self, entry, **document):
        dynamodb = boto3.client("dynamodb", endpoint_url=self.stack["endpoint"])
        item = {"registry_key": f"tenant#{TENANT}", "entry": entry, "document": json.dumps(document)}
        dynamodb.put_item(TableName=self.stack["tables"]["registry"], Item={name: {"S": text} for name, text in item.items()})


def fresh(prefix):
    return f"{prefix}-{time.time_ns():x}"


def until(what, ask):
    """What `ask` gives, once it is something."""
    end = time.monotonic() + PATIENCE
    while not (found := ask()):
        assert time.monotonic() < end, f"not within {PATIENCE} s: {what}"
        time.sleep(0.5)
    return found
