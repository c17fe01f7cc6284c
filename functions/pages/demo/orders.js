// The orders of this tab: places them, follows them, and tells whoever shows them. Knows nothing of what is shown.

import { SignedOut, call } from "./session.js";
import { Unanswered } from "./waybill/index.js";

/** The tab's orders outlive a reload. */
const KEPT = "waybill.demo.orders";
const MOST = 20;
/** Milliseconds between two looks at what followed from an order: longer each time, and longer still once it is old. */
const [FIRST_LOOK, LAST_LOOK, LATE_LOOK] = [300, 4_000, 30_000];
const OLD = 180_000;
/** So long nothing must have changed for nothing more to be expected. */
const QUIET = 5_000;
/** How long a push is shown as one that has just come. */
export const JUST_NOW = 1_500;

/**
 * An order has:
 *
 * - `id`, `total`, `onAccount`, and `command`, the id and the data that it is submitted with
 * - `placedAt`, `acceptedAt`, `toldAt` and `shownAt`, by this browser's clock: when it was clicked, was accepted, its outcome
 *   came, and the read model showed it; and `skew`, how far the server's clock is ahead of that
 * - `receipt`, and `state`, its operation's, as far as they are known
 * - `trace`: what became of it and what followed, as the API tells it
 * - `document`: what the read model shows
 * - `refusal`: why it was not accepted; `lost`: why it is not followed any more
 * - `isPushed`: its outcome came without having been asked for
 */
export class Orders {
  #waybill;
  #sockets;
  #listeners = new Set();
  all = [];
  selected = null;

  constructor(waybill, sockets) {
    this.#waybill = waybill;
    this.#sockets = sockets;
  }

  /** Calls it now, and whenever something has changed. */
  subscribe(listener) {
    this.#listeners.add(listener);
    listener();
  }

  select(order) {
    this.selected = order;
    this.#changed();
  }

  /** Takes up what this tab has ordered before it was loaded anew. */
  restore() {
    this.all = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
    this.selected = this.all[0] ?? null;
    for (const order of this.all) {
      if (order.receipt) this.#follow(order, this.#waybill.operation(order.receipt));
      // With the id that it had: it is one order, however often it is sent.
      else if (!order.refusal) this.#submit(order);
    }
  }

  /** Places an order. What becomes of it is told by and by; nothing is thrown. */
  place(lines, onAccount) {
    const total = lines.reduce((sum, { quantity, unitPrice }) => sum + quantity * unitPrice.amount, 0);
    const id = `O-${crypto.randomUUID().slice(0, 8)}`;
    const data = { customer: "C-demo", lines, onAccount, payWithinSeconds: onAccount ? undefined : 300 };
    const order = { id, total, onAccount, command: { id: crypto.randomUUID(), data }, placedAt: Date.now() };
    this.all = [order, ...this.all].slice(0, MOST);
    this.select(order);
    this.#submit(order);
  }

  /** Nothing is followed any more, and nothing of it is kept. */
  end() {
    this.#listeners.clear();
    this.all = [];
    sessionStorage.removeItem(KEPT);
  }

  async #submit(order) {
    const { id, data } = order.command;
    try {
      const operation = await this.#waybill.submit("SubmitOrder", order.id, data, { id });
      order.acceptedAt = Date.now();
      order.receipt = operation.id;
      this.#follow(order, operation);
    } catch (error) {
      if (!this.#isThere(order)) return;
      // Nobody knows whether it was accepted. The same again is the same order.
      if (error instanceof Unanswered) return this.#submit(order);
      // It is sent again once somebody has signed in.
      if (!(error instanceof SignedOut)) order.refusal = error.detail ?? error.message;
    }
    this.#changed();
  }

  #follow(order, operation) {
    const changed = (state) => {
      order.state = state;
      order.skew ??= skewOf(order);
      if (isFinal(state)) {
        order.isPushed ||= this.#sockets.wasPushed(order.receipt);
        order.toldAt ??= Date.now();
        setTimeout(() => this.#changed(), JUST_NOW);
      }
      this.#changed();
    };
    const failed = (error) => {
      if (!(error instanceof SignedOut)) order.lost = error.detail ?? error.message;
      this.#changed();
    };
    operation.subscribe(changed, failed);
    this.#look(order);
  }

  /** Looks at what followed from the order, until nothing more is to come. */
  async #look(order) {
    let pause = FIRST_LOOK;
    let known = "";
    let changedAt = Date.now();
    while (this.#isThere(order)) {
      try {
        if (!document.hidden) {
          const { body, text } = await call("GET", `operations/${order.receipt}/trace`);
          if (text !== known) {
            [known, pause, changedAt] = [text, FIRST_LOOK, Date.now()];
            order.trace = body;
            await this.#read(order);
            this.#changed();
          }
          if (Date.now() - changedAt >= QUIET && isSettled(order)) return;
        }
      } catch (error) {
        // Nobody is signed in, or it is not theirs. Asked too often, or nobody there: by and by.
        if ([401, 403, 404].includes(error.status)) return;
        pause = LAST_LOOK;
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
      pause = Math.min(pause * 1.3, Date.now() - order.placedAt < OLD ? LAST_LOOK : LATE_LOOK);
    }
  }

  async #read(order) {
    if (!order.trace.documents.some(({ reached }) => reached)) return;
    order.shownAt ??= Date.now();
    order.document = (await this.#waybill.read(`/orders/${order.id}`)).data;
  }

  #isThere(order) {
    return this.all.includes(order);
  }

  #changed() {
    if (this.#listeners.size === 0) return;
    const kept = this.all.map(({ trace, document, lost, ...order }) => order);
    sessionStorage.setItem(KEPT, JSON.stringify(kept));
    for (const listener of this.#listeners) listener();
  }
}

export function isFinal({ status }) {
  return ["succeeded", "rejected", "discarded"].includes(status);
}

/** A traced command, and all that followed from it. */
export function everyCommand(traced) {
  return [traced, ...traced.caused.flatMap(everyCommand)];
}

/** What the payment provider is asked for, and has not answered yet: `charge`, `void`, `refund` or undefined. */
export function askedOfProvider(trace) {
  const happened = new Set(everyCommand(trace).flatMap(({ events }) => events.map(({ type }) => type)));
  const isOpen = (asked, ...answers) => happened.has(asked) && !answers.some((answer) => happened.has(answer));
  if (isOpen("RefundRequested", "RefundSucceeded")) return "refund";
  if (isOpen("VoidRequested", "ChargeVoided", "RefundRequested")) return "void";
  if (isOpen("ChargeRequested", "ChargeSucceeded", "ChargeDeclined", "VoidRequested")) return "charge";
  return undefined;
}

/** How far the server's clock is ahead, at least: it has accepted the order between the click and the answer. */
function skewOf({ placedAt, acceptedAt, state }) {
  if (!acceptedAt) return undefined;
  const at = Date.parse(state.acceptedAt);
  return at < placedAt ? at - placedAt : Math.max(0, at - acceptedAt);
}

function isSettled({ trace, document, onAccount }) {
  if (["rejected", "discarded"].includes(trace.operation?.status)) return true;
  const commands = everyCommand(trace);
  const isOpen = ({ operation }) => operation && !isFinal(operation);
  const lags = ({ documents }) => documents.some(({ reached }) => reached === false);
  const isDecided = onAccount || ["confirmed", "cancelled", "shipped"].includes(document?.status);
  return isDecided && !askedOfProvider(trace) && !commands.some((command) => isOpen(command) || lags(command));
}
