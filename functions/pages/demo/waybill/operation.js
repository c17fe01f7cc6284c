import { Discarded, Rejected } from "./problems.js";
const OPEN = ["accepted", "retrying", "parked"];
const FINAL = ["succeeded", "rejected", "discarded"];
export function isFinal({ status }) {
    return FINAL.includes(status);
}
function isNews(state, known) {
    if (!known)
        return true;
    if (isFinal(known) || isFinal(state))
        return !isFinal(known);
    const progress = ({ revision = 0, status, attempt = 0 }) => [revision, OPEN.indexOf(status), attempt];
    const before = progress(known);
    const [first = 0] = progress(state)
        .map((part, at) => part - before[at])
        .filter((difference) => difference !== 0);
    return first > 0;
}
export class Operation {
    id;
    #client;
    #subscribers = new Set();
    #watcher;
    #state;
    #retryAfter = 0;
    constructor(id, client) {
        this.id = id;
        this.#client = client;
        this.#watcher = {
            isWaiting: () => this.#subscribers.size > 0,
            changed: (state) => this.#change(state),
            failed: (error) => {
                for (const subscriber of this.#leave())
                    subscriber.failed(error);
            },
        };
    }
    get state() {
        return this.#state;
    }
    get status() {
        return this.#state?.status;
    }
    subscribe(onChange, onError = () => { }) {
        const subscriber = { changed: told(onChange), failed: told(onError) };
        const state = this.#state;
        if (state)
            subscriber.changed(state);
        if (state && isFinal(state))
            return () => { };
        this.#subscribers.add(subscriber);
        this.#client.follower.follow(this.id, this.#watcher, this.#retryAfter);
        return () => {
            if (this.#subscribers.delete(subscriber))
                this.#client.follower.left(this.id);
        };
    }
    async *changes({ signal } = {}) {
        signal?.throwIfAborted();
        const states = [];
        let failure;
        let wake = () => { };
        const unsubscribe = this.subscribe((state) => {
            states.push(state);
            wake();
        }, (error) => {
            failure = { error };
            wake();
        });
        const abort = () => wake();
        signal?.addEventListener("abort", abort);
        try {
            for (;;) {
                signal?.throwIfAborted();
                const state = states.shift();
                if (state) {
                    yield state;
                    if (isFinal(state))
                        return;
                }
                else if (failure) {
                    throw failure.error;
                }
                else {
                    await new Promise((resolve) => (wake = resolve));
                }
            }
        }
        finally {
            unsubscribe();
            signal?.removeEventListener("abort", abort);
        }
    }
    async succeeded({ signal, onParked } = {}) {
        for await (const state of this.changes({ signal })) {
            const { status, resource, error } = state;
            if (status === "parked")
                onParked?.(state);
            if (status === "rejected" && error)
                throw new Rejected(error);
            if (status === "discarded" && error)
                throw new Discarded(error);
            if (status === "succeeded" && resource) {
                const { href, version } = resource;
                return { href, version, read: (options = {}) => this.#client.read(href, { ...options, version }) };
            }
        }
        throw new Error(`the operation ${this.id} has an outcome that cannot be read`);
    }
    isRejected(error) {
        return error instanceof Rejected;
    }
    accepted(state, retryAfter = 0) {
        this.#retryAfter = retryAfter;
        this.#change(state);
        return this;
    }
    pushed() {
        if (!this.#state || !isFinal(this.#state))
            this.#client.follower.watch(this.id, this.#watcher);
        return this;
    }
    #change(state) {
        if (!isNews(state, this.#state))
            return;
        this.#state = state;
        const subscribers = isFinal(state) ? this.#leave() : [...this.#subscribers];
        if (isFinal(state))
            this.#client.ended(this.id);
        for (const subscriber of subscribers)
            subscriber.changed(state);
    }
    #leave() {
        const subscribers = [...this.#subscribers];
        this.#subscribers.clear();
        return subscribers;
    }
}
function told(listener) {
    return (value) => {
        try {
            listener(value);
        }
        catch (error) {
            queueMicrotask(() => {
                throw error;
            });
        }
    };
}
