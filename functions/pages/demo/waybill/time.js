export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
const LONGEST = 2 ** 31 - 1;
export const systemClock = {
    now: () => Date.now(),
    random: () => Math.random(),
    after(milliseconds, run, background = false) {
        const timer = setTimeout(run, Math.min(milliseconds, LONGEST));
        if (background && typeof timer === "object")
            timer.unref();
        return () => clearTimeout(timer);
    },
};
export function backOff(clock, failures, retryAfter = 0) {
    return retryAfter * SECOND + clock.random() * Math.min(MINUTE, 2 ** failures * 500);
}
export function sleep(clock, milliseconds, signal) {
    return new Promise((resolve, reject) => {
        const abort = () => {
            cancel();
            reject(signal?.reason);
        };
        const cancel = clock.after(milliseconds, () => {
            signal?.removeEventListener("abort", abort);
            resolve();
        });
        if (signal?.aborted)
            abort();
        else
            signal?.addEventListener("abort", abort, { once: true });
    });
}
