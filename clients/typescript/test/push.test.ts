import assert from "node:assert/strict";
import { test } from "node:test";

import type { Operation, OperationState, Waybill } from "@waybill/client";

import { FakeSocket, MINUTE, ORDER, SECOND, World, problem } from "./world.js";

const polls = (world: World) => world.paths().filter((path) => path.startsWith("GET /operations/")).length;
const tickets = (world: World) => world.paths().filter((path) => path === "POST /connections").length;

/** A client with an open connection, on which it follows an operation that stays open. */
async function connected(world: World, options?: Parameters<World["client"]>[0]): Promise<[Waybill, Operation]> {
  const waybill = world.client(options);
  const operation = await world.until(waybill.submit("SubmitOrder", "O-1", ORDER));
  operation.subscribe(() => {});
  await world.clock.pass(SECOND);
  assert.equal(world.open.length, 1);
  return [waybill, operation];
}

test("no connection is made until somebody waits", async () => {
  const world = new World();
  await world.until(world.client().submit("SubmitOrder", "O-1", ORDER));
  await world.clock.pass(MINUTE);
  assert.deepEqual(world.paths(), ["POST /commands"]);
});

test("an outcome is pushed, without a single question", async () => {
  const world = new World();
  const operation = await world.until(world.client().submit("SubmitOrder", "O-1", ORDER));
  const waiting = operation.succeeded();
  await world.clock.pass(10 * SECOND);
  const before = world.clock.time;
  world.succeeds(operation.id);
  await world.until(waiting);
  assert(world.clock.time - before <= 100);
  assert.deepEqual(world.paths(), ["POST /commands", "POST /connections"]);
});

test("what ended before the connection opened is in the answer", async () => {
  const world = new World();
  const operation = await world.until(world.client().submit("SubmitOrder", "O-1", ORDER));
  const waiting = operation.succeeded();
  world.becomes(
    operation.id,
    { status: "succeeded", resource: { href: "https://api.example/orders/O-1", version: 1 } },
    false,
  );
  assert.equal((await world.until(waiting, SECOND)).version, 1);
  assert.equal(polls(world), 0);
});

test("once there is a connection, a command goes over it and is followed", async () => {
  const world = new World();
  const [waybill] = await connected(world);
  const operation = await world.until(waybill.submit("SubmitOrder", "O-2", ORDER, { id: "checkout-2" }));
  const frame = world.frames("submit")[0];
  assert.deepEqual([frame?.event?.id, frame?.event?.subject, frame?.event?.data], ["checkout-2", "O-2", ORDER]);
  const waiting = operation.succeeded();
  world.succeeds(operation.id);
  await world.until(waiting);
  assert.equal(world.frames("follow").length, 1, "the first one's alone");
  assert.deepEqual(world.paths(), ["POST /commands", "POST /connections"]);
});

test("an outcome may overtake the answer to its command, and come before anybody waits", async () => {
  const world = new World();
  const [waybill] = await connected(world);
  world.frame = ({ action, event }) => {
    if (action !== "submit") return undefined;
    const operation = world.accept(event ?? {});
    const resource = { href: "https://api.example/orders/O-2", version: 1 };
    for (const socket of world.open)
      socket.tell({ type: "operations", operations: [{ ...operation, status: "succeeded", resource }] });
    return { type: "accepted", operation };
  };
  const operation = await world.until(waybill.submit("SubmitOrder", "O-2", ORDER));
  assert.equal(operation.status, "succeeded");
  world.frame = () => undefined;
  const other = await world.until(waybill.submit("SubmitOrder", "O-3", ORDER));
  world.succeeds(other.id);
  await world.clock.pass(SECOND);
  assert.equal(other.status, "succeeded", "it is told though nobody waits");
});

test("what is too large for a frame is sent by a request", async () => {
  const world = new World();
  const [waybill] = await connected(world);
  const subject = "é".repeat(16 * 1024);
  await world.until(waybill.submit("CancelOrder", "O-1", { reason: subject }));
  assert.equal(world.paths().filter((path) => path === "POST /commands").length, 2);
  assert.equal(world.frames("submit").length, 0);
});

