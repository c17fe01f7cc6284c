/** Time and chance, for tests to have their own. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** From 0 to 1, without 1. */
  random(): number;
  /** Runs something later, unless what it returns is called before. Nobody waits for what is in the `background`. */
  after(milliseconds: number, run: () => void, background?: boolean): () => void;
}

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;

// A longer time would be over at once.
const LONGEST = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  random: () => Math.random(),
  after(milliseconds, run, background = false) {
    const timer: unknown = setTimeout(run, Math.min(milliseconds, LONGEST));
    // Node.js stays for a timer, else. Browsers' timers are numbers.
    if (background && typeof timer === "object") (timer as { unref(): void }).unref();
    return () => clearTimeout(timer as number);
  },
};

/**
 * How long to wait after so many failures: up to half a second, doubled with each failure, up to a minute. All of it is
 * by chance, so that clients who failed together do not come back together. What the server asked for comes on top.
 */
export function backOff(clock: Clock, failures: number, retryAfter = 0): number {
  return retryAfter * SECOND + clock.random() * Math.min(MINUTE, 2 ** failures * 500);
}

export function sleep(clock: Clock, milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.after(milliseconds, () => {
      signal?.removeEventListener("abort", abort);
      resolve();
    });
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
  });
}
