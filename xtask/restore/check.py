"""Whether the tables fit together. The events are the truth, and everything else is held against them.

| finding | means | repair |
| --- | --- | --- |
| `gap` | a stream lacks commits in the middle | none: look for them in another copy |
| `no-outcome` | a command's events are there, and its operation does not say so | it says `succeeded` |
| `other-content` | the same, and the command's id has been used for other content since | none: talk to the client |
| `no-events` | an operation says `succeeded`, and its events are gone | it says `discarded`, and why |
| `orphan-claim` | an aggregate that does not exist holds a claim | the claim is deleted |

What handlers commit while this reads may look as if it did not fit: nothing is repaired unless they are stopped.
"""

import base64
import json
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timezone

FINDINGS = ("gap", "no-outcome", "other-content", "no-events", "orphan-claim")
NOT_REPAIRED = ("gap", "other-content")

GONE = (
    "what it did was lost, and is not in the backup that was restored; if it is still wanted, send it again under a new id"
)

DAY = 24 * 60 * 60

# Records outlast the retention by the time that a command can be on its way.
LONGEST_WAY_DAYS = 28


def check(stack, repair):
    """Prints each finding as a line of JSON, then how many there are. Returns whether some are left."""
    checking = Checking(stack, repair)
    streams = checking.events()
    checking.operations(streams)
    checking.claims(streams)
    found = checking.found
    print(f"{len(streams)} streams;", ", ".join(f"{found[each]} {each}" for each in FINDINGS if found[each]) or "all fits")
    return any(found[each] for each in (NOT_REPAIRED if repair else FINDINGS))


@dataclass
class Extent:
    """What there is of a stream."""

    commits: int = 0
    events: int = 0
    commit_number: int = 0
    version: int = 0

    def add(self, other):
        self.commits += other.commits
        self.events += other.events
        self.commit_number = max(self.commit_number, other.commit_number)
        self.version = max(self.version, other.version)

    def is_whole(self):
        return self.commits == self.commit_number and self.events == self.version


@dataclass
class Outcome:
    """What a commit says of a command behind it."""

    stream: str
    receipt: bytes
    version: int
    committed_at: int
    # Who sent it, and its last revision. Events of releases before do not say.
    who: dict
    revision: int

    @property
    def key(self):
        tenant = self.stream.split("/", 1)[0]
        return f"{tenant}#{self.receipt[7:23].hex()}"

    @property
    def digest(self):
        return self.receipt[23:39].hex()


def principal(of):
    return {"M": {"id": {"S": of["id"]}, "type": {"S": of["type"]}}}


