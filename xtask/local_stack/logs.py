"""Shows what the functions of a local stack have logged, from its CloudWatch Logs, in the order of time.

Lines that Lambda itself writes, and those that only carry metrics, are left out.
"""

import argparse
import base64
import datetime
import json
import os
import pathlib
import sys
import time

import boto3

LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"]

# Lines that Lambda puts around those of an invocation.
OF_LAMBDA = ("START RequestId:", "END RequestId:", "REPORT RequestId:")

# A server may take a moment to store what was logged; so long, a line that comes late is waited for.
LATE_MS = 2000


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--stack", required=True, type=pathlib.Path, help="the JSON file that describe.py wrote")
    options.add_argument("--function", action="append", default=[], help="as in ingest, or orders-command-handler")
    options.add_argument("--operation", help="an operation's id, or a command's key")
    options.add_argument("--level", default="TRACE", type=str.upper, choices=LEVELS)
    options.add_argument("--json", action="store_true", help="lines as they were logged")
    options.add_argument("--follow", action="store_true")
    given = options.parse_args()
    stack = json.loads(given.stack.read_text())
    logs = boto3.client("logs", endpoint_url=stack["endpoint"])
    prefix = f"/aws/lambda/{stack['stack_name']}-"
    groups = log_groups(logs, prefix, given.function)
    show = Shown(prefix, given)
    while True:
        show.lines(lines(logs, groups, show.since))
        if not given.follow:
            return
        time.sleep(0.5)


def log_groups(logs, prefix, wanted):
    """The functions' log groups; those of the functions that are wanted, or of all."""
    pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
    names = [group["logGroupName"].removeprefix(prefix) for page in pages for group in page["logGroups"]]
    for function in wanted:
        if function not in names:
            sys.exit(f"there is no function {function}; there are {', '.join(sorted(names))}")
    return [prefix + name for name in wanted or names]


def lines(logs, groups, since):
    """Every line since then, each with its log group and the event that holds it."""
    for group in groups:
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since):
            for event in page["events"]:
                yield group, event


class Shown:
    """Prints the lines that are asked for, each once, the oldest first."""

    def __init__(self, prefix, given):
        self.prefix = prefix
        self.given = given
        self.seen = set()
        self.since = 0

    def lines(self, found):
        fresh = []
        for group, event in found:
            key = (event["logStreamName"], event["timestamp"], event["message"])
            if key not in self.seen:
                self.seen.add(key)
                fresh.append((record_of(event), group.removeprefix(self.prefix), event["message"]))
                self.since = max(self.since, event["timestamp"] - LATE_MS)
        for record, function, text in sorted(fresh, key=lambda line: line[0]["timestamp"]):
            if not text.startswith(OF_LAMBDA) and "_aws" not in record and self.asked_for(record):
                print(text if self.given.json else readable(function, record), flush=True)

    def asked_for(self, record):
        level = record["level"] if record["level"] in LEVELS else "ERROR"
        if LEVELS.index(level) < LEVELS.index(self.given.level):
            return False
        fields = record | record.get("span", {})
        operation = fields.get("operation")
        return not self.given.operation or operation and self.given.operation in (operation, command_key(operation))


def command_key(operation):
    """The key of the command that an operation is of: 16 bytes of it, after a byte for the layout and six for the time."""
    try:
        return base64.urlsafe_b64decode(operation + "=" * (-len(operation) % 4))[7:23].hex()
    except ValueError:
        return None


def record_of(event):
    """A line's members. What is no JSON object comes from a process that could not start, or died."""
    moment = datetime.datetime.fromtimestamp(event["timestamp"] / 1000, datetime.timezone.utc)
    fallback = {"timestamp": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "level": "ERROR", "message": event["message"]}
    try:
        return fallback | json.loads(event["message"])
    except (ValueError, TypeError):
        return fallback


def readable(function, record):
    """One line for people: time, level, function, message, and every other field."""
    span = record.get("span", {})
    others = {name: value for name, value in record.items() if name not in ("timestamp", "level", "message", "span")}
    fields = " ".join(f"{name}={value}" for name, value in (others | span).items())
    return f"{record['timestamp'][11:23]} {record['level']:5} {function}: {record['message']} {fields}".rstrip()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        # Whoever read has seen enough, as `head` has. Python would tell of it once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
