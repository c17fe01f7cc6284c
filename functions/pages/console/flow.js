// Flow: how commands have gone through each context in the last hour, as small multiples on one axis. For platform
// operators.

import { counted, h, note, section, svg } from "./page.js";
import { groupLink } from "./parked.js";
import { SignedOut, call } from "./session.js";

/** Seconds that a command may wait: as the alarm `CONTEXT-commands-old` has it. */
const TOO_LONG = 300;
/** Minutes in which nothing got done, of a queue that holds something, before that is said. */
const STILL = 3;
/** Minutes that the last known number of a queue stands for now. SQS is a few minutes late. */
const KNOWN_FOR = 10;
/** Minutes for which a context was at work before it is called quiet. */
const RECENT = 10;
/** Minutes by which a number may be late. */
const LATE = 5;

/**
 * What is drawn of a context. A `count` is summed up; all else is as it is now. Of one `like` another, both are drawn to
 * one scale. A most that is less than the `least` does not fill the height, so that little looks little.
 */
const MEASURES = [
  { key: "accepted", label: "Accepted", count: true, least: 5, like: "succeeded" },
  { key: "succeeded", label: "Succeeded", count: true, least: 5, like: "accepted" },
  { key: "rejected", label: "Rejected", count: true, least: 4 },
  { key: "parked", label: "Parked", count: true, least: 4 },
  { key: "depth", label: "In the queue", least: 10 },
  { key: "lagSeconds", label: "Oldest waits", least: 60, tell: duration },
];

/** Of a drawing, which is as wide as there are minutes. */
const HEIGHT = 28;

let isPlatformOperator = true;

/** By context, the minute that arrow keys have read last: who reads it stays on it when all is drawn anew. */
const lastRead = new Map();

/** The flow; null for who may not see it, why not as text if it cannot be had now. */
export async function flow() {
  if (!isPlatformOperator) return null;
  try {
    return (await call("GET", "flow")).body;
  } catch (error) {
    if (error instanceof SignedOut) throw error;
    if (error.status !== 403) return `${error.title}. ${error.detail ?? ""}`;
    isPlatformOperator = false;
    return null;
  }
}

/** The flow, with what is known besides: the groups of messages that wait for a person, and the dead letters. */
export function flowSection(told, groups, queues) {
  if (told === null) return false;
  if (typeof told === "string") return section("Flow", note(`It cannot be shown now. ${told}`));
  const contexts = told.contexts.toSorted((one, other) => (one.context < other.context ? -1 : 1));
  const times = clocks(told);
  const rows = contexts.map((context) => {
    const waiting = groups.filter((group) => (group.context ?? group.queue) === context.context);
    const dead = Array.isArray(queues) ? queues.find(({ name }) => name === context.context) : null;
    return { context, times, waiting, ...judged(context, waiting, dead) };
  });
  const heads = MEASURES.map(({ label, count }) => h("span", {}, label, h("small", {}, count ? "in the hour" : "now")));
  return section(
    "Flow",
    verdict(rows, Array.isArray(queues)),
    h("div", { class: "flow-head", "aria-hidden": "true" }, h("span", {}, `${times[0]} to ${times.at(-1)} UTC`), heads),
    h("ul", { class: "flow" }, rows.map(row)),
    note(
      "By minute, of all tenants. Accepted is what callers have sent; contexts get commands from each other and from timers ",
      "as well. The numbers come a minute or two late, and arrow keys or a pointer read single minutes.",
    ),
  );
}

// --- What is said ----------------------------------------------------------------------------------------------------

