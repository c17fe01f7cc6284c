import { Unreachable, WaybillProblem, isPassing, problemOf } from "./problems.js";
import { SECOND, backOff, sleep, type Clock } from "./time.js";

/** Gives an access token. It is asked for each request, so it keeps a token while that is valid. */
export type TokenSource = (request: {
  /** The token that was given last is refused, or is about to expire: get another. */
  readonly renew: boolean;
}) => string | Promise<string>;

/** A success. */
export interface Answer {
  readonly headers: Headers;
  /** The JSON, or undefined if there is none. */
  readonly body: unknown;
  /** Seconds. */
  readonly retryAfter: number | undefined;
}

export interface Request {
  readonly body?: string;
  readonly contentType?: string;
  /** With a token that was not used before. */
  readonly renew?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface Patience {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds. */
  readonly timeout: number;
}

// The gateway gives up after 30 seconds.
const LONGEST_REQUEST = 35 * SECOND;

/** Requests with a token. */
export class Http {
  constructor(
    readonly url: string,
    readonly clock: Clock,
    readonly token: TokenSource,
    readonly fetch: typeof globalThis.fetch,
  ) {}

  /** Throws a `WaybillProblem` if the answer is no success, and `Unreachable` if there is none. */
  async request(method: string, path: string, request: Request = {}): Promise<Answer> {
    let answer = await this.#attempt(method, path, request, request.renew ?? false);
    if (answer.status === 401) answer = await this.#attempt(method, path, request, true);
    const { status, headers, text } = answer;
    const retryAfter = secondsOf(headers.get("retry-after"));
    const body = parsed(text);
    if (status < 200 || status > 299) throw new WaybillProblem(problemOf(status, body), retryAfter);
    return { headers, body, retryAfter };
  }

  /** Works until it succeeds, fails for good, is aborted, or has taken too long. */
  async retrying<T>(work: (failures: number) => Promise<T>, { signal, timeout }: Patience): Promise<T> {
    const end = this.clock.now() + timeout;
    for (let failures = 0; ; failures++) {
      try {
        return await work(failures);
      } catch (error) {
        if (!isPassing(error)) throw error;
        const wait = backOff(this.clock, failures, error instanceof WaybillProblem ? error.retryAfter : 0);
        if (this.clock.now() + wait > end) throw error;
        await sleep(this.clock, wait, signal);
      }
    }
  }

  async #attempt(method: string, path: string, { body, contentType, signal }: Request, renew: boolean) {
    signal?.throwIfAborted();
    const headers = new Headers({ authorization: `Bearer ${await this.token({ renew })}` });
    if (contentType) headers.set("content-type", contentType);
    signal?.throwIfAborted();
    const controller = new AbortController();
    const abort = () => controller.abort();
    signal?.addEventListener("abort", abort);
    const cancel = this.clock.after(LONGEST_REQUEST, abort);
    try {
      const request = { method, headers, signal: controller.signal, ...(body === undefined ? {} : { body }) };
      const { fetch } = this; // Browsers refuse it as a method of something else.
      const response = await fetch(this.url + path, request);
      return { status: response.status, headers: response.headers, text: await response.text() };
    } catch (cause) {
      signal?.throwIfAborted();
      throw new Unreachable(`no answer to ${method} ${path}`, { cause });
    } finally {
      cancel();
      signal?.removeEventListener("abort", abort);
    }
  }
}

/** `Retry-After` can be a date as well, which Waybill does not send. */
function secondsOf(retryAfter: string | null): number | undefined {
  return retryAfter !== null && /^\d+$/.test(retryAfter) ? Number(retryAfter) : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
