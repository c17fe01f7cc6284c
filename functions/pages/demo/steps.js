// How far an order has come, in words and in numbers.

import { askedOfProvider, everyCommand, isFinal } from "./orders.js";

/** What an order passes, in order. */
export const STOPS = ["Browser", "Ingest", "Queue", "Handler", "Events", "Read model", "Push"];

const REACHES = { queue: 2, handler: 3, events: 4, shown: 5 };

/** The last stop that an order has reached: an index into `STOPS`. */
export function stopOf({ receipt, state, shownAt }) {
  if (shownAt) return REACHES.shown;
  if (state && isFinal(state)) return state.status === "succeeded" ? REACHES.events : REACHES.handler;
  if (state && ["retrying", "parked"].includes(state.status)) return REACHES.handler;
  return receipt ? REACHES.queue : 0;
}

/** Milliseconds in words. */
export function duration(milliseconds) {
  return milliseconds < 1_000 ? `${Math.max(0, Math.round(milliseconds))} ms` : `${(milliseconds / 1_000).toFixed(1)} s`;
}

/** From the click to a time of the server's, in words. */
export function since({ placedAt, skew = 0 }, time) {
  return `+${duration(Date.parse(time) - skew - placedAt)}`;
}

/** One word for an order, and how grave it is: `busy`, `good` or `bad`. */
export function standing({ refusal, lost, state, trace, document }) {
  if (refusal) return { word: "not accepted", mood: "bad" };
  if (lost) return { word: "cannot be followed now", mood: "bad" };
  if (!state || ["accepted", "retrying"].includes(state.status)) return { word: "on its way", mood: "busy" };
  if (state.status === "parked") return { word: "waits for a person", mood: "bad" };
  if (state.status !== "succeeded") return { word: state.status, mood: "bad" };
  if (document?.status === "cancelled") return { word: "cancelled", mood: "bad" };
  if (document?.status === "confirmed") return { word: "paid and confirmed", mood: "good" };
  if (trace && askedOfProvider(trace)) return { word: "taken; payment under way", mood: "busy" };
  return { word: "taken", mood: "good" };
}

const WORDS = {
  OrderSubmitted: "Order taken",
  OrderConfirmed: "Order confirmed",
  OrderCancelled: "Order cancelled",
  ChargeRequested: "Payment asked for",
  ChargeSucceeded: "Paid",
  ChargeDeclined: "Payment declined",
  PaymentGivenUp: "Payment given up: its time is over",
  VoidRequested: "Payment to be called off",
  ChargeVoided: "Payment called off",
  RefundRequested: "Money to be given back",
  RefundSucceeded: "Money given back",
  PaymentNotNeeded: "No payment needed",
};

/** All that has happened to an order, in order: the events' types, their words, and when they were stored. */
export function happenings({ trace }) {
  if (!trace) return [];
  const events = everyCommand(trace).flatMap(({ events }) => events);
  const inOrder = events.toSorted((one, other) => Date.parse(one.time) - Date.parse(other.time));
  return inOrder.map(({ type, time }) => ({ type, time, words: WORDS[type] ?? type }));
}
