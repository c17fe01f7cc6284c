// Dead letters: how deep each queue is, what lies in one, and redriving them by hand.

import {
  button, closer, counted, h, note, onlyClose, openDialog, table, tell, time, times, whenClosed,
} from "./page.js";
import { HOME } from "./parked.js";
import { SignedOut, call } from "./session.js";
import { refresh } from "./shell.js";

let isPlatformOperator = true;

/** The queues; null for who may not see them, why not as text if they cannot be had now. */
export async function deadLetters() {
  if (!isPlatformOperator) return null;
  try {
    return (await call("GET", "dead-letters")).body.queues;
  } catch (error) {
    if (error instanceof SignedOut) throw error;
    if (error.status !== 403) return `${error.title}. ${error.detail ?? ""}`;
    isPlatformOperator = false;
    return null;
  }
}

export function deadLetterQueues(queues) {
  if (queues === null) return note("Only platform operators see the dead letters.");
  if (typeof queues === "string") return note(`They cannot be shown now. ${queues}`);
  const rows = queues.map(({ name, waiting, inFlight, oldest }) => [
    h("a", { href: deadLettersLink(name), "data-key": deadLettersLink(name) }, name),
    h("strong", {}, waiting),
    inFlight,
    time(oldest),
    button("Redrive…", () => redrive(name), { "aria-label": `Redrive ${name}…`, "data-key": `redrive ${name}` }),
  ]);
  return [
    note("They come back by themselves, on a schedule."),
    table("Depths of the dead-letter queues", ["Queue", "Waiting", "In flight", "Oldest", "By hand"], rows),
    h("p", { class: "buttons" }, button("Redrive all queues…", () => redrive())),
  ];
}

function deadLettersLink(name) {
  return `#/dead-letters/${encodeURIComponent(name)}`;
}

export function deadLettersView(name) {
  return {
    name: `Dead letters of ${name}`,
    load: async () => (await call("GET", `dead-letters/${encodeURIComponent(name)}`)).body,
    draw({ waiting, inFlight, letters }) {
      const hidden = inFlight > 0 && note(`${counted(inFlight, "message")} in a redrive's hands right now, and not to be seen.`);
      const more = waiting > letters.length && letters.length > 0
        && note(`The first ${letters.length} of about ${waiting}: no more can be seen without holding a redrive up.`);
      const content = letters.length > 0 ? lettersTable(letters) : note("There is nothing to be seen here now.");
      const redriving = h("p", { class: "buttons" }, button(`Redrive ${name}…`, () => redrive(name)));
      return { title: this.name, trail: [HOME], content: [content, more, hidden, redriving] };
    },
  };
}

/** What the next run does with a dead letter. */
const NEXT = {
  "send-back": "Due: it goes back to its queue",
  wait: "Waits until it is due",
  "on-its-way": "On its way; taken for lost",
  park: "It is set aside for a person",
  drop: "Nothing is left to do: it is dropped",
};

/** Of what it is worth saying when. */
const IN_TIME = ["wait", "on-its-way"];

function lettersTable(letters) {
  const rows = letters.map((letter) => [
    [letter.type ?? "(no type)", letter.subject && ` for ${letter.subject}`],
    letter.tenant ?? "–",
    h("span", { class: "clipped" }, letter.error),
    times(letter.attempts + 1),
    [NEXT[letter.next] ?? letter.next, IN_TIME.includes(letter.next) && [" ", time(letter.dueAt)]],
    time(letter.deadSince),
  ]);
  const columns = ["Message", "Tenant", "Last error", "Failed", "What comes next", "Dead since"];
  return table("Dead letters, the first of each stream first", columns, rows);
}

/** Redrives one queue, or all. First without doing it. */
async function redrive(name) {
  const opened = openDialog(name ? `Redrive ${name}` : "Redrive all queues");
  const ask = async (dryRun) => {
    const body = JSON.stringify({ ...(name && { context: name }), dryRun });
    return (await call("POST", "redrive", body)).body.queues;
  };
  tell("Looking at what there is…");
  const outlook = await ask(true);
  if (!opened.isOpen) return;
  tell(`A dry run: nothing has been done yet. ${summary(outlook, "would be")}`);
  opened.body.replaceChildren(report(outlook));
  if (outlook.every((queue) => queue.found === 0)) return onlyClose(opened, "Close");
  const go = button("Redrive now", async () => {
    whenClosed(opened, refresh);
    tell("Redriving…");
    const outcome = await ask(false);
    tell(`Done. ${summary(outcome, "were")}`);
    opened.body.replaceChildren(report(outcome));
    onlyClose(opened, "Close");
  }, { class: "primary" });
  opened.buttons.replaceChildren(go, closer());
  go.focus();
}

function summary(queues, verb) {
  const total = (count) => queues.reduce((sum, queue) => sum + (queue[count] ?? 0), 0);
  const behind = total("behindCanary");
  const then = behind > 0 ? `, ${behind} more once one of those has its outcome` : "";
  const found = counted(total("found"), "message");
  return `${found} found; ${total("redriven")} ${verb} sent back${then}, ${total("parked")} parked.`;
}

/** Numbers that add up to what was found. */
const REPORTED = [
  ["redriven", "Sent back"],
  ["behindCanary", "To follow", "due, and sent once one of those sent ahead has its outcome"],
  ["parked", "Parked", "has used up its attempts"],
  ["settled", "Settled", "was done already"],
  ["waiting", "Left", "not due yet, or behind one that is not"],
  ["unseen", "Not seen", "there was no time for it"],
];

function report(queues) {
  const canary = queues.some((queue) => queue.canary);
  const errors = queues.some((queue) => queue.error);
  // What is nothing anywhere adds nothing.
  const told = REPORTED.filter(([number]) => number === "redriven" || queues.some((queue) => queue[number] > 0));
  const rows = queues.map((queue) => [
    queue.name,
    queue.found,
    ...told.map(([number]) => queue[number]),
    ...(canary ? [CANARIES[queue.canary] ?? "–"] : []),
    ...(errors ? [queue.error ?? "–"] : []),
  ]);
  const columns = ["Queue", "Found", ...told.map(([, heading]) => heading)];
  return h(
    "div",
    {},
    table("By queue", [...columns, ...(canary ? ["Sent ahead"] : []), ...(errors ? ["Error"] : [])], rows),
    note(told.map(([, heading, meaning]) => meaning && `${heading}: ${meaning}. `)),
  );
}

/** What became of the commands that were sent ahead. */
const CANARIES = { passed: "one has its outcome", "on-its-way": "no outcome yet" };