/** What a context's numbers say, in words; and what of them is trouble, by the measure that shows it. */
function judged(context, waiting, dead) {
  const { accepted, succeeded, rejected, parked, depth, lagSeconds } = context;
  const done = succeeded.map((count, minute) => count + rejected[minute] + parked[minute]);
  const [waits, lag] = [latest(depth), latest(lagSeconds)];
  const trouble = new Map();
  // Of the last minute, little is known yet.
  const isStill = waits > 0 && sum(done.slice(-STILL - 1)) === 0 && lag >= STILL * 60;
  // A repeat is accepted, and leaves the queue without anything done.
  const seenTo = Math.max(done.length - 1 - idle(done), depth.lastIndexOf(0));
  const isUndone = sum(accepted.slice(seenTo + 1, -LATE)) > 0;
  if (isStill) trouble.set("depth", `stands still for ${duration(60 * idle(done))}`);
  else if (isUndone) trouble.set("succeeded", `nothing done for ${duration(60 * idle(done))}`);
  if (lag >= TOO_LONG) trouble.set("lagSeconds", `oldest waits ${duration(lag)}`);
  const letters = dead ? dead.waiting + dead.inFlight : 0;
  if (letters > 0) trouble.set("dead", counted(letters, "dead letter"));
  if (sum(parked) > 0 && waiting.length > 0) trouble.set("parked", `${number(sum(parked))} parked`);
  const isKnown = waits !== null && lag !== null;
  const told = (words) => ({ trouble, words, isKnown, isAtRest: false });
  if (trouble.size > 0) return told([...trouble.values()].join(", "));
  if (sum(parked) > 0) return told(`${number(sum(parked))} parked, and seen to`);
  if (waits > 0 && idle(done) > STILL) return told("waits");
  if (sum(done) + sum(accepted) === 0) return { ...told(isKnown ? "at rest" : "nothing done"), isAtRest: isKnown };
  const quiet = Math.min(idle(done), idle(accepted));
  return told(quiet > RECENT ? `quiet for ${duration(60 * quiet)}` : "flows");
}

/** Which contexts need a look. What is not known is not called fine. */
function verdict(rows, areLettersKnown) {
  const named = (some) => new Intl.ListFormat("en").format(some.map(({ context }) => context.context));
  const ill = rows.filter(({ trouble }) => trouble.size > 0);
  const unknown = rows.filter(({ isKnown }) => !isKnown);
  const gaps = [];
  if (unknown.length > 0) gaps.push(`How many wait, or for how long, is not known for ${named(unknown)}.`);
  if (!areLettersKnown) gaps.push("Dead letters are not known.");
  if (ill.length > 0) {
    const words = ill.length === 1 ? " needs a look." : " need a look.";
    return [h("p", { class: "stage trouble" }, h("strong", {}, named(ill)), words), gaps.length > 0 && note(gaps.join(" "))];
  }
  if (gaps.length > 0) return note(["Nothing that is known needs a look.", ...gaps].join(" "));
  return note("Nothing needs a look: no command waits for long, or lies dead, or was parked just now.");
}

/** For how many minutes nothing was done, up to the last one. */
function idle(done) {
  return done.length - 1 - done.findLastIndex((count) => count > 0);
}

function sum(values) {
  return values.reduce((all, value) => all + value, 0);
}

/** What is known of now; null if nothing is. */
function latest(values) {
  return values.slice(-KNOWN_FOR).findLast((value) => value !== null) ?? null;
}

function number(value) {
  return value.toLocaleString("en");
}

function duration(seconds) {
  if (seconds < 120) return `${number(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} days`;
}

/** Each step's time of the day, as in 09:31. */
function clocks({ from, stepSeconds, contexts }) {
  const steps = contexts[0]?.accepted.length ?? 0;
  const at = (step) => new Date(Date.parse(from) + step * stepSeconds * 1000).toISOString().slice(11, 16);
  return Array.from({ length: steps }, (_, step) => at(step));
}

// --- What is drawn ---------------------------------------------------------------------------------------------------

