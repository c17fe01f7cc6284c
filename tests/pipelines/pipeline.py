"""A tenant's own queue on a deployed local stack: consumer.py takes commands from it and reports, and clients see what it says.

The variable WAYBILL_STACK names the description of the stack.
"""

import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import boto3

# What is waited for comes within this, on a slow machine; if not, the test fails.
PATIENCE = 180
# How long the consumer has to report.
WITHIN = 5

STACK = json.loads(pathlib.Path(os.environ["WAYBILL_STACK"]).read_text())
TENANT = "legacy"
SOURCE = "https://legacy.example/"
FRESH = f"{time.time_ns():x}"


def main():
    queue = new_queue()
    register("settings", grants=[grant()], routes=[{"source": SOURCE, "queue": queue}])
    register("pipelines", reports=[grant()], reportWithinSeconds=WITHIN)
    access = token()

    bought, refused = submit(access, "TEA-1", 2), submit(access, "TEA-1", 50)
    consume(queue, access)
    done = until("the order is reported", access, bought, "succeeded")
    assert done["resource"]["href"].startswith("https://legacy.example/orders/"), done
    assert until("the refusal is reported", access, refused, "rejected")["error"]["type"].endswith(":own:out-of-stock")

    forgotten = submit(access, "TEA-1", 1)
    until("nobody has reported in time", access, forgotten, "parked")
    consume(queue, access)
    until("it is reported after all", access, forgotten, "succeeded")


def new_queue():
    """With a policy that lets ingest send, as docs/deploy.md says."""
    sqs = boto3.client("sqs", endpoint_url=STACK["endpoint"])
    queue = sqs.create_queue(QueueName=f"legacy-{FRESH}.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    iam = boto3.client("iam", endpoint_url=STACK["endpoint"])
    roles = [role for page in iam.get_paginator("list_roles").paginate() for role in page["Roles"]]
    ingest = next(role["Arn"] for role in roles if "IngestRole" in role["RoleName"])
    # The local stack takes a batch for a right of its own.
    actions = ["sqs:SendMessage", "sqs:SendMessageBatch"]
    statement = {"Effect": "Allow", "Principal": {"AWS": ingest}, "Action": actions, "Resource": arn}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    return queue


def grant():
    return {"principals": [f"client:{STACK['tenants'][TENANT]['client_id']}"], "types": ["*"], "sources": [SOURCE]}


def register(entry, **document):
    dynamodb = boto3.client("dynamodb", endpoint_url=STACK["endpoint"])
    item = {"registry_key": f"tenant#{TENANT}", "entry": entry, "document": json.dumps(document)}
    dynamodb.put_item(TableName=STACK["tables"]["registry"], Item={name: {"S": value} for name, value in item.items()})


def token():
    client = STACK["tenants"][TENANT]
    form = {name: client[name] for name in ("client_id", "client_secret")}
    form |= {"grant_type": "client_credentials", "scope": "waybill/submit waybill/read"}
    with urllib.request.urlopen(STACK["token_url"], urllib.parse.urlencode(form).encode()) as answer:
        return json.load(answer)["access_token"]


def submit(access, sku, quantity):
    """An order; gives where its operation is."""
    line = {"sku": sku, "quantity": quantity, "unitPrice": {"amount": 450, "currency": "EUR"}}
    order = {"specversion": "1.0", "id": f"{time.time_ns():x}", "source": SOURCE, "type": "SubmitOrder",
             "subject": f"O-{time.time_ns():x}", "data": {"customer": "C-7", "onAccount": True, "lines": [line]}}
    headers = {"Content-Type": "application/cloudevents+json", "Authorization": f"Bearer {access}"}
    request = urllib.request.Request(f"{STACK['api_url']}/commands", json.dumps(order).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        return answer.headers["Location"]


def consume(queue, access):
    variables = {"API_URL": STACK["api_url"], "QUEUE_URL": queue, "ACCESS_TOKEN": access, "AWS_ENDPOINT_URL": STACK["endpoint"]}
    consumer = pathlib.Path(__file__).with_name("consumer.py")
    subprocess.run([sys.executable, consumer], env=os.environ | variables, check=True, timeout=PATIENCE)


def until(what, access, operation, status):
    end = time.monotonic() + PATIENCE
    while True:
        request = urllib.request.Request(operation, headers={"Authorization": f"Bearer {access}"})
        with urllib.request.urlopen(request) as answer:
            found = json.load(answer)
        if found["status"] == status:
            return found
        assert time.monotonic() < end, f"{what}: not within {PATIENCE} s, but {found}"
        time.sleep(1)


if __name__ == "__main__":
    main()
