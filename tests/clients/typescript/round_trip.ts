// A TypeScript client made from openapi.yaml, at work: it submits, follows, reads and lists. `api.ts` is made beside a copy
// of this file; the variable WAYBILL_STACK names the description of the stack to talk to.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";

import createClient from "openapi-fetch";

import type { components, paths } from "./api.js";

type Operation = components["schemas"]["Operation"];

// What is waited for comes within this, on a slow machine and after redeliveries; if not, the test fails.
const PATIENCE_MS = 120_000;

const stack = JSON.parse(readFileSync(process.env.WAYBILL_STACK ?? assert.fail("WAYBILL_STACK is not set"), "utf8"));
const fresh = Date.now().toString(36);
const source = "https://shop.example/checkout";

async function token(): Promise<string> {
  const { client_id, client_secret } = stack.tenants.demo;
  const form = new URLSearchParams({ grant_type: "client_credentials", client_id, client_secret });
  form.set("scope", "waybill/submit waybill/read");
  const answer = await fetch(stack.token_url, { method: "POST", body: form });
  return ((await answer.json()) as { access_token: string }).access_token;
}

const client = createClient<paths>({
  baseUrl: stack.api_url,
  headers: { authorization: `Bearer ${await token()}` },
});

/** Asks until there is an answer, as often as `Retry-After` says. */
async function until<T>(what: string, ask: () => Promise<{ found?: T; response: Response }>): Promise<T> {
  for (const end = Date.now() + PATIENCE_MS; ; ) {
    const { found, response } = await ask();
    if (found !== undefined) return found;
    assert(Date.now() < end, `${what}: not within ${PATIENCE_MS} ms; last: ${response.status}`);
    await setTimeout(Number(response.headers.get("retry-after") ?? 1) * 1000);
  }
}

/** Follows an operation to its end, which must be success. */
async function succeeded(operation: Operation) {
  const outcome = await until(operation.id, async () => {
    const { data, response } = await client.GET("/operations/{id}", { params: { path: { id: operation.id } } });
    const open = data === undefined || ["accepted", "retrying"].includes(data.status);
    return { response, ...(open ? {} : { found: data }) };
  });
  assert.equal(outcome.status, "succeeded", JSON.stringify(outcome));
  return outcome.resource ?? assert.fail("a succeeded operation links what it changed");
}

async function order(id: string, version: number) {
  return until(`${id}, version ${version}`, async () => {
    const params = { path: { collection: "orders", id }, query: { version } };
    const { data, response } = await client.GET("/{collection}/{id}", { params });
    return { response, ...(data === undefined ? {} : { found: data as Record<string, unknown> }) };
  });
}

const [customer, first, second] = ["C", "O-1", "O-2"].map((name) => `${name}-${fresh}`) as [string, string, string];
const data = { customer, onAccount: true, lines: [{ sku: "TEA", quantity: 1, unitPrice: { amount: 1250, currency: "EUR" } }] };

// Structured mode.
const structured = await client.POST("/commands", {
  headers: { "content-type": "application/cloudevents+json" },
  body: { specversion: "1.0", id: `c1-${fresh}`, source, type: "SubmitOrder", subject: first, data },
});
assert.equal(structured.response.status, 202, JSON.stringify(structured.error));
assert(structured.data && "status" in structured.data, "one command leads to one operation");
assert.equal(structured.data.status, "accepted");
const made = await succeeded(structured.data);
assert.equal((await order(first, made.version)).status, "submitted");

// A batch.
const batch = await client.POST("/commands", {
  headers: { "content-type": "application/cloudevents-batch+json" },
  body: [
    { specversion: "1.0", id: `c2-${fresh}`, source, type: "CancelOrder", subject: first, data: { reason: "Late" } },
    { specversion: "1.0", id: `c3-${fresh}`, source, type: "SubmitOrder", subject: second, data },
  ],
});
assert(batch.data && "operations" in batch.data, JSON.stringify(batch.error));
const [cancelled, submitted] = batch.data.operations;
assert(cancelled && submitted, "an operation for each command");
assert.equal((await order(first, (await succeeded(cancelled)).version)).status, "cancelled");
assert.equal((await order(second, (await succeeded(submitted)).version)).status, "submitted");

// Binary mode.
const binary = await client.POST("/commands", {
  params: {
    header: { "ce-specversion": "1.0", "ce-id": `c4-${fresh}`, "ce-source": source, "ce-type": "CancelOrder", "ce-subject": second },
  },
  body: { reason: "Late" },
});
assert(binary.data && "status" in binary.data, JSON.stringify(binary.error));
await succeeded(binary.data);

// A list, by owner and state.
const listed = await until("both orders in the list", async () => {
  const params = { path: { collection: "orders" }, query: { customer, status: "cancelled", limit: 10 } };
  const { data, response } = await client.GET("/{collection}", { params });
  const ids = data?.items.map((item) => (item as { id: string }).id);
  return { response, ...(ids?.length === 2 ? { found: ids } : {}) };
});
assert.deepEqual(listed, [second, first], "newest first");

// What is refused says why.
const refused = await client.GET("/{collection}", {
  // @ts-expect-error No collection has such a name for its owner or its state.
  params: { path: { collection: "orders" }, query: { custommer: customer } },
});
assert(refused.error && "type" in refused.error, "a problem");
assert.equal(refused.error.type, "urn:waybill:problem:bad-request");
const absent = await client.GET("/{collection}/{id}", { params: { path: { collection: "orders", id: `O-3-${fresh}` } } });
assert(absent.error && "type" in absent.error, "a problem");
assert.equal(absent.error.type, "urn:waybill:problem:not-found");