test("a command that gets no answer over the connection is sent again by a request, as the same command", async () => {
  for (const fault of ["silence", "cut"]) {
    const world = new World();
    const [waybill] = await connected(world);
    world.frame = ({ action }) => {
      if (action !== "submit") return undefined;
      if (fault === "cut") world.open[0]?.cut();
      return null;
    };
    const before = world.clock.time;
    const operation = await world.until(waybill.submit("SubmitOrder", "O-2", ORDER));
    assert(world.clock.time - before < (fault === "cut" ? 2 : 12) * SECOND);
    const sent = world.asked.filter(({ path }) => path === "/commands").at(-1);
    assert.equal(JSON.parse(sent?.body ?? "").id, world.frames("submit")[0]?.event?.id);
    world.frame = () => undefined;
    const waiting = operation.succeeded();
    world.succeeds(operation.id);
    await world.until(waiting);
  }
});

test("a refusal over the connection is a problem; a passing one is tried again later", async () => {
  const world = new World();
  const [waybill] = await connected(world);
  world.frame = ({ action }) =>
    action === "submit" ? { type: "problem", problem: problem("invalid-data", 422).body } : undefined;
  await assert.rejects(world.until(waybill.submit("SubmitOrder", "O-2", ORDER)), {
    type: "urn:waybill:problem:invalid-data",
  });
  assert.equal(world.asked.length, 2);

  const busy = { type: "problem", problem: problem("too-many-requests", 429).body, retryAfter: 9 };
  world.frame = ({ action }) => (action === "submit" ? busy : undefined);
  const before = world.clock.time;
  await world.until(waybill.submit("SubmitOrder", "O-2", ORDER));
  assert(world.clock.time - before >= 9 * SECOND);
});

test("what a connection may not do or take is asked for by a request, whose answer counts", async () => {
  for (const [kind, status] of [
    ["too-large", 413],
    ["not-permitted", 403],
  ] as const) {
    const world = new World();
    const [waybill] = await connected(world);
    world.frame = ({ action }) =>
      action === "submit" ? { type: "problem", problem: problem(kind, status).body } : undefined;
    const operation = await world.until(waybill.submit("SubmitOrder", "O-2", ORDER), SECOND);
    assert.equal(operation.status, "accepted");
  }
});

test("a signal ends a command that is on the connection", async () => {
  const world = new World();
  const [waybill] = await connected(world);
  world.frame = ({ action }) => (action === "submit" ? null : undefined);
  const controller = new AbortController();
  const submission = waybill.submit("SubmitOrder", "O-2", ORDER, { signal: controller.signal });
  submission.catch(() => {});
  await world.clock.pass(SECOND);
  controller.abort(new Error("enough"));
  await assert.rejects(submission, { message: "enough" });
});

test("many receipts are followed at once, fifty a frame, and again on the next connection", async () => {
  const world = new World();
  const waybill = world.client();
  const receipts = Array.from({ length: 120 }, (_, at) => `kept-${at}`);
  for (const receipt of receipts) world.becomes(receipt, { status: "accepted" });
  const waiting = receipts.map((receipt) => waybill.operation(receipt).succeeded());
  await world.clock.pass(SECOND);
  const sizes = () => world.frames("follow").map(({ operations }) => operations?.length);
  assert.deepEqual(sizes(), [50, 50, 20]);
  world.open[0]?.cut();
  await world.clock.pass(5 * SECOND);
  assert.deepEqual(sizes(), [50, 50, 20, 50, 50, 20]);
  for (const receipt of receipts) world.succeeds(receipt);
  await world.until(Promise.all(waiting));
});

test("receipts that the server does not know are told, and the others are followed", async () => {
  const world = new World();
  const waybill = world.client();
  world.becomes("known", { status: "accepted" });
  const [known, unknown] = [waybill.operation("known").succeeded(), waybill.operation("forged").succeeded()];
  await assert.rejects(world.until(unknown), { type: "urn:waybill:problem:not-found", status: 404 });
  world.succeeds("known");
  await world.until(known);
});

test("duplicates are told once", async () => {
  const world = new World();
  const [, operation] = await connected(world);
  const told: string[] = [];
  operation.subscribe(({ status }) => told.push(status));
  const parked: Partial<OperationState> = { status: "parked", error: problem("parked", 500).body as never };
  for (let count = 0; count < 3; count++) world.becomes(operation.id, parked);
  await world.clock.pass(3 * MINUTE);
  for (let count = 0; count < 3; count++) world.succeeds(operation.id);
  await world.clock.pass(3 * MINUTE);
  assert.deepEqual(told, ["accepted", "parked", "succeeded"]);
});

