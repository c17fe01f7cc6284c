// The TypeScript client as it ships, at work: it submits, is told the outcome over a WebSocket, loses its connection and
// is told all the same, reads its own write, and meets a refusal whose reason the compiler knows. The variable
// WAYBILL_STACK names the description of the stack to talk to.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";

import { Waybill, type OperationState } from "@waybill/client";
import { WebSocket } from "ws";

// What is waited for comes within this, on a slow machine and after redeliveries; if not, the test fails.
const PATIENCE_MS = 120_000;

const stack = JSON.parse(readFileSync(process.env.WAYBILL_STACK ?? assert.fail("WAYBILL_STACK is not set"), "utf8"));
const fresh = Date.now().toString(36);

async function token(): Promise<string> {
  const { client_id, client_secret } = stack.tenants.demo;
  const form = new URLSearchParams({ grant_type: "client_credentials", client_id, client_secret });
  form.set("scope", "waybill/submit waybill/read");
  const answer = await fetch(stack.token_url, { method: "POST", body: form });
  return ((await answer.json()) as { access_token: string }).access_token;
}

interface Frame {
  readonly type?: string;
  readonly id?: string;
  readonly operations?: readonly OperationState[];
}

const connections: Watched[] = [];
/** The operations that the server told of unasked. */
const pushed = new Set<string>();

/** A connection whose frames are seen. */
class Watched extends WebSocket {
  constructor(url: string) {
    super(url);
    connections.push(this);
    this.addEventListener("message", ({ data }) => {
      const { type, id, operations = [] } = JSON.parse(String(data)) as Frame;
      if (type === "operations" && id === undefined) for (const { id } of operations) pushed.add(id);
    });
  }
}

async function connected(): Promise<Watched> {
  for (const end = Date.now() + PATIENCE_MS; ; await setTimeout(50)) {
    const open = connections.find(({ readyState }) => readyState === WebSocket.OPEN);
    if (open) return open;
    assert(Date.now() < end, "no connection");
  }
}

const requests: string[] = [];
const given = await token();
const waybill = new Waybill({
  url: stack.api_url,
  source: "https://shop.example/checkout",
  token: ({ renew }) => (renew ? token() : given),
  WebSocket: Watched,
  fetch: (url, init) => {
    requests.push(`${init?.method} ${new URL(String(url)).pathname}`);
    return fetch(url, init);
  },
});
const signal = AbortSignal.timeout(PATIENCE_MS);
const data = {
  customer: `C-${fresh}`,
  onAccount: true,
  lines: [{ sku: "TEA", quantity: 1, unitPrice: { amount: 1250, currency: "EUR" } }],
};

// The first command goes by a request. Waiting for its outcome makes the connection.
const first = `O-1-${fresh}`;
const submitted = await waybill.submit("SubmitOrder", first, data, { signal });
const made = await submitted.succeeded({ signal });
const { data: order, version } = await made.read<{ id: string; status: string }>({ signal });
assert.deepEqual([order.id, order.status, version], [first, "submitted", made.version], "it reads its own write");

// Over the connection, there and back.
await connected();
const before = requests.length;
const cancelled = await waybill.submit(
  "CancelOrder",
  first,
  { reason: "Late" },
  { expectedVersion: made.version, signal },
);
assert.deepEqual(requests.slice(before), [], "it is submitted over the connection");
const { read } = await cancelled.succeeded({ signal });
assert(pushed.has(cancelled.id), "its outcome is pushed");
assert.equal((await read<{ status: string }>({ signal })).data.status, "cancelled");

// A cut between a command and its outcome.
const second = await waybill.submit("SubmitOrder", `O-2-${fresh}`, data, { signal });
const outcome = second.succeeded({ signal });
(await connected()).terminate();
assert.equal((await outcome).version, 1);

// A refusal. The same receipt alone leads to it again.
const again = await waybill.submit("SubmitOrder", first, data, { signal });
for (const operation of [again, waybill.operation<"SubmitOrder">(again.id)]) {
  const error: unknown = await operation.succeeded({ signal }).catch((error: unknown) => error);
  assert(operation.isRejected(error), String(error));
  const reason: "already-submitted" = error.reason === "already-submitted" ? error.reason : assert.fail(error.reason);
  assert.equal(error.type, `urn:waybill:problem:orders:${reason}`);
}

// What is refused right away says why.
const none = { ...data, lines: [] };
await assert.rejects(waybill.submit("SubmitOrder", first, none, { signal }), {
  type: "urn:waybill:problem:invalid-data",
});

waybill.close();
