"""A consumer of a tenant's own queue: takes commands, carries them out in its own way, and reports what became of them."""

import json
import os
import urllib.request

import boto3

API, QUEUE, TOKEN = os.environ["API_URL"], os.environ["QUEUE_URL"], os.environ["ACCESS_TOKEN"]
STOCK = {"TEA-1": 20}


def carry_out(command):
    """What this system does with a command. It may get one twice, and `source` and `id` tell."""
    for line in command["data"]["lines"]:
        if line["quantity"] > STOCK.get(line["sku"], 0):
            return {"status": "rejected", "reason": "out-of-stock", "detail": f"There is not enough of {line['sku']}"}
    return {"status": "succeeded", "resource": {"href": f"https://legacy.example/orders/{command['subject']}", "version": 1}}


def report(command, outcome):
    body = json.dumps(outcome | {"command": command}).encode()
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    url = f"{API}/operations/{command['operationid']}/outcome"
    # Raises for every answer but 2xx: then the message comes again, and the same report again does no harm.
    urllib.request.urlopen(urllib.request.Request(url, body, headers, method="PUT"), timeout=30).close()


sqs = boto3.client("sqs")
while messages := sqs.receive_message(QueueUrl=QUEUE, WaitTimeSeconds=2, MaxNumberOfMessages=10).get("Messages"):
    for message in messages:
        command = json.loads(message["Body"])
        report(command, carry_out(command))
        sqs.delete_message(QueueUrl=QUEUE, ReceiptHandle=message["ReceiptHandle"])
