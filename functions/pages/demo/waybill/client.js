import { Follower } from "./follower.js";
import { Http } from "./http.js";
import { Operation } from "./operation.js";
import { Unanswered, WaybillProblem, isPassing } from "./problems.js";
import { MINUTE, systemClock } from "./time.js";
const ELSEWHERE = [401, 403, 413];
export class Waybill {
    #http;
    #source;
    #follower;
    #storage;
    #prefix;
    #closed;
    constructor(options) {
        const { url, token, source, fetch = globalThis.fetch, push = true, storage, clock = systemClock } = options;
        const Socket = options.WebSocket ?? globalThis.WebSocket;
        this.#http = new Http(new URL(url).href.replace(/\/+$/, ""), clock, token, fetch);
        this.#source = source;
        this.#follower = new Follower(this.#http, push ? Socket : undefined);
        this.#storage = storage;
        this.#prefix = `waybill:${source}:`;
    }
    async submit(type, subject, data, options = {}) {
        const { id = crypto.randomUUID(), expectedVersion, correlationId, dataschema, signal, timeout = MINUTE } = options;
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
            return await this.#http.retrying((failures) => this.#submitOnce(event, failures === 0, signal), {
                signal,
                timeout,
            });
        }
        catch (error) {
            throw isPassing(error) ? new Unanswered(id, error) : error;
        }
    }
    operation(receipt) {
        return new Operation(receipt, {
            follower: this.#follower,
            read: (href, options) => this.read(href, options),
            ended: (ended) => this.#store((storage) => storage.removeItem(this.#prefix + ended)),
        });
    }
    operations() {
        const { length = 0 } = this.#storage ?? {};
        const keys = Array.from({ length }, (_, at) => this.#storage?.key(at) ?? "");
        const receipts = keys.filter((key) => key.startsWith(this.#prefix)).map((key) => key.slice(this.#prefix.length));
        return receipts.map((receipt) => this.operation(receipt));
    }
    async read(path, { version, signal, timeout = MINUTE } = {}) {
        const { url } = this.#http;
        const link = new URL(path.startsWith("/") ? url + path : path);
        if (!link.href.startsWith(`${url}/`))
            throw new Error(`${path} is not below ${url}`);
        if (version !== undefined)
            link.searchParams.set("version", String(version));
        const ask = () => this.#http.request("GET", link.href.slice(url.length), { signal });
        const { headers, body } = await this.#http.retrying(ask, { signal, timeout });
        const tag = /^"(\d+)(\.\d+)?"$/.exec(headers.get("etag") ?? "");
        return { data: body, version: tag ? Number(tag[1]) : undefined };
    }
    close() {
        this.#closed ??= new Error("the client was closed");
        this.#follower.close(this.#closed);
    }
    async #submitOnce(event, first, signal) {
        if (this.#closed)
            throw this.#closed;
        signal?.throwIfAborted();
        if (first) {
            const accepted = (state) => this.#accepted(state).pushed();
            try {
                const pushed = this.#follower.submit(event, accepted, signal);
                if (pushed)
                    return await pushed;
            }
            catch (error) {
                if (!(error instanceof WaybillProblem) || !ELSEWHERE.includes(error.status))
                    throw error;
            }
        }
        const contentType = "application/cloudevents+json";
        const request = { body: JSON.stringify(event), contentType, signal };
        const { body, retryAfter } = await this.#http.request("POST", "/commands", request);
        return this.#accepted(body, retryAfter);
    }
    #accepted(state, retryAfter) {
        this.#store((storage) => storage.setItem(this.#prefix + state.id, state.id));
        return this.operation(state.id).accepted(state, retryAfter);
    }
    #store(work) {
        try {
            if (this.#storage)
                work(this.#storage);
        }
        catch {
        }
    }
}
