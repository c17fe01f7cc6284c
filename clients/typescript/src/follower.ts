import { Connection, type Frame, type WebSocketConstructor } from "./connection.js";
import type { Http } from "./http.js";
import { isFinal, type OperationState } from "./operation.js";
import { Unreachable, WaybillProblem, isPassing } from "./problems.js";
import { SECOND, backOff } from "./time.js";

/** Who wants to know of a receipt. */
export interface Watcher {
  isWaiting(): boolean;
  changed(state: OperationState): void;
  failed(error: unknown): void;
}

/** A receipt that somebody wants to know of. */
interface Track {
  readonly watchers: Set<Watcher>;
  /** The connection tells its outcome, so that it need not be asked for. */
  pushed: boolean;
  failures: number;
  cancelPoll: (() => void) | undefined;
}

/** A command whose answer is to come over the connection. */
interface Submission {
  done(): void;
  accepted(state: OperationState): void;
  failed(error: unknown): void;
}

/** Most bytes of a frame, and most receipts in it. */
const LARGEST_FRAME = 32 * 1024;
const MOST_RECEIPTS = 50;
/** How long a command waits for its answer over the connection. */
const ANSWERING = 10 * SECOND;
/** How soon an operation is asked for, if the connection has not told of it by then. */
const FIRST_POLL = SECOND;
/** How often, if the server does not say. */
const POLL = 5 * SECOND;
/** How long a connection is kept after the last outcome. */
const IDLE = 30 * SECOND;

/** Of a receipt that the server does not know. */
const UNKNOWN = {
  type: "urn:waybill:problem:not-found",
  title: "There is no such thing",
  status: 404,
  detail: "no operation has this receipt, or none of this tenant, or it is long past",
};

/** Learns what becomes of operations: by push, and by asking wherever there is none. */
export class Follower {
  readonly #http: Http;
  readonly #connection: Connection | undefined;
  readonly #tracks = new Map<string, Track>();
  readonly #submissions = new Map<string, Submission>();
  /** Outcomes of commands that are not known to be accepted yet: frames may overtake each other. */
  readonly #early = new Map<string, OperationState>();
  readonly #toFollow = new Set<string>();
  readonly #toUnfollow = new Set<string>();
  #frames = 0;
  #cancelIdle: (() => void) | undefined;
  #closed: Error | undefined;

  constructor(http: Http, Socket: WebSocketConstructor | undefined) {
    this.#http = http;
    this.#connection =
      Socket &&
      new Connection(http, Socket, {
        opened: () => this.#opened(),
        frame: (frame) => this.#take(frame),
        lost: () => this.#lost(),
        beat: () => this.#beat(),
      });
  }

  /** Tells the watcher what becomes of the operation. The server would not be asked for it within so many seconds. */
  follow(receipt: string, watcher: Watcher, seconds: number): void {
    if (this.#closed) return watcher.failed(this.#closed);
    const track = this.#track(receipt, watcher);
    this.#settle();
    if (track.pushed || track.cancelPoll) return;
    this.#toFollow.add(receipt);
    queueMicrotask(() => this.#flush());
    this.#poll(receipt, track, Math.max(seconds * SECOND, this.#connection?.isLikely ? FIRST_POLL : 0));
  }

  /** The connection follows the operation already, though nobody waits for it yet. */
  watch(receipt: string, watcher: Watcher): void {
    pushed(this.#track(receipt, watcher));
  }

  /** Somebody waits no more. */
  left(receipt: string): void {
    const track = this.#tracks.get(receipt);
    if (!track || isWaitedFor(track)) return;
    this.#drop(receipt, track);
    this.#toUnfollow.add(receipt);
    queueMicrotask(() => this.#flush());
    this.#settle();
  }

  /**
   * Hands a command in over the connection. Undefined if there is none, or if it is too large for it. What comes right
   * behind the answer finds done what `accepted` does.
   */
  submit<T>(event: object, accepted: (state: OperationState) => T, signal?: AbortSignal): Promise<T> | undefined {
    const id = this.#nextId();
    const frame = { action: "submit", id, event };
    const size = new TextEncoder().encode(JSON.stringify(frame)).length;
    const connection = this.#connection;
    if (!connection?.isOpen || size > LARGEST_FRAME) return undefined;
    return new Promise((resolve, reject) => {
      const failed = (error: unknown) => {
        this.#answered(id);
        reject(error);
      };
      const late = this.#http.clock.after(ANSWERING, () => failed(new Unreachable("no answer to a command")));
      const abort = () => failed(signal?.reason);
      signal?.addEventListener("abort", abort);
      this.#submissions.set(id, {
        done: () => {
          late();
          signal?.removeEventListener("abort", abort);
        },
        accepted: (state) => {
          const early = this.#early.get(state.id);
          this.#answered(id);
          resolve(accepted(early ?? state));
        },
        failed,
      });
      connection.send(frame);
      this.#settle();
    });
  }

  /** Nobody is told anything any more but this. */
  close(error: Error): void {
    this.#closed = error;
    this.#cancelIdle?.();
    this.#connection?.close();
    for (const submission of [...this.#submissions.values()]) submission.failed(error);
    for (const [receipt, track] of [...this.#tracks]) this.#fail(receipt, track, error);
  }

  #track(receipt: string, watcher: Watcher): Track {
    let track = this.#tracks.get(receipt);
    if (!track) {
      track = { watchers: new Set(), pushed: false, failures: 0, cancelPoll: undefined };
      this.#tracks.set(receipt, track);
    }
    track.watchers.add(watcher);
    return track;
  }

  #drop(receipt: string, track: Track): void {
    track.cancelPoll?.();
    this.#tracks.delete(receipt);
    this.#toFollow.delete(receipt);
  }

  #fail(receipt: string, track: Track, error: unknown): void {
    this.#drop(receipt, track);
    for (const watcher of track.watchers) watcher.failed(error);
    this.#settle();
  }

  #told(receipt: string, track: Track, state: OperationState): void {
    if (isFinal(state)) this.#drop(receipt, track);
    for (const watcher of track.watchers) watcher.changed(state);
    this.#settle();
  }

  #answered(id: string): void {
    this.#submissions.get(id)?.done();
    this.#submissions.delete(id);
    if (this.#submissions.size === 0) this.#early.clear();
    this.#settle();
  }

  /** Keeps a connection while somebody waits, and some time longer. */
  #settle(): void {
    if (this.#closed || !this.#connection) return;
    const waiting = any(this.#tracks.values(), isWaitedFor);
    if (waiting) this.#connection.open();
    if (waiting || this.#submissions.size > 0) {
      this.#cancelIdle?.();
      this.#cancelIdle = undefined;
    } else {
      this.#cancelIdle ??= this.#http.clock.after(IDLE, () => this.#idle(), true);
    }
  }

  #idle(): void {
    this.#cancelIdle = undefined;
    this.#sweep();
    this.#connection?.close();
  }

  /** Forgets those that nobody has waited for. */
  #sweep(): void {
    for (const [receipt, track] of [...this.#tracks]) {
      if (!isWaitedFor(track)) this.#drop(receipt, track);
    }
  }

  #opened(): void {
    this.#unpush(FIRST_POLL);
    this.#followAll();
  }

  #lost(): void {
    // Mostly the next connection is there before that.
    this.#unpush(FIRST_POLL + this.#http.clock.random() * POLL);
    for (const submission of [...this.#submissions.values()])
      submission.failed(new Unreachable("the connection was cut"));
  }

  #beat(): void {
    this.#sweep();
    if (this.#tracks.size > 0) this.#followAll();
    else this.#connection?.send({ action: "ping", id: this.#nextId() });
  }

  #unpush(milliseconds: number): void {
    this.#sweep();
    for (const [receipt, track] of this.#tracks) {
      track.pushed = false;
      if (!track.cancelPoll) this.#poll(receipt, track, milliseconds);
    }
  }

  #followAll(): void {
    for (const receipt of this.#tracks.keys()) this.#toFollow.add(receipt);
    this.#flush();
  }

  #flush(): void {
    // In this order, for one that was left may have been taken up again.
    this.#send("unfollow", this.#toUnfollow);
    this.#send("follow", this.#toFollow);
  }

