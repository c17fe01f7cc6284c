// The loop of a Lambda runtime, as short as it can be: `node runtime.mjs HANDLER`.
import http from 'node:http';
import { pathToFileURL } from 'node:url';

const { handler } = await import(pathToFileURL(process.argv[2]));
const base = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/`;
const agent = new http.Agent({ keepAlive: true });

function call(method, path, body = '') {
  return new Promise((resolve, reject) => {
    const headers = { 'content-length': Buffer.byteLength(body) };
    const request = http.request(base + path, { method, agent, headers }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => resolve([response.headers, Buffer.concat(chunks)]));
    });
    request.on('error', reject);
    request.end(body);
  });
}

for (;;) {
  const [headers, event] = await call('GET', 'next');
  const awsRequestId = headers['lambda-runtime-aws-request-id'];
  const left = () => Number(headers['lambda-runtime-deadline-ms']) - Date.now();
  const context = { awsRequestId, functionName: process.env.AWS_LAMBDA_FUNCTION_NAME, getRemainingTimeInMillis: left };
  await call('POST', `${awsRequestId}/response`, JSON.stringify(await handler(JSON.parse(event), context)));
}
