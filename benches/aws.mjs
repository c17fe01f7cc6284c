// An AWS on this machine that answers at once: DynamoDB, SQS, SNS and Secrets Manager, as far as the functions and their
// peers call them. It counts calls and bytes, and keeps the last request of each kind.
//
// While it counts, it reckons DynamoDB's units, too, as DynamoDB documents them: items rounded up, transactions twice,
// consistent reads twice what others are. No item here moves a key of an index.
//
// It hardly knows an item's format. While it learns, it keeps the last item that was put into each table; every read is
// then answered by that item, with the key that is asked for. So what functions read is what they have written.
//
// What the driver tells it comes as POST /-/name. Its ports are the line it prints: plain HTTP, and TLS if CERTIFICATE
// and KEY name files.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';

// Attributes that number the items of a stream, or say how far a document is.
const NUMBERED = {
  events: ['commit_number', 'first_version'],
  'read-models': ['version'],
  Events: ['AggregateIdSequence'],
  Snapshots: ['CurrentSequence', 'CurrentSnapshot'],
  heads: ['version'],
  'peer-events': ['version'],
};
// An attribute that tells a table's kinds of items apart. One of each is kept.
const KINDS = { 'read-models': 'collection_key' };
// DynamoDB's most of one answer.
const PAGE_BYTES = 1024 * 1024;
const REQUEST_ID = '0b6f4f0e-6f2d-4a7c-9a53-1d2e3f4a5b01';
// A key with this in it has no items.
const NEW = 'new-';

const registry = [];
const learned = new Map();
const pages = new Map();
const outcomes = new Map();
let learning = false;
let history = 1;
let letters = null;
let latency = 0;
let counting = false;
let counted = nothing();
let last = {};

function nothing() {
  return { calls: {}, received: 0, sent: 0, read: 0, written: 0 };
}

const kind = (table, attributes) => `${table} ${attributes[KINDS[table]]?.S ?? ''}`;
const md5 = (text) => createHash('md5').update(text).digest('hex');
const list = (items, more) => JSON.stringify({ Items: items, Count: items.length, ScannedCount: items.length, ...more });
const isNew = (values) => Object.values(values).some(({ S }) => S?.includes(NEW));

function numbered(table, item, number) {
  const patched = { ...item };
  for (const name of NUMBERED[table] ?? []) patched[name] = { N: String(number) };
  return patched;
}

// What a Query asks its keys to be equal to.
function asked({ KeyConditionExpression: condition, ExpressionAttributeValues: values }) {
  return Object.fromEntries([...condition.matchAll(/(\w+) = (:\w+)/g)].map(([, name, value]) => [name, values[value]]));
}

function query(request) {
  const { TableName: table, ExpressionAttributeValues: values = {} } = request;
  if (table === 'registry') {
    const fits = (entry) => Object.entries(asked(request)).every(([name, { S }]) => entry[name].S === S);
    return list(registry.filter(fits));
  }
  const item = learned.get(kind(table, {}));
  if (!item || isNew(values)) return list([]);
  const [number] = NUMBERED[table] ?? [];
  if (!number || table === 'Snapshots') return list([numbered(table, item, history)]);
  if (request.ScanIndexForward === false) return backwards(request, item, number);
  // After a snapshot of the newest event there is nothing.
  if (/>/.test(request.KeyConditionExpression)) return list([]);
  return forwards(table, item, number, request.ExclusiveStartKey);
}

function backwards(request, item, number) {
  const key = asked(request);
  const newest = request.ExclusiveStartKey ? Number(request.ExclusiveStartKey[number].N) - 1 : history;
  const count = Math.min(request.Limit ?? newest, newest);
  const items = Array.from({ length: count }, (_, at) => ({ ...numbered(request.TableName, item, newest - at), ...key }));
  const rest = newest > count && { LastEvaluatedKey: { ...key, [number]: items.at(-1)[number] } };
  return list(items, rest);
}

