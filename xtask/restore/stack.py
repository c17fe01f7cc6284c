"""A deployed stack as a restore sees it: its tables, its queues and its event sources, as CloudFormation names them."""

import time
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config

# What this tool calls the tables, and their outputs.
TABLES = {
    "events": "EventsTable",
    "operations": "OperationsTable",
    "parked": "ParkedTable",
    "guards": "GuardsTable",
    "registry": "RegistryTable",
    "read-models": "ReadModelsTable",
    "webhooks": "WebhooksTable",
}

# A table is scanned in so many parts, side by side.
SEGMENTS = 8

# What one BatchGetItem takes.
MOST_AT_ONCE = 100


class Stack:
    def __init__(self, name):
        patient = Config(retries={"mode": "adaptive", "max_attempts": 10}, max_pool_connections=2 * SEGMENTS)
        self.name = name
        self.cloudformation = boto3.client("cloudformation")
        self.dynamodb = boto3.client("dynamodb", config=patient)
        self.awslambda = boto3.client("lambda")
        self.sqs = boto3.client("sqs")
        described = self.cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
        self.parameters = {each["ParameterKey"]: each["ParameterValue"] for each in described.get("Parameters", [])}
        self.tags = described.get("Tags", [])
        self.tables = {table: self.outputs[output] for table, output in TABLES.items()}

    def queue(self, name):
        """The URL of a queue. Queues are called after the stack."""
        return self.sqs.get_queue_url(QueueName=f"{self.name}-{name}")["QueueUrl"]

    def event_sources(self):
        """The event source mappings of all functions."""
        pages = self.cloudformation.get_paginator("list_stack_resources").paginate(StackName=self.name)
        for resource in (resource for page in pages for resource in page["StackResourceSummaries"]):
            if resource["ResourceType"] == "AWS::Lambda::EventSourceMapping":
                yield self.awslambda.get_event_source_mapping(UUID=resource["PhysicalResourceId"])

    def key_names(self, table):
        schema = self.dynamodb.describe_table(TableName=table)["Table"]["KeySchema"]
        return [attribute["AttributeName"] for attribute in schema]

    def scan(self, table, work, **request):
        """Gives all pages of a table to `work`, several at a time; returns what it made of each."""
        scan = self.dynamodb.get_paginator("scan")

        def segment(number):
            pages = scan.paginate(
                TableName=table, ConsistentRead=True, Segment=number, TotalSegments=SEGMENTS, **request
            )
            return [work(page["Items"]) for page in pages]

        with ThreadPoolExecutor(SEGMENTS) as pool:
            return [made for segment in pool.map(segment, range(SEGMENTS)) for made in segment]

    def find(self, table, keys):
        """The items that there are of these keys."""
        items, wanted = [], list(keys)
        while wanted:
            request = {table: {"Keys": wanted[:MOST_AT_ONCE], "ConsistentRead": True}}
            answer = self.dynamodb.batch_get_item(RequestItems=request)
            items += answer["Responses"].get(table, [])
            left = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
            if left:
                time.sleep(0.1)
            wanted = left + wanted[MOST_AT_ONCE:]
        return items
