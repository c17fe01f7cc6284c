import assert from "node:assert/strict";
import { test } from "node:test";

import { Discarded, Rejected, WaybillProblem, type OperationState } from "@waybill/client";

import { MINUTE, ORDER, SECOND, World, problem } from "./world.js";

const REFUSAL = {
  type: "urn:waybill:problem:orders:already-submitted",
  title: "Refused",
  status: 422,
  detail: "Before",
};

/** A server without push. */
function polled(seed?: number) {
  const world = new World(seed);
  return { world, waybill: world.client({ push: false }) };
}

test("without push an operation is asked for as Retry-After says", async () => {
  const { world, waybill } = polled();
  const operation = await world.until(waybill.submit("SubmitOrder", "O-1", ORDER));
  const submitted = world.clock.time;
  const succeeded = operation.succeeded();
  await world.clock.pass(5 * SECOND);
  world.becomes(operation.id, { status: "retrying", attempt: 1 });
  await world.clock.pass(MINUTE);
  world.succeeds(operation.id);
  const { href, version } = await world.until(succeeded);
  assert.deepEqual({ href, version }, { href: "https://api.example/orders/O-1?version=3", version: 3 });
  const [first = 0, ...others] = world.asked.slice(1).map(({ at }) => at);
  assert(first - submitted >= SECOND, "not before the 202's Retry-After");
  const waits = others.map((at, before) => (at - ([first, ...others][before] ?? 0)) / SECOND);
  assert(
    waits.slice(0, 3).every((wait) => wait >= 1 && wait < 1.3),
    String(waits),
  );
  assert(
    waits.slice(5).every((wait) => wait >= 10 && wait < 12.1),
    String(waits),
  );
  const asked = world.asked.length;
  await world.clock.pass(10 * MINUTE);
  assert.equal(world.asked.length, asked, "nothing is asked for after the outcome");
  assert.equal(world.sockets.length, 0);
});

test("a result reads its own write", async () => {
  const { world, waybill } = polled();
  const operation = await world.until(waybill.submit("SubmitOrder", "O-1", ORDER));
  world.succeeds(operation.id);
  const result = await world.until(operation.succeeded());
  world.answer = () => ({ status: 200, body: { status: "submitted" }, headers: { etag: '"4"' } });
  const { data, version } = await world.until(result.read<{ status: string }>());
  assert.deepEqual([data.status, version], ["submitted", 4]);
  assert.equal(world.paths().at(-1), "GET /orders/O-1?version=3");
});

test("a refusal has a reason, and a discard has its own error", async () => {
  const { world, waybill } = polled();
  const refused = await world.until(waybill.submit("SubmitOrder", "O-1", ORDER));
  world.becomes(refused.id, { status: "rejected", error: REFUSAL });
  const error = await world.until(refused.succeeded()).catch((error: unknown) => error);
  assert(refused.isRejected(error) && error instanceof Rejected && error instanceof WaybillProblem);
  assert.deepEqual(
    [error.reason, error.status, error.detail, error.name],
    ["already-submitted", 422, "Before", "Rejected"],
  );

  const dropped = await world.until(waybill.submit("SubmitOrder", "O-2", ORDER));
  const discarded = { type: "urn:waybill:problem:discarded", title: "Discarded", status: 500, detail: "By telephone" };
  world.becomes(dropped.id, { status: "discarded", error: discarded });
  const given = await world.until(dropped.succeeded()).catch((error: unknown) => error);
  assert(given instanceof Discarded && !dropped.isRejected(given));
  assert.deepEqual([given.detail, given.passing], ["By telephone", false]);
});

test("what every context may refuse is a reason as well", async () => {
  const { world, waybill } = polled();
  const operation = await world.until(waybill.submit("SubmitOrder", "O-1", ORDER));
  world.becomes(operation.id, {
    status: "rejected",
    error: { ...REFUSAL, type: "urn:waybill:problem:unexpected-version" },
  });
  await assert.rejects(world.until(operation.succeeded()), { reason: "unexpected-version" });
});