  /** Without a connection it is enough to forget: all that is open is followed on the next one. */
  #send(action: "follow" | "unfollow", receipts: Set<string>): void {
    const all = [...receipts];
    receipts.clear();
    for (let at = 0; at < all.length; at += MOST_RECEIPTS) {
      this.#connection?.send({ action, id: this.#nextId(), operations: all.slice(at, at + MOST_RECEIPTS) });
    }
  }

  #nextId(): string {
    this.#frames += 1;
    return String(this.#frames);
  }

  #take(frame: Frame): void {
    if (frame.type === "accepted") this.#submissions.get(frame.id)?.accepted(frame.operation);
    if (frame.type === "problem" && frame.id !== undefined) {
      // Operations that could not be followed are asked for meanwhile.
      this.#submissions.get(frame.id)?.failed(new WaybillProblem(frame.problem, frame.retryAfter));
    }
    if (frame.type !== "operations") return;
    for (const state of frame.operations ?? []) {
      const track = this.#tracks.get(state.id);
      if (track) {
        pushed(track);
        this.#told(state.id, track, state);
      } else if (this.#submissions.size > 0) {
        this.#early.set(state.id, state);
      }
    }
    for (const receipt of frame.unknown ?? []) {
      const track = this.#tracks.get(receipt);
      if (track) this.#fail(receipt, track, new WaybillProblem(UNKNOWN));
    }
  }

  #poll(receipt: string, track: Track, milliseconds: number): void {
    track.cancelPoll?.();
    track.cancelPoll = this.#http.clock.after(milliseconds, () => void this.#ask(receipt, track));
  }

  async #ask(receipt: string, track: Track): Promise<void> {
    const { clock } = this.#http;
    let wait: number;
    try {
      const { body, retryAfter } = await this.#http.request("GET", `/operations/${encodeURIComponent(receipt)}`);
      track.failures = 0;
      wait = (retryAfter === undefined ? POLL : retryAfter * SECOND) * (1 + clock.random() / 5);
      if (this.#tracks.get(receipt) === track) this.#told(receipt, track, body as OperationState);
    } catch (error) {
      if (this.#tracks.get(receipt) !== track) return;
      if (!isPassing(error)) return this.#fail(receipt, track, error);
      wait = backOff(clock, track.failures++, error instanceof WaybillProblem ? error.retryAfter : 0);
    }
    if (this.#tracks.get(receipt) === track && !track.pushed) this.#poll(receipt, track, wait);
  }
}

function isWaitedFor(track: Track): boolean {
  return any(track.watchers, (watcher) => watcher.isWaiting());
}

function any<T>(all: Iterable<T>, holds: (one: T) => boolean): boolean {
  for (const one of all) if (holds(one)) return true;
  return false;
}

function pushed(track: Track): void {
  track.pushed = true;
  track.cancelPoll?.();
  track.cancelPoll = undefined;
}
