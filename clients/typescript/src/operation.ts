import type { Commands, Reasons } from "./commands.js";
import type { Follower, Watcher } from "./follower.js";
import { Discarded, Rejected, type Problem } from "./problems.js";
import type { Document, ReadOptions } from "./client.js";

/** The type of a command, such as `SubmitOrder`. */
export type CommandType = keyof Commands;

/** Why a command of this type may be refused: by its context's rules, or by any context. */
export type Reason<C extends CommandType> = Reasons[C] | "id-reused" | "unexpected-version";

export type Status = "accepted" | "retrying" | "parked" | "succeeded" | "rejected" | "discarded";

/** How a command is doing, as `GET /operations/{id}` has it. */
export interface OperationState {
  /** The receipt. */
  readonly id: string;
  readonly status: Status;
  readonly acceptedAt: string;
  readonly finishedAt?: string;
  /** The command's type. */
  readonly type?: string;
  readonly subject?: string;
  /** How often it was sent back to its queue, while it is retried. */
  readonly attempt?: number;
  /** How often an operator has resubmitted it. */
  readonly revision?: number;
  /** An operator has replaced the command's data. */
  readonly repaired?: boolean;
  /** What it changed, once it has succeeded. */
  readonly resource?: { readonly href: string; readonly version: number };
  /** Why it was rejected, parked or discarded, or is retried. */
  readonly error?: Problem;
}

/** What a command has made. */
export interface Result {
  /** Where the read model shows it. */
  readonly href: string;
  /** The version of the aggregate that the command has made. */
  readonly version: number;
  /** Waits until the read model has this version, and reads it. */
  read<T = unknown>(options?: Omit<ReadOptions, "version">): Promise<Document<T>>;
}

export interface WaitOptions {
  /** Ends the waiting. The command goes on. */
  readonly signal?: AbortSignal | undefined;
  /** The command waits for an operator. Its outcome comes once that person has repaired or discarded it. */
  readonly onParked?: ((state: OperationState) => void) | undefined;
}

const OPEN: readonly Status[] = ["accepted", "retrying", "parked"];
const FINAL: readonly Status[] = ["succeeded", "rejected", "discarded"];

export function isFinal({ status }: OperationState): boolean {
  return FINAL.includes(status);
}

/** Answers may come late, and twice: an operation goes on and never back. */
function isNews(state: OperationState, known: OperationState | undefined): boolean {
  if (!known) return true;
  if (isFinal(known) || isFinal(state)) return !isFinal(known);
  const progress = ({ revision = 0, status, attempt = 0 }: OperationState) => [revision, OPEN.indexOf(status), attempt];
  const before = progress(known);
  const [first = 0] = progress(state)
    .map((part, at) => part - before[at]!)
    .filter((difference) => difference !== 0);
  return first > 0;
}

/** What an operation needs of the client. */
interface Client {
  readonly follower: Follower;
  read<T>(href: string, options: ReadOptions): Promise<Document<T>>;
  /** There is an outcome. */
  ended(receipt: string): void;
}

interface Subscriber {
  changed(state: OperationState): void;
  failed(error: unknown): void;
}

/** A command that was accepted. It is followed while somebody waits for it. */
export class Operation<C extends CommandType = CommandType> {
  /** The receipt: keep it to follow the operation later, with `waybill.operation`. */
  readonly id: string;
  readonly #client: Client;
  readonly #subscribers = new Set<Subscriber>();
  readonly #watcher: Watcher;
  #state: OperationState | undefined;
  /** Seconds in which nothing is expected to change. */
  #retryAfter = 0;

  /** @internal Made by `Waybill`. */
  constructor(id: string, client: Client) {
    this.id = id;
    this.#client = client;
    this.#watcher = {
      isWaiting: () => this.#subscribers.size > 0,
      changed: (state) => this.#change(state),
      failed: (error) => {
        for (const subscriber of this.#leave()) subscriber.failed(error);
      },
    };
  }