test("open receipts are followed again every minute, so that a push that failed is made up for", async () => {
  const world = new World();
  const [, operation] = await connected(world);
  await world.clock.pass(5 * MINUTE);
  assert.equal(world.frames("follow").length, 6);
  world.becomes(
    operation.id,
    { status: "succeeded", resource: { href: "https://api.example/orders/O-1", version: 1 } },
    false,
  );
  await world.clock.pass(MINUTE + SECOND);
  assert.equal(operation.status, "succeeded");
  assert.equal(polls(world), 0);
});

test("an idle connection is closed, and made again when somebody waits", async () => {
  const world = new World();
  const [waybill, operation] = await connected(world);
  world.succeeds(operation.id);
  await world.clock.pass(25 * SECOND);
  assert.equal(world.open.length, 1);
  await world.clock.pass(10 * SECOND);
  assert.equal(world.open.length, 0);
  await world.clock.pass(10 * MINUTE);
  assert.equal(world.clock.timers.size, 0);
  const next = await world.until(waybill.submit("SubmitOrder", "O-2", ORDER));
  const waiting = next.succeeded();
  await world.clock.pass(SECOND);
  assert.equal(world.open.length, 1);
  world.succeeds(next.id);
  await world.until(waiting);
});

test("an idle connection that serves commands stays, and is pinged", async () => {
  const world = new World();
  const [waybill, operation] = await connected(world);
  world.succeeds(operation.id);
  for (let count = 0; count < 10; count++) {
    await world.clock.pass(20 * SECOND);
    await world.until(waybill.submit("SubmitOrder", `O-${count}`, ORDER));
  }
  assert.equal(tickets(world), 1);
  assert.equal(world.frames("submit").length, 10);
  assert.equal(world.frames("ping").length, 3);
});

test("nothing but what somebody waits for keeps a process", async () => {
  const world = new World();
  const [waybill, operation] = await connected(world);
  world.succeeds(operation.id);
  await world.clock.pass(SECOND);
  assert([...world.clock.timers].every(({ background }) => background));
  waybill.close();
  await world.clock.pass(SECOND);
  assert.equal(world.open.length, 0);
  assert.equal(world.clock.timers.size, 0);
});

test("one who waits no more is followed no more", async () => {
  const world = new World();
  const waybill = world.client();
  const operation = await world.until(waybill.submit("SubmitOrder", "O-1", ORDER));
  const controller = new AbortController();
  const waiting = operation.succeeded({ signal: controller.signal });
  waiting.catch(() => {});
  await world.clock.pass(SECOND);
  controller.abort();
  await world.clock.pass(SECOND);
  assert.deepEqual(
    world.frames("unfollow").map(({ operations }) => operations),
    [[operation.id]],
  );
  operation.subscribe(() => {})();
  const again = operation.succeeded();
  await world.clock.pass(SECOND);
  assert.equal(world.frames("follow").length, 2);
  world.succeeds(operation.id);
  await world.until(again, SECOND);
});

test("one who leaves at once was never there", async () => {
  const world = new World();
  const [waybill] = await connected(world);
  waybill.operation("kept").subscribe(() => {})();
  await world.clock.pass(SECOND);
  assert.equal(world.frames("follow").length, 1);
});

test("a command that nobody waits for is followed later, when there is no connection any more", async () => {
  const world = new World();
  const [waybill, first] = await connected(world);
  const operation = await world.until(waybill.submit("SubmitOrder", "O-2", ORDER));
  world.succeeds(first.id);
  await world.clock.pass(MINUTE);
  assert.equal(world.open.length, 0);
  world.answer = ({ path }) => (path === "/connections" ? problem("unavailable", 503) : undefined);
  world.succeeds(operation.id);
  assert.equal((await world.until(operation.succeeded(), 5 * SECOND)).version, 3);
});

test("the next connection is there before the server ends the one before", async () => {
  const moments = new Set<number>();
  for (let seed = 1; seed <= 10; seed++) {
    const world = new World(seed);
    const [, operation] = await connected(world);
    const [first] = world.open;
    assert(first);
    const began = world.clock.time;
    while (world.sockets.length === 1) await world.clock.pass(SECOND);
    const minutes = (world.clock.time - began) / MINUTE;
    assert(minutes > 108 && minutes < 115, `${minutes} minutes`);
    moments.add(Math.round(minutes * 10));
    await world.clock.pass(SECOND);
    assert.equal(world.open.length, 2, "the one before stays for a while");
    await world.clock.pass(20 * SECOND);
    assert.deepEqual([first.state, world.open.length], ["closed", 1]);
    world.succeeds(operation.id);
    await world.clock.pass(SECOND);
    assert.equal(operation.status, "succeeded");
    assert.equal(polls(world), 0);
  }
  assert(moments.size > 3, "not all clients at once");
});