class Checking:
    def __init__(self, stack, repair):
        self.stack = stack
        self.repair = repair
        self.found = Counter()
        self.retention = (int(stack.parameters["OperationRetentionDays"]) + LONGEST_WAY_DAYS) * DAY

    def tell(self, finding, **about):
        self.found[finding] += 1
        print(json.dumps({"finding": finding, **about}))

    def events(self):
        """Checks that streams are whole, and that the commands behind them have their outcome. Gives the streams."""
        streams = {}
        wanted = "stream_id, commit_number, first_version, events, committed_at"
        for extents in self.stack.scan(self.stack.tables["events"], self.commits, ProjectionExpression=wanted):
            for stream, extent in extents:
                streams.setdefault(stream, Extent()).add(extent)
        for stream, extent in streams.items():
            if not extent.is_whole():
                self.tell("gap", stream_id=stream, commits=extent.commits, newest=extent.commit_number)
        return streams

    def commits(self, items):
        extents, outcomes = [], {}
        for item in items:
            stream, number = item["stream_id"]["S"], int(item["commit_number"]["N"])
            events = json.loads(item["events"]["S"])
            version = int(item["first_version"]["N"]) - 1
            for event in events:
                version += 1
                who = {name: principal(event[name]) for name in ("principal", "repaired_by") if name in event}
                outcome = Outcome(
                    stream,
                    receipt(event["operation"]),
                    version,
                    int(item["committed_at"]["N"]),
                    who,
                    event.get("revision", 0),
                )
                outcomes[outcome.key] = outcome
            extents.append((stream, Extent(1, len(events), number, version)))
        self.outcomes(outcomes)
        return extents

    def outcomes(self, outcomes):
        """Operations that have expired need none."""
        oldest = (time.time() - self.retention) * 1000
        outcomes = {key: outcome for key, outcome in outcomes.items() if outcome.committed_at > oldest}
        table = self.stack.tables["operations"]
        records = self.stack.find(table, [{"operation_key": {"S": key}} for key in outcomes])
        records = {record["operation_key"]["S"]: record for record in records}
        for key, outcome in outcomes.items():
            record = records.get(key, {})
            if not record or record["digest"]["S"] == outcome.digest:
                if record.get("outcome") != {"S": "succeeded"}:
                    self.tell("no-outcome", operation_key=key, stream_id=outcome.stream, version=outcome.version)
                    self.succeed(outcome, record)
            else:
                self.tell("other-content", operation_key=key, stream_id=outcome.stream, version=outcome.version)

    def succeed(self, outcome, record):
        """Writes what the command handler would have. The command's type is not among the events."""
        if not self.repair:
            return
        _, context, *aggregate_type, aggregate = outcome.stream.split("/")
        record = {
            "command_type": {"S": "unknown"},
            **record,
            **outcome.who,
            "revision": {"N": str(outcome.revision)},
            "operation_key": {"S": outcome.key},
            "outcome": {"S": "succeeded"},
            "digest": {"S": outcome.digest},
            "context": {"S": context},
            **({"aggregate_type": {"S": aggregate_type[0]}} if aggregate_type else {}),
            "subject": {"S": aggregate},
            "version": {"N": str(outcome.version)},
            # An aggregate type's first read model is called what the type is, and a context's first type what the context is.
            "resource": {"S": f"/{(aggregate_type or [context])[0]}/{aggregate}"},
            "recorded_at": {"S": rfc3339(outcome.committed_at)},
            "expires_at": {"N": str(outcome.committed_at // 1000 + self.retention)},
        }
        for unfinished in ("problem", "attempt", "failed_at"):
            record.pop(unfinished, None)
        self.stack.dynamodb.put_item(TableName=self.stack.tables["operations"], Item=record)

    def operations(self, streams):
        def page(items):
            for item in items:
                tenant = item["operation_key"]["S"].split("#")[0]
                within_tenant = [item[name]["S"] for name in ("context", "aggregate_type", "subject") if name in item]
                stream = "/".join([tenant, *within_tenant])
                if int(item["version"]["N"]) > streams.get(stream, Extent()).version:
                    about = {name: item[name]["S"] for name in ("operation_key", "command_type", "recorded_at")}
                    self.tell("no-events", stream_id=stream, version=int(item["version"]["N"]), **about)
                    self.discard(item["operation_key"])

        self.stack.scan(
            self.stack.tables["operations"],
            page,
            FilterExpression="outcome = :succeeded AND attribute_exists(version)",
            ExpressionAttributeValues={":succeeded": {"S": "succeeded"}},
        )

    def discard(self, key):
        if not self.repair:
            return
        problem = {
            "type": "urn:waybill:problem:discarded",
            "title": "The command was discarded",
            "status": 500,
            "detail": GONE,
        }
        self.stack.dynamodb.update_item(
            TableName=self.stack.tables["operations"],
            Key={"operation_key": key},
            UpdateExpression=(
                "SET outcome = :discarded, problem = :problem, recorded_at = :now, expires_at = :expires "
                "REMOVE version, #resource"
            ),
            ExpressionAttributeNames={"#resource": "resource"},
            ExpressionAttributeValues={
                ":discarded": {"S": "discarded"},
                ":problem": {"S": json.dumps(problem)},
                ":now": {"S": rfc3339(int(time.time() * 1000))},
                ":expires": {"N": str(int(time.time()) + self.retention)},
            },
        )

    def claims(self, streams):
        table = self.stack.tables["guards"]

        def page(items):
            for item in items:
                tenant, context, _ = item["guard_key"]["S"].split("#", 2)
                if f"{tenant}/{context}/{item['holder']['S']}" not in streams:
                    self.tell("orphan-claim", guard_key=item["guard_key"]["S"], holder=item["holder"]["S"])
                    if self.repair:
                        self.stack.dynamodb.delete_item(TableName=table, Key={"guard_key": item["guard_key"]})

        self.stack.scan(table, page, FilterExpression="attribute_exists(holder)")


def receipt(text):
    """The bytes of an operation's id, as in shared/kernel/src/receipt.rs: the command's key from 7, its digest from 23."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def rfc3339(millis):
    return f"{datetime.fromtimestamp(millis // 1000, timezone.utc):%Y-%m-%dT%H:%M:%S}.{millis % 1000:03}Z"
