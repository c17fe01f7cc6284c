"""A Python client made from openapi.yaml, at work: it submits, follows, reads and lists.

The variable WAYBILL_STACK names the description of the stack to talk to.
"""

import json
import os
import pathlib
import time
import urllib.parse
import urllib.request

import waybill_client as waybill

# What is waited for comes within this, on a slow machine and after redeliveries; if not, the test fails.
PATIENCE = 120

FRESH = f"{time.time_ns():x}"
SOURCE = "https://shop.example/checkout"
DATA = {
    "customer": f"C-{FRESH}",
    "onAccount": True,
    "lines": [{"sku": "TEA", "quantity": 1, "unitPrice": {"amount": 1250, "currency": "EUR"}}],
}


def token(stack):
    client = stack["tenants"]["demo"]
    form = {name: client[name] for name in ("client_id", "client_secret")}
    form |= {"grant_type": "client_credentials", "scope": "waybill/submit waybill/read"}
    request = urllib.request.Request(stack["token_url"], urllib.parse.urlencode(form).encode())
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["access_token"]


def until(what, ask):
    """Asks until there is an answer, as often as `Retry-After` says: `ask` gives the answer or None, and the headers."""
    end = time.monotonic() + PATIENCE
    while True:
        found, headers = ask()
        if found is not None:
            return found
        assert time.monotonic() < end, f"{what}: not within {PATIENCE} s"
        time.sleep(int(header(headers, "retry-after") or 1))


def header(headers, name):
    """A header's value or None. This generator's clients have the names as they came, in whatever case."""
    return next((value for key, value in headers.items() if key.lower() == name), None)


def command(kind, name, subject, data):
    """A command in structured mode, which is what this generator's clients speak."""
    identity = {"id": f"{name}-{FRESH}", "source": SOURCE, "specversion": "1.0"}
    return waybill.Command(type=kind, subject=subject, data=data, **identity)


class Client:
    def __init__(self, stack):
        api = waybill.ApiClient(waybill.Configuration(host=stack["api_url"], access_token=token(stack)))
        self.commands = waybill.CommandsApi(api)
        self.operations = waybill.OperationsApi(api)
        self.read_models = waybill.ReadModelsApi(api)

    def succeeded(self, event):
        """Submits a command and follows it to its end, which must be success; gives the version that it made."""
        accepted = self.commands.submit_commands_with_http_info(event)
        operation = accepted.data.actual_instance
        assert accepted.status_code == 202 and operation.status == waybill.Status.ACCEPTED, accepted
        assert header(accepted.headers, "location").endswith(operation.id), accepted

        def ask():
            answer = self.operations.get_operation_with_http_info(operation.id)
            is_open = answer.data.status in (waybill.Status.ACCEPTED, waybill.Status.RETRYING)
            return None if is_open else answer.data, answer.headers

        outcome = until(operation.id, ask)
        assert outcome.status == waybill.Status.SUCCEEDED, outcome
        return outcome.resource.version

    def order(self, order, version):
        """Reads an order as soon as it has reached the version."""

        def ask():
            try:
                return self.read_models.get_document("orders", order, version=version), {}
            except waybill.exceptions.NotFoundException as not_yet:
                return None, not_yet.headers

        return until(f"{order}, version {version}", ask)

    def cancelled(self, customer):
        return self.read_models.list_documents("orders", customer=customer, status="cancelled").items


def refused(call):
    """The problem that the call ends with."""
    try:
        answer = call()
    except waybill.ApiException as refusal:
        return waybill.Problem.from_json(refusal.body)
    raise AssertionError(f"it is not refused: {answer}")


def main():
    client = Client(json.loads(pathlib.Path(os.environ["WAYBILL_STACK"]).read_text()))
    order = f"O-{FRESH}"
    made = client.succeeded(command("SubmitOrder", "c1", order, DATA))
    document = client.order(order, made)
    assert (document["status"], document["customer"]) == ("submitted", DATA["customer"]), document

    made = client.succeeded(command("CancelOrder", "c2", order, {"reason": "Late"}))
    assert client.order(order, made)["status"] == "cancelled"
    listed = until("the order in the list", lambda: (client.cancelled(DATA["customer"]) or None, {}))
    assert [document["id"] for document in listed] == [order], listed
    events = [event.type for event in client.read_models.get_history("orders", order)]
    assert events == ["OrderSubmitted", "OrderCancelled"], events

    problem = refused(lambda: client.commands.submit_commands(command("LaunchRocket", "c3", order, {})))
    assert problem.type.actual_instance == waybill.ProblemKind.URN_COLON_WAYBILL_COLON_PROBLEM_COLON_UNKNOWN_MINUS_TYPE


if __name__ == "__main__":
    main()
