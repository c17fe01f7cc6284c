// A server and a network that are not there, in a time that passes when a test says so.

import assert from "node:assert/strict";

import { Waybill, type Clock, type OperationState, type WaybillOptions } from "@waybill/client";

export const URL_OF_API = "https://api.example";
export const SECOND = 1000;
export const MINUTE = 60 * SECOND;

/** Numbers by chance, the same ones for the same seed: mulberry32. */
export function chance(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), seed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Timer {
  at: number;
  run: () => void;
  background: boolean;
}

export class FakeClock implements Clock {
  time = Date.parse("2026-01-15T09:30:00.000Z");
  readonly timers = new Set<Timer>();

  constructor(public random: () => number) {}

  now(): number {
    return this.time;
  }

  after(milliseconds: number, run: () => void, background = false): () => void {
    assert(milliseconds >= 0, `a timer of ${milliseconds} ms`);
    const timer = { at: this.time + milliseconds, run, background };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }

  /** Lets the time pass, and all that is due happen, in order. */
  async pass(milliseconds: number): Promise<void> {
    const end = this.time + milliseconds;
    for (;;) {
      await quiet();
      let next: Timer | undefined;
      for (const timer of this.timers) if (timer.at <= end && (!next || timer.at < next.at)) next = timer;
      if (!next) break;
      this.timers.delete(next);
      this.time = Math.max(this.time, next.at);
      next.run();
    }
    this.time = end;
  }
}

/** All that follows from what has happened has happened. */
export function quiet(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  readonly body: string | undefined;
  readonly at: number;
}

export interface Told {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

interface Frame {
  readonly action: string;
  readonly id: string;
  readonly event?: Record<string, unknown>;
  readonly operations?: readonly string[];
}

type Listener = (event: { readonly data: unknown }) => void;

export class FakeSocket {
  state: "opening" | "open" | "closed" = "opening";
  readonly followed = new Set<string>();
  readonly frames: Frame[] = [];
  readonly #listeners = new Map<string, Listener[]>();

  constructor(
    readonly world: World,
    readonly url: string,
  ) {
    world.sockets.push(this);
    world.later(() => {
      if (this.state !== "opening") return;
      if (!world.tickets.delete(url)) return this.cut();
      this.state = "open";
      this.#emit("open");
    });
  }

  addEventListener(type: string, listener: Listener): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }

  send(text: string): void {
    assert.equal(this.state, "open", "sent while it was not open");
    const frame = JSON.parse(text) as Frame;
    assert(Buffer.byteLength(text) <= 32 * 1024, "a frame is too large");
    this.frames.push(frame);
    this.world.later(() => {
      if (this.state === "open") this.world.framed(this, frame);
    });
  }

  close(): void {
    this.world.later(() => this.cut());
  }

  /** The network ends it, or the server. */
  cut(): void {
    if (this.state === "closed") return;
    this.state = "closed";
    this.#emit("error");
    this.#emit("close");
  }

  tell(frame: object): void {
    this.world.later(() => {
      if (this.state === "open") this.#emit("message", JSON.stringify(frame));
    });
  }

  #emit(type: string, data?: unknown): void {
    for (const listener of this.#listeners.get(type) ?? []) listener({ data });
  }
}

/** A problem of Waybill's. */
export function problem(kind: string, status: number, headers: Record<string, string> = {}): Told {
  const body = { type: `urn:waybill:problem:${kind}`, title: "A problem", status, detail: "Something is wrong" };
  return { status, body, headers };
}

export class World {
  readonly random: () => number;
  readonly clock: FakeClock;
  readonly asked: Asked[] = [];
  readonly sockets: FakeSocket[] = [];
  readonly tickets = new Set<string>();
  readonly operations = new Map<string, OperationState>();
  /** The receipts of commands, by their source and id. */
  readonly commands = new Map<string, string>();
  /** How long a connection lives. */
  life = 120 * MINUTE;
  /** What is answered instead, if anything. An error is a network that fails. */
  answer: (asked: Asked) => Told | Error | undefined = () => undefined;
  /** What a frame is answered by instead, if anything; `null` is no answer. */
  frame: (frame: Frame) => object | null | undefined = () => undefined;
  /** How long what is sent is on its way. */
  latency = () => 10;
  pushes = 0;
  cuts = 0;
  #receipts = 0;

  constructor(seed = 1) {
    this.random = chance(seed);
    this.clock = new FakeClock(chance(seed + 1));
  }

  client(options: Partial<WaybillOptions> = {}): Waybill {
    const world = this;
    class WebSocket extends FakeSocket {
      constructor(url: string) {
        super(world, url);
      }
    }
    return new Waybill({
      url: URL_OF_API,
      source: "https://shop.example/checkout",
      token: () => "a-token",
      fetch: this.fetch,
      clock: this.clock,
      WebSocket,
      ...options,
    });
  }