// A page of a stream, with the key that was learned. Pages are kept as text: a long one takes longer to make than to read.
function forwards(table, item, number, start) {
  const begin = start ? Number(start[number].N) + 1 : 1;
  const name = `${table} ${history} ${begin}`;
  if (!pages.has(name)) {
    const items = [];
    let [bytes, at] = [0, begin];
    for (; at <= history && bytes < PAGE_BYTES; at += 1) {
      items.push(numbered(table, item, at));
      bytes += weight(items.at(-1));
    }
    pages.set(name, list(items, at <= history && { LastEvaluatedKey: { [number]: { N: String(at - 1) } } }));
  }
  return pages.get(name);
}

// As DynamoDB weighs an item: names and values, without JSON's own.
const weight = (item) => Object.entries(item).reduce((sum, [name, value]) => sum + name.length + weightOf(value), 0);
const weightOf = ({ S, N, B, M, L }) => {
  if (M) return 3 + weight(M);
  if (L) return L.reduce((sum, value) => sum + weightOf(value), 3);
  return B ? (B.length * 3) / 4 : (S ?? N ?? '1').length;
};
const kilobytes = (bytes, each) => Math.max(1, Math.ceil(bytes / (each * 1024)));

// What an update leaves is reckoned as its key and values, a check as its key.
const written = ({ Put, Update, ConditionCheck, Delete }) => {
  const { Item, Key, ExpressionAttributeValues } = Put ?? Update ?? ConditionCheck ?? Delete;
  return kilobytes(weight(Item ?? { ...Key, ...(Update && ExpressionAttributeValues) }), 1);
};

function countUnits(operation, request, answer) {
  const read = (items, { ConsistentRead }) => {
    const bytes = items.reduce((sum, item) => sum + weight(item), 0);
    counted.read += kilobytes(bytes, 4) * (ConsistentRead ? 1 : 0.5);
  };
  switch (operation) {
    case 'Query': return read(answer.Items, request);
    case 'GetItem': return read(answer.Item ? [answer.Item] : [], request);
    case 'BatchGetItem':
      return Object.entries(request.RequestItems).forEach(([table, asked]) => {
        // Each for itself, and what is not there as well.
        asked.Keys.forEach((_, at) => read([answer.Responses[table][at] ?? {}], asked));
      });
    case 'PutItem': counted.written += written({ Put: request }); return;
    case 'UpdateItem': counted.written += written({ Update: request }); return;
    case 'TransactWriteItems':
      counted.written += request.TransactItems.reduce((sum, action) => sum + 2 * written(action), 0);
      return;
    default: throw new Error(`nobody has said what ${operation} takes`);
  }
}

function item(table, key) {
  if (outcomes.has(key.operation_key?.S)) return outcomes.get(key.operation_key.S);
  const known = letters && table === 'operations' ? undefined : learned.get(kind(table, key));
  return known && !isNew(key) ? { ...numbered(table, known, history), ...key } : undefined;
}

function put(table, written) {
  if (learning) learned.set(kind(table, written), written);
  if (letters && table === 'operations') {
    // What redrive sends ahead has its outcome at once.
    const recorded_at = { S: new Date().toISOString() };
    outcomes.set(written.operation_key.S, { ...written, outcome: { S: 'succeeded' }, recorded_at });
  }
}

function dynamodb(operation, request) {
  switch (operation) {
    case 'Query':
      return query(request);
    case 'GetItem':
      return JSON.stringify({ Item: item(request.TableName, request.Key) });
    case 'BatchGetItem': {
      const found = Object.entries(request.RequestItems).map(([table, { Keys }]) => {
        return [table, Keys.map((key) => item(table, key)).filter(Boolean)];
      });
      return JSON.stringify({ Responses: Object.fromEntries(found), UnprocessedKeys: {} });
    }
    case 'PutItem':
      put(request.TableName, request.Item);
      return '{}';
    case 'TransactWriteItems':
      if (learning || letters) for (const { Put } of request.TransactItems) if (Put) put(Put.TableName, Put.Item);
      return '{}';
    default:
      return '{}';
  }
}

