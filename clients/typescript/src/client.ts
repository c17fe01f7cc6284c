import type { Commands } from "./commands.js";
import type { WebSocketConstructor } from "./connection.js";
import { Follower } from "./follower.js";
import { Http, type TokenSource } from "./http.js";
import { Operation, type CommandType, type OperationState } from "./operation.js";
import { Unanswered, WaybillProblem, isPassing } from "./problems.js";
import { MINUTE, systemClock, type Clock } from "./time.js";

export interface WaybillOptions {
  /** The API's URL: the stack's output `ApiUrl`. */
  readonly url: string;
  readonly token: TokenSource;
  /** Where the commands come from: the `source` of every CloudEvent. A grant has to allow it. */
  readonly source: string;
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** By default the global one. Without one, operations are asked for. */
  readonly WebSocket?: WebSocketConstructor | undefined;
  /** False: no WebSocket at all. */
  readonly push?: boolean | undefined;
  /**
   * Keeps the receipts of open operations, such as `sessionStorage`: `waybill.operations()` has them after a reload.
   */
  readonly storage?: ReceiptStorage | undefined;
  /** For tests. */
  readonly clock?: Clock | undefined;
}

/** What is needed of a browser's `Storage`. */
export type ReceiptStorage = Pick<Storage, "length" | "key" | "setItem" | "removeItem">;

export interface SubmitOptions {
  /** The command's id, by default a new one. The same id and content again is the same command. */
  readonly id?: string | undefined;
  /** The aggregate is at this version, or the command is rejected as `unexpected-version`. 0: it is not there yet. */
  readonly expectedVersion?: number | undefined;
  /** Connects this command with others. It reaches the domain events. */
  readonly correlationId?: string | undefined;
  /** The URI of the data's schema, by default the newest one. */
  readonly dataschema?: string | undefined;
  /** Ends the attempts. The command may have been accepted all the same. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds for all attempts together, by default one minute. */
  readonly timeout?: number | undefined;
}

export interface ReadOptions {
  /** Waits until the read model has this version, or a later one. */
  readonly version?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds for all attempts together, by default one minute. */
  readonly timeout?: number | undefined;
}

/** What was read. */
export interface Document<T> {
  readonly data: T;
  /** For `expectedVersion`. What is not of one aggregate has none. */
  readonly version: number | undefined;
}

// What the connection may not do or take, a request may.
const ELSEWHERE = [401, 403, 413];

/** Hands in commands, follows them to their outcomes, and reads what they have made. */
export class Waybill {
  readonly #http: Http;
  readonly #source: string;
  readonly #follower: Follower;
  readonly #storage: ReceiptStorage | undefined;
  readonly #prefix: string;
  #closed: Error | undefined;

  constructor(options: WaybillOptions) {
    const { url, token, source, fetch = globalThis.fetch, push = true, storage, clock = systemClock } = options;
    const Socket = options.WebSocket ?? (globalThis.WebSocket as WebSocketConstructor | undefined);
    this.#http = new Http(new URL(url).href.replace(/\/+$/, ""), clock, token, fetch);
    this.#source = source;
    this.#follower = new Follower(this.#http, push ? Socket : undefined);
    this.#storage = storage;
    this.#prefix = `waybill:${source}:`;
  }