function row({ context, times, waiting, trouble, isAtRest, words }) {
  const sparks = MEASURES.map((measure) => spark(context, measure, trouble.has(measure.key)));
  const at = h("span", { class: "at", "aria-hidden": "true" });
  const read = h("span", { class: "unseen", "aria-live": "polite" });
  let step = null;
  const show = (wanted) => {
    step = wanted;
    at.textContent = step === null ? "" : `${times[step]} UTC`;
    group.classList.toggle("reading", step !== null);
    for (const one of sparks) one.show(step);
  };
  const press = (event) => {
    const from = step ?? times.length;
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: times.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    show(Math.max(0, Math.min(to, times.length - 1)));
    lastRead.set(context.context, times[step]);
    read.textContent = `${times[step]} UTC: ${sparks.map((one) => one.said(step)).join(", ")}`;
  };
  const readOn = () => {
    const last = times.indexOf(lastRead.get(context.context));
    if (step === null && last >= 0) show(last);
  };
  const point = (event) => {
    const drawing = event.target.closest(".spark")?.querySelector("svg").getBoundingClientRect();
    if (!drawing) return;
    const share = (event.clientX - drawing.left) / drawing.width;
    show(Math.max(0, Math.min(Math.floor(share * times.length), times.length - 1)));
  };
  const group = h(
    "div",
    {
      class: "sparks", role: "group", tabindex: "0", "aria-label": `${context.context}, by minute`,
      "data-key": `flow ${context.context}`, keydown: press, pointermove: point, pointerdown: point,
      pointerleave: () => show(null), focus: readOn, blur: () => show(null),
    },
    sparks.map(({ node }) => node),
  );
  const state = h("p", { class: "state" }, words, waitingLink(waiting));
  const kind = trouble.size > 0 ? "trouble" : isAtRest && waiting.length === 0 ? "rest" : "";
  return h("li", { class: kind }, h("div", {}, h("h3", {}, context.context, at), state, read), group);
}

/** Leads to the largest group of what waits. */
function waitingLink(waiting) {
  if (waiting.length === 0) return false;
  const largest = waiting.reduce((most, group) => (group.count > most.count ? group : most));
  const count = sum(waiting.map((group) => group.count));
  const href = groupLink(largest);
  const words = `${number(count)} ${count === 1 ? "waits" : "wait"} for a person`;
  return [" · ", h("a", { href, "data-key": `flow ${href}` }, words)];
}

/** One measure of a context: a number, and how it came about. */
function spark(context, { key, label, count, least, like, tell = number }, isTrouble) {
  const values = context[key];
  const known = values.filter((value) => value !== null);
  const most = known.length > 0 ? Math.max(...known) : null;
  const now = count ? sum(values) : latest(values);
  const say = (value) => (value === null ? "–" : tell(value));
  const shown = h("strong", {}, say(now));
  const peak = h("small", {}, most > 0 && most !== now && `max ${say(most)}`);
  const cursor = svg("path", { class: "cursor" });
  const drawing = svg(
    "svg",
    { viewBox: `0 0 ${values.length} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": inWords() },
    ...drawn(),
    cursor,
  );

  function inWords() {
    if (most === null) return `${label}: not known`;
    const much = count ? `${number(now)} in the last hour` : `${now === null ? "not known" : tell(now)} now`;
    return `${label}: ${much}${most > 0 ? `, ${tell(most)} at most${count ? " in a minute" : ""}` : ""}`;
  }

  function drawn() {
    const scale = HEIGHT / Math.max(least, most ?? 0, ...(like ? context[like] : []));
    // However few were counted, they can be seen.
    const top = (value) => HEIGHT - (value > 0 ? Math.max(value * scale, count ? 2 : 0) : 0);
    const base = svg("path", { class: "base", d: `M0,${HEIGHT}H${values.length}` });
    const column = (value, from, to) => (value > 0 ? `M${from},${HEIGHT}V${top(value)}H${to}V${HEIGHT}Z` : "");
    if (!count) {
      const steps = values.map((value, at) => column(value, at, at + 1));
      return [base, svg("path", { class: "area", d: steps.join("") })];
    }
    const columns = values.map((value, at) => column(value, at + 0.12, at + 0.88));
    // The last minute is not over.
    const [over, open] = [columns.slice(0, -1), columns.slice(-1)].map((some) => some.join(""));
    return [base, svg("path", { class: "columns", d: over }), svg("path", { class: "columns open", d: open })];
  }

  const kind = `spark ${key} ${now > 0 ? "some" : "none"} ${isTrouble ? "ill" : ""}`;
  const name = h("span", { class: "label", "aria-hidden": "true" }, label);
  return {
    node: h("div", { class: kind }, name, shown, peak, drawing),
    show(step) {
      shown.textContent = step === null ? say(now) : say(values[step]);
      cursor.setAttribute("d", step === null ? "" : `M${step + 0.5},0V${HEIGHT}`);
    },
    said: (step) => `${label.toLowerCase()} ${values[step] === null ? "not known" : tell(values[step])}`,
  };
}