function sqs(operation, request) {
  const entries = request.Entries ?? [];
  switch (operation) {
    case 'SendMessage':
      return { MessageId: md5('id'), MD5OfMessageBody: md5(request.MessageBody), SequenceNumber: '18849496460467696128' };
    case 'SendMessageBatch': {
      const sent = ({ Id, MessageBody }) => ({ Id, MessageId: md5(Id), MD5OfMessageBody: md5(MessageBody) });
      return { Successful: entries.map(sent), Failed: [] };
    }
    case 'GetQueueAttributes': {
      const waiting = letters && request.QueueUrl.endsWith(letters.queue) ? letters.messages.length - letters.taken : 0;
      return { Attributes: { ApproximateNumberOfMessages: String(waiting), ApproximateNumberOfMessagesNotVisible: '0' } };
    }
    case 'ReceiveMessage': {
      if (!letters || !request.QueueUrl.endsWith(letters.queue)) return {};
      const Messages = letters.messages.slice(letters.taken, letters.taken + 10);
      letters.taken += Messages.length;
      return Messages.length ? { Messages } : {};
    }
    default:
      return { Successful: entries.map(({ Id }) => ({ Id })), Failed: [] };
  }
}

function sns(action, form) {
  const ids = [...form].filter(([name]) => name.endsWith('.Id')).map(([, id]) => id);
  const published = ids.map((id) => `<member><MessageId>${md5(id)}</MessageId><Id>${id}</Id></member>`).join('');
  const one = `<MessageId>${md5('')}</MessageId>`;
  const result = action === 'PublishBatch' ? `<Failed/><Successful>${published}</Successful>` : one;
  const namespace = 'http://sns.amazonaws.com/doc/2010-03-31/';
  return `<${action}Response xmlns="${namespace}"><${action}Result>${result}</${action}Result></${action}Response>`;
}

function answer(target, text) {
  if (!target) {
    const form = new URLSearchParams(text);
    const action = form.get('Action');
    return [action, sns(action, form), 'text/xml'];
  }
  const [service, operation] = target.split('.');
  const request = JSON.parse(text);
  const json = 'application/x-amz-json-1.0';
  if (service === 'AmazonSQS') return [operation, JSON.stringify(sqs(operation, request)), json];
  if (service === 'secretsmanager') {
    const SecretString = 'a-secret-of-at-least-thirty-two-characters';
    return [operation, JSON.stringify({ ARN: request.SecretId, SecretString, CreatedDate: 1.7e9 }), json];
  }
  return [operation, dynamodb(operation, request), json];
}

const told = {
  registry: (entries) => { registry.push(...entries); },
  learn: (on) => { learning = on; pages.clear(); },
  history: (length) => { history = length; },
  letters: (given) => { letters = given && { ...given, taken: 0 }; outcomes.clear(); },
  latency: (milliseconds) => { latency = milliseconds; },
  reset: () => { counted = nothing(); counting = true; last = {}; },
  counted: () => { counting = false; return counted; },
  last: (operation) => last[operation],
};

function serve(request, response) {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const body = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
    const text = body.toString();
    if (request.url.startsWith('/-/')) {
      response.end(JSON.stringify(told[request.url.slice(3)](JSON.parse(text)) ?? null));
      return;
    }
    const [operation, answered, type] = answer(request.headers['x-amz-target'], text);
    const length = Buffer.byteLength(answered);
    counted.calls[operation] = (counted.calls[operation] ?? 0) + 1;
    counted.received += body.length;
    counted.sent += length;
    if (counting && request.headers['x-amz-target']?.startsWith('DynamoDB')) {
      countUnits(operation, JSON.parse(text), JSON.parse(answered));
    }
    last[operation] = text;
    const send = () => {
      response.writeHead(200, { 'content-type': type, 'content-length': length, 'x-amzn-requestid': REQUEST_ID });
      response.end(answered);
    };
    if (latency) setTimeout(send, latency);
    else send();
  });
}

async function listen(server) {
  // Functions keep their connections while others have their turn.
  server.keepAliveTimeout = 3_600_000;
  server.on('clientError', (_, socket) => socket.destroy());
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  return server.address().port;
}

const { CERTIFICATE, KEY } = process.env;
const plain = await listen(http.createServer(serve));
const identity = CERTIFICATE && { cert: readFileSync(CERTIFICATE), key: readFileSync(KEY) };
const tls = identity && (await listen(https.createServer(identity, serve)));
console.log(JSON.stringify({ plain, tls }));
