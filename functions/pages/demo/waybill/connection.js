import { Unreachable, WaybillProblem } from "./problems.js";
import { MINUTE, SECOND, backOff } from "./time.js";
const OPENING = 10 * SECOND;
const ANSWERING = 15 * SECOND;
const GRACE = 10 * SECOND;
const GOOD = MINUTE;
const AHEAD = 10 * MINUTE;
const SHORTEST = MINUTE / 2;
const NO_PUSH = 60 * MINUTE;
export class Connection {
    #http;
    #Socket;
    #listener;
    #current;
    #sockets = new Set();
    #wanted = false;
    #opening = false;
    #failures = 0;
    #notBefore = 0;
    #openedAt = 0;
    #heardAt = 0;
    #cancelOpening = () => { };
    #cancelBeat = () => { };
    constructor(http, Socket, listener) {
        this.#http = http;
        this.#Socket = Socket;
        this.#listener = listener;
    }
    get isOpen() {
        return this.#current !== undefined;
    }
    get isLikely() {
        return this.isOpen || this.#opening || this.#http.clock.now() >= this.#notBefore;
    }
    open() {
        if (this.#wanted)
            return;
        this.#wanted = true;
        this.#openIn(this.#notBefore - this.#http.clock.now());
    }
    close() {
        this.#wanted = false;
        this.#current = undefined;
        this.#cancelOpening();
        this.#cancelBeat();
        for (const socket of this.#sockets)
            this.#drop(socket);
    }
    send(frame) {
        try {
            this.#current?.send(JSON.stringify(frame));
        }
        catch {
        }
    }
    #openIn(milliseconds) {
        this.#cancelOpening();
        if (milliseconds <= 0)
            void this.#open();
        else
            this.#cancelOpening = this.#http.clock.after(milliseconds, () => void this.#open(), true);
    }
    async #open() {
        if (this.#opening)
            return;
        this.#opening = true;
        try {
            const { body } = await this.#http.request("POST", "/connections", { renew: this.isOpen });
            const { url, until, expiresAt } = body;
            const life = Date.parse(until) - Date.parse(expiresAt);
            if (this.#wanted)
                await this.#connect(url, Math.max(SHORTEST, life || 0));
        }
        catch (error) {
            this.#failed(error);
        }
        finally {
            this.#opening = false;
        }
    }
    #connect(url, life) {
        return new Promise((resolve, reject) => {
            const socket = new this.#Socket(url);
            this.#sockets.add(socket);
            const gone = () => {
                cancel();
                reject(new Unreachable("the WebSocket was closed"));
                this.#gone(socket);
            };
            const cancel = this.#http.clock.after(OPENING, () => {
                gone();
                socket.close();
            }, true);
            socket.addEventListener("open", () => {
                cancel();
                resolve();
                if (this.#sockets.has(socket))
                    this.#use(socket, life);
            });
            socket.addEventListener("message", ({ data }) => {
                this.#heardAt = this.#http.clock.now();
                if (this.#sockets.has(socket))
                    this.#take(data);
            });
            socket.addEventListener("close", gone);
            socket.addEventListener("error", () => { });
        });
    }
    #use(socket, life) {
        const { clock } = this.#http;
        const before = this.#current;
        if (before)
            clock.after(GRACE, () => this.#drop(before), true);
        this.#current = socket;
        this.#openedAt = clock.now();
        this.#openIn(life - Math.min(AHEAD, life / 2) * (0.5 + clock.random() / 2));
        this.#beatLater(socket);
        this.#listener.opened();
    }
    #beatLater(socket) {
        const { clock } = this.#http;
        this.#cancelBeat();
        this.#cancelBeat = clock.after(MINUTE, () => {
            const asked = clock.now();
            this.#listener.beat();
            this.#beatLater(socket);
            clock.after(ANSWERING, () => this.#heardAt < asked && this.#drop(socket), true);
        }, true);
    }
    #take(data) {
        let frame;
        try {
            frame = JSON.parse(String(data));
        }
        catch {
            return;
        }
        if (frame)
            this.#listener.frame(frame);
    }
    #drop(socket) {
        this.#gone(socket);
        socket.close();
    }
    #gone(socket) {
        if (!this.#sockets.delete(socket) || socket !== this.#current)
            return;
        const { clock } = this.#http;
        this.#current = undefined;
        if (clock.now() - this.#openedAt >= GOOD)
            this.#failures = 0;
        this.#failed(new Unreachable("the connection was cut"));
        this.#listener.lost();
    }
    #failed(error) {
        const { clock } = this.#http;
        const problem = error instanceof WaybillProblem ? error : undefined;
        const absent = problem?.status === 404 || problem?.status === 501;
        const wait = absent ? NO_PUSH : backOff(clock, this.#failures++, problem?.retryAfter);
        this.#notBefore = clock.now() + wait;
        if (this.#wanted)
            this.#openIn(wait);
    }
}