test("a parked command is told once, and waited for", async () => {
  const { world, waybill } = polled();
  const operation = await world.until(waybill.submit("SubmitOrder", "O-1", ORDER));
  const parked: OperationState[] = [];
  const succeeded = operation.succeeded({ onParked: (state) => parked.push(state) });
  world.becomes(operation.id, { status: "parked", error: { ...REFUSAL, type: "urn:waybill:problem:parked" } });
  await world.clock.pass(10 * MINUTE);
  assert.equal(parked.length, 1);
  assert.equal(operation.status, "parked");
  world.succeeds(operation.id);
  assert.equal((await world.until(succeeded)).version, 3);
});

test("changes are told in order, each once, and none goes back", async () => {
  const { world, waybill } = polled();
  const operation = await world.until(waybill.submit("SubmitOrder", "O-1", ORDER));
  const told: string[] = [];
  const iterated: string[] = [];
  const tell = ({ status, attempt = 0, revision = 0 }: OperationState) => `${status} ${attempt} ${revision}`;
  operation.subscribe((state) => told.push(tell(state)));
  const iterating = (async () => {
    for await (const state of operation.changes()) iterated.push(tell(state));
  })();
  const ways: Partial<OperationState>[] = [
    { status: "retrying", attempt: 1 },
    { status: "retrying", attempt: 2 },
    { status: "accepted", attempt: 0 },
    { status: "retrying", attempt: 1 },
    { status: "parked", attempt: 0 },
    { status: "retrying", attempt: 3 },
    { status: "retrying", attempt: 1, revision: 1 },
    { status: "parked", attempt: 0, revision: 0 },
    { status: "succeeded", attempt: 0, resource: { href: "https://api.example/orders/O-1", version: 1 } },
    { status: "rejected", revision: 2, error: REFUSAL },
  ];
  for (const way of ways) {
    world.becomes(operation.id, way);
    await world.clock.pass(2 * MINUTE);
  }
  await world.until(iterating);
  const expected = ["accepted 0 0", "retrying 1 0", "retrying 2 0", "parked 0 0", "retrying 1 1", "succeeded 0 0"];
  assert.deepEqual(told, expected);
  assert.deepEqual(iterated, expected);
});

test("every waiter is told once: of one handle, of several, and late ones at once", async () => {
  const { world, waybill } = polled();
  const operation = await world.until(waybill.submit("SubmitOrder", "O-1", ORDER));
  const again = waybill.operation<"SubmitOrder">(operation.id);
  const waiters = [operation.succeeded(), operation.succeeded(), again.succeeded()];
  world.succeeds(operation.id);
  await world.until(Promise.all(waiters));
  const asked = world.asked.length;
  assert.equal((await operation.succeeded()).version, 3);
  assert.equal(world.asked.length, asked);
});

test("one listener's error keeps nothing from the others", async () => {
  const { world, waybill } = polled();
  const operation = await world.until(waybill.submit("SubmitOrder", "O-1", ORDER));
  const thrown: unknown[] = [];
  const before = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => thrown.push(error.message));
  operation.subscribe(() => {
    throw new Error("a fault of the page's");
  });
  world.succeeds(operation.id);
  await world.until(operation.succeeded());
  process.removeAllListeners("uncaughtException");
  for (const listener of before) process.on("uncaughtException", listener);
  assert.deepEqual(thrown, ["a fault of the page's", "a fault of the page's"]);
});

test("an operation is followed by its receipt alone, and asked for at once", async () => {
  const { world, waybill } = polled();
  world.succeeds("kept");
  const operation = waybill.operation<"SubmitOrder">("kept");
  assert.equal(operation.status, undefined);
  assert.equal((await world.until(operation.succeeded(), SECOND)).version, 3);
  assert.equal(operation.state?.id, "kept");
});

test("a receipt that the server does not know is told", async () => {
  const { world, waybill } = polled();
  await assert.rejects(world.until(waybill.operation("forged").succeeded()), { type: "urn:waybill:problem:not-found" });
});

