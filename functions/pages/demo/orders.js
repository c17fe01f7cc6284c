// The orders of this tab: places them, follows them, and tells whoever shows them. Knows nothing of what is shown.

import { call } from "./session.js";

/** The tab's orders outlive a reload. */
const KEPT = "waybill.demo.orders";
const MOST = 20;
/** Milliseconds between two looks at what followed from an order; longer, the longer nothing has changed. */
const [FIRST_LOOK, LAST_LOOK] = [300, 4_000];

/**
 * An order has:
 *
 * - `id`, `total`, and `onAccount`
 * - `placedAt`, `acceptedAt`, `toldAt` and `shownAt`, by this browser's clock: when it was clicked, was accepted, its outcome
 *   came, and the read model showed it
 * - `receipt`, and `state`, its operation's, as far as they are known
 * - `trace`: what became of it and what followed, as the API tells it
 * - `document`: what the read model shows
 * - `failure`: why it was not accepted, or could not be followed
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
    for (const order of this.all.filter(({ receipt }) => receipt)) this.#follow(order, this.#waybill.operation(order.receipt));
    this.#changed();
  }

  /** Places an order. What becomes of it is told by and by; nothing is thrown. */
  async place(lines, onAccount) {
    const total = lines.reduce((sum, { quantity, unitPrice }) => sum + quantity * unitPrice.amount, 0);
    const id = `O-${crypto.randomUUID().slice(0, 8)}`;
    const order = { id, total, onAccount, placedAt: Date.now() };
    this.all = [order, ...this.all].slice(0, MOST);
    this.select(order);
    try {
      const data = { customer: "C-demo", lines, onAccount, payWithinSeconds: onAccount ? undefined : 120 };
      const operation = await this.#waybill.submit("SubmitOrder", id, data);
      order.acceptedAt = Date.now();
      order.receipt = operation.id;
      this.#follow(order, operation);
    } catch (error) {
      order.failure = error;
    }
    this.#changed();
  }

  #follow(order, operation) {
    const changed = (state) => {
      order.state = state;
      if (isFinal(state)) {
        order.isPushed ||= this.#sockets.wasPushed(order.receipt);
        order.toldAt ??= Date.now();
      }
      this.#changed();
    };
    const failed = (error) => {
      order.failure = error;
      this.#changed();
    };
    operation.subscribe(changed, failed);
    this.#look(order);
  }

  /** Looks at what followed from the order, until nothing more is to come. */
  async #look(order) {
    let pause = FIRST_LOOK;
    let known = "";
    while (this.all.includes(order)) {
      try {
        const { body, text } = await call("GET", `operations/${order.receipt}/trace`);
        if (text !== known) {
          [known, pause] = [text, FIRST_LOOK];
          order.trace = body;
          await this.#read(order);
          this.#changed();
        }
        if (isSettled(body)) return;
      } catch (error) {
        // Asked too often, or nobody there: by and by. Nobody signed in any more: whoever is at the page will notice.
        if (error.status === 401) return;
        pause = LAST_LOOK;
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
      pause = Math.min(pause * 1.3, LAST_LOOK);
    }
  }

  async #read(order) {
    if (!order.trace.documents.some(({ reached }) => reached)) return;
    order.shownAt ??= Date.now();
    order.document = (await this.#waybill.read(`/orders/${order.id}`)).data;
  }

  #changed() {
    const kept = this.all.map(({ trace, document, failure, ...order }) => order);
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

/** A payment that was asked for, and nothing was heard of yet. */
export function awaitsPayment(trace) {
  const types = everyCommand(trace).flatMap(({ events }) => events.map(({ type }) => type));
  return types.includes("ChargeRequested") && !types.some((type) => ["ChargeSucceeded", "ChargeDeclined", "ChargeVoided"].includes(type));
}

function isSettled(trace) {
  const commands = everyCommand(trace);
  const isOpen = ({ operation }) => !operation || !isFinal(operation);
  const lags = ({ documents }) => documents.some(({ reached }) => reached === false);
  // What a context hears of takes a moment to become a command.
  const isYoung = commands.some(({ events }) => events.some(({ time }) => Date.now() - Date.parse(time) < 3_000));
  return !isYoung && !awaitsPayment(trace) && !commands.some((command) => isOpen(command) || lags(command));
}
