"""A command handler with Powertools: batch processing and idempotency, as its documentation combines them."""

import json
import os

import boto3
import fastjsonschema
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)

logger = Logger()
dynamodb = boto3.client("dynamodb")
sns = boto3.client("sns")
processor = BatchProcessor(event_type=EventType.SQS)
persistence_store = DynamoDBPersistenceLayer(table_name="idempotency", boto3_client=dynamodb)
config = IdempotencyConfig(event_key_jmespath="id")

TEXT = {"type": "string", "minLength": 1}
validate = fastjsonschema.compile({
    "type": "object",
    "required": ["specversion", "id", "source", "type", "subject", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": TEXT | {"maxLength": 128},
        "source": TEXT,
        "type": {"const": "AdjustPremium"},
        "subject": {"type": "string", "pattern": "^[A-Za-z0-9._~:@-]{1,64}$"},
        "time": TEXT,
        "datacontenttype": TEXT,
        "data": {
            "type": "object",
            "additionalProperties": False,
            "required": ["premium"],
            "properties": {"premium": {"type": "integer", "minimum": 1, "maximum": 1_000_000_000_000}},
        },
    },
})


@idempotent_function(data_keyword_argument="command", persistence_store=persistence_store, config=config)
def adjust_premium(command):
    subject, premium = command["subject"], command["data"]["premium"]
    events = dynamodb.query(
        TableName="peer-events",
        ConsistentRead=True,
        KeyConditionExpression="#stream = :stream",
        ExpressionAttributeNames={"#stream": "stream"},
        ExpressionAttributeValues={":stream": {"S": subject}},
    )["Items"]
    state = {}
    for event in events:
        state |= json.loads(event["data"]["S"])
    version = int(events[-1]["version"]["N"]) + 1 if events else 1
    logger.debug("loaded", extra={"version": version, "state": state})
    metadata = {name: command.get(name) for name in ("operationid", "correlationid", "traceparent", "authid")}
    dynamodb.put_item(
        TableName="peer-events",
        Item={
            "stream": {"S": subject},
            "version": {"N": str(version)},
            "type": {"S": "PremiumAdjusted"},
            "data": {"S": json.dumps({"premium": premium})},
            "metadata": {"S": json.dumps(metadata)},
        },
        ConditionExpression="attribute_not_exists(version)",
    )
    event = {
        "id": f"{subject}/{version}",
        "type": "PremiumAdjusted",
        "subject": subject,
        "correlationid": command.get("correlationid"),
        "data": {"premium": premium},
    }
    sns.publish(TopicArn=os.environ["EVENT_TOPIC"], Message=json.dumps(event))
    return {"version": version}


def record_handler(record):
    command = json.loads(record.body)
    validate(command)
    adjust_premium(command=command)


def handler(event, context):
    config.register_lambda_context(context)
    return process_partial_response(event=event, record_handler=record_handler, processor=processor, context=context)
