"""Does on a local stack what CloudWatch and SQS do by themselves on AWS: makes metrics of what functions have logged in the
embedded metric format, and tells how many messages the contexts' queues hold and how long the oldest has been there.

Only of functions whose metrics the API shows: each log group takes time to read. SQS tells once a minute, this whenever a
number has changed. It never ends by itself, whatever the server does; what goes wrong is told on stderr.
"""

import argparse
import collections
import datetime
import json
import pathlib
import time
import traceback
import urllib.parse
import urllib.request

import boto3

# Seconds between two looks.
EVERY = 2
# Of so many looks, one is at the queues as well, and one finds out which log groups there are: another deployment may
# change them.
QUEUES_EVERY = 2
GROUPS_EVERY = 20

# Functions that count commands, as they are called after the stack's name; and the end of others' names.
FUNCTIONS = {"ingest", "connections", "redrive"}
HANDLERS = "-command-handler"

# The server may store a line this long after the time that it gives it.
LATE_MS = 2000

# What one call of PutMetricData takes.
AT_ONCE = 1000


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--stack", required=True, type=pathlib.Path, help="the JSON file that describe.py wrote")
    stack = json.loads(options.parse_args().stack.read_text())
    cloudwatch = boto3.client("cloudwatch", endpoint_url=stack["endpoint"])
    logs, queues = Logs(stack), Queues(stack)
    look = 0
    while True:
        try:
            put(cloudwatch, logs.metrics())
            if look % QUEUES_EVERY == 0:
                put(cloudwatch, queues.metrics())
        except Exception:
            traceback.print_exc()
        look += 1
        time.sleep(EVERY)


def put(cloudwatch, metrics):
    """Puts metrics, which are pairs of a namespace and a datum."""
    by_namespace = collections.defaultdict(list)
    for namespace, datum in metrics:
        by_namespace[namespace].append(datum)
    for namespace, data in by_namespace.items():
        for begin in range(0, len(data), AT_ONCE):
            cloudwatch.put_metric_data(Namespace=namespace, MetricData=data[begin : begin + AT_ONCE])


class Logs:
    """Reads each line of the functions' logs once."""

    def __init__(self, stack):
        self._logs = boto3.client("logs", endpoint_url=stack["endpoint"])
        self._prefix = f"/aws/lambda/{stack['stack_name']}-"
        self._groups = []
        self._looks = 0
        # By log group, the time from which on lines may be new, and those from then on that are not.
        self._since = collections.defaultdict(int)
        self._seen = collections.defaultdict(dict)

    def metrics(self):
        if self._looks % GROUPS_EVERY == 0:
            self._groups = list(self._log_groups())
        self._looks += 1
        for group in self._groups:
            for event in self._new(group):
                yield from embedded(event["message"])

    def _log_groups(self):
        pages = self._logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=self._prefix)
        for page in pages:
            for group in page["logGroups"]:
                function = group["logGroupName"].removeprefix(self._prefix)
                if function in FUNCTIONS or function.endswith(HANDLERS):
                    yield group["logGroupName"]

    def _new(self, group):
        seen = self._seen[group]
        pages = self._logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=self._since[group])
        new = [event for page in pages for event in page["events"] if key_of(event) not in seen]
        seen.update((key_of(event), event["timestamp"]) for event in new)
        if new:
            self._since[group] = max(self._since[group], max(event["timestamp"] for event in new) - LATE_MS)
            self._seen[group] = {key: at for key, at in seen.items() if at >= self._since[group]}
        return new


def key_of(event):
    """Events have no ids here. Each invocation has a log stream of its own, and logs nothing twice."""
    return event["logStreamName"], event["message"]


def embedded(line):
    """What a line in CloudWatch's embedded metric format says: pairs of a namespace and a datum. Other lines say nothing."""
    if '"_aws"' not in line:
        return
    record = json.loads(line)
    at = datetime.datetime.fromtimestamp(record["_aws"]["Timestamp"] / 1000, datetime.timezone.utc)
    for directive in record["_aws"]["CloudWatchMetrics"]:
        for names in directive["Dimensions"]:
            dimensions = [{"Name": name, "Value": record[name]} for name in names]
            for metric in directive["Metrics"]:
                values = record[metric["Name"]]
                yield directive["Namespace"], {
                    "MetricName": metric["Name"],
                    "Dimensions": dimensions,
                    "Timestamp": at,
                    "Unit": metric.get("Unit", "None"),
                    "Values": values if isinstance(values, list) else [values],
                }


class Queues:
    """Asks the server itself what the queues hold: SQS would not say how old a message is without receiving it."""

    def __init__(self, stack):
        self._endpoint = stack["endpoint"]
        self._urls = [of["commands"] for of in stack["contexts"].values()]
        # By queue and metric, the minute in which it was told last, and what.
        self._told = {}

    def metrics(self):
        for url in self._urls:
            now = time.time()
            queue = url.rsplit("/", 1)[1]
            for name, value in numbers(self._messages(url), now).items():
                telling = (now // 60, value)
                if self._told.get((queue, name)) != telling:
                    self._told[queue, name] = telling
                    yield "AWS/SQS", {
                        "MetricName": name,
                        "Dimensions": [{"Name": "QueueName", "Value": queue}],
                        "Timestamp": datetime.datetime.fromtimestamp(now, datetime.timezone.utc),
                        "Value": value,
                    }

    def _messages(self, url):
        query = urllib.parse.urlencode({"QueueUrl": url})
        with urllib.request.urlopen(f"{self._endpoint}/_ministack/sqs/messages?{query}", timeout=10) as answer:
            accounts = json.load(answer)["messages"].values()
        regions = [region for account in accounts for region in account.values()]
        return [message for region in regions for messages in region.values() for message in messages]


def numbers(messages, now):
    visible = sum(message["IsVisible"] for message in messages)
    return {
        "ApproximateNumberOfMessagesVisible": visible,
        "ApproximateNumberOfMessagesNotVisible": len(messages) - visible,
        "ApproximateAgeOfOldestMessage": max((max(0, int(now) - it["SentTimestamp"]) for it in messages), default=0),
    }


if __name__ == "__main__":
    main()
