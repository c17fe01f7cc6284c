"""Brings events into the export to the warehouse that did not get there: what SNS could not hand to Firehose, and on
request what Firehose could not write. docs/runbooks.md, "The export of events fails", says when.

Needs boto3 and the credentials of an administrator. It may be run again, at any point: it does what is left to do. Whoever
reads the export knows an event that is there twice by its source and id.
"""

import argparse
import base64
import gzip
import json

import boto3

# What one PutRecordBatch takes: records, and bytes.
MOST, MOST_BYTES = 500, 4 * 1024 * 1024
ERRORS = "errors/"


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--stack", required=True, help="the stack's name")
    options.add_argument("--errors", action="store_true", help=f"also what is below {ERRORS} in the bucket")
    options.add_argument("--newline", action="store_true", help="end each record with one, as the local stack does not")
    given = options.parse_args()

    export = Export(given.stack, given.newline)
    print(f"{undelivered(export)} events that SNS could not hand over were sent again")
    if given.errors:
        print(f"{failed(export)} events that Firehose could not write were sent again")


class Export:
    def __init__(self, stack, newline):
        described = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
        self.stream, self.bucket = f"{stack}-event-export", outputs["EventExportBucket"]
        self.queue = f"{stack}-event-export-undelivered"
        self.end = b"\n" if newline else b""
        self.firehose = boto3.client("firehose")

    def put(self, events):
        """Puts events, as bytes, into the stream. For each, whether the stream has taken it."""
        taken = []
        for batch in batches(events):
            records = [{"Data": event.rstrip(b"\n") + self.end} for event in batch]
            answer = self.firehose.put_record_batch(DeliveryStreamName=self.stream, Records=records)
            taken += ["ErrorCode" not in response for response in answer["RequestResponses"]]
        return taken


def batches(events):
    batch, size = [], 0
    for event in events:
        if batch and (len(batch) == MOST or size + len(event) >= MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += len(event) + 1
    if batch:
        yield batch


def undelivered(export):
    """A message is deleted when the stream has its event."""
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=export.queue)["QueueUrl"]
    sent = 0
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages"):
        taken = export.put([message["Body"].encode() for message in messages])
        done = [message for message, is_taken in zip(messages, taken) if is_taken]
        if not done:
            raise SystemExit(f"Firehose takes nothing; {sent} events were sent before")
        entries = [{"Id": str(at), "ReceiptHandle": message["ReceiptHandle"]} for at, message in enumerate(done)]
        sqs.delete_message_batch(QueueUrl=url, Entries=entries)
        sent += len(done)
    return sent


def failed(export):
    """An object is deleted when the stream has all its events. One whose records are no events stays."""
    s3 = boto3.client("s3")
    sent = 0
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=export.bucket, Prefix=ERRORS):
        for key in [found["Key"] for found in page.get("Contents", [])]:
            body = s3.get_object(Bucket=export.bucket, Key=key)["Body"].read()
            lines = (gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body).splitlines()
            events = [base64.b64decode(json.loads(line)["rawData"]) for line in lines if line.strip()]
            if not all(map(is_event, events)):
                print(f"left as it is, for there is something in it that is no event: {key}")
                continue
            if not all(export.put(events)):
                raise SystemExit(f"Firehose does not take all of {key}; {sent} events were sent before")
            s3.delete_object(Bucket=export.bucket, Key=key)
            sent += len(events)
    return sent


def is_event(text):
    """Whether Firehose can say where it belongs."""
    try:
        event = json.loads(text)
        return isinstance(event["type"], str) and isinstance(event["time"], str)
    except (ValueError, TypeError, KeyError):
        return False


if __name__ == "__main__":
    main()