  /** Lets the time pass until there is a result. */
  async until<T>(promise: Promise<T>, patience = 10 * MINUTE): Promise<T> {
    let done = false;
    const settled = () => void (done = true);
    promise.then(settled, settled);
    for (let waited = 0; !done; waited += 50) {
      assert(waited < patience, `nothing within ${patience} ms`);
      await this.clock.pass(50);
    }
    return promise;
  }

  later(run: () => void): void {
    this.clock.after(this.latency(), run, true);
  }

  get open(): FakeSocket[] {
    return this.sockets.filter(({ state }) => state === "open");
  }

  paths(): string[] {
    return this.asked.map(({ method, path }) => `${method} ${path}`);
  }

  frames(action: string): Frame[] {
    return this.sockets.flatMap(({ frames }) => frames).filter((frame) => frame.action === action);
  }

  /** Something has happened to an operation; who follows it is told, unless nobody tells. */
  becomes(id: string, change: Partial<OperationState>, telling = true): void {
    const before = this.operations.get(id) ?? { id, status: "accepted", acceptedAt: "2026-01-15T09:30:00.000Z" };
    const state = { ...before, ...change };
    this.operations.set(id, state);
    if (telling) this.push(state);
  }

  push(state: OperationState): void {
    for (const socket of this.open) {
      if (!socket.followed.has(state.id)) continue;
      this.pushes += 1;
      socket.tell({ type: "operations", operations: [state] });
    }
  }

  succeeds(id: string): void {
    this.becomes(id, { status: "succeeded", resource: { href: `${URL_OF_API}/orders/O-1?version=3`, version: 3 } });
  }

  readonly fetch: typeof fetch = (url, init = {}) =>
    new Promise((resolve, reject) => {
      const { pathname, search } = new URL(String(url));
      const asked = {
        method: init.method ?? "GET",
        path: pathname + search,
        headers: new Headers(init.headers),
        body: init.body as string | undefined,
        at: this.clock.time,
      };
      this.asked.push(asked);
      init.signal?.addEventListener("abort", () => reject(init.signal?.reason));
      this.later(() => {
        const told = this.answer(asked) ?? this.#answer(asked);
        if (told instanceof Error) return reject(told);
        const text = told.body === undefined ? "" : JSON.stringify(told.body);
        const response = { status: told.status, headers: new Headers(told.headers), text: async () => text };
        this.later(() => resolve(response as Response));
      });
    });

  #answer({ method, path, body }: Asked): Told {
    if (path === "/commands") {
      const state = this.accept(JSON.parse(body ?? "") as Record<string, unknown>);
      return { status: 202, body: state, headers: { "retry-after": "1" } };
    }
    if (path === "/connections") {
      const url = `wss://live.example/?ticket=${this.tickets.size}-${this.clock.time}`;
      this.tickets.add(url);
      const at = (milliseconds: number) => new Date(this.clock.time + milliseconds).toISOString();
      return { status: 201, body: { url, expiresAt: at(MINUTE), until: at(this.life) } };
    }
    const receipt = /^\/operations\/(.+)$/.exec(path)?.[1];
    const state = receipt && this.operations.get(receipt);
    if (method !== "GET" || !state) return problem("not-found", 404);
    const seconds = { accepted: "1", retrying: "10", parked: "60" }[state.status as string];
    return { status: 200, body: state, headers: seconds ? { "retry-after": seconds } : {} };
  }

  /** Takes a command. Each answer to one has a receipt of its own. */
  accept(event: Record<string, unknown>): OperationState {
    const id = `receipt-${++this.#receipts}`;
    const key = `${String(event.source)} ${String(event.id)}`;
    this.commands.set(key, this.commands.get(key) ?? id);
    this.becomes(id, { status: "accepted", type: String(event.type) });
    return this.operations.get(id)!;
  }

  framed(socket: FakeSocket, frame: Frame): void {
    const instead = this.frame(frame);
    if (instead !== undefined) {
      if (instead) socket.tell({ id: frame.id, ...instead });
      return;
    }
    const { id, action } = frame;
    const receipts = frame.operations ?? [];
    if (action === "ping") socket.tell({ type: "pong", id });
    if (action === "unfollow") {
      for (const receipt of receipts) socket.followed.delete(receipt);
      socket.tell({ type: "unfollowed", id });
    }
    if (action === "submit") {
      const operation = this.accept(frame.event ?? {});
      socket.followed.add(operation.id);
      socket.tell({ type: "accepted", id, operation });
    }
    if (action === "follow") {
      assert(receipts.length >= 1 && receipts.length <= 50, `${receipts.length} receipts in a frame`);
      const operations = receipts.flatMap((receipt) => this.operations.get(receipt) ?? []);
      const unknown = receipts.filter((receipt) => !this.operations.has(receipt));
      for (const { id } of operations) socket.followed.add(id);
      socket.tell({ type: "operations", id, operations, ...(unknown.length ? { unknown } : {}) });
    }
  }
}

export const ORDER = {
  customer: "C-7",
  lines: [{ sku: "TEA", quantity: 1, unitPrice: { amount: 1250, currency: "EUR" } }],
};
