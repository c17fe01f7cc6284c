// A read model with Powertools: a document by aggregate, each event applied once.
import { BatchProcessor, EventType, processPartialResponse } from '@aws-lambda-powertools/batch';
import { IdempotencyConfig, makeIdempotent } from '@aws-lambda-powertools/idempotency';
import { DynamoDBPersistenceLayer } from '@aws-lambda-powertools/idempotency/dynamodb';
import { DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';

const dynamodb = new DynamoDBClient();
const processor = new BatchProcessor(EventType.SQS);
const persistenceStore = new DynamoDBPersistenceLayer({ tableName: 'idempotency', awsSdkV3Client: dynamodb });
const config = new IdempotencyConfig({ eventKeyJmesPath: 'id' });

const project = async ({ subject, sequence, time, data }) => {
  const key = { id: { S: subject } };
  const read = new GetItemCommand({ TableName: 'peer-documents', ConsistentRead: true, Key: key });
  const { Item: row } = await dynamodb.send(read);
  const document = { ...JSON.parse(row?.document.S ?? '{}'), ...data, id: subject, changedAt: time };
  await dynamodb.send(new PutItemCommand({
    TableName: 'peer-documents',
    Item: { ...key, version: { N: String(Number(sequence)) }, document: { S: JSON.stringify(document) } },
  }));
  return {};
};

const projectOnce = makeIdempotent(project, { persistenceStore, config });

const recordHandler = async ({ body }) => {
  await projectOnce(JSON.parse(body));
};

export const handler = async (event, context) => {
  config.registerLambdaContext(context);
  return processPartialResponse(event, recordHandler, processor, { context });
};
