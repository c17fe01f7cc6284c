"""Inputs: each function's are made of what the one before it has sent to the stub AWS."""

import base64
import hashlib
import json
import os
import time
import urllib.parse
from pathlib import Path

SAMPLES = Path(__file__).parent.parent / "events"
TENANT = "demo"
BATCH = 10
# Different inputs of one kind, so that no function sees the same one twice in a row.
VARIANTS = 20


def sample(name):
    return json.loads((SAMPLES / f"{name}.json").read_text())


def encoded(event):
    return json.dumps(event, separators=(",", ":")).encode()


def request(body, kind="cloudevents+json"):
    """The gateway's event of a POST."""
    event, text = sample("aws/ingest"), json.dumps(body).encode()
    event["body"] = base64.b64encode(text).decode()
    event["headers"] |= {"content-length": str(len(text)), "content-type": f"application/{kind}"}
    return encoded(event)


def reading(path):
    """The gateway's event of a GET."""
    event = sample("aws/query")
    event |= {"rawPath": path, "rawQueryString": "", "pathParameters": {"proxy": path[1:]}}
    event["requestContext"]["http"]["path"] = path
    del event["queryStringParameters"]
    return encoded(event)


def messages(name, bodies):
    """A sample's message of SQS for each body."""
    for number, body in enumerate(bodies):
        message = sample(name)["Records"][0]
        message |= {"body": body, "md5OfBody": hashlib.md5(body.encode()).hexdigest()}
        message["messageId"] = f"{message['messageId'][:-12]}{number:012d}"
        yield message


def queued(bodies, context):
    """SQS's event with these commands."""
    records = list(messages("aws/command-handler", bodies))
    for record in records:
        record["attributes"]["MessageGroupId"] = f"{TENANT}/{context}/{json.loads(record['body'])['subject']}"
        record["eventSourceARN"] = record["eventSourceARN"].replace("orders", context)
    return encoded({"Records": records})


def streamed(commits):
    """The event of DynamoDB's stream with these commits."""
    records = []
    for number, commit in enumerate(commits):
        record = sample("aws/publisher")["Records"][0]
        record["dynamodb"]["NewImage"] = commit
        record["dynamodb"]["Keys"] = {key: commit[key] for key in ("stream_id", "commit_number")}
        record["eventID"] = f"{number:032x}"
        records.append(record)
    return encoded({"Records": records})


def delivered(events):
    """SQS's event with these domain events, as the topic hands them on."""
    records = list(messages("aws/read-model-updater", events))
    for record in records:
        known, attributes = json.loads(record["body"]), record["messageAttributes"]
        attributes["type"]["stringValue"] = known["type"]
        attributes["context"]["stringValue"] = known["id"].split("/")[1]
    return encoded({"Records": records})


def by_tens(make, all_of_them, *more):
    return [make(all_of_them[at : at + BATCH], *more) for at in range(0, len(all_of_them), BATCH)]


def one_by_one(make, all_of_them, *more):
    return [make([one], *more) for one in all_of_them]


class Pipeline:
    """Ingest, handlers, publisher and updater, and what they send."""

    def __init__(self, programs):
        self.programs, self.stub = programs, programs.stub

    def run(self, function, event):
        function.invoke(event)
        function.check()

    def accept(self, ingest, name, number, subject):
        """A command's HTTP request, and the message that ingest makes of it."""
        command = sample(name) | {"id": f"bench-{number}", "subject": subject}
        if "premium" in command["data"]:
            command["data"]["premium"] += number
        event = request(command)
        self.run(ingest, event)
        return event, self.stub.last("SendMessage")["MessageBody"]

    def commit(self, handler, event):
        self.run(handler, event)
        return self.stub.last("TransactWriteItems")["TransactItems"][0]["Put"]["Item"]

    def publish(self, publisher, commits):
        self.run(publisher, streamed(commits))
        form = dict(urllib.parse.parse_qsl(self.stub.tell("last", "PublishBatch")))
        entry = "PublishBatchRequestEntries.member.{}.Message"
        return [form[entry.format(number)] for number in range(1, len(form)) if entry.format(number) in form]


