import type { Http } from "./http.js";
import type { OperationState } from "./operation.js";
import { Unreachable, WaybillProblem, type Problem } from "./problems.js";
import { MINUTE, SECOND, backOff } from "./time.js";

/** What is needed of a WebSocket: browsers' have it, Node.js 22's, and those of the package `ws`. */
export interface WebSocketLike {
  addEventListener(type: "open", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: "close", listener: () => void): void;
  addEventListener(type: "error", listener: () => void): void;
  send(text: string): void;
  close(): void;
}

export type WebSocketConstructor = new (url: string) => WebSocketLike;

/** What the server says. */
export type Frame =
  | { readonly type: "accepted"; readonly id: string; readonly operation: OperationState }
  | {
      readonly type: "operations";
      readonly id?: string;
      readonly operations?: readonly OperationState[];
      readonly unknown?: readonly string[];
    }
  | { readonly type: "problem"; readonly id?: string; readonly problem: Problem; readonly retryAfter?: number }
  | { readonly type: "unfollowed" | "pong"; readonly id: string };

export interface Listener {
  /** There is a connection, or another one: nothing is followed on it yet. */
  opened(): void;
  frame(frame: Frame): void;
  /** There is none any more. */
  lost(): void;
  /** Time to say something that the server answers. */
  beat(): void;
}

/** From the ticket to an open connection. */
const OPENING = 10 * SECOND;
/** From a beat to the server's answer. */
const ANSWERING = 15 * SECOND;
/** How long a connection stays after the next one has opened, for answers that are on the way. */
const GRACE = 10 * SECOND;
/** A connection that lived so long was a good one. */
const GOOD = MINUTE;
/** How long before its end a connection is replaced, at most. */
const AHEAD = 10 * MINUTE;
/** Taken for its life, if it is shorter. */
const SHORTEST = MINUTE / 2;
/** When to ask again whether there is push, once there was none. */
const NO_PUSH = 60 * MINUTE;

/** One WebSocket, kept open while it is wanted: made again when it is cut, and replaced before the server ends it. */
export class Connection {
  readonly #http: Http;
  readonly #Socket: WebSocketConstructor;
  readonly #listener: Listener;
  /** The one that is open and in use. */
  #current: WebSocketLike | undefined;
  /** Those that are opening, open, or about to be closed. */
  readonly #sockets = new Set<WebSocketLike>();
  #wanted = false;
  #opening = false;
  #failures = 0;
  /** When to try again, at the earliest. */
  #notBefore = 0;
  #openedAt = 0;
  #heardAt = 0;
  #cancelOpening = () => {};
  #cancelBeat = () => {};

  constructor(http: Http, Socket: WebSocketConstructor, listener: Listener) {
    this.#http = http;
    this.#Socket = Socket;
    this.#listener = listener;
  }

  get isOpen(): boolean {
    return this.#current !== undefined;
  }

  /** Whether one is open, or may be soon. */
  get isLikely(): boolean {
    return this.isOpen || this.#opening || this.#http.clock.now() >= this.#notBefore;
  }

  open(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#openIn(this.#notBefore - this.#http.clock.now());
  }

  close(): void {
    this.#wanted = false;
    this.#current = undefined;
    this.#cancelOpening();
    this.#cancelBeat();
    for (const socket of this.#sockets) this.#drop(socket);
  }

  /** Does nothing if there is no connection. */
  send(frame: object): void {
    try {
      this.#current?.send(JSON.stringify(frame));
    } catch {
      // It is closing, and will say so.
    }
  }

  #openIn(milliseconds: number): void {
    this.#cancelOpening();
    if (milliseconds <= 0) void this.#open();
    else this.#cancelOpening = this.#http.clock.after(milliseconds, () => void this.#open(), true);
  }

  async #open(): Promise<void> {
    if (this.#opening) return;
    this.#opening = true;
    try {
      // A connection ends with its token, at the latest.
      const { body } = await this.#http.request("POST", "/connections", { renew: this.isOpen });
      const { url, until, expiresAt } = body as { url: string; until: string; expiresAt: string };
      // By the server's clock alone, for this one's may be wrong. The life is a minute longer than that.
      const life = Date.parse(until) - Date.parse(expiresAt);
      if (this.#wanted) await this.#connect(url, Math.max(SHORTEST, life || 0));
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#opening = false;
    }
  }

  /** Returns once it is open. */
  #connect(url: string, life: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = new this.#Socket(url);
      this.#sockets.add(socket);
      const gone = () => {
        cancel();
        reject(new Unreachable("the WebSocket was closed"));
        this.#gone(socket);
      };
      const cancel = this.#http.clock.after(
        OPENING,
        () => {
          gone();
          socket.close();
        },
        true,
      );
      socket.addEventListener("open", () => {
        cancel();
        resolve();
        if (this.#sockets.has(socket)) this.#use(socket, life);
      });
      socket.addEventListener("message", ({ data }) => {
        this.#heardAt = this.#http.clock.now();
        if (this.#sockets.has(socket)) this.#take(data);
      });
      socket.addEventListener("close", gone);
      // What is wrong is not told, and `close` follows.
      socket.addEventListener("error", () => {});
    });
  }

  #use(socket: WebSocketLike, life: number): void {
    const { clock } = this.#http;
    const before = this.#current;
    if (before) clock.after(GRACE, () => this.#drop(before), true);
    this.#current = socket;
    this.#openedAt = clock.now();
    this.#openIn(life - Math.min(AHEAD, life / 2) * (0.5 + clock.random() / 2));
    this.#beatLater(socket);
    this.#listener.opened();
  }

  #beatLater(socket: WebSocketLike): void {
    const { clock } = this.#http;
    this.#cancelBeat();
    this.#cancelBeat = clock.after(
      MINUTE,
      () => {
        const asked = clock.now();
        this.#listener.beat();
        this.#beatLater(socket);
        // A connection can be gone without anybody having been told.
        clock.after(ANSWERING, () => this.#heardAt < asked && this.#drop(socket), true);
      },
      true,
    );
  }

  #take(data: unknown): void {
    let frame: Frame | null;
    try {
      frame = JSON.parse(String(data)) as Frame | null;
    } catch {
      return;
    }
    if (frame) this.#listener.frame(frame);
  }

  #drop(socket: WebSocketLike): void {
    this.#gone(socket);
    socket.close();
  }

  #gone(socket: WebSocketLike): void {
    if (!this.#sockets.delete(socket) || socket !== this.#current) return;
    const { clock } = this.#http;
    this.#current = undefined;
    if (clock.now() - this.#openedAt >= GOOD) this.#failures = 0;
    this.#failed(new Unreachable("the connection was cut"));
    this.#listener.lost();
  }

  #failed(error: unknown): void {
    const { clock } = this.#http;
    const problem = error instanceof WaybillProblem ? error : undefined;
    const absent = problem?.status === 404 || problem?.status === 501;
    const wait = absent ? NO_PUSH : backOff(clock, this.#failures++, problem?.retryAfter);
    this.#notBefore = clock.now() + wait;
    if (this.#wanted) this.#openIn(wait);
  }
}
