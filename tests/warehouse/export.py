"""Domain events on their way to a data warehouse, on a deployed local stack: published by the functions, written by
Firehose, read by DuckDB with the views of docs/warehouse.md.

The local stack takes the topic's subscription to Firehose and delivers nothing. So a queue is subscribed in the same way,
and what it gets is put into the stream.

The variable WAYBILL_STACK names the description of the stack.
"""

import base64
import copy
import gzip
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta, timezone

import boto3
import duckdb
from installation import Installation, fresh, until

ROOT = pathlib.Path(__file__).parents[2]
PAGE = ROOT / "docs/warehouse.md"
TENANT = "warehouse"
VERIFYING = ["missing_versions", "contradictory_events", "unexplained_events", "payment_mismatches"]


class Export:
    """The export of a stack, and a queue with what it should export of the tenant."""

    def __init__(self, stack):
        self.clients = {name: boto3.client(name, endpoint_url=stack["endpoint"]) for name in ("sqs", "sns", "s3", "firehose")}
        self.stack, self.name, self.topic = stack, f"{stack['stack_name']}-event-export", stack["event_topic"]
        self.bucket = stack["outputs"]["EventExportBucket"]
        self.undelivered = self.clients["sqs"].get_queue_url(QueueName=f"{self.name}-undelivered")["QueueUrl"]
        self.before = set(self.keys())

        self.queue = self.clients["sqs"].create_queue(QueueName=fresh("warehouse"))["QueueUrl"]
        arn = self.clients["sqs"].get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": self.topic}}}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.clients["sqs"].set_queue_attributes(QueueUrl=self.queue, Attributes={"Policy": policy})
        attributes = {"RawMessageDelivery": "true", "FilterPolicy": json.dumps({"tenant": [TENANT]})}
        subscribed = self.clients["sns"].subscribe(
            TopicArn=self.topic, Protocol="sqs", Endpoint=arn, Attributes=attributes, ReturnSubscriptionArn=True)
        self.subscription, self.events = subscribed["SubscriptionArn"], {}

    def close(self):
        self.clients["sns"].unsubscribe(SubscriptionArn=self.subscription)
        self.clients["sqs"].delete_queue(QueueUrl=self.queue)

    def receive(self):
        """What came to the queue meanwhile is among the events then, each once, as it came."""
        found = self.clients["sqs"].receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in found.get("Messages", []):
            self.events[json.loads(message["Body"])["id"]] = message["Body"]
            self.clients["sqs"].delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])

    def wait_for(self, aggregate, *types):
        """Until events of these types are published of the aggregate."""
        def published():
            self.receive()
            return {event["type"] for event in map(json.loads, self.events.values()) if event["subject"] == aggregate}

        wait(f"{', '.join(types)} of {aggregate}", published, lambda seen: seen >= set(types))

    def put(self, texts):
        """Into the stream, as SNS would; with the newline that the stream adds on AWS."""
        records = [{"Data": f"{text}\n"} for text in texts]
        answer = self.clients["firehose"].put_record_batch(DeliveryStreamName=self.name, Records=records)
        assert answer["FailedPutCount"] == 0, answer

    def keys(self):
        pages = self.clients["s3"].get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def written(self, below, count):
        """The objects that were written meanwhile, once there are so many. One more would come from the topic."""
        def new():
            return sorted(key for key in self.keys() if key.startswith(below) and key not in self.before)

        wait(f"{count} objects below {below} in {self.bucket}", new, lambda seen: len(seen) >= count)
        assert len(new()) == count, f"{len(new())} objects for {count} records: has the topic delivered? {new()}"
        return {key: self.clients["s3"].get_object(Bucket=self.bucket, Key=key)["Body"].read() for key in new()}

    def send_again(self, *options):
        script = [sys.executable, ROOT / "xtask/export/send_again.py", "--stack", self.stack["stack_name"], "--newline", *options]
        environment = os.environ | {"AWS_ENDPOINT_URL": self.stack["endpoint"]}
        ended = subprocess.run(script, env=environment, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout


class Warehouse:
    """DuckDB with the views of the page, on files of the bucket."""

    def __init__(self, objects):
        self.folder = tempfile.TemporaryDirectory()
        for at, (key, body) in enumerate(objects.items()):
            # Every second one as on AWS.
            file = pathlib.Path(self.folder.name, f"{key}.gz" if at % 2 else key)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(gzip.compress(body) if at % 2 else body)
        self.duckdb = duckdb.connect()
        # The page's path is relative.
        self.duckdb.execute("SET file_search_path = ?", [self.folder.name])
        for view in views():
            self.duckdb.execute(view)

    def rows(self, query):
        answer = self.duckdb.execute(query)
        names = [column[0] for column in answer.description]
        return [dict(zip(names, row)) for row in answer.fetchall()]

    def findings(self):
        return {view: self.rows(f"FROM {view} ORDER BY ALL") for view in VERIFYING}

    def report(self):
        """As `GET /reports/orders` tells it of the tenant, by day and name."""
        rows = self.rows(f"FROM order_report WHERE tenant = '{TENANT}'")
        return {(str(row["day"]), row["name"]): row["value"] for row in rows}


def wait(what, see, is_right):
    """Until it is right; if it never is, the failure says what was seen."""
    try:
        until(what, lambda: is_right(see()))
    except AssertionError as failure:
        raise AssertionError(f"{failure}; there are {see()}") from None


def views():
    """The page's SQL, in its order."""
    return re.findall(r"^```sql\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def main():
    here = Installation(os.environ["WAYBILL_STACK"], TENANT)
    export = Export(here.stack)
    try:
        check(here, export)
    finally:
        export.close()


def check(here, export):
    subscriptions = export.clients["sns"].list_subscriptions_by_topic(TopicArn=export.topic)["Subscriptions"]
    assert any(each["Protocol"] == "firehose" and each["Endpoint"].endswith(f"/{export.name}") for each in subscriptions), subscriptions
    report = totals(here)

    paid, unpaid, cancelled = ordered(here, export), ordered(here, export), ordered(here, export)
    shipped, operation = here.submit_order()
    here.succeeded(operation)
    here.succeeded(here.send("ShipOrder", paid, {"carrier": "DHL", "trackingNumber": "00340"}))
    here.succeeded(here.send("ShipOrder", shipped, {"carrier": "DHL", "trackingNumber": "00341"}))
    here.succeeded(here.send("CancelOrder", cancelled, {"reason": "no longer wanted"}))
    export.wait_for(paid, "OrderShipped")
    export.wait_for(shipped, "OrderShipped")
    export.wait_for(cancelled, "OrderCancelled", "RefundSucceeded")
    events = {id: json.loads(text) for id, text in export.events.items()}
    of = lambda order, kind: next(event for event in events.values() if (event["subject"], event["type"]) == (order, kind))

    # One version in the middle, and all of one order's payment, are not delivered at first. Two events come twice.
    gap = of(paid, "OrderConfirmed")["id"]
    payment = {id for id, event in events.items() if id.startswith(f"{TENANT}/payments/{unpaid}/")}
    withheld = {gap} | payment
    twice = [of(paid, "OrderSubmitted")["id"], of(shipped, "OrderShipped")["id"]]
    delivered = [id for id in events if id not in withheld] + twice
    export.put(export.events[id] for id in delivered)
    objects = export.written("events/", len(delivered))
    for key, body in objects.items():
        event = json.loads(body)
        assert key.startswith(f"events/day={event['time'][:10]}/type={event['type']}/arrived-"), (key, event)

    # Nothing is judged yet: what is missing may be on its way.
    warehouse = Warehouse(objects)
    assert not any(warehouse.findings().values()), warehouse.findings()
    repeated = {row["id"] for row in warehouse.rows("FROM events WHERE times_delivered = 2")}
    assert repeated == set(twice), repeated
    assert len(warehouse.rows("FROM events")) == len(delivered) - len(twice), warehouse.rows("SELECT id FROM events")

    # A day later it is. The events of that day are another tenant's.
    later = of(shipped, "OrderSubmitted") | {"id": "clock/checks/tomorrow/1", "tenantid": "clock", "causationid": "tick", "type": "CheckRecorded"}
    later |= {"time": shifted(later["time"], days=2), "sequence": f"{1:020}", "source": later["source"].replace("orders", "checks")}
    export.put([json.dumps(later)])
    objects = export.written("events/", len(delivered) + 1)
    found = Warehouse(objects).findings()
    missing = [(row["stream"], row["first_missing"], row["last_missing"], row["at_the_beginning"]) for row in found["missing_versions"]]
    assert missing == [(gap.rpartition("/")[0], 2, 2, False)], missing
    wrong = {row["order_id"]: row["finding"] for row in found["payment_mismatches"]}
    assert wrong == {
        paid: "charged, and neither confirmed nor given back", unpaid: "order without a payment"}, wrong
    assert not found["contradictory_events"] and not found["unexplained_events"], found

    altered([*events.values(), later], of, paid, unpaid, shipped)

    # What SNS could not hand over, and what Firehose could not write, is sent again; what is no event stays where it is.
    for id in withheld - {gap}:
        export.clients["sqs"].send_message(QueueUrl=export.undelivered, MessageBody=export.events[id])
    export.put(["no event"])
    ((garbage, error),) = export.written("errors/processing-failed/", 1).items()
    lost = json.loads(error) | {"rawData": base64.b64encode(export.events[gap].encode()).decode()}
    export.clients["s3"].put_object(Bucket=export.bucket, Key=f"{garbage}-of-an-event", Body=json.dumps(lost).encode())
    told = export.send_again("--errors")
    assert f"{len(payment)} events that SNS" in told and "1 events that Firehose" in told and garbage in told, told
    objects = export.written("events/", len(delivered) + 1 + len(withheld))
    assert list(export.written("errors/", 1)) == [garbage]
    export.clients["s3"].delete_object(Bucket=export.bucket, Key=garbage)

    # Then all is there, and the reports say the same.
    warehouse = Warehouse(objects)
    assert not any(warehouse.findings().values()), warehouse.findings()
    for order, status in ((paid, "shipped"), (unpaid, "confirmed"), (cancelled, "cancelled"), (shipped, "shipped")):
        wait(f"{order} is read as {status}", lambda: here.ask("GET", f"/orders/{order}")[1]["status"], status.__eq__)
    added, told = difference(totals(here), report), warehouse.report()
    assert added == told, f"the read models have {added}, and the export {told}"
    assert sum(value for (_, name), value in told.items() if not name.startswith("amount:")) == 4, told
    print(f"{len(events)} events in {len(objects)} files: {told}")


def ordered(here, export):
    """An order that is to be paid, and is."""
    order = fresh("O")
    line = {"sku": "TEA-1", "quantity": 3, "unitPrice": {"amount": 450, "currency": "EUR"}}
    here.succeeded(here.send("SubmitOrder", order, {"customer": fresh("C"), "lines": [line]}))
    export.wait_for(order, "ChargeSucceeded", "OrderConfirmed")
    return order


def altered(events, of, paid, unpaid, shipped):
    """Events as they must never be. Each view finds what was done to them, and no other finds anything."""
    def exported(*changed):
        replaced = {event["id"] for event in changed if event.pop("replaces", True)}
        kept = [event for event in events if event["id"] not in replaced]
        path = "events/day={}/type={}/{}".format
        return Warehouse({path(event["time"][:10], event["type"], at): json.dumps(event).encode()
            for at, event in enumerate([*kept, *changed])})

    def findings(*changed):
        found = exported(*changed).findings()
        return {(view, row.get("finding") or row["first_missing"]) for view, rows in found.items() for row in rows}

    assert findings() == set(), findings()
    begun, charge, shipment = of(paid, "OrderSubmitted"), of(paid, "ChargeRequested"), of(shipped, "OrderShipped")
    dearer = copy.deepcopy(charge)
    dearer["data"]["amount"]["amount"] += 1
    apart = begun | {"id": begun["id"].replace(paid, "O-apart"), "subject": "O-apart"}
    charged = of(unpaid, "ChargeSucceeded")
    again = charged | {"id": f"{TENANT}/payments/{unpaid}/3", "sequence": f"{3:020}", "causationid": "again"}
    unconfirmed = of(unpaid, "OrderConfirmed") | {"type": "OrderShipped"}
    orphan = charge | {"id": charge["id"].replace(paid, "O-orphan"), "subject": "O-orphan", "causationid": "another"}
    for expected, *changed in (
        ({("missing_versions", 1)}, shipment | {"id": shipment["id"].replace(shipped, "O-late"), "subject": "O-late", "causationid": "one"}),
        ({("contradictory_events", "repeats differ")}, shipment | {"data": {}, "replaces": False}),
        ({("contradictory_events", "time runs backwards")}, shipment | {"time": shifted(shipment["time"], days=-1)}),
        ({("contradictory_events", "sequence is another")}, shipment | {"sequence": f"{7:020}"}),
        ({("unexplained_events", "names no cause")}, shipment | {"causationid": ""}),
        ({("unexplained_events", "names no cause")}, {name: value for name, value in shipment.items() if name != "correlationid"}),
        ({("unexplained_events", "operation took effect twice")}, shipment | {
            "id": f"{TENANT}/orders/{shipped}/3", "sequence": f"{3:020}", "time": shifted(shipment["time"], days=1)}),
        ({("unexplained_events", "operation took effect twice"), ("payment_mismatches", "order without a payment")}, apart),
        ({("payment_mismatches", "amounts differ")}, dearer),
        ({("payment_mismatches", "payment without an order")}, orphan),
        ({("payment_mismatches", "payment does not end")}, charged | {"type": "VoidRequested"}),
        ({("payment_mismatches", "charged twice")}, again),
        ({("payment_mismatches", "charged, and neither confirmed nor given back")}, unconfirmed),
        (set(), unconfirmed, again | {"type": "RefundRequested"}),
    ):
        found = findings(*changed)
        assert found == expected, f"{changed} shows as {found}, and not as {expected}"
    # An order that was shipped and is exported as confirmed is in the report as that.
    expected, told = exported().report(), exported(shipment | {"type": "OrderConfirmed"}).report()
    changed = {name: told.get((day, name), 0) - expected.get((day, name), 0) for day, name in told.keys() | expected.keys()}
    assert {name: by for name, by in changed.items() if by} == {"confirmed": 1, "shipped": -1}, (expected, told)


def shifted(time, days):
    moved = datetime.fromisoformat(time) + timedelta(days=days)
    return moved.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def totals(here):
    """The report of yesterday, today and tomorrow, by day and name: the test may run through midnight."""
    today = datetime.now(timezone.utc).date()
    first, last = today - timedelta(days=1), today + timedelta(days=1)
    days = here.ask("GET", f"/reports/orders?from={first}&to={last}")[1]["days"]
    return {(each["day"], name): value for each in days for name, value in each["totals"].items()}


def difference(after, before):
    changed = {key: value - before.get(key, 0) for key, value in after.items()}
    return {key: value for key, value in changed.items() if value}


if __name__ == "__main__":
    main()
