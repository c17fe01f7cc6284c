import assert from "node:assert/strict";
import { test } from "node:test";

import { Unanswered, Unreachable, WaybillProblem } from "@waybill/client";

import { MINUTE, ORDER, SECOND, World, problem, quiet } from "./world.js";

test("a command is a CloudEvent, and its answer an operation", async () => {
  const world = new World();
  const options = { id: "checkout-1001", expectedVersion: 0, correlationId: "cart-3", dataschema: "urn:schema" };
  const operation = await world.until(world.client().submit("SubmitOrder", "O-1", ORDER, options));
  assert.equal(operation.id, "receipt-1");
  assert.equal(operation.status, "accepted");
  const [asked] = world.asked;
  assert(asked);
  assert.equal(`${asked.method} ${asked.path}`, "POST /commands");
  assert.equal(asked.headers.get("content-type"), "application/cloudevents+json");
  assert.equal(asked.headers.get("authorization"), "Bearer a-token");
  assert.deepEqual(JSON.parse(asked.body ?? ""), {
    specversion: "1.0",
    id: "checkout-1001",
    source: "https://shop.example/checkout",
    type: "SubmitOrder",
    subject: "O-1",
    expectedversion: 0,
    correlationid: "cart-3",
    dataschema: "urn:schema",
    data: ORDER,
  });
});

test("what is not said is not in the event, and each command has an id of its own", async () => {
  const world = new World();
  const waybill = world.client();
  for (let count = 0; count < 2; count++) await world.until(waybill.submit("SubmitOrder", undefined, ORDER));
  const [first, second] = world.asked.map(({ body }) => JSON.parse(body ?? "") as Record<string, string>);
  assert.deepEqual(Object.keys(first ?? {}), ["specversion", "id", "source", "type", "data"]);
  assert.match(first?.id ?? "", /^[0-9a-f-]{36}$/);
  assert.notEqual(first?.id, second?.id);
});

test("what may pass is tried again, with the same id", async () => {
  const world = new World();
  const gateway = { status: 500, body: { message: "Internal Server Error" } };
  const answers = [
    new Error("no network"),
    problem("unavailable", 503),
    gateway,
    problem("too-many-requests", 429),
    undefined,
  ];
  world.answer = () => answers.shift();
  await world.until(world.client().submit("SubmitOrder", "O-1", ORDER));
  assert.equal(world.asked.length, 5);
  assert.equal(new Set(world.asked.map(({ body }) => body)).size, 1);
});

test("Retry-After is waited for, and more by chance, differently for each client", async () => {
  const waits = [];
  for (let seed = 1; seed <= 20; seed++) {
    const world = new World(seed);
    world.answer = () =>
      world.asked.length === 1 ? problem("too-many-requests", 429, { "retry-after": "7" }) : undefined;
    await world.until(world.client().submit("SubmitOrder", "O-1", ORDER));
    const [first, second] = world.asked;
    waits.push((second?.at ?? 0) - (first?.at ?? 0) - 20);
  }
  assert(
    waits.every((wait) => wait >= 7 * SECOND && wait < 7.5 * SECOND + 20),
    String(waits),
  );
  assert(new Set(waits.map(Math.round)).size > 10, String(waits));
});

test("the waiting grows up to a minute", async () => {
  const world = new World();
  world.clock.random = () => 0.999;
  world.answer = () => new Error("no network");
  const submission = world.client().submit("SubmitOrder", "O-1", ORDER, { timeout: 20 * MINUTE });
  submission.catch(() => {});
  await world.clock.pass(15 * MINUTE);
  const waits = world.asked
    .slice(1)
    .map(({ at }, before) => Math.round((at - (world.asked[before]?.at ?? 0)) / SECOND));
  assert.deepEqual(waits.slice(0, 9), [1, 1, 2, 4, 8, 16, 32, 60, 60]);
});

test("a refusal is a problem, and is not tried again", async () => {
  const world = new World();
  const errors = [{ pointer: "/lines/0/quantity", detail: "value is less than the minimum of 1" }];
  const told = problem("invalid-data", 422);
  world.answer = () => ({ ...told, body: { ...(told.body as object), attribute: "data", errors } });
  const error = await world.until(world.client().submit("SubmitOrder", "O-1", ORDER)).catch((error: unknown) => error);
  assert(error instanceof WaybillProblem && error instanceof Error);
  const { type, title, status, detail, attribute } = error;
  assert.deepEqual(
    { type, title, status, detail, attribute, errors: error.errors },
    {
      type: "urn:waybill:problem:invalid-data",
      title: "A problem",
      status: 422,
      detail: "Something is wrong",
      attribute: "data",
      errors,
    },
  );
  assert.equal(error.message, "A problem: Something is wrong");
  assert.equal(world.asked.length, 1);
});

test("what never passes is not tried again, though it is the server's fault", async () => {
  const world = new World();
  world.answer = () => problem("internal", 500);
  await assert.rejects(world.until(world.client().submit("SubmitOrder", "O-1", ORDER)), { status: 500 });
  assert.equal(world.asked.length, 1);
});

