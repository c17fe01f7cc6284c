"""Rehearses the way back from a backup, as docs/runbooks.md tells it, on a deployed local stack with real functions.

Twice: items are damaged, and tables are gone. Every step that an operator takes is the command that they would type; what
came of it is seen from outside, through the API and by a subscriber of the topic. The local stack has no points in time,
so backups made before the damage stand in for them.
"""

import argparse
import json
import pathlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import boto3
from client import Client, wait_for
from stack import Stack

HERE = pathlib.Path(__file__).parent

TENANT = "demo"

# Read models are not brought back; they are made anew.
RESTORED = ("events", "operations", "parked", "guards", "registry")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--stack", required=True, type=pathlib.Path, help="the JSON file that describe.py wrote")
    described = json.loads(options.parse_args().stack.read_text())
    rehearsal = Rehearsal(described)
    rehearsal.begin()
    rehearsal.items_are_damaged()
    rehearsal.tables_are_gone()
    print("\nThe way back from a backup holds.")


class Rehearsal:
    def __init__(self, described):
        self.stack = Stack(described["stack_name"])
        self.client = Client(described, TENANT)
        self.neighbour = Client(described, "neighbour")
        self.subscriber = Subscriber(described)
        self.dynamodb = self.stack.dynamodb
        # By path, what a client reads of what was there at the backup, and of what came after.
        self.before, self.since = {}, {}

    def begin(self):
        tell("Commands go in: orders that are submitted, shipped and refused, and policies with a number each")
        ids = [f"O-{number}" for number in range(7)]
        paths = self.carry_out(
            [submit_order(order) for order in ids]
            + [command("ShipOrder", order, {"trackingNumber": "T-1"}) for order in ids[:4]]
            + [command("CancelOrder", ids[0], {"reason": "late"})]
            + [bind_policy(f"P-{number}", f"N-{number}") for number in range(3)]
            + [bind_policy("P-9", "N-0")]
        )
        self.before = self.seen(paths)
        outcomes = [body["status"] for path, (_, _, body) in self.before.items() if path.startswith("/operations/")]
        assert sorted(set(outcomes)) == ["rejected", "succeeded"], outcomes
        self.subscriber.wait_for(self.event_ids())
        saw(f"{len(outcomes)} outcomes, {len(self.event_ids())} events published")

        tell("A backup is made of every table, and life goes on")
        self.backups = {
            table: self.dynamodb.create_backup(TableName=name, BackupName=f"{table}-backup")["BackupDetails"]["BackupArn"]
            for table, name in self.stack.tables.items()
        }
        paths = self.carry_out([submit_order("O-20"), command("ShipOrder", "O-5", {"trackingNumber": "T-2"})])
        paths += self.carry_out([bind_policy("P-20", "N-20")])
        everything = self.seen([*self.before, *paths])
        self.since = {path: answer for path, answer in everything.items() if answer != self.before.get(path)}
        self.subscriber.wait_for(self.event_ids())
        saw(f"{len(self.since)} answers of the API are new or other than at the backup")

    def items_are_damaged(self):
        heading("Items are damaged")
        wanted = self.before | self.since
        tell("Streams, outcomes, a claim, documents and totals are deleted; a commit is altered")
        tables = self.stack.tables
        for order in ("O-1", "O-2"):
            self.delete(tables["events"], stream_id=f"{TENANT}/orders/{order}")
        self.delete(tables["events"], stream_id=f"{TENANT}/orders/O-3", commit_number=1)
        altered = self.items(tables["events"], stream_id=f"{TENANT}/orders/O-4")[0]
        self.dynamodb.put_item(TableName=tables["events"], Item=altered | {"events": {"S": "[]"}})
        # One of them is younger than the backup.
        younger = "O-20"
        for order in ("O-2", "O-6", younger):
            self.delete(tables["operations"], subject=order)
        self.delete(tables["guards"], holder="P-1")
        self.delete(tables["read-models"], id="O-1")
        self.delete(tables["read-models"], collection_key=f"{TENANT}#orders#totals#all")

        self.do("stop")
        tell("A command that is sent meanwhile is taken, and waits")
        waiting = self.neighbour.submit(submit_order("O-30"))
        assert self.neighbour.read(waiting)["status"] == "accepted"
        tell("The damaged tables are restored beside their originals, and what is missing is put back")
        for table in RESTORED:
            self.restore(table, copy := f"{tables[table]}-copy")
            self.do("put-back", table, "--from", copy)
        self.do("put-back", "events", "--from", f"{tables['events']}-copy", "--overwrite")
        self.do("check", expected=1)
        self.do("check", "--repair")
        self.do("check")
        self.make_read_models_anew()

        tell("Everything reads as before the damage, what is younger than the backup included")
        for path, (status, etag, body) in wanted.items():
            # Its record was in no backup. Its event says what became of it, and not what the command was called.
            if path.startswith("/operations/") and body["subject"] == younger:
                event = self.client.read(f"/orders/{younger}/history")[0]
                wanted[path] = (status, etag, body | {"type": "unknown", "finishedAt": event["time"]})
        self.expect(wanted)
        assert self.neighbour.outcome(waiting)["status"] == "succeeded"
        self.subscriber.wait_for(self.event_ids())
        saw(f"{len(wanted)} answers are the same, and the command that waited has succeeded")

    def tables_are_gone(self):
        heading("Tables are gone")
        tell("The tables of the events, of what is parked and of the read models are deleted")
        gone = ("events", "parked", "read-models")
        settings = {table: self.settings(table) for table in gone}
        stream = self.stream_arn()
        for table in gone:
            self.dynamodb.delete_table(TableName=self.stack.tables[table])

        self.do("stop")
        tell("They are restored under their own names, which are free now")
        for table in gone:
            self.restore(table, self.stack.tables[table])
            self.do("settings", table)
        tell("The stack is deployed with another EventsTableVersion, so that CloudFormation finds the new stream")
        self.deploy(EventsTableVersion="2")
        settings["events"]["tags"]["waybill:events-table-version"] = "2"
        for table in gone:
            assert (now := self.settings(table)) == settings[table], f"{table}: {now}, and not {settings[table]}"
        sources = [source["EventSourceArn"] for source in self.stack.event_sources()]
        assert self.stream_arn() in sources and stream not in sources, sources
        saw("the publisher reads the new stream, and not the one that is gone")
        # Its event source is new, and runs.
        self.do("stop")
        tell("What is lost may still be on its way to the read models")
        event = self.subscriber.got[f"{TENANT}/orders/O-5/2"]
        self.stack.sqs.send_message(QueueUrl=self.stack.queue("read-model-updates"), MessageBody=event)
        self.do("check", "--repair")
        self.do("check")
        self.make_read_models_anew()

        tell("Everything reads as at the backup; what came after it says that it is lost")
        self.expect(self.before)
        known_outside = sorted(self.subscriber.got.keys() - self.event_ids())
        saw(f"subscribers have events that are gone: {', '.join(known_outside)}")
        lost = [path for path in self.since if path.startswith("/operations/")]
        for path in lost:
            operation = self.client.read(path)
            assert operation["status"] == "discarded" and "backup" in operation["error"]["detail"], operation
        saw(f"{len(self.before)} answers are the same; {len(lost)} operations are discarded, and say why")
        self.life_goes_on()

    def life_goes_on(self):
        tell("New commands work, and a number whose policy was lost can be had again")
        paths = self.carry_out([submit_order("O-40"), command("ShipOrder", "O-5", {"trackingNumber": "T-3"})])
        paths += self.carry_out([bind_policy("P-40", "N-20")])
        after = self.seen([*self.before, *paths])
        statuses = {after[path][2]["status"] for path in paths if path.startswith("/operations/")}
        assert statuses == {"succeeded"}, statuses

        tell("A command that is sent again is known, and a number that was taken still is")
        again = self.carry_out([submit_order("O-1"), bind_policy("P-41", "N-1")])
        repeated, refused = (self.client.read(path) for path in again if path.startswith("/operations/"))
        assert (repeated["status"], repeated["resource"]["version"]) == ("succeeded", 1), repeated
        assert refused["status"] == "rejected" and refused["error"]["type"].endswith(":number-taken"), refused
        self.expect(after)

        tell("What subscribers may have missed is published again, and changes nothing")
        self.subscriber.forget()
        self.do("publish", "--since", "2026-01-01T00:00:00Z")
        self.subscriber.wait_for(self.event_ids())
        self.wait_until_read_models_are_done()
        self.expect(after)
        assert self.subscriber.got.keys() == self.event_ids(), self.subscriber.got.keys()
        saw(f"{len(self.event_ids())} events came again under their ids, and {len(after)} answers are the same")

    def make_read_models_anew(self):
        tell("The read models are made anew, and everything runs again")
        self.do("empty-read-models")
        self.do("start")
        self.do("publish", "--newest")
        self.wait_until_read_models_are_done()

    # What an operator does.

    def do(self, *arguments, expected=0):
        """A command of restore.py, with this exit status."""
        arguments = ["--stack", self.stack.name, *arguments]
        print("  $ restore.py", *arguments, flush=True)
        ended = subprocess.run([sys.executable, HERE / "restore.py", *arguments], stdout=subprocess.PIPE, text=True)
        for line in ended.stdout.splitlines():
            saw(line)
        assert ended.returncode == expected, f"exit status {ended.returncode}, and not {expected}"

    def restore(self, table, target):
        self.dynamodb.restore_table_from_backup(TargetTableName=target, BackupArn=self.backups[table])
        self.dynamodb.get_waiter("table_exists").wait(TableName=target, WaiterConfig={"Delay": 1})

    def deploy(self, **parameters):
        """The template as it was deployed, with other parameters."""
        cloudformation, name = self.stack.cloudformation, self.stack.name
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        kept = [{"ParameterKey": key, "UsePreviousValue": True} for key in self.stack.parameters if key not in parameters]
        cloudformation.update_stack(
            StackName=name,
            UsePreviousTemplate=True,
            Parameters=given + kept,
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        cloudformation.get_waiter("stack_update_complete").wait(StackName=name, WaiterConfig={"Delay": 1})

    # What goes wrong.

    def delete(self, table, **attributes):
        names = self.stack.key_names(table)
        items = self.items(table, **attributes)
        assert items, f"nothing with {attributes} is in {table}"
        for item in items:
            self.dynamodb.delete_item(TableName=table, Key={name: item[name] for name in names})

    def items(self, table, **attributes):
        pages = self.stack.scan(table, lambda items: items)
        wanted = {name: {"N": str(value)} if isinstance(value, int) else {"S": value} for name, value in attributes.items()}
        return [item for page in pages for item in page if all(item.get(name) == value for name, value in wanted.items())]

    # What is seen.

    def carry_out(self, commands):
        """Gives the paths to look at afterwards."""
        operations = [self.client.submit(event) for event in commands]
        for operation in operations:
            self.client.outcome(operation)
        self.wait_until_read_models_are_done()
        resources = {resource_of(event) for event in commands}
        return [*operations, *sorted(resources), *(f"{path}/history" for path in sorted(resources)), *OVERVIEWS]

    def seen(self, paths):
        with ThreadPoolExecutor(4) as pool:
            return dict(zip(paths, pool.map(self.client.get, paths)))

    def expect(self, wanted):
        for path, now in self.seen(wanted).items():
            assert now == wanted[path], f"{path} reads\n  {now}\nand not\n  {wanted[path]}"

    def event_ids(self):
        """Ids of all events of the tenant, as the table has them."""
        pages = self.stack.scan(self.stack.tables["events"], lambda items: items)
        return {
            f"{commit['stream_id']['S']}/{int(commit['first_version']['N']) + place}"
            for page in pages
            for commit in page
            for place, _ in enumerate(json.loads(commit["events"]["S"]))
        }

    def wait_until_read_models_are_done(self):
        queues = [self.stack.queue(name) for name in ("publisher-retries", "read-model-updates")]
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

        def waiting():
            asked = [self.stack.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names) for queue in queues]
            return sum(int(number) for answer in asked for number in answer["Attributes"].values())

        wait_for("the read models", waiting, lambda messages: messages == 0)

    def settings(self, table):
        name = self.stack.tables[table]
        described = self.dynamodb.describe_table(TableName=name)["Table"]
        tags = self.dynamodb.list_tags_of_resource(ResourceArn=described["TableArn"])["Tags"]
        return {
            "stream": described.get("StreamSpecification"),
            "indexes": sorted(index["IndexName"] for index in described.get("GlobalSecondaryIndexes", [])),
            "expiry": self.dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"],
            "tags": {tag["Key"]: tag["Value"] for tag in tags if not tag["Key"].startswith("aws:")},
        }

    def stream_arn(self):
        return self.dynamodb.describe_table(TableName=self.stack.tables["events"])["Table"]["LatestStreamArn"]