  /** How it is doing, as far as is known here. Undefined until something is known of it. */
  get state(): OperationState | undefined {
    return this.#state;
  }

  get status(): Status | undefined {
    return this.#state?.status;
  }

  /**
   * Tells how it is doing, if that is known, and each change from then on, up to the outcome. `onError` is called if it
   * cannot be followed, and nothing is told after that. Returns what ends it.
   */
  subscribe(onChange: (state: OperationState) => void, onError: (error: unknown) => void = () => {}): () => void {
    const subscriber = { changed: told(onChange), failed: told(onError) };
    const state = this.#state;
    if (state) subscriber.changed(state);
    if (state && isFinal(state)) return () => {};
    this.#subscribers.add(subscriber);
    this.#client.follower.follow(this.id, this.#watcher, this.#retryAfter);
    return () => {
      if (this.#subscribers.delete(subscriber)) this.#client.follower.left(this.id);
    };
  }

  /** How it is doing, if that is known, and each change from then on. Ends with the outcome. */
  async *changes({ signal }: { readonly signal?: AbortSignal | undefined } = {}): AsyncGenerator<
    OperationState,
    void,
    undefined
  > {
    signal?.throwIfAborted();
    const states: OperationState[] = [];
    let failure: { readonly error: unknown } | undefined;
    let wake = () => {};
    const unsubscribe = this.subscribe(
      (state) => {
        states.push(state);
        wake();
      },
      (error) => {
        failure = { error };
        wake();
      },
    );
    const abort = () => wake();
    signal?.addEventListener("abort", abort);
    try {
      for (;;) {
        signal?.throwIfAborted();
        const state = states.shift();
        if (state) {
          yield state;
          if (isFinal(state)) return;
        } else if (failure) {
          throw failure.error;
        } else {
          await new Promise<void>((resolve) => (wake = resolve));
        }
      }
    } finally {
      unsubscribe();
      signal?.removeEventListener("abort", abort);
    }
  }

  /**
   * Waits for the outcome. Throws `Rejected` or `Discarded` if it is no success; `isRejected` tells the reason's type.
   */
  async succeeded({ signal, onParked }: WaitOptions = {}): Promise<Result> {
    for await (const state of this.changes({ signal })) {
      const { status, resource, error } = state;
      if (status === "parked") onParked?.(state);
      if (status === "rejected" && error) throw new Rejected<C>(error);
      if (status === "discarded" && error) throw new Discarded(error);
      if (status === "succeeded" && resource) {
        const { href, version } = resource;
        return { href, version, read: (options = {}) => this.#client.read(href, { ...options, version }) };
      }
    }
    throw new Error(`the operation ${this.id} has an outcome that cannot be read`);
  }

  /** Whether this command was refused: then the compiler knows which reasons there are. */
  isRejected(error: unknown): error is Rejected<C> {
    return error instanceof Rejected;
  }

  /** @internal What the answer to its submission has told of it. */
  accepted(state: OperationState, retryAfter = 0): this {
    this.#retryAfter = retryAfter;
    this.#change(state);
    return this;
  }

  /** @internal The connection follows it already. */
  pushed(): this {
    if (!this.#state || !isFinal(this.#state)) this.#client.follower.watch(this.id, this.#watcher);
    return this;
  }

  #change(state: OperationState): void {
    if (!isNews(state, this.#state)) return;
    this.#state = state;
    const subscribers = isFinal(state) ? this.#leave() : [...this.#subscribers];
    if (isFinal(state)) this.#client.ended(this.id);
    for (const subscriber of subscribers) subscriber.changed(state);
  }

  /** Nobody waits any more. */
  #leave(): Subscriber[] {
    const subscribers = [...this.#subscribers];
    this.#subscribers.clear();
    return subscribers;
  }
}

/** One who throws keeps nothing from the others. */
function told<T>(listener: (value: T) => void): (value: T) => void {
  return (value) => {
    try {
      listener(value);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  };
}