test("asking goes on through failures, and ends with what will not pass", async () => {
  const { world, waybill } = polled();
  const operation = await world.until(waybill.submit("SubmitOrder", "O-1", ORDER));
  const answers = [new Error("no network"), problem("unavailable", 503, { "retry-after": "3" }), undefined];
  world.answer = () => answers.shift();
  const waiting = operation.succeeded();
  await world.clock.pass(20 * SECOND);
  assert.equal(operation.status, "accepted");
  world.answer = () => problem("not-permitted", 403);
  await assert.rejects(world.until(waiting), { status: 403 });
  world.answer = () => undefined;
  world.succeeds(operation.id);
  assert.equal((await world.until(operation.succeeded())).version, 3);
});

test("a signal ends the waiting, and nothing is asked for any more", async () => {
  const { world, waybill } = polled();
  const operation = await world.until(waybill.submit("SubmitOrder", "O-1", ORDER));
  const controller = new AbortController();
  const waiting = operation.succeeded({ signal: controller.signal });
  waiting.catch(() => {});
  await world.clock.pass(10 * SECOND);
  controller.abort(new Error("left the page"));
  await assert.rejects(waiting, { message: "left the page" });
  await world.clock.pass(5 * SECOND);
  const asked = world.asked.length;
  await world.clock.pass(10 * MINUTE);
  assert.equal(world.asked.length, asked);
  assert.equal(world.clock.timers.size, 0);
  await assert.rejects(operation.succeeded({ signal: controller.signal }), { message: "left the page" });
});

test("one who waits no more does not end it for another", async () => {
  const { world, waybill } = polled();
  const operation = await world.until(waybill.submit("SubmitOrder", "O-1", ORDER));
  const controller = new AbortController();
  const [leaving, staying] = [operation.succeeded({ signal: controller.signal }), operation.succeeded()];
  leaving.catch(() => {});
  await world.clock.pass(SECOND);
  controller.abort();
  world.succeeds(operation.id);
  assert.equal((await world.until(staying)).version, 3);
  await assert.rejects(leaving, { name: "AbortError" });
});

test("closing ends all waiting", async () => {
  const { world, waybill } = polled();
  const operation = await world.until(waybill.submit("SubmitOrder", "O-1", ORDER));
  const waiting = operation.succeeded();
  await world.clock.pass(10 * SECOND);
  waybill.close();
  await assert.rejects(waiting, { message: "the client was closed" });
  await assert.rejects(operation.succeeded(), { message: "the client was closed" });
  await assert.rejects(waybill.submit("SubmitOrder", "O-1", ORDER), { message: "the client was closed" });
  await world.clock.pass(MINUTE);
  assert.equal(world.clock.timers.size, 0);
});

test("receipts are kept until there is an outcome", async () => {
  const world = new World();
  const kept = new Map<string, string>([["another", "value"]]);
  const storage = {
    get length() {
      return kept.size;
    },
    key: (at: number) => [...kept.keys()][at] ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  };
  const options = { push: false, storage };
  const submitted = await world.until(world.client(options).submit("SubmitOrder", "O-1", ORDER));

  const [operation, ...others] = world.client(options).operations();
  assert.deepEqual([operation?.id, others.length], [submitted.id, 0]);
  world.succeeds(submitted.id);
  await world.until(operation!.succeeded());
  assert.deepEqual(world.client(options).operations(), []);
  assert.deepEqual([...kept.keys()], ["another"]);
});

test("a storage that fails is no reason to fail", async () => {
  const world = new World();
  const full = () => {
    throw new Error("full");
  };
  const storage = { length: 0, key: () => null, setItem: full, removeItem: full };
  const operation = await world.until(world.client({ push: false, storage }).submit("SubmitOrder", "O-1", ORDER));
  world.succeeds(operation.id);
  assert.equal((await world.until(operation.succeeded())).version, 3);
});