class Subscriber:
    """Another subscriber of the topic of domain events, which remembers what it got."""

    def __init__(self, described):
        self.sqs = boto3.client("sqs")
        self.queue = self.sqs.create_queue(QueueName="rehearsal-subscriber")["QueueUrl"]
        topic = described["event_topic"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]
        topic_may_send = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": attributes["QueueArn"],
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [topic_may_send]})
        self.sqs.set_queue_attributes(QueueUrl=self.queue, Attributes={"Policy": policy})
        boto3.client("sns").subscribe(
            TopicArn=topic,
            Protocol="sqs",
            Endpoint=attributes["QueueArn"],
            Attributes={"RawMessageDelivery": "true"},
        )
        # By the event's id.
        self.got = {}

    def wait_for(self, ids):
        """Waits until it has got these."""
        wait_for("events", self.receive, lambda _: ids <= self.got.keys())

    def forget(self):
        """Forgets what it got, what is still in its queue included."""
        wait_for("an empty queue", self.receive, lambda received: received == 0)
        self.got.clear()

    def receive(self):
        messages = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            self.got[json.loads(message["Body"])["id"]] = message["Body"]
            self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return len(messages)


# Lists and totals.
OVERVIEWS = ("/orders?customer=C-1", "/orders?status=shipped", "/policies?holder=H-1", "/reports/orders", "/reports/policies")


def submit_order(order):
    line = {"sku": "TEA", "quantity": 1, "unitPrice": {"amount": 1250, "currency": "EUR"}}
    return command("SubmitOrder", order, {"customer": "C-1", "lines": [line], "onAccount": True})


def bind_policy(policy, number):
    data = {"number": number, "holder": "H-1", "premium": 12900, "currency": "EUR"}
    return command("BindPolicy", policy, data | {"from": "2026-02-01", "until": "2027-02-01"})


def command(ty, subject, data):
    source = "https://broker.example/portal" if ty == "BindPolicy" else "https://shop.example/checkout"
    # The same again has the same id.
    event = {"specversion": "1.0", "id": f"{ty}-{subject}-{data.get('trackingNumber', 1)}", "source": source}
    return event | {"type": ty, "subject": subject, "data": data}


def resource_of(event):
    return f"/{'policies' if event['subject'].startswith('P-') else 'orders'}/{event['subject']}"


def heading(text):
    print(f"\n== {text}", flush=True)


def tell(text):
    print(f"\n-- {text}", flush=True)


def saw(text):
    print(f"   {text}", flush=True)


if __name__ == "__main__":
    main()