test("a short life is renewed in time, and a clock that is wrong does no harm", async () => {
  for (const wrong of [0, -MINUTE * 600, MINUTE * 600]) {
    const world = new World();
    world.life = 10 * MINUTE;
    const now = () => world.clock.time + wrong;
    const clock = { now, random: world.clock.random, after: world.clock.after.bind(world.clock) };
    await connected(world, { clock });
    await world.clock.pass(60 * MINUTE);
    assert(tickets(world) >= 7 && tickets(world) <= 15, `${tickets(world)} tickets`);
  }
});

test("the next connection is made with another token, for a connection ends with its token", async () => {
  const world = new World();
  let token = 1;
  await connected(world, { token: ({ renew }) => String(renew ? ++token : token) });
  await world.clock.pass(115 * MINUTE);
  const tokens = world.asked.map(({ path, headers }) => `${path} ${headers.get("authorization")}`);
  assert.deepEqual(tokens, ["/commands Bearer 1", "/connections Bearer 1", "/connections Bearer 2"]);
});

test("while the next connection cannot be made, the one before serves", async () => {
  const world = new World();
  const [, operation] = await connected(world);
  world.answer = ({ path }) => (path === "/connections" ? problem("unavailable", 503) : undefined);
  await world.clock.pass(115 * MINUTE);
  assert(tickets(world) > 2);
  world.succeeds(operation.id);
  await world.clock.pass(SECOND);
  assert.equal(operation.status, "succeeded");
  assert.equal(polls(world), 0);
});

test("after a cut there is another connection soon, and nothing is missed", async () => {
  const world = new World();
  const [, operation] = await connected(world);
  world.open[0]?.cut();
  world.becomes(
    operation.id,
    { status: "succeeded", resource: { href: "https://api.example/orders/O-1", version: 1 } },
    false,
  );
  await world.clock.pass(SECOND);
  assert.equal(operation.status, "succeeded");
  assert.equal(polls(world), 0);
});

test("after a cut without another connection, operations are asked for", async () => {
  const world = new World();
  const [, operation] = await connected(world);
  world.answer = ({ path }) => (path === "/connections" ? problem("unavailable", 503) : undefined);
  world.open[0]?.cut();
  await world.clock.pass(30 * SECOND);
  world.succeeds(operation.id);
  await world.clock.pass(5 * SECOND);
  assert.equal(operation.status, "succeeded");
});

test("once there is push, nothing is asked for any more", async () => {
  const world = new World();
  world.latency = () => 2 * SECOND;
  const operation = await world.until(world.client().submit("SubmitOrder", "O-1", ORDER));
  operation.subscribe(() => {});
  await world.clock.pass(12 * SECOND);
  assert.equal(world.open.length, 1);
  const asked = polls(world);
  assert(asked > 1);
  await world.clock.pass(10 * MINUTE);
  assert.equal(polls(world), asked);
});

test("a cut while the next connection is being made makes no third one", async () => {
  const world = new World();
  await connected(world);
  const [first] = world.open;
  world.latency = () => 2 * SECOND;
  while (tickets(world) === 1) await world.clock.pass(SECOND);
  first?.cut();
  await world.clock.pass(MINUTE);
  assert.equal(tickets(world), 2);
  assert.equal(world.open.length, 1);
});

test("a connection that is gone without a word is noticed", async () => {
  const world = new World();
  const [, operation] = await connected(world);
  world.frame = () => null;
  const [first] = world.open;
  first?.followed.clear();
  await world.clock.pass(MINUTE + 20 * SECOND);
  assert.equal(first?.state, "closed");
  world.frame = () => undefined;
  world.succeeds(operation.id);
  await world.clock.pass(MINUTE);
  assert.equal(operation.status, "succeeded");
});

