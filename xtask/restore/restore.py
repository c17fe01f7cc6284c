"""What an operator needs for the way back from a backup: docs/runbooks.md, "Restore from a backup", says when to do what.

Needs boto3 and the credentials of an administrator. Every command may be run again, at any point: it does what is left
to do.
"""

import argparse
import json
import sys
import time
from collections import Counter
from datetime import datetime

from botocore.exceptions import ClientError
from check import check
from stack import TABLES, Stack

# Functions that write what a restore is about, and are not stopped with their event sources.
ON_DEMAND = ("redrive", "operator", "rebuild", "verifier")

# As in template.yaml: tables with a stream, those whose items expire, and the indexes of tables.
WITH_STREAM = ("events", "operations")
EXPIRING = ("operations",)
INDEXES = {"parked": {"by_waiting", "by_unsent"}, "read-models": {"keys_by_owner", "keys_by_state"},
           "webhooks": {"by_look_at", "by_due"}}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--stack", required=True, help="the stack's name")
    commands = options.add_subparsers(required=True, metavar="COMMAND")

    def command(name, work, told):
        parser = commands.add_parser(name, help=told, description=told)
        parser.set_defaults(work=work)
        return parser

    command("stop", stop, "Stop everything that writes. Commands are still taken, and wait in their queues.")
    command("start", start, "Let everything run again.")
    back = command("put-back", put_back, "Write what a table lacks from a copy of it. Nothing is deleted.")
    # Read models are made anew: totals of another moment than the documents would stay wrong.
    back.add_argument("table", choices=[table for table in TABLES if table != "read-models"])
    back.add_argument("--from", dest="copy", required=True, help="the copy's name")
    back.add_argument("--overwrite", action="store_true", help="write what is there and differs as well")
    settings_of = command("settings", settings, "Give a table that was restored under its own name its settings.")
    settings_of.add_argument("table", choices=TABLES)
    checked = command("check", consistent, "Hold the tables against each other, and tell what does not fit.")
    checked.add_argument("--repair", action="store_true", help="make it fit: the events are the truth")
    emptied = "Delete all read models and what is on its way to them, to be made anew by `publish --newest`."
    command("empty-read-models", empty_read_models, emptied)
    again = command("publish", publish, "Publish commits again, and so bring the read models forward.")
    again.add_argument("--since", type=moment, help="only commits from this time on (RFC 3339)")
    again.add_argument("--newest", action="store_true", help="only each stream's newest: enough for the read models")
    again.add_argument("--rate", type=float, default=100, help="commits a second (100)")

    given = options.parse_args()
    sys.exit(given.work(Stack(given.stack), given))


def stop(stack, _given):
    left = {source["UUID"]: source["EventSourceArn"] for source in stack.event_sources()}
    for source in list(left):
        try:
            stack.awslambda.update_event_source_mapping(UUID=source, Enabled=False)
        except ClientError as error:
            # It may be the source that is gone.
            print(f"not stopped: {left.pop(source)}: {error}")
    for function in ON_DEMAND:
        stack.awslambda.put_function_concurrency(
            FunctionName=f"{stack.name}-{function}", ReservedConcurrentExecutions=0
        )
    while running := [each for each in stack.event_sources() if each["UUID"] in left and each["State"] != "Disabled"]:
        print(f"{len(running)} event sources are still running")
        time.sleep(2)
    print(f"stopped: {len(left)} event sources,", ", ".join(ON_DEMAND))


def start(stack, _given):
    for function in ON_DEMAND:
        stack.awslambda.delete_function_concurrency(FunctionName=f"{stack.name}-{function}")
    sources = list(stack.event_sources())
    for source in sources:
        stack.awslambda.update_event_source_mapping(UUID=source["UUID"], Enabled=True)
    print(f"started: {len(sources)} event sources,", ", ".join(ON_DEMAND))


def put_back(stack, given):
    table = stack.tables[given.table]
    names = stack.key_names(table)
    now = time.time()

    def place(item):
        return tuple(str(item[name]) for name in names)

    def write(item, **condition):
        stack.dynamodb.put_item(TableName=table, Item=item, **condition)

    def page(items):
        counted = Counter()
        wanted = [item for item in items if float(item.get("expires_at", {}).get("N", now)) >= now]
        counted["expired"] = len(items) - len(wanted)
        keys = [{name: item[name] for name in names} for item in wanted]
        found = {place(item): item for item in stack.find(table, keys)}
        for item, key in zip(wanted, keys):
            there = found.get(place(item))
            if there == item:
                counted["there"] += 1
            elif there is None:
                # Whatever somebody has written meanwhile stays: a second run tells whether it is the same.
                write(item, ConditionExpression="attribute_not_exists(#key)", ExpressionAttributeNames={"#key": names[0]})
                counted["put back"] += 1
            elif given.overwrite:
                write(item)
                counted["overwritten"] += 1
            else:
                print(json.dumps({"differs": key}))
                counted["different"] += 1
        return counted

    counted = sum(stack.scan(given.copy, page), Counter())
    print(f"{given.table}:", ", ".join(f"{number} {what}" for what, number in sorted(counted.items())) or "nothing")


