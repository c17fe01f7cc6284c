// What happens behind the counter: where all orders are, and each step of one.

import { JUST_NOW, askedOfProvider, everyCommand, isFinal } from "./orders.js";
import { h, note } from "./page.js";
import { STOPS, duration, since, standing, stopOf } from "./steps.js";

const TELLS = {
  Browser: "this page",
  Ingest: "checks, and accepts",
  Queue: "keeps it, in order",
  Handler: "decides, once",
  Events: "are stored",
  "Read model": "is what is read",
  Push: "tells this page",
};

const ASKED = { charge: "charge", void: "call the charge off", refund: "give the money back" };

export function behind(orders) {
  const track = h("div", { class: "dots", "aria-hidden": "true" });
  const stops = STOPS.map((name) => h("li", {}, h("span", { class: "stop" }, name), h("small", {}, TELLS[name])));
  const dots = new Map();
  const steps = h("div", {});
  orders.subscribe(() => {
    move(orders, track, dots);
    STOPS.forEach((_, at) => stops[at].classList.toggle("busy", orders.all.some((order) => isUnderWay(order) && stopOf(order) === at)));
    stops.at(-1).classList.toggle("busy", orders.all.some(({ toldAt }) => Date.now() - toldAt < JUST_NOW));
    steps.replaceChildren(...stepsOf(orders.selected));
  });
  return h(
    "section",
    { class: "card behind", "aria-labelledby": "behind-title" },
    h("h2", { id: "behind-title" }, "Behind the counter"),
    h("div", { class: "track" }, h("ol", { class: "stops" }, stops), track),
    steps,
  );
}

function isUnderWay({ refusal, lost, shownAt, state }) {
  return !refusal && !lost && !shownAt && !(state && isFinal(state) && state.status !== "succeeded");
}

/** One dot for each order, at the stop that it has reached. Those at one stop stand below each other. */
function move(orders, track, dots) {
  const crowd = STOPS.map(() => 0);
  for (const [order, dot] of dots) {
    if (orders.all.includes(order)) continue;
    dot.remove();
    dots.delete(order);
  }
  for (const order of orders.all) {
    if (!dots.has(order)) {
      // What has come through already does not set out again.
      if (!isUnderWay(order)) continue;
      const dot = h("span", { class: "dot" });
      dots.set(order, dot);
      track.append(dot);
      // It sets out from the browser.
      dot.style.setProperty("--stop", "0");
      dot.getBoundingClientRect();
    }
    const stop = stopOf(order);
    const dot = dots.get(order);
    dot.style.setProperty("--stop", stop);
    dot.style.setProperty("--row", isUnderWay(order) ? crowd[stop]++ : 0);
    dot.className = `dot ${standing(order).mood} ${isUnderWay(order) ? "" : "through"} ${order === orders.selected ? "selected" : ""}`;
  }
}

function stepsOf(order) {
  if (!order) return [note("Place an order, and follow it here, step by step.")];
  const after = (at) => at && `+${duration(at - order.placedAt)}`;
  const { refusal, receipt, acceptedAt, state, toldAt, shownAt, isPushed, trace, document } = order;
  const finishedAt = state && isFinal(state) ? state.finishedAt : undefined;
  const events = trace?.events.map(({ type }) => type).join(", ");
  const rows = [
    ["Browser", "sends the command SubmitOrder", "+0 ms", true],
    ["Ingest", receipt ? "has accepted it: a receipt, to follow it by" : refusal ? "has not accepted it" : "is asked", after(acceptedAt), receipt],
    ["Queue", receipt && (finishedAt ? "has handed it on" : "keeps it until a handler has done with it"), "", finishedAt],
    ["Handler", handlerSays(state), finishedAt && since(order, finishedAt), finishedAt],
    ["Events", events && `${events}: stored, in one transaction with the outcome`, events && since(order, trace.events[0].time), events],
    ["Push", toldAt && (isPushed ? "has told this page" : "was not needed: this page has asked"), after(toldAt), toldAt],
    ["Read model", shownAt && `shows the order: ${document?.status ?? "there"}`, after(shownAt), shownAt],
  ];
  const followed = trace ? everyCommand(trace).slice(1).map((command) => followUp(command, order)) : [];
  const asked = trace && askedOfProvider(trace);
  if (asked) followed.push(step(["provider", `is asked to ${ASKED[asked]}, and asked again until it answers`]));
  return [
    h("h3", {}, "Order ", h("code", {}, order.id), ", step by step"),
    h("ol", { class: "steps" }, rows.map(step)),
    followed.length > 0 && h("h3", {}, "What followed by itself"),
    followed.length > 0 && h("ol", { class: "steps" }, followed),
  ].filter(Boolean);
}

function handlerSays(state) {
  if (!state || state.status === "accepted") return "";
  const { status, error, attempt } = state;
  if (status === "retrying") return `tries again, attempt ${attempt}: ${error?.title ?? "it has failed"}`;
  if (status === "parked") return `has set it aside for a person: ${error?.title ?? ""}`;
  return status === "succeeded" ? "has carried it out, once" : `has refused it: ${error?.title ?? status}`;
}

function step([name, words, when, isDone]) {
  return h("li", { class: isDone ? "done" : words ? "now" : "" }, h("strong", {}, name), " ", h("span", {}, words || "–"), " ", h("time", {}, when || ""));
}

function followUp({ type, context, events, operation }, order) {
  const status = operation?.status ?? "accepted";
  const made = events.map(({ type }) => type).join(", ");
  const words = `${type}${made ? ` → ${made}` : ""}${status === "succeeded" ? "" : `: ${status}`}`;
  const at = operation?.finishedAt && since(order, operation.finishedAt);
  return step([context, words, at, operation && isFinal(operation)]);
}
