// Acting on a whole group, in the dialog, and following what becomes of its messages.

import { counted, h, onlyClose, openDialog, reasonIn, tell, whenClosed } from "./page.js";
import { CHUNK, SENDER, groupName, messageLink, nameOf, pageOf } from "./parked.js";
import { call } from "./session.js";
import { REFRESH_EVERY, SOON, refresh } from "./shell.js";

const DEEDS = {
  resubmit: { title: "Resubmit the whole group", label: "Resubmit", done: "resubmitted", optional: true },
  discard: { title: "Discard the whole group", label: "Discard", done: "discarded", reader: SENDER, danger: true },
};

/** Acts on the group as it is listed now: what is parked meanwhile is not swept in. */
export async function actOnAll(group, verb) {
  const deed = DEEDS[verb];
  const opened = openDialog(deed.title, groupName(group));
  const names = await namesOf(group, opened);
  if (!opened.isOpen) return;
  const ids = [...names.keys()];
  tell(`These are ${counted(ids.length, "message")}. What is parked from now on is not among them.`);
  const reason = await reasonIn(opened, { ...deed, label: `${deed.label} ${counted(ids.length, "message")}` });
  if (reason === null) return;

  const failures = [];
  let asked = 0;
  whenClosed(opened, refresh);
  try {
    asked = await inChunks(ids, verb, reason, failures, opened);
  } finally {
    opened.body.replaceChildren(...failureList(failures));
    if (opened.isOpen) onlyClose(opened, "Close");
  }
  const failed = new Set(failures.map(({ id }) => id));
  if (verb !== "resubmit") return;
  ids.slice(asked).concat([...failed]).forEach((id) => names.delete(id));
  await follow(names, failures, opened);
}

/** What the messages of a group are called, by their ids. */
async function namesOf(group, opened) {
  const names = new Map();
  let cursor;
  do {
    const page = await pageOf(group, CHUNK, cursor);
    page.items.forEach((item) => names.set(item.id, nameOf(item)));
    cursor = page.next;
    if (opened.isOpen) tell(`Counting: ${names.size} so far.`);
  } while (cursor && opened.isOpen);
  return names;
}

/** Says how many were asked for: not all, if the dialog was closed or a queue does not answer. */
async function inChunks(ids, verb, reason, failures, opened) {
  const bar = h("progress", { max: ids.length, value: 0, "aria-label": "Progress" });
  opened.body.replaceChildren(bar);
  onlyClose(opened, "Stop");
  let asked = 0;
  while (asked < ids.length && opened.isOpen) {
    const chunk = ids.slice(asked, asked + CHUNK);
    const body = JSON.stringify({ ids: chunk, ...(reason && { reason }) });
    const { results } = (await call("POST", `parked/${verb}`, body)).body;
    failures.push(...results.filter((result) => result.status >= 300));
    asked += chunk.length;
    bar.value = asked;
    const failed = failures.length > 0 ? `, ${failures.length} not` : "";
    tell(`${asked - failures.length} of ${ids.length} ${DEEDS[verb].done}${failed}.`);
    // What was taken and not sent would come after those that are taken next.
    if (results.some((result) => result.status === 503)) break;
  }
  return asked;
}

/** Tells what becomes of messages that were resubmitted, until all have an outcome or the dialog is closed. */
async function follow(names, failures, opened) {
  const outcomes = new Map();
  const ids = [...names.keys()];
  for (let pause = SOON; opened.isOpen && ids.length > 0; pause = Math.min(pause * 2, REFRESH_EVERY)) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    const pending = ids.filter((id) => (outcomes.get(id) ?? ON_ITS_WAY).status === ON_ITS_WAY.status);
    for (let from = 0; from < pending.length && opened.isOpen; from += CHUNK) {
      const body = JSON.stringify({ ids: pending.slice(from, from + CHUNK) });
      const { results } = (await call("POST", "parked/outcomes", body)).body;
      results.forEach(({ id, outcome }) => outcomes.set(id, outcome ?? { status: "unknown" }));
    }
    if (!opened.isOpen) return;
    const counts = Map.groupBy(outcomes.values(), ({ status }) => status);
    const told = COUNTED_OUTCOMES.filter(([status]) => counts.has(status));
    const words = told.map(([status, word]) => `${counts.get(status).length} ${word}`).join(", ");
    tell(`${ids.length} resubmitted: ${words}.`);
    const back = [...outcomes].filter(([, { parked }]) => parked).map(([id, { parked }]) => [names.get(id), parked]);
    opened.body.replaceChildren(...failureList(failures), ...backAgain(back));
    if (!counts.has(ON_ITS_WAY.status)) return;
  }
}

const ON_ITS_WAY = { status: "on-its-way" };

/** How outcomes are counted, the good ones first. */
const COUNTED_OUTCOMES = [
  ["succeeded", "succeeded"],
  ["rejected", "refused by the business"],
  ["parked-again", "set aside again"],
  ["discarded", "discarded"],
  ["on-its-way", "on their way"],
  ["unknown", "of which nothing tells"],
];

/** Most links to messages that came back: the others are in the list. */
const MOST_LINKS = 20;

function backAgain(messages) {
  if (messages.length === 0) return [];
  const entry = ([name, parked]) => h("li", {}, h("a", { href: messageLink(parked) }, name));
  return [h("p", {}, "These were set aside again:"), h("ul", { class: "failures" }, messages.slice(0, MOST_LINKS).map(entry))];
}

function failureList(failures) {
  if (failures.length === 0) return [];
  const entry = ({ id, status, problem }) => {
    const words = [problem?.title ?? `status ${status}`, problem?.detail].filter(Boolean).join(": ");
    return h("li", {}, h("a", { href: messageLink(id) }, h("code", {}, id)), " ", words);
  };
  return [h("p", {}, "These were not:"), h("ul", { class: "failures" }, failures.map(entry))];
}