def settings(stack, given):
    name = stack.tables[given.table]
    dynamodb = stack.dynamodb
    ready = dynamodb.get_waiter("table_exists")
    ready.wait(TableName=name)
    table = dynamodb.describe_table(TableName=name)["Table"]
    if given.table in WITH_STREAM and not table.get("StreamSpecification", {}).get("StreamEnabled"):
        stream = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
        dynamodb.update_table(TableName=name, StreamSpecification=stream)
        ready.wait(TableName=name)
    expiry = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    if given.table in EXPIRING and expiry["TimeToLiveStatus"] == "DISABLED":
        dynamodb.update_time_to_live(
            TableName=name, TimeToLiveSpecification={"AttributeName": "expires_at", "Enabled": True}
        )
    if stack.parameters["Stage"] == "production":
        dynamodb.update_table(TableName=name, DeletionProtectionEnabled=True)
        ready.wait(TableName=name)
        dynamodb.update_continuous_backups(
            TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )
    stage = {"Key": "waybill:stage", "Value": stack.parameters["Stage"]}
    dynamodb.tag_resource(ResourceArn=table["TableArn"], Tags=[*stack.tags, stage])
    print(f"{given.table}: has its settings")
    indexes = {index["IndexName"] for index in table.get("GlobalSecondaryIndexes", [])}
    if lost := INDEXES.get(given.table, set()) - indexes:
        return f"But it lacks {', '.join(sorted(lost))}: `aws dynamodb update-table` adds an index, as template.yaml has it."


def consistent(stack, given):
    if given.repair:
        refuse_while_running(stack)
    return check(stack, given.repair)


def refuse_while_running(stack):
    """What functions write meanwhile would be taken for damage, or be damaged."""
    if any(source["State"] != "Disabled" for source in stack.event_sources()):
        sys.exit("Functions are running: `stop` first.")


def empty_read_models(stack, _given):
    refuse_while_running(stack)
    # Events that are in no table any more may be among them. All others are published again.
    for queue in ("read-model-updates", "read-model-dead-letters", "read-model-undelivered"):
        stack.sqs.purge_queue(QueueUrl=stack.queue(queue))
    table = stack.tables["read-models"]
    names = stack.key_names(table)

    def page(items):
        for item in items:
            stack.dynamodb.delete_item(TableName=table, Key=item)
        return len(items)

    keys = {f"#{place}": name for place, name in enumerate(names)}
    deleted = sum(stack.scan(table, page, ProjectionExpression=", ".join(keys), ExpressionAttributeNames=keys))
    print(f"read-models: {deleted} deleted, their queues emptied. SQS needs a minute for that: `start` after it.")


def publish(stack, given):
    since = given.since.timestamp() * 1000 if given.since else 0

    def page(items):
        return [
            (item["stream_id"]["S"], int(item["commit_number"]["N"]))
            for item in items
            if int(item["committed_at"]["N"]) >= since
        ]

    keys = "stream_id, commit_number, committed_at"
    pages = stack.scan(stack.tables["events"], page, ProjectionExpression=keys)
    commits = sorted(commit for page in pages for commit in page)
    if given.newest:
        commits = sorted(dict(commits).items())
    queue = stack.queue("publisher-retries")
    started = time.monotonic()
    for first in range(0, len(commits), 10):
        time.sleep(max(0, started + first / given.rate - time.monotonic()))
        batch = [{"stream_id": stream, "commit_number": number} for stream, number in commits[first : first + 10]]
        send_all(stack.sqs, queue, [{"Id": str(at), "MessageBody": json.dumps(body)} for at, body in enumerate(batch)])
        if first and first % 1000 == 0:
            print(f"{first} of {len(commits)} commits")
    print(f"{len(commits)} commits are to be published again")


def send_all(sqs, queue, entries):
    while entries:
        failed = {entry["Id"] for entry in sqs.send_message_batch(QueueUrl=queue, Entries=entries).get("Failed", [])}
        entries = [entry for entry in entries if entry["Id"] in failed]


def moment(text):
    since = datetime.fromisoformat(text)
    if since.tzinfo is None:
        raise argparse.ArgumentTypeError("a time has its zone, as in 2026-01-15T09:30:00Z")
    return since


if __name__ == "__main__":
    main()
