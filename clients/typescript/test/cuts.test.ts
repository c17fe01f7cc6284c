// Whatever is cut, and whenever, everybody who waits is told the outcome, and is told it once.

import assert from "node:assert/strict";
import { test } from "node:test";

import { MINUTE, ORDER, SECOND, World, problem } from "./world.js";

const RUNS = 250;

/** One client, its commands, and an unreliable world, until every outcome is known. */
async function run(seed: number): Promise<World> {
  const world = new World(seed);
  const { random, clock } = world;
  const between = (least: number, most: number) => least + random() * (most - least);
  let calm = false;
  world.life = between(1, 20) * MINUTE;
  world.latency = () => between(1, random() < 0.05 ? 5 * SECOND : 200);
  world.answer = ({ path }) => {
    if (calm || random() < 0.8) return undefined;
    if (path === "/connections" && random() < 0.2) return problem("not-found", 404);
    return random() < 0.5
      ? new Error("no network")
      : problem("unavailable", 503, random() < 0.5 ? { "retry-after": "1" } : {});
  };
  // An answer that is lost, after what was asked for was done.
  world.frame = ({ action, event, operations = [] }) => {
    if (calm || random() < 0.9) return undefined;
    if (action === "submit" && random() < 0.5) world.accept(event ?? {});
    if (action === "follow")
      for (const { followed } of world.open) for (const receipt of operations) followed.add(receipt);
    return random() < 0.5 ? null : { type: "problem", problem: problem("unavailable", 503).body };
  };

  const waybill = world.client();
  const outcomes = new Map<string, string[]>();
  const waits: Promise<unknown>[] = [];
  for (let command = 0; command < 10; command++) {
    const id = `command-${command}`;
    const operation = await world.until(
      waybill.submit("SubmitOrder", `O-${command}`, ORDER, { id, timeout: 60 * MINUTE }),
      90 * MINUTE,
    );
    for (let waiter = 0; waiter < 2; waiter++) {
      const told: string[] = [];
      outcomes.set(`${operation.id} ${waiter}`, told);
      const handle = waiter === 0 ? operation : waybill.operation(operation.id);
      handle.subscribe(
        ({ status }) => told.push(status),
        (error) => told.push(String(error)),
      );
      waits.push(handle.succeeded());
    }
    // It is carried out some time, and one in three pushes is lost.
    clock.after(between(0, 5 * MINUTE), () => {
      if (random() < 0.3) world.becomes(operation.id, { status: "retrying", attempt: 1 }, random() < 0.5);
      const resource = { href: "https://api.example/orders/O-1", version: 1 };
      clock.after(between(0, MINUTE), () => {
        world.becomes(operation.id, { status: "succeeded", resource }, false);
        const state = world.operations.get(operation.id)!;
        for (let times = Math.floor(between(0, 3)); times > 0; times--) world.push(state);
      });
    });
  }
  const end = clock.time + 7 * MINUTE;
  while (clock.time < end) {
    await clock.pass(between(0, 20 * SECOND));
    for (const socket of world.sockets) {
      if (socket.state === "closed" || random() < 0.3) continue;
      world.cuts += 1;
      socket.cut();
    }
  }
  calm = true;
  await world.until(Promise.all(waits), 90 * MINUTE);
  await clock.pass(10 * MINUTE);
  for (const [waiter, told] of outcomes) {
    assert.equal(told.filter((status) => status === "succeeded").length, 1, `seed ${seed}, ${waiter}: ${told}`);
    assert.equal(told.at(-1), "succeeded", `seed ${seed}, ${waiter}: ${told}`);
    assert.equal(new Set(told).size, told.length, `seed ${seed}, ${waiter}: ${told}`);
  }
  assert.equal(world.commands.size, 10, `seed ${seed}: one command in effect for each`);
  assert.equal(world.open.length, 0, `seed ${seed}: closed when idle`);
  assert.equal(clock.timers.size, 0, `seed ${seed}: nothing goes on`);
  return world;
}

test("connections are cut at any moment", async () => {
  const counts = { cuts: 0, pushed: 0, asked: 0, submitted: 0 };
  for (let seed = 1; seed <= RUNS; seed++) {
    const world = await run(seed);
    counts.cuts += world.cuts;
    counts.pushed += world.pushes;
    counts.asked += world.paths().filter((path) => path.startsWith("GET")).length;
    counts.submitted += world.frames("submit").length;
  }
  console.log(JSON.stringify(counts));
  assert(counts.cuts > 2000 && Math.min(...Object.values(counts)) > 500, "all ways were taken");
});
