import { Unreachable, WaybillProblem, isPassing, problemOf } from "./problems.js";
import { SECOND, backOff, sleep } from "./time.js";
const LONGEST_REQUEST = 35 * SECOND;
export class Http {
    url;
    clock;
    token;
    fetch;
    constructor(url, clock, token, fetch) {
        this.url = url;
        this.clock = clock;
        this.token = token;
        this.fetch = fetch;
    }
    async request(method, path, request = {}) {
        let answer = await this.#attempt(method, path, request, request.renew ?? false);
        if (answer.status === 401)
            answer = await this.#attempt(method, path, request, true);
        const { status, headers, text } = answer;
        const retryAfter = secondsOf(headers.get("retry-after"));
        const body = parsed(text);
        if (status < 200 || status > 299)
            throw new WaybillProblem(problemOf(status, body), retryAfter);
        return { headers, body, retryAfter };
    }
    async retrying(work, { signal, timeout }) {
        const end = this.clock.now() + timeout;
        for (let failures = 0;; failures++) {
            try {
                return await work(failures);
            }
            catch (error) {
                if (!isPassing(error))
                    throw error;
                const wait = backOff(this.clock, failures, error instanceof WaybillProblem ? error.retryAfter : 0);
                if (this.clock.now() + wait > end)
                    throw error;
                await sleep(this.clock, wait, signal);
            }
        }
    }
    async #attempt(method, path, { body, contentType, signal }, renew) {
        signal?.throwIfAborted();
        const headers = new Headers({ authorization: `Bearer ${await this.token({ renew })}` });
        if (contentType)
            headers.set("content-type", contentType);
        signal?.throwIfAborted();
        const controller = new AbortController();
        const abort = () => controller.abort();
        signal?.addEventListener("abort", abort);
        const cancel = this.clock.after(LONGEST_REQUEST, abort);
        try {
            const request = { method, headers, signal: controller.signal, ...(body === undefined ? {} : { body }) };
            const { fetch } = this;
            const response = await fetch(this.url + path, request);
            return { status: response.status, headers: response.headers, text: await response.text() };
        }
        catch (cause) {
            signal?.throwIfAborted();
            throw new Unreachable(`no answer to ${method} ${path}`, { cause });
        }
        finally {
            cancel();
            signal?.removeEventListener("abort", abort);
        }
    }
}
function secondsOf(retryAfter) {
    return retryAfter !== null && /^\d+$/.test(retryAfter) ? Number(retryAfter) : undefined;
}
function parsed(text) {
    try {
        return JSON.parse(text);
    }
    catch {
        return undefined;
    }
}
