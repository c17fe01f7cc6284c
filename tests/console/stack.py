"""The deployed local stack, as a client and as another service next to it see it."""

import base64
import hashlib
import hmac
import itertools
import json
import os
import pathlib
import time
import urllib.error
import urllib.parse
import urllib.request

import boto3

# What is waited for comes within this, on a slow machine and after redeliveries; if not, the test fails.
PATIENCE = 120

TENANT = "demo"

_numbers = itertools.count()


def fresh(prefix):
    """An id that no other test and no earlier run has used."""
    return f"{prefix}-{time.time_ns():x}-{next(_numbers)}"


class Stack:
    """What the JSON file describes that the variable WAYBILL_STACK names."""

    def __init__(self):
        described = json.loads(pathlib.Path(os.environ["WAYBILL_STACK"]).read_text())
        self.url = described["api_url"]
        self.endpoint = described["endpoint"]
        self.operators = described["operators"]
        self.name = described["stack_name"]
        self._receipt_key = described["receipt_key"].split()[0].encode()
        self._orders = described["contexts"]["orders"]
        self._aws = {
            "region_name": described["region"],
            "aws_access_key_id": described["access_key_id"],
            "aws_secret_access_key": described["secret_access_key"],
        }
        self._sqs, self._dynamodb = self.client("sqs"), self.client("dynamodb")
        self.trouble = described["trouble"]
        self.websocket_url = described["outputs"]["WebSocketUrl"]
        self.connections = described["outputs"]["ConnectionsTable"]
        self._read_models = described["tables"]["read_models"]
        # Where nothing listens.
        self.webhook_receiver = described["webhook_receiver"]
        client = described["tenants"][TENANT]
        self._client_id = client["client_id"]
        self.token = lambda: _token(described["token_url"], client, "waybill/submit waybill/read")
        self._token = self.token()
        operator = {name: self.operators[TENANT][name] for name in ("client_id", "client_secret")}
        self._operator_token = _token(described["token_url"], operator, "waybill/operate")

    def client(self, service, endpoint=None):
        """A client of AWS's."""
        return boto3.client(service, endpoint_url=endpoint or self.endpoint, **self._aws)

    def submit(self, order, data, command="SubmitOrder"):
        """Sends a command as a client does. Returns its operation."""
        event = {
            "specversion": "1.0",
            "id": fresh("console"),
            "source": "https://shop.example/checkout",
            "type": command,
            "subject": order,
            "datacontenttype": "application/json",
            "dataschema": f"{self.url}/schemas/orders/{command}/1",
            "data": data,
        }
        headers = {"authorization": f"Bearer {self._token}", "content-type": "application/cloudevents+json"}
        request = urllib.request.Request(f"{self.url}/commands", json.dumps(event).encode(), headers)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)["id"]

    def queue(self, order, data, command="SubmitOrder"):
        """Puts a command into the queue, as a service would that leaves ingest out. Returns its operation."""
        return self._send("commands", order, data, command, {})

    def bury(self, order, data):
        """The same, but into the dead letters: as if a day of trouble had just ended."""
        failure = {"attempts": "1", "firstfailedat": _now(), "error": "the store could not be reached"}
        return self._send("dead_letters", order, data, "SubmitOrder", failure)

    def bend(self, order):
        """Changes whose an order is in its document, past the updater: as somebody's hands would. Returns whose it was."""
        place = {"TableName": self._read_models, "Key": {"collection_key": {"S": f"{TENANT}#orders"}, "id": {"S": order}}}
        document = json.loads(self._dynamodb.get_item(**place)["Item"]["document"]["S"])
        customer, document["customer"] = document["customer"], "somebody-else"
        self._dynamodb.update_item(
            **place,
            UpdateExpression="SET document = :bent",
            ExpressionAttributeValues={":bent": {"S": json.dumps(document)}},
        )
        return customer

    def get(self, path):
        """Status and body of an answer of the API."""
        request = urllib.request.Request(f"{self.url}{path}", headers={"authorization": f"Bearer {self._token}"})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def operate(self, method, path, body=None):
        """The body of an answer that the tenant's operator gets."""
        headers = {"authorization": f"Bearer {self._operator_token}", "content-type": "application/json"}
        data = body and json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.loads(answer.read() or "null")

    def wait_for_operation(self, operation, wanted, patience=PATIENCE):
        """Waits until the operation is as wanted."""
        return wait_for(
            f"operation {operation} {wanted}",
            lambda: self.get(f"/operations/{operation}"),
            lambda answer: answer[0] == 200 and answer[1]["status"] == wanted,
            patience,
        )[1]

    def wait_for_order(self, order):
        return wait_for(f"order {order}", lambda: self.get(f"/orders/{order}"), lambda answer: answer[0] == 200)[1]

    def _send(self, queue, order, data, command, attributes):
        event = {
            "specversion": "1.0",
            "id": fresh("console"),
            "source": "https://shop.example/nightly-import",
            "type": command,
            "subject": order,
            "datacontenttype": "application/json",
            "data": data,
        }
        operation, key = self._seal(event)
        self._sqs.send_message(
            QueueUrl=self._orders[queue],
            MessageBody=json.dumps(event),
            MessageGroupId=f"{TENANT}/orders/{order}",
            MessageDeduplicationId=key.hex(),
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
        )
        return operation

    def _seal(self, event):
        """Adds what ingest adds. Returns the receipt (its layout: shared/kernel/src/receipt.rs) and the command key."""
        key = _hash(TENANT, event["source"], event["id"])
        canonical = json.dumps(event["data"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        digest = _hash(event["type"], f"={event['subject']}", "", canonical)
        receipt = bytes([1]) + (time.time_ns() // 1_000_000).to_bytes(6) + key + digest
        receipt += hmac.digest(self._receipt_key, receipt + TENANT.encode(), "sha256")[:16]
        operation = base64.urlsafe_b64encode(receipt).rstrip(b"=").decode()
        event |= {
            "dataschema": f"{self.url}/schemas/orders/{event['type']}/1",
            "tenantid": TENANT,
            "operationid": operation,
            "authid": self._client_id,
            "authtype": "service_account",
            "correlationid": key.hex(),
            "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        }
        return operation, key


def wait_for(what, ask, is_wanted, patience=PATIENCE):
    """Asks until the answer is as wanted."""
    end = time.monotonic() + patience
    while not is_wanted(answer := ask()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {patience} s; last seen: {answer}")
        time.sleep(0.1)
    return answer


def _token(url, client, scope):
    form = urllib.parse.urlencode({"grant_type": "client_credentials", **client, "scope": scope})
    with urllib.request.urlopen(url, form.encode(), timeout=PATIENCE) as answer:
        return json.load(answer)["access_token"]


def _hash(*parts):
    digest = hashlib.sha256()
    for part in (part.encode() for part in parts):
        digest.update(len(part).to_bytes(8) + part)
    return digest.digest()[:16]


def _now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
