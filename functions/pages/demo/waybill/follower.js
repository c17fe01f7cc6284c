import { Connection } from "./connection.js";
import { isFinal } from "./operation.js";
import { Unreachable, WaybillProblem, isPassing } from "./problems.js";
import { SECOND, backOff } from "./time.js";
const LARGEST_FRAME = 32 * 1024;
const MOST_RECEIPTS = 50;
const ANSWERING = 10 * SECOND;
const FIRST_POLL = SECOND;
const POLL = 5 * SECOND;
const IDLE = 30 * SECOND;
const UNKNOWN = {
    type: "urn:waybill:problem:not-found",
    title: "There is no such thing",
    status: 404,
    detail: "no operation has this receipt, or none of this tenant, or it is long past",
};
export class Follower {
    #http;
    #connection;
    #tracks = new Map();
    #submissions = new Map();
    #early = new Map();
    #toFollow = new Set();
    #toUnfollow = new Set();
    #frames = 0;
    #cancelIdle;
    #closed;
    constructor(http, Socket) {
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
    follow(receipt, watcher, seconds) {
        if (this.#closed)
            return watcher.failed(this.#closed);
        const track = this.#track(receipt, watcher);
        this.#settle();
        if (track.pushed || track.cancelPoll)
            return;
        this.#toFollow.add(receipt);
        queueMicrotask(() => this.#flush());
        this.#poll(receipt, track, Math.max(seconds * SECOND, this.#connection?.isLikely ? FIRST_POLL : 0));
    }
    watch(receipt, watcher) {
        pushed(this.#track(receipt, watcher));
    }
    left(receipt) {
        const track = this.#tracks.get(receipt);
        if (!track || isWaitedFor(track))
            return;
        this.#drop(receipt, track);
        this.#toUnfollow.add(receipt);
        queueMicrotask(() => this.#flush());
        this.#settle();
    }
    submit(event, accepted, signal) {
        const id = this.#nextId();
        const frame = { action: "submit", id, event };
        const size = new TextEncoder().encode(JSON.stringify(frame)).length;
        const connection = this.#connection;
        if (!connection?.isOpen || size > LARGEST_FRAME)
            return undefined;
        return new Promise((resolve, reject) => {
            const failed = (error) => {
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
    close(error) {
        this.#closed = error;
        this.#cancelIdle?.();
        this.#connection?.close();
        for (const submission of [...this.#submissions.values()])
            submission.failed(error);
        for (const [receipt, track] of [...this.#tracks])
            this.#fail(receipt, track, error);
    }
    #track(receipt, watcher) {
        let track = this.#tracks.get(receipt);
        if (!track) {
            track = { watchers: new Set(), pushed: false, failures: 0, cancelPoll: undefined };
            this.#tracks.set(receipt, track);
        }
        track.watchers.add(watcher);
        return track;
    }
    #drop(receipt, track) {
        track.cancelPoll?.();
        this.#tracks.delete(receipt);
        this.#toFollow.delete(receipt);
    }
    #fail(receipt, track, error) {
        this.#drop(receipt, track);
        for (const watcher of track.watchers)
            watcher.failed(error);
        this.#settle();
    }
    #told(receipt, track, state) {
        if (isFinal(state))
            this.#drop(receipt, track);
        for (const watcher of track.watchers)
            watcher.changed(state);
        this.#settle();
    }
    #answered(id) {
        this.#submissions.get(id)?.done();
        this.#submissions.delete(id);
        if (this.#submissions.size === 0)
            this.#early.clear();
        this.#settle();
    }
    #settle() {
        if (this.#closed || !this.#connection)
            return;
        const waiting = any(this.#tracks.values(), isWaitedFor);
        if (waiting)
            this.#connection.open();
        if (waiting || this.#submissions.size > 0) {
            this.#cancelIdle?.();
            this.#cancelIdle = undefined;
        }
        else {
            this.#cancelIdle ??= this.#http.clock.after(IDLE, () => this.#idle(), true);
        }
    }
    #idle() {
        this.#cancelIdle = undefined;
        this.#sweep();
        this.#connection?.close();
    }
    #sweep() {
        for (const [receipt, track] of [...this.#tracks]) {
            if (!isWaitedFor(track))
                this.#drop(receipt, track);
        }
    }
    #opened() {
        this.#unpush(FIRST_POLL);
        this.#followAll();
    }
    #lost() {
        this.#unpush(FIRST_POLL + this.#http.clock.random() * POLL);
        for (const submission of [...this.#submissions.values()])
            submission.failed(new Unreachable("the connection was cut"));
    }
    #beat() {
        this.#sweep();
        if (this.#tracks.size > 0)
            this.#followAll();
        else
            this.#connection?.send({ action: "ping", id: this.#nextId() });
    }
    #unpush(milliseconds) {
        this.#sweep();
        for (const [receipt, track] of this.#tracks) {
            track.pushed = false;
            if (!track.cancelPoll)
                this.#poll(receipt, track, milliseconds);
        }
    }
    #followAll() {
        for (const receipt of this.#tracks.keys())
            this.#toFollow.add(receipt);
        this.#flush();
    }
    #flush() {
        this.#send("unfollow", this.#toUnfollow);
        this.#send("follow", this.#toFollow);
    }
    #send(action, receipts) {
        const all = [...receipts];
        receipts.clear();
        for (let at = 0; at < all.length; at += MOST_RECEIPTS) {
            this.#connection?.send({ action, id: this.#nextId(), operations: all.slice(at, at + MOST_RECEIPTS) });
        }
    }
    #nextId() {
        this.#frames += 1;
        return String(this.#frames);
    }
    #take(frame) {
        if (frame.type === "accepted")
            this.#submissions.get(frame.id)?.accepted(frame.operation);
        if (frame.type === "problem" && frame.id !== undefined) {
            this.#submissions.get(frame.id)?.failed(new WaybillProblem(frame.problem, frame.retryAfter));
        }
        if (frame.type !== "operations")
            return;
        for (const state of frame.operations ?? []) {
            const track = this.#tracks.get(state.id);
            if (track) {
                pushed(track);
                this.#told(state.id, track, state);
            }
            else if (this.#submissions.size > 0) {
                this.#early.set(state.id, state);
            }
        }
        for (const receipt of frame.unknown ?? []) {
            const track = this.#tracks.get(receipt);
            if (track)
                this.#fail(receipt, track, new WaybillProblem(UNKNOWN));
        }
    }
    #poll(receipt, track, milliseconds) {
        track.cancelPoll?.();
        track.cancelPoll = this.#http.clock.after(milliseconds, () => void this.#ask(receipt, track));
    }
    async #ask(receipt, track) {
        const { clock } = this.#http;
        let wait;
        try {
            const { body, retryAfter } = await this.#http.request("GET", `/operations/${encodeURIComponent(receipt)}`);
            track.failures = 0;
            wait = (retryAfter === undefined ? POLL : retryAfter * SECOND) * (1 + clock.random() / 5);
            if (this.#tracks.get(receipt) === track)
                this.#told(receipt, track, body);
        }
        catch (error) {
            if (this.#tracks.get(receipt) !== track)
                return;
            if (!isPassing(error))
                return this.#fail(receipt, track, error);
            wait = backOff(clock, track.failures++, error instanceof WaybillProblem ? error.retryAfter : 0);
        }
        if (this.#tracks.get(receipt) === track && !track.pushed)
            this.#poll(receipt, track, wait);
    }
}
function isWaitedFor(track) {
    return any(track.watchers, (watcher) => watcher.isWaiting());
}
function any(all, holds) {
    for (const one of all)
        if (holds(one))
            return true;
    return false;
}
function pushed(track) {
    track.pushed = true;
    track.cancelPoll?.();
    track.cancelPoll = undefined;
}