test("the gateway's answers are problems too, and so are pages", async () => {
  const world = new World();
  const answers = [
    { status: 403, body: { message: "Forbidden" } },
    { status: 404, body: undefined },
  ];
  world.answer = () => answers.shift();
  const waybill = world.client();
  await assert.rejects(world.until(waybill.read("/orders/O-1")), {
    type: "about:blank",
    status: 403,
    detail: "Forbidden",
  });
  await assert.rejects(world.until(waybill.read("/orders/O-1")), {
    type: "about:blank",
    status: 404,
    title: "HTTP 404",
  });
});

test("after the time limit the id is told, to try again with", async () => {
  const world = new World();
  world.answer = () => new Error("no network");
  const started = world.clock.time;
  const submission = world.client().submit("SubmitOrder", "O-1", ORDER, { id: "checkout-1", timeout: 5 * SECOND });
  const error = await world.until(submission).catch((error: unknown) => error);
  assert(error instanceof Unanswered);
  assert.equal(error.id, "checkout-1");
  assert(error.cause instanceof Unreachable);
  assert(world.clock.time - started <= 6 * SECOND);
});

test("a request that gets no answer is one that failed", async () => {
  const world = new World();
  world.latency = () => (world.asked.length > 1 ? 10 : 60 * MINUTE);
  await world.until(world.client().submit("SubmitOrder", "O-1", ORDER, { timeout: 2 * MINUTE }));
  const [first, second] = world.asked;
  assert.equal(Math.floor(((second?.at ?? 0) - (first?.at ?? 0)) / SECOND), 35);
});

test("a signal ends it: before it begins, within a request, and between two", async () => {
  for (const after of [0, 5, 100]) {
    const world = new World();
    world.answer = () => problem("unavailable", 503, { "retry-after": "20" });
    const controller = new AbortController();
    if (after === 0) controller.abort(new Error("enough"));
    const submission = world.client().submit("SubmitOrder", "O-1", ORDER, { signal: controller.signal });
    submission.catch(() => {});
    await world.clock.pass(after);
    controller.abort(new Error("enough"));
    await assert.rejects(submission, { message: "enough" });
    await quiet();
    assert.equal(world.asked.length, after === 0 ? 0 : 1);
    await world.clock.pass(20);
    assert.equal(world.clock.timers.size, 0, "no timer is left");
  }
});

test("the token is asked for each request, and once more if it is refused", async () => {
  const world = new World();
  const renewals: boolean[] = [];
  world.answer = ({ headers }) =>
    headers.get("authorization") === "Bearer old" ? problem("unauthenticated", 401) : undefined;
  const token = async ({ renew }: { renew: boolean }) => {
    renewals.push(renew);
    return renew ? "new" : "old";
  };
  await world.until(world.client({ token }).submit("SubmitOrder", "O-1", ORDER));
  assert.deepEqual(renewals, [false, true]);

  world.answer = () => problem("unauthenticated", 401);
  await assert.rejects(world.until(world.client({ token }).submit("SubmitOrder", "O-1", ORDER)), { status: 401 });
  assert.deepEqual(renewals, [false, true, false, true]);
});

test("an error of the token's source is the caller's", async () => {
  const world = new World();
  const token = () => Promise.reject(new Error("signed out"));
  await assert.rejects(world.until(world.client({ token }).submit("SubmitOrder", "O-1", ORDER)), {
    message: "signed out",
  });
  assert.equal(world.asked.length, 0);
});

test("a read waits for the version, and says which one it is", async () => {
  const world = new World();
  const document = { id: "O-1", status: "submitted" };
  const answers = [
    problem("not-yet", 404, { "retry-after": "1" }),
    problem("not-yet", 404, { "retry-after": "1" }),
    { status: 200, body: document, headers: { etag: '"3.2"' } },
    { status: 200, body: document, headers: { etag: '"opaque"' } },
  ];
  world.answer = () => answers.shift();
  const waybill = world.client();
  assert.deepEqual(await world.until(waybill.read("/orders/O-1", { version: 3 })), { data: document, version: 3 });
  assert.deepEqual(world.paths(), Array(3).fill("GET /orders/O-1?version=3"));
  assert((world.asked[1]?.at ?? 0) - (world.asked[0]?.at ?? 0) >= SECOND);
  assert.deepEqual(await world.until(waybill.read("/customers/C-7")), { data: document, version: undefined });
});

test("what is not there is told at once, and what never comes after the time limit", async () => {
  const world = new World();
  const waybill = world.client();
  await assert.rejects(world.until(waybill.read("/orders/O-1")), { type: "urn:waybill:problem:not-found" });
  assert.equal(world.asked.length, 1);
  world.answer = () => problem("not-yet", 404, { "retry-after": "1" });
  const late = waybill.read("/orders/O-1", { version: 9, timeout: 10 * SECOND });
  await assert.rejects(world.until(late), { type: "urn:waybill:problem:not-yet" });
  world.answer = () => new Error("no network");
  await assert.rejects(world.until(waybill.read("/orders/O-1", { timeout: 10 * SECOND })), Unreachable);
});

test("a token goes to the API alone", async () => {
  const world = new World();
  const waybill = world.client();
  for (const link of [
    "https://elsewhere.example/orders/O-1",
    "https://api.example.elsewhere/orders/O-1",
    "orders/O-1",
  ]) {
    await assert.rejects(waybill.read(link));
  }
  assert.equal(world.asked.length, 0);
});
