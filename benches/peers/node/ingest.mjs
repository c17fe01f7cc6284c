// An endpoint that queues commands.
import { Logger } from '@aws-lambda-powertools/logger';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';

import { validate } from './schema.mjs';

const logger = new Logger();
const sqs = new SQSClient();

export const handler = async (request) => {
  const body = request.isBase64Encoded ? Buffer.from(request.body, 'base64').toString() : request.body;
  const command = JSON.parse(body);
  if (!validate(command)) {
    logger.warn('invalid', { errors: validate.errors });
    return { statusCode: 400, body: JSON.stringify({ errors: validate.errors }) };
  }
  await sqs.send(new SendMessageCommand({
    QueueUrl: process.env.COMMAND_QUEUE,
    MessageBody: body,
    MessageGroupId: command.subject,
    MessageDeduplicationId: command.id,
  }));
  const location = `/operations/${command.id}`;
  return { statusCode: 202, headers: { location }, body: JSON.stringify({ id: command.id, status: 'accepted' }) };
};
