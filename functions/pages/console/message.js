// One message: what became of it, what went wrong, and what was done with it.

import { find, read } from "./json.js";
import { button, code, facts, h, section, tell, time, times, unfold, unfoldLater } from "./page.js";
import { HOME, groupLink, groupName, messageLink, parkedBefore } from "./parked.js";
import { repair, unsent } from "./repair.js";
import { call } from "./session.js";
import { traceLink } from "./traces.js";

export function messageView(id) {
  let followed = false;
  return {
    name: "Message",
    isPending: ({ outcome }) => outcome.status === "on-its-way",
    async load() {
      const { body, text } = await call("GET", `parked/${encodeURIComponent(id)}`);
      if (followed && !this.isPending(body)) tell(outcomeInWords(body));
      followed = this.isPending(body);
      const place = find(read(text), "/data");
      // As it is written: through JSON.parse, long numbers would become others.
      return { ...body, writtenData: "data" in body ? text.slice(place.start, place.end) : "null" };
    },
    draw(message) {
      const title = `${message.type ?? "Message"}${message.subject ? ` for ${message.subject}` : ""}`;
      const group = { ...message, context: message.context ?? "", type: message.type ?? "" };
      return { title, trail: [HOME, [groupName(group), groupLink(group)]], content: messageParts(message) };
    },
  };
}

function messageParts(message) {
  return [
    stage(message),
    section("What went wrong", h("p", { class: "lead" }, whatHappened(message)), errorInFull(message), messageFacts(message)),
    message.stage === "waiting" ? repair(message) : unsent(message),
    section("History", history(message)),
    section(
      "Everything else",
      message.schema && unfold("The schema", code(JSON.stringify(message.schema, null, 2), "The schema")),
      unfold("The message, verbatim", code(message.message, "The message, verbatim")),
    ),
  ];
}

/** In plain words, what became of a message that was resubmitted, if anything was done with it. */
const OUTCOMES = {
  waiting: "Waits for a person. Nothing happens to it until somebody acts.",
  "on-its-way": "Resubmitted: it is on its way again. This page follows it.",
  succeeded: "Resubmitted, and it succeeded.",
  rejected: "Resubmitted, and refused by the business. Its sender is told why.",
  "parked-again": "Resubmitted, and set aside again.",
  discarded: "Discarded: it will not be carried out.",
  unknown: "Resubmitted. Nothing tells what became of it: it is no command, or its operation is not on record any more.",
};

/** The same, also of one that nobody resubmitted: its pipeline has reported after all. */
function outcomeInWords({ stage, outcome: { status } }) {
  const words = OUTCOMES[status] ?? status;
  return stage === "reported" ? words.replace(/^Resubmitted/, "Reported after all") : words;
}

function stage(message) {
  const { status, parked, error } = message.outcome;
  const link = parked && [" ", h("a", { href: messageLink(parked), "data-key": "parked" }, "See where it waits now.")];
  const why = status === "rejected" && error && ` ${error.detail}`;
  return h("p", { class: `stage ${status}` }, outcomeInWords(message), why, link);
}

function whatHappened({ title, obstacle }) {
  return obstacle ? `${title}: ${obstacle}.` : `${title}.`;
}

/** The error as it was raised: for who needs it, behind what it means. */
function errorInFull(message) {
  const unfolded = unfold("The error in full", code(message.error, "The error"));
  // Where nothing says it better, it is all there is.
  unfolded.open = message.complaints.length === 0;
  return unfolded;
}

function messageFacts(message) {
  const waits = message.stage === "waiting";
  return facts([
    ["Reason", h("span", { class: "reason" }, message.reason)],
    ["Failed", waits && times(message.attempts + 1)],
    ["Parked", time(message.parkedAt)],
    ["Before", waits && parkedBefore(message)],
    ["First failed", message.firstFailedAt && time(message.firstFailedAt)],
    ["First parked", message.firstParkedAt !== message.parkedAt && time(message.firstParkedAt)],
    ["Queue", message.queue],
    ["Context", message.context],
    ["Tenant", message.tenant],
    ["Operation", message.operation && h("a", { href: traceLink(message.operation, message.tenant), "data-key": "trace" }, h("code", {}, message.operation))],
    ["Schema", message.dataschema && h("code", {}, message.dataschema)],
  ]);
}

/** What was done with it lately; what was done before on demand. */
function history({ id, history, before }) {
  const at = `parked/${encodeURIComponent(id)}`;
  const entries = (steps) => steps.map((step) => historyEntry(at, step));
  const list = h("ol", { class: "history" }, entries(history));
  const earlier = button("What was done before", async () => {
    const part = (await call("GET", `${at}/history?before=${before}`)).body;
    list.prepend(...entries(part.history));
    before = part.before;
    if (before === undefined) earlier.remove();
  });
  return [before !== undefined && h("p", { class: "buttons" }, earlier), list];
}

function historyEntry(message, { revision, at, what, by, reason, error, repaired }) {
  const words = `${what}${repaired ? " with repaired data" : ""}${by ? ` by ${by}` : ""}`;
  const asItWas = async () => {
    const { body } = await call("GET", `${message}/revisions/${revision}`);
    return code(body.message, "The message before this repair");
  };
  return h(
    "li",
    {},
    h("span", {}, words),
    time(at),
    reason && h("q", {}, reason),
    error && h("small", { class: "clipped" }, error),
    repaired && unfoldLater("The message before this repair", asItWas),
  );
}
