// A command handler with Powertools: batch processing and idempotency, as its documentation combines them.
import { BatchProcessor, EventType, processPartialResponse } from '@aws-lambda-powertools/batch';
import { IdempotencyConfig, makeIdempotent } from '@aws-lambda-powertools/idempotency';
import { DynamoDBPersistenceLayer } from '@aws-lambda-powertools/idempotency/dynamodb';
import { Logger } from '@aws-lambda-powertools/logger';
import { DynamoDBClient, PutItemCommand, QueryCommand } from '@aws-sdk/client-dynamodb';
import { PublishCommand, SNSClient } from '@aws-sdk/client-sns';

import { valid } from './schema.mjs';

const logger = new Logger();
const dynamodb = new DynamoDBClient();
const sns = new SNSClient();
const processor = new BatchProcessor(EventType.SQS);
const persistenceStore = new DynamoDBPersistenceLayer({ tableName: 'idempotency', awsSdkV3Client: dynamodb });
const config = new IdempotencyConfig({ eventKeyJmesPath: 'id' });

const adjustPremium = async (command) => {
  const { operationid, correlationid, traceparent, authid, subject, data: { premium } } = command;
  const { Items: events } = await dynamodb.send(new QueryCommand({
    TableName: 'peer-events',
    ConsistentRead: true,
    KeyConditionExpression: '#stream = :stream',
    ExpressionAttributeNames: { '#stream': 'stream' },
    ExpressionAttributeValues: { ':stream': { S: subject } },
  }));
  const state = events.reduce((policy, { data }) => ({ ...policy, ...JSON.parse(data.S) }), {});
  const version = Number(events.at(-1)?.version.N ?? 0) + 1;
  logger.debug('loaded', { version, state });
  await dynamodb.send(new PutItemCommand({
    TableName: 'peer-events',
    Item: {
      stream: { S: subject },
      version: { N: String(version) },
      type: { S: 'PremiumAdjusted' },
      data: { S: JSON.stringify({ premium }) },
      metadata: { S: JSON.stringify({ operationid, correlationid, traceparent, authid }) },
    },
    ConditionExpression: 'attribute_not_exists(version)',
  }));
  const event = { id: `${subject}/${version}`, type: 'PremiumAdjusted', subject, correlationid, data: { premium } };
  await sns.send(new PublishCommand({ TopicArn: process.env.EVENT_TOPIC, Message: JSON.stringify(event) }));
  return { version };
};

const handleOnce = makeIdempotent(adjustPremium, { persistenceStore, config });

const recordHandler = async ({ body }) => {
  await handleOnce(valid(JSON.parse(body)));
};

export const handler = async (event, context) => {
  config.registerLambdaContext(context);
  return processPartialResponse(event, recordHandler, processor, { context });
};