def make(programs):
    """All inputs by name. The stub learns its items on the way."""
    stub, line = programs.stub, Pipeline(programs)
    register(stub)
    ingest, publisher, updater = programs.waybill("ingest", "ingest"), programs.publisher(), programs.updater()
    policies, orders = programs.handler("policies", "policies"), programs.handler("orders", "orders")
    running = [ingest, publisher, updater, policies, orders]
    for function in running:
        function.start()
    accept = lambda *command: line.accept(ingest, *command)

    # A policy is bound, adjusted, and shown. All others are read as this one.
    stub.tell("learn", True)
    _, bind = accept("policies/bind-policy", 0, "new-policy")
    bound = line.commit(policies, queued([bind], "policies"))
    line.run(updater, delivered(line.publish(publisher, [bound])))
    _, adjust = accept("policies/adjust-premium", 1, "P-1")
    line.publish(publisher, [line.commit(policies, queued([adjust], "policies"))])
    stub.tell("learn", False)
    stub.tell("history", BATCH)

    adjusted = [accept("policies/adjust-premium", 100 + n, f"P-{n}") for n in range(VARIANTS)]
    of_one = [accept("policies/adjust-premium", 200 + n, "P-1")[1] for n in range(BATCH)]
    submitted = [accept("orders/submit-order", 300 + n, f"new-{n}") for n in range(VARIANTS)]
    commands = sample("policies/adjust-premium")
    many = [commands | {"id": f"bench-{400 + n}", "subject": f"P-{n}"} for n in range(BATCH)]
    messages, new = [message for _, message in adjusted], [message for _, message in submitted]
    inputs = {
        "ingest 1": [event for event, _ in adjusted],
        "ingest order": [event for event, _ in submitted],
        "ingest 10": [request(many, "cloudevents-batch+json")],
        "handle 1": one_by_one(queued, messages, "policies"),
        "handle 10": by_tens(queued, messages, "policies"),
        "handle one stream": [queued(of_one, "policies")],
        "handle order": one_by_one(queued, new, "orders"),
        "handle 10 orders": by_tens(queued, new, "orders"),
    }
    commits = [line.commit(policies, event) for event in inputs["handle 1"]]
    together = line.commit(policies, inputs["handle one stream"][0])
    opened = [line.commit(orders, event) for event in inputs["handle order"]]
    events = [event for commit in commits for event in line.publish(publisher, [commit])]
    events_of_one = line.publish(publisher, [together])
    first = [event for commit in opened for event in line.publish(publisher, [commit])]
    operation = json.loads(adjust)["operationid"]
    inputs |= {
        "publish 1": one_by_one(streamed, commits),
        "publish 10": by_tens(streamed, commits),
        "publish 50": [streamed((commits * 3)[:50])],
        "update 1": one_by_one(delivered, events),
        "update 10": by_tens(delivered, events),
        "update one stream": [delivered(events_of_one)],
        "update order": one_by_one(delivered, first),
        "update 10 orders": by_tens(delivered, first),
        "read document": [reading("/policies/P-1")],
        "read operation": [reading(f"/operations/{operation}")],
    }
    for name in ("update 1", "update 10", "update one stream", "update order", "update 10 orders"):
        for event in inputs[name]:
            line.run(updater, event)
    for function in running:
        function.stop()
    return inputs, messages[0]


def register(stub):
    """The tenant of the local stack, as its registry's table has it."""
    entries = []
    for entry in sample("registry/demo-tenant"):
        document = entry.pop("document", None)
        entries.append({name: {"S": value} for name, value in entry.items()})
        if document:
            entries[-1]["document"] = {"S": json.dumps(document)}
    stub.tell("registry", entries)


def letters(message, streams, of_each):
    """Dead letters of the context `policies`, made of one command: ids and operations differ."""
    made, hour = [], 3_600_000
    for number in range(of_each):
        for stream in range(streams):
            command = json.loads(message) | {"id": f"bench-{stream}-{number}", "subject": f"P-{stream}"}
            receipt = bytes([1]) + (int(time.time() * 1000) - hour).to_bytes(6, "big") + os.urandom(48)
            command["operationid"] = base64.urlsafe_b64encode(receipt).decode().rstrip("=")
            body = encoded(command).decode()
            identity = f"0b6f4f0e-6f2d-4a7c-{number:04d}-{stream:012d}"
            made.append({
                "MessageId": identity,
                "ReceiptHandle": "AQEB" * 60 + identity,
                "MD5OfBody": hashlib.md5(body.encode()).hexdigest(),
                "Body": body,
                "Attributes": {
                    "SentTimestamp": str(int(time.time() * 1000) - hour),
                    "MessageGroupId": f"{TENANT}/policies/P-{stream}",
                },
                "MessageAttributes": {
                    "attempts": {"DataType": "String", "StringValue": "0"},
                    "error": {"DataType": "String", "StringValue": "DynamoDB Query is unavailable: service error"},
                },
            })
    return {"queue": "policies-dead-letters.fifo", "messages": made}
