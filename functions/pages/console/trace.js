// The trace of one command: what became of it, and of all that followed, from top to bottom.

import { code, counted, facts, h, note, section, time, times, unfold } from "./page.js";
import { HOME, messageLink } from "./parked.js";
import { call } from "./session.js";
import { query, searchLink, traceLink } from "./traces.js";
import { whose } from "./webhooks.js";

/** A timer whose command is not handed in that long after it was due needs somebody. */
const LATE = 10 * 60_000;

export function traceView(id, { tenant }) {
  return {
    name: "Trace",
    async load() {
      try {
        return (await call("GET", `traces/${encodeURIComponent(id)}${query({ tenant })}`)).body;
      } catch (error) {
        if (tenant || error.status !== 400) throw error;
        // A platform operator has to say whose it is: the search asks for that. Until it is there, nothing is drawn here.
        location.replace(searchLink(id));
        return new Promise(() => {});
      }
    },
    isPending: (trace) => all(trace).some((line) => isOpen(line) || lags(line).length > 0),
    draw(trace) {
      const { type, subject } = trace.operation ?? {};
      const title = `${type ?? "Command"}${subject ? ` for ${subject}` : ""}`;
      const more = !trace.complete && note("There may be more: the trace is longer than is shown, or something is not on record any more. A command's own trace goes on from it.");
      const content = [
        inShort(trace),
        more,
        h("ol", { class: "trace", "aria-label": "What became of it, and what followed" }, entry(trace, trace.tenant)),
        section(
          "Everything else",
          facts([
            ["Operation", h("code", {}, trace.id)],
            ["Correlation", trace.correlation && correlation(trace)],
            ["Tenant", trace.tenant],
          ]),
          unfold("A query for the logs", note("For CloudWatch Logs Insights, over the log groups of the functions."), code(trace.logs, "A query for the logs")),
        ),
      ];
      return { title, trail: [HOME], content };
    },
  };
}

/** The line, and all that followed from it, in the order in which they are shown. */
function all(line) {
  return [line, ...line.caused.flatMap(all)];
}

const statusOf = ({ operation }) => operation?.status ?? "unknown";
const isOpen = (line) => ["accepted", "retrying"].includes(statusOf(line));
const needsSomebody = (line) => statusOf(line) === "parked";
const lags = ({ documents }) => documents.filter(({ reached }) => reached === false);
const stuck = ({ webhooks }) => webhooks.filter(({ status }) => ["failing", "held", "off"].includes(status));
const late = ({ timers }) => timers.filter(({ status, due }) => status === "waiting" && Date.parse(due) + LATE < Date.now());

function nameOf({ operation, type, subject }) {
  return `${type ?? operation?.type ?? "The command"}${subject ?? operation?.subject ? ` for ${subject ?? operation.subject}` : ""}`;
}

/** What a tired person must know, the worst first. */
function inShort(trace) {
  const lines = all(trace);
  const told = (test, word, isTrouble) => {
    const those = lines.filter(test);
    return those.length > 0 && { isTrouble, text: `${counted(those.length, "command")} ${word}`, first: those[0] };
  };
  const findings = [
    told(needsSomebody, "parked: waiting for a person", true),
    told((line) => late(line).length > 0, "with a timer that is overdue", true),
    told((line) => stuck(line).length > 0, "with events that a webhook does not take", true),
    told((line) => ["rejected", "discarded"].includes(statusOf(line)), "refused or discarded", true),
    told((line) => statusOf(line) === "retrying", "failed, and being tried again", false),
    told((line) => statusOf(line) === "accepted", "on the way", false),
    told((line) => lags(line).length > 0, "not shown in the read models yet", false),
    told((line) => line.timers.some(({ status }) => status === "waiting"), "with a timer that waits", false),
  ].filter(Boolean);
  if (findings.length === 0) {
    return h("p", { class: "stage" }, `All done: ${counted(lines.length, "command")}, and nothing is left to do.`);
  }
  const isTrouble = findings.some((finding) => finding.isTrouble);
  const items = findings.map(({ text, first }) => h("li", {}, `${text}. `, jump(first)));
  return h(
    "div",
    { class: `stage${isTrouble ? " trouble" : ""}` },
    h("p", {}, `Of ${counted(lines.length, "command")}:`),
    h("ul", {}, items),
  );
}

/** Leads to a line on this page. Its fragment is the route, so it cannot be a link. */
function jump(line) {
  const click = () => {
    const place = document.getElementById(placeOf(line));
    place.scrollIntoView({ block: "center" });
    place.focus();
  };
  return h("button", { type: "button", class: "link", click, "data-key": `jump ${line.id}` }, nameOf(line));
}

const placeOf = ({ id }) => `trace-${id}`;

/** What a status means, in one word or two. */
const STATUS = {
  accepted: "On the way",
  retrying: "Being tried again",
  succeeded: "Succeeded",
  rejected: "Refused",
  parked: "Waits for a person",
  discarded: "Discarded",
  unknown: "Not on record any more",
};