test("tickets and connections that fail are asked for less and less often, and operations meanwhile", async () => {
  const faults = {
    "no ticket": (world: World) =>
      void (world.answer = ({ path }) => (path === "/connections" ? problem("unavailable", 503) : undefined)),
    "a ticket that is refused": (world: World) => void (world.tickets.add = () => world.tickets),
    "a network without WebSockets": (world: World) => {
      world.answer = ({ path }) => {
        if (path === "/connections") world.clock.after(30, () => world.sockets.at(-1)?.cut());
        return undefined;
      };
    },
  };
  for (const [fault, inject] of Object.entries(faults)) {
    const world = new World();
    inject(world);
    const operation = await world.until(world.client().submit("SubmitOrder", "O-1", ORDER));
    const waiting = operation.succeeded();
    await world.clock.pass(10 * MINUTE);
    assert(tickets(world) > 10 && tickets(world) < 60, `${fault}: ${tickets(world)} tickets`);
    assert(polls(world) > 300, `${fault}: ${polls(world)} polls`);
    world.succeeds(operation.id);
    await world.until(waiting);
    assert.equal(world.open.length, 0);
  }
});

test("a connection that takes too long is given up", async () => {
  const world = new World();
  const waybill = world.client();
  const operation = await world.until(waybill.submit("SubmitOrder", "O-1", ORDER));
  let opening = true;
  world.latency = () => (opening && world.sockets.length === 1 ? 60 * MINUTE : 10);
  const waiting = operation.succeeded();
  await world.clock.pass(5 * SECOND);
  opening = false;
  await world.clock.pass(10 * SECOND);
  assert.equal(world.open.length, 1);
  world.succeeds(operation.id);
  await world.until(waiting);
});

test("connections that are cut as soon as they open are made less and less often", async () => {
  const world = new World();
  await connected(world);
  const cut = () => {
    for (const socket of world.open) socket.cut();
  };
  for (let count = 0; count < 6000; count++) {
    await world.clock.pass(100);
    cut();
  }
  assert(tickets(world) < 60, `${tickets(world)} tickets`);
});

test("Retry-After of a ticket is waited for", async () => {
  const world = new World();
  world.answer = ({ path }) =>
    path === "/connections" && tickets(world) === 1
      ? problem("too-many-requests", 429, { "retry-after": "30" })
      : undefined;
  const operation = await world.until(world.client().submit("SubmitOrder", "O-1", ORDER));
  operation.subscribe(() => {});
  await world.clock.pass(29 * SECOND);
  assert.equal(tickets(world), 1);
  await world.clock.pass(3 * SECOND);
  assert.equal(world.open.length, 1);
});

test("an installation without push is asked for it rarely", async () => {
  const world = new World();
  world.answer = ({ path }) => (path === "/connections" ? problem("not-found", 404) : undefined);
  const waybill = world.client();
  for (let count = 0; count < 5; count++) {
    const operation = await world.until(waybill.submit("SubmitOrder", "O-1", ORDER));
    world.succeeds(operation.id);
    await world.until(operation.succeeded());
    await world.clock.pass(MINUTE);
  }
  assert.equal(tickets(world), 1);
});

test("without a WebSocket, or with a bad one, operations are asked for", async () => {
  const bad = class {
    constructor() {
      throw new Error("not allowed here");
    }
  } as unknown as typeof FakeSocket;
  for (const options of [{ push: false }, { WebSocket: bad as never }]) {
    const world = new World();
    const operation = await world.until(world.client(options).submit("SubmitOrder", "O-1", ORDER));
    world.succeeds(operation.id);
    await world.until(operation.succeeded());
    assert.equal(world.sockets.length, 0);
    assert.equal(polls(world), 1);
  }
});

test("operations that may not be followed are asked for", async () => {
  const world = new World();
  world.frame = ({ action }) =>
    action === "follow" ? { type: "problem", problem: problem("unavailable", 503).body } : undefined;
  const operation = await world.until(world.client().submit("SubmitOrder", "O-1", ORDER));
  const waiting = operation.succeeded();
  await world.clock.pass(10 * SECOND);
  world.succeeds(operation.id);
  await world.until(waiting, 10 * SECOND);
});

test("frames that mean nothing here are ignored", async () => {
  const world = new World();
  const [, operation] = await connected(world);
  const [socket] = world.open;
  const frames = [
    {},
    { type: "news" },
    { type: "operations" },
    { message: "Forbidden" },
    { type: "problem", problem: {} },
  ];
  for (const frame of frames) socket?.tell(frame);
  socket?.tell({ type: "operations", operations: [{ id: "of nobody", status: "succeeded" }] });
  socket?.tell([]);
  await world.clock.pass(SECOND);
  world.succeeds(operation.id);
  await world.clock.pass(SECOND);
  assert.equal(operation.status, "succeeded");
});