  /**
   * Hands in a command: over the WebSocket if one is open, or by a request. Tries again, with the same id, until the
   * command is accepted, is refused, or `timeout` or `signal` ends it. Throws a `WaybillProblem` if it is refused, and
   * `Unanswered` after the time. Without a subject the command is for a new aggregate, which the operation names.
   */
  async submit<C extends CommandType>(
    type: C,
    subject: string | undefined,
    data: Commands[C],
    options: SubmitOptions = {},
  ): Promise<Operation<C>> {
    const { id = crypto.randomUUID(), expectedVersion, correlationId, dataschema, signal, timeout = MINUTE } = options;
    // Members without a value are left out of the JSON. No time is said, for the same command has the same content.
    const event = {
      specversion: "1.0",
      id,
      source: this.#source,
      type,
      subject,
      expectedversion: expectedVersion,
      correlationid: correlationId,
      dataschema,
      data,
    };
    try {
      return await this.#http.retrying((failures) => this.#submitOnce<C>(event, failures === 0, signal), {
        signal,
        timeout,
      });
    } catch (error) {
      throw isPassing(error) ? new Unanswered(id, error) : error;
    }
  }

  /** The operation with this receipt. It is asked for once somebody waits for it. */
  operation<C extends CommandType = CommandType>(receipt: string): Operation<C> {
    return new Operation<C>(receipt, {
      follower: this.#follower,
      read: (href, options) => this.read(href, options),
      ended: (ended) => this.#store((storage) => storage.removeItem(this.#prefix + ended)),
    });
  }

  /** The open operations that the option `storage` has kept. */
  operations(): Operation[] {
    const { length = 0 } = this.#storage ?? {};
    const keys = Array.from({ length }, (_, at) => this.#storage?.key(at) ?? "");
    const receipts = keys.filter((key) => key.startsWith(this.#prefix)).map((key) => key.slice(this.#prefix.length));
    return receipts.map((receipt) => this.operation(receipt));
  }

  /**
   * Reads a path such as `/orders/O-1001`, or a link of the API. Asks again while the read model is not at `version`
   * yet, and whenever it may help. Throws a `WaybillProblem`, or `Unreachable` if there was no answer at all.
   */
  async read<T = unknown>(path: string, { version, signal, timeout = MINUTE }: ReadOptions = {}): Promise<Document<T>> {
    const { url } = this.#http;
    const link = new URL(path.startsWith("/") ? url + path : path);
    // What a pipeline of the tenant's own has made may be anywhere, and the token is nobody else's business.
    if (!link.href.startsWith(`${url}/`)) throw new Error(`${path} is not below ${url}`);
    if (version !== undefined) link.searchParams.set("version", String(version));
    const ask = () => this.#http.request("GET", link.href.slice(url.length), { signal });
    const { headers, body } = await this.#http.retrying(ask, { signal, timeout });
    const tag = /^"(\d+)(\.\d+)?"$/.exec(headers.get("etag") ?? "");
    return { data: body as T, version: tag ? Number(tag[1]) : undefined };
  }

  /**
   * Ends all waiting, with an error. In Node.js, do so at the end: an open WebSocket keeps the process for half a
   * minute.
   */
  close(): void {
    this.#closed ??= new Error("the client was closed");
    this.#follower.close(this.#closed);
  }

  async #submitOnce<C extends CommandType>(
    event: object,
    first: boolean,
    signal: AbortSignal | undefined,
  ): Promise<Operation<C>> {
    if (this.#closed) throw this.#closed;
    signal?.throwIfAborted();
    if (first) {
      const accepted = (state: OperationState) => this.#accepted<C>(state).pushed();
      try {
        const pushed = this.#follower.submit(event, accepted, signal);
        if (pushed) return await pushed;
      } catch (error) {
        if (!(error instanceof WaybillProblem) || !ELSEWHERE.includes(error.status)) throw error;
      }
    }
    const contentType = "application/cloudevents+json";
    const request = { body: JSON.stringify(event), contentType, signal };
    const { body, retryAfter } = await this.#http.request("POST", "/commands", request);
    return this.#accepted<C>(body as OperationState, retryAfter);
  }

  #accepted<C extends CommandType>(state: OperationState, retryAfter?: number): Operation<C> {
    this.#store((storage) => storage.setItem(this.#prefix + state.id, state.id));
    return this.operation<C>(state.id).accepted(state, retryAfter);
  }

  /** A storage that is full or forbidden is no reason to fail. */
  #store(work: (storage: ReceiptStorage) => void): void {
    try {
      if (this.#storage) work(this.#storage);
    } catch {
      // The receipt is lost with the page.
    }
  }
}