function entry(line, tenant, before) {
  const { operation, caused } = line;
  const status = statusOf(line);
  const at = operation?.finishedAt ?? operation?.acceptedAt;
  return h(
    "li",
    { class: status },
    h(
      "p",
      { class: "line", id: placeOf(line), tabindex: "-1" },
      h("strong", { class: "status" }, STATUS[status] ?? status),
      " ",
      before ? h("a", { href: traceLink(line.id, tenant), "data-key": line.id }, nameOf(line)) : nameOf(line),
      line.context && h("small", {}, ` in ${line.context}`),
      before && h("small", { class: "how" }, how(line, before)),
    ),
    h("dl", { class: "steps" }, steps(line, tenant, at)),
    caused.length > 0 && h("ol", {}, caused.map((next) => entry(next, tenant, line))),
  );
}

/** Why a command is there. */
function how({ cause, event, timer }, before) {
  const named = before.events.find(({ version }) => version === event);
  const happened = named ? `${named.type} (version ${event})` : `version ${event}`;
  switch (cause) {
    case "sent": return "sent by the command above";
    case "heard": return `heard ${happened}`;
    case "outcome": return `tells what came of ${happened}`;
    case "timer": return `the timer ${timer} was due`;
    case "refusal": return "tells the sender of the refusal";
    default: return cause;
  }
}

/** What is worth knowing of a command, step by step. */
function steps(line, tenant, at) {
  const { operation, parked, events, published, documents, timers, cancelled = [], webhooks, failedAt } = line;
  const lines = [
    ["Accepted", operation && time(operation.acceptedAt)],
    ["By", operation?.principal && `${operation.principal.type} ${operation.principal.id}`],
    ["Ended", operation?.finishedAt && time(at)],
    ["Tried", operation?.attempt && [`${times(operation.attempt + 1)}`, failedAt && [", failed ", time(failedAt)]]],
    ["Why", operation?.error && h("span", {}, operation.error.title, operation.error.detail ? `: ${operation.error.detail}` : "")],
    ["Parked", parked && parking(parked)],
    ["Resubmitted", operation?.revision > 0 && `${times(operation.revision)}${operation.repaired ? ", with repaired data" : ""}`],
    ["Events", events.length > 0 && list(events.map(({ type, version, time: when }) => [`${version} ${type}, `, time(when)]))],
    ["Published", events.length > 0 && (published ? "yes" : "nobody has shown it yet")],
    ["Read models", documents.length > 0 && list(documents.map(documentLine))],
    ["Timers", timers.length > 0 && list(timers.map(timerLine))],
    ["Taken back", cancelled.length > 0 && `the timer ${cancelled.join(", ")}`],
    ["Webhooks", webhooks.length > 0 && list(webhooks.map((webhook) => webhookLine(webhook, tenant)))],
  ];
  return lines.filter(([, value]) => value).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));
}

function list(items) {
  return h("ul", {}, items.map((item) => h("li", {}, item)));
}

function warn(words) {
  return h("strong", { class: "again" }, words);
}

function parking({ id, title, error, attempts, parkedAt, stage }) {
  const link = h("a", { href: messageLink(id), "data-key": `parked ${id}` }, stage === "waiting" ? "Repair, resubmit or discard it" : "What was done with it");
  return [`${title}, after it had failed ${times(attempts + 1)}, `, time(parkedAt), h("span", { class: "clipped" }, error), link];
}

function documentLine({ collection, version, reached }) {
  const at = version === undefined ? "not there" : `at version ${version}`;
  return [`${collection}: ${at}`, reached === false && [", ", warn("not as far as this yet")]];
}

function timerLine(timer) {
  const { name, due, type, status } = timer;
  const words = { waiting: "due", "handed-in": "handed in, was due", gone: "taken back, set anew, or just on its way; was due" };
  const isLate = late({ timers: [timer] }).length > 0;
  return [`${name}: ${type}, ${words[status] ?? status} `, time(due), isLate && [" ", warn("overdue")]];
}

function webhookLine({ id, url, status, version, wanted, attempts, answer, nextTryAt }, tenant) {
  const link = `#/webhooks/${encodeURIComponent(id)}${whose(tenant)}`;
  const words = { sent: "sent", waiting: "waits to be sent", failing: "failing", held: "held", off: "switched off" };
  const told = words[status] ?? status;
  const isStuck = stuck({ webhooks: [{ status }] }).length > 0;
  return [
    h("a", { href: link, "data-key": `${link} ${wanted}` }, new URL(url).host),
    ": ",
    isStuck ? warn(told) : told,
    status !== "sent" && `, at version ${version} of ${wanted}`,
    attempts && `, tried ${times(attempts)}`,
    answer && `, ${answer}`,
    nextTryAt && [", next ", time(nextTryAt)],
  ];
}

/** It leads to what began it all, if that is another command, and if its sender has given no correlation of their own. */
function correlation({ correlation: text, tenant }) {
  return h("a", { href: searchLink(text, tenant), "data-key": "correlation" }, h("code", {}, text));
}
