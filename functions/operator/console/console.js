// The operator console: shows what is parked and what lies dead, and lets a person do something about it.
//
// How it is laid out:
//   1. the shell: signing in, routes by the URL's fragment, drawing a view and refreshing it
//   2. views: the overview, a group, a message, a queue's dead letters. Each has a `name`, a `load`, and a `draw` of what
//      was loaded. One that `isPending` is asked for again soon.
//   3. the repair of a message's data, with drafts that outlive a sign-in
//   4. dialogs: acting on a whole group, redriving
// Beside it: page.js has the parts that views are made of, session.js signs in and calls the API, json.js knows where
// in a JSON text things are.

import { find, layOut, position, read } from "./json.js";
import {
  askForReason, button, closer, code, complain, counted, facts, guarded, h, hush, note, onlyClose, openDialog, reasonIn,
  section, table, tell, time, unfold, unfoldLater, updateTimes,
} from "./page.js";
import { Problem, SignedOut, call, clientId, isSignedIn, operator, signIn, signOut, start } from "./session.js";

const REFRESH_EVERY = 30_000;
/** What is on its way is looked at again after this; twice as long each time. */
const SOON = 1_000;
const PAGE = 20;
// The most that the API takes at once.
const CHUNK = 100;
const COUNT_ALL = 50_000;

const byId = (id) => document.getElementById(id);
const [main, dialog] = [byId("main"), byId("dialog")];

// --- 1. The shell ----------------------------------------------------------------------------------------------------

let view = null;
/** What is drawn, as text; empty until the view's first answer. */
let drawn = "";
let turn = 0;
let lastRefresh = 0;
/** When the view is to be asked for again, and how long that waits. */
let again;
let soon = SOON;

async function begin() {
  byId("skip").addEventListener("click", (event) => {
    // The fragment is the route.
    event.preventDefault();
    main.focus();
  });
  byId("refresh").addEventListener("click", guarded(refresh));
  byId("sign-out").addEventListener("click", leave);
  addEventListener("hashchange", () => arrive().then(focusHeading));
  try {
    await start();
  } catch (error) {
    complain(error);
  }
  if (clientId() === undefined) {
    return place({ title: "Operator console", content: [button("Try again", () => location.reload())] });
  }
  await arrive();
  setInterval(refreshGently, REFRESH_EVERY / 6);
}

function route() {
  const [path, query] = location.hash.slice(1).split("?");
  if (path === "/group") return groupView(Object.fromEntries(new URLSearchParams(query)));
  if (path === "/all") return everything;
  if (path.startsWith("/message/")) return messageView(decodeURIComponent(path.slice("/message/".length)));
  if (path.startsWith("/dead-letters/")) return deadLettersView(decodeURIComponent(path.slice("/dead-letters/".length)));
  return overview;
}

/** Shows what the URL names. */
async function arrive() {
  // What was asked for before is not shown any more.
  turn += 1;
  clearTimeout(again);
  soon = SOON;
  byId("session").hidden = !isSignedIn();
  byId("operator").textContent = operator();
  byId("refreshed").textContent = "";
  if (!isSignedIn()) return place(signInView());
  if (dialog.open) dialog.close();
  if (view) hush();
  drawn = "";
  try {
    view = route();
  } catch {
    view = overview;
  }
  place({ title: view.name, content: [note("Loading…")] });
  await refresh();
}

/** Asks anew for what the view shows. Says whether it got an answer. */
async function refresh() {
  const mine = ++turn;
  clearTimeout(again);
  lastRefresh = Date.now();
  main.setAttribute("aria-busy", "true");
  try {
    const loaded = await view.load();
    if (mine !== turn) return false;
    const text = JSON.stringify(loaded);
    if (text === drawn) updateTimes(main);
    else place(view.draw(loaded));
    drawn = text;
    hush("refresh");
    const now = new Date().toLocaleTimeString();
    const itself = view.byHandOnly ? "" : " Refreshes itself while nothing is being edited.";
    byId("refreshed").textContent = `As of ${now}.${itself}`;
    if (view.isPending?.(loaded)) {
      again = setTimeout(refresh, soon);
      soon = Math.min(soon * 2, REFRESH_EVERY);
    }
    return true;
  } catch (error) {
    if (mine !== turn) return false;
    error.about = "refresh";
    if (!drawn) place({ title: view.name, content: [button("Try again", refresh)] });
    complain(error);
    return false;
  } finally {
    if (mine === turn) main.removeAttribute("aria-busy");
  }
}

function refreshGently() {
  const editing = main.querySelector("[data-edited]") || document.activeElement.matches("textarea, input");
  const due = Date.now() - lastRefresh >= REFRESH_EVERY;
  if (due && isSignedIn() && drawn && !view.byHandOnly && !document.hidden && !dialog.open && !editing) refresh();
}

/** Puts a view in place. Who was on something stays on it, if it is still there. */
function place({ title, trail = [], content }) {
  const key = main.contains(document.activeElement) && document.activeElement.dataset.key;
  const crumbs = trail.map(([label, href]) => h("li", {}, h("a", { href, "data-key": href }, label)));
  main.replaceChildren(
    crumbs.length > 0 ? h("nav", { "aria-label": "Where this belongs" }, h("ol", { class: "trail" }, crumbs)) : "",
    h("h1", { tabindex: "-1", "data-key": "heading" }, title),
    ...content.filter(Boolean),
  );
  document.title = `${title} · Waybill operator console`;
  if (key) [...main.querySelectorAll("[data-key]")].find((node) => node.dataset.key === key)?.focus();
}

function focusHeading() {
  main.querySelector("h1").focus();
}

function signInView() {
  const content = clientId()
    ? [h("p", {}, "This console is for operators."), button("Sign in", signIn, { class: "primary" })]
    : [h("p", {}, "Nobody can sign in here yet: this installation names no client id for the console.")];
  return { title: "Sign in", content };
}

async function leave() {
  const revoked = signOut();
  hush();
  await arrive();
  tell("You are signed out here. The identity provider may still know you.");
  focusHeading();
  if (!(await revoked)) {
    tell("You are signed out here. The identity provider did not confirm that it has ended what this tab was given.");
  }
}

// --- 2. Views --------------------------------------------------------------------------------------------------------

const HOME = ["Parked messages", "#/"];

let isPlatformOperator = true;

const overview = {
  name: "Parked messages",

  async load() {
    const [parked, queues] = await Promise.all([call("GET", "parked"), deadLetters()]);
    return { ...parked.body, queues };
  },

  draw({ groups, complete, queues }) {
    const more = complete === false && note(
      "There are more messages than were counted. ",
      h("a", { href: "#/all", "data-key": "all" }, "Count them all"),
    );
    const content = [parkedGroups(groups), more, section("Dead letters", deadLetterQueues(queues))];
    return { title: this.name, content };
  },
};

/** Counts what is dear to count, and so does not do it again by itself. */
const everything = {
  name: "All parked messages",
  byHandOnly: true,

  async load() {
    return (await call("GET", `parked?atMost=${COUNT_ALL}`)).body;
  },

  draw({ groups, complete }) {
    const more = complete === false && note(`Of a queue, no more than ${COUNT_ALL} were counted.`);
    return { title: this.name, trail: [HOME], content: [parkedGroups(groups), more] };
  },
};

/** The queues; null for who may not see them, why not as text if they cannot be had now. */
async function deadLetters() {
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

function parkedGroups(groups) {
  if (groups.length === 0) return note("Nothing waits for a person.");
  const columns = ["Type", "Context", "Queue", "Reason", "Messages", "Oldest"];
  const rows = groups.map((group) => [
    h("a", { href: groupLink(group), "data-key": groupLink(group) }, group.type ?? "(no type)"),
    group.context ?? "–",
    group.queue,
    [group.title, " ", h("span", { class: "reason" }, group.reason)],
    [h("strong", {}, group.count), group.again > 0 && h("span", { class: "again" }, ` ${group.again} again`)],
    time(group.oldest),
  ]);
  return table("Groups of messages that wait for a person", columns, rows);
}

function deadLetterQueues(queues) {
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

function deadLettersView(name) {
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

function times(count) {
  return count === 1 ? "once" : `${count} times`;
}

function groupLink({ queue, context, type, reason }) {
  return `#/group?${new URLSearchParams({ queue, context: context ?? "", type: type ?? "", reason })}`;
}

function groupName({ type, reason }) {
  return `${type || "(no type)"}, ${reason}`;
}

function messageLink(id) {
  return `#/message/${encodeURIComponent(id)}`;
}

/** A page of a group. Its empty context and type stand for none. */
async function pageOf(group, limit, cursor) {
  const query = new URLSearchParams({ ...group, limit, ...(cursor && { cursor }) });
  return (await call("GET", `parked?${query}`)).body;
}

function groupView({ queue = "", context = "", type = "", reason = "", cursor }) {
  const group = { queue, context, type, reason };
  return {
    name: groupName(group),
    load: () => pageOf(group, PAGE, cursor),
    draw({ items, next }) {
      const content = [facts([["Reason", reason], ["Queue", queue], ["Context", context]])];
      if (items.length > 0) content.push(groupActions(group), messages(items));
      else content.push(note(cursor ? "Nothing is left on this page." : "Nothing of this group waits any more."));
      content.push(pages(group, cursor, next));
      return { title: this.name, trail: [HOME], content };
    },
  };
}

function groupActions(group) {
  return h(
    "p",
    { class: "buttons" },
    button("Resubmit all…", () => actOnAll(group, "resubmit")),
    button("Discard all…", () => actOnAll(group, "discard"), { class: "danger" }),
  );
}

function messages(items) {
  const tenants = items.some((item) => item.tenant);
  const rows = items.map((item) => [
    h("a", { href: messageLink(item.id), "data-key": item.id }, nameOf(item)),
    ...(tenants ? [item.tenant ?? "–"] : []),
    [item.title, h("small", { class: "clipped" }, item.error)],
    times(item.attempts + 1),
    [time(item.parkedAt), parkedBefore(item)],
  ]);
  const columns = ["Subject", ...(tenants ? ["Tenant"] : []), "What happened", "Failed", "Parked"];
  return table("Messages, the oldest first", columns, rows);
}

function nameOf({ subject, operation, id }) {
  return subject ?? operation ?? id;
}

/** Marks what came back although somebody had resubmitted it. */
function parkedBefore({ operation, revision }) {
  return operation && revision > 0 && h("span", { class: "again" }, `Parked ${times(revision)} before`);
}

function pages(group, cursor, next) {
  const to = (label, href) => h("a", { href, "data-key": label }, label);
  const links = [
    cursor && to("First page", groupLink(group)),
    next && to("Next page", `${groupLink(group)}&${new URLSearchParams({ cursor: next })}`),
  ];
  return links.some(Boolean) ? h("nav", { class: "buttons", "aria-label": "Pages" }, links.filter(Boolean)) : "";
}

function messageView(id) {
  let followed = false;
  return {
    name: "Message",
    isPending: ({ outcome }) => outcome.status === "on-its-way",
    async load() {
      const { body, text } = await call("GET", `parked/${encodeURIComponent(id)}`);
      if (followed && !this.isPending(body)) tell(OUTCOMES[body.outcome.status]);
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

/** In plain words, what became of a message. */
const OUTCOMES = {
  waiting: "Waits for a person. Nothing happens to it until somebody acts.",
  "on-its-way": "Resubmitted: it is on its way again. This page follows it.",
  succeeded: "Resubmitted, and it succeeded.",
  rejected: "Resubmitted, and refused by the business. Its sender is told why.",
  "parked-again": "Resubmitted, and set aside again.",
  discarded: "Discarded: it will not be carried out.",
  unknown: "Resubmitted. Nothing tells what became of it: it is no command, or its operation is not on record any more.",
};

function stage({ outcome: { status, parked, error } }) {
  const link = parked && [" ", h("a", { href: messageLink(parked), "data-key": "parked" }, "See where it waits now.")];
  const why = status === "rejected" && error && ` ${error.detail}`;
  return h("p", { class: `stage ${status}` }, OUTCOMES[status] ?? status, why, link);
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
    ["Operation", message.operation && h("code", {}, message.operation)],
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

// --- 3. Repair -------------------------------------------------------------------------------------------------------

/** Who reads why a message was discarded. */
const SENDER = "for the history and the message's sender";

const draftOf = (id) => `waybill.draft.${id}`;

function keepDraft(id, draft) {
  if (draft) sessionStorage.setItem(draftOf(id), JSON.stringify(draft));
  else sessionStorage.removeItem(draftOf(id));
}

/** The data to edit, what the schema says of it, and what can be done. */
function repair(message) {
  const asParked = layOut(message.writtenData);
  const draft = JSON.parse(sessionStorage.getItem(draftOf(message.id)));
  const editor = h("textarea", { ...EDITOR, readonly: !message.repairable, input: changed });
  const reason = h("input", { ...REASON, input: changed });
  const fault = h("p", { id: "fault", class: "fault", "aria-live": "polite" });
  const complaints = h("div", { class: "complaints" });
  const send = button("Resubmit as it is", resubmit, { "data-key": "resubmit" });
  const undo = button("Undo my changes", () => edit(asParked));
  const hopeless = note(`Resubmitted as it is, it would be set aside again: ${message.obstacle}.`);
  const hasData = message.repairable || message.data !== null;
  const isEdited = () => editor.value !== asParked;

  function edit(text) {
    editor.value = text;
    changed();
    editor.focus();
  }

  function changed() {
    const wrong = faultOf(editor.value);
    fault.textContent = wrong ? `Not JSON. ${faultInWords(editor.value, wrong)}` : "";
    editor.setAttribute("aria-invalid", String(Boolean(wrong)));
    undo.hidden = !isEdited();
    send.textContent = isEdited() ? "Resubmit with the repaired data" : "Resubmit as it is";
    // The main button is one that may work.
    send.classList.toggle("primary", isEdited() ? !wrong : !message.obstacle);
    hopeless.hidden = isEdited() || !message.obstacle;
    hush("data");
    const kept = isEdited() || reason.value !== "";
    editor.toggleAttribute("data-edited", kept);
    keepDraft(message.id, kept && { text: editor.value, reason: reason.value });
  }

  async function resubmit() {
    const wrong = isEdited() && faultOf(editor.value);
    if (wrong) {
      select(editor, wrong.offset, wrong.offset + 1);
      throw new Problem({ title: "The data is not JSON yet", detail: faultInWords(editor.value, wrong), about: "data" });
    }
    const told = reason.value.trim();
    // The editor's text itself, for its numbers.
    const members = [isEdited() && `"data":${editor.value}`, told && `"reason":${JSON.stringify(told)}`];
    const how = isEdited() ? "with the repaired data" : "as it is";
    await act("resubmit", `{${members.filter(Boolean).join(",")}}`, `Resubmitted ${how}.`);
  }

  async function discard() {
    const told = await askForReason({
      title: "Discard this message?",
      text: "It will not be carried out, now or later. This cannot be undone.",
      label: "Discard",
      reader: SENDER,
      danger: true,
      suggested: reason.value,
    });
    if (told === null) return;
    reason.value = told;
    changed();
    await act("discard", JSON.stringify({ reason: told }), "Discarded.");
  }

  async function act(verb, body, done) {
    try {
      await call("POST", `parked/${encodeURIComponent(message.id)}/${verb}`, body);
    } catch (error) {
      if (error.errors) {
        show(error.errors, "What the schema says of your repair").focus();
        error.about = "data";
      }
      if (error.status === 409 && (await refresh())) focusHeading();
      throw error;
    }
    keepDraft(message.id, null);
    soon = SOON;
    await refresh();
    tell(done);
    focusHeading();
  }

  /** Shows what is wrong with the data. Returns the list's heading. */
  function show(list, title) {
    const entries = list.map(({ pointer, detail }) => {
      const click = () => goTo(editor, pointer ?? "");
      return h("li", {}, h("button", { type: "button", class: "link", click }, pointer || "(all of it)"), detail);
    });
    const heading = h("h3", { tabindex: "-1" }, title);
    complaints.replaceChildren(heading, entries.length > 0 ? h("ul", {}, entries) : note("No complaints."));
    return heading;
  }

  editor.value = draft?.text ?? asParked;
  reason.value = draft?.reason ?? "";
  changed();
  if (message.schema || message.complaints.length > 0) show(message.complaints, "What the schema says");

  return section(
    "Repair",
    !message.repairable && note("This message cannot be repaired, only resubmitted as it is, or discarded."),
    draft && note("What you typed before is back."),
    h(
      "div",
      { class: "repair" },
      hasData && h("div", { class: "field" }, h("label", { for: "data" }, "Data"), editor, fault),
      complaints,
    ),
    h("p", { class: "field" }, h("label", { for: "reason" }, "Reason, for the history (optional)"), reason),
    hopeless,
    h("p", { class: "buttons" }, send, undo, button("Discard…", discard, { class: "danger" })),
  );
}

const REASON = { id: "reason", maxlength: "1000", autocomplete: "off", "data-key": "reason" };

const EDITOR = {
  id: "data", rows: "18", wrap: "off", spellcheck: "false", autocapitalize: "off", autocomplete: "off",
  "aria-describedby": "fault", "data-key": "data",
};

/** An edit of what somebody else has meanwhile dealt with. */
function unsent({ id }) {
  const draft = JSON.parse(sessionStorage.getItem(draftOf(id)));
  return draft ? section("Your edit, not sent", code(draft.text, "Your edit")) : "";
}

function faultOf(text) {
  try {
    read(text);
    return null;
  } catch (fault) {
    return fault;
  }
}

function faultInWords(text, { offset, message }) {
  const { line, column } = position(text, offset);
  return `Line ${line}, column ${column}: ${message}.`;
}

/** Leads to what a complaint is about. In what is not JSON, to the fault. */
function goTo(editor, pointer) {
  const wrong = faultOf(editor.value);
  if (wrong) return select(editor, wrong.offset, wrong.offset + 1);
  const { start, end } = find(read(editor.value), pointer);
  select(editor, start, pointer ? end : start);
}

/** Selects, and brings into sight: browsers scroll to a selection in various ways, or not at all. */
function select(editor, start, end) {
  editor.focus();
  editor.setSelectionRange(start, end);
  const lineHeight = parseFloat(getComputedStyle(editor).lineHeight);
  editor.scrollTop = (position(editor.value, start).line - 4) * lineHeight;
}

// --- 4. Dialogs ------------------------------------------------------------------------------------------------------

const DEEDS = {
  resubmit: { title: "Resubmit the whole group", label: "Resubmit", done: "resubmitted", optional: true },
  discard: { title: "Discard the whole group", label: "Discard", done: "discarded", reader: SENDER, danger: true },
};

/** Acts on the group as it is listed now: what is parked meanwhile is not swept in. */
async function actOnAll(group, verb) {
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

function whenClosed(opened, work) {
  if (opened.isOpen) dialog.addEventListener("close", work, { once: true });
  else work();
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

function failureList(failures) {
  if (failures.length === 0) return [];
  const entry = ({ id, status, problem }) => {
    const words = [problem?.title ?? `status ${status}`, problem?.detail].filter(Boolean).join(": ");
    return h("li", {}, h("a", { href: messageLink(id) }, h("code", {}, id)), " ", words);
  };
  return [h("p", {}, "These were not:"), h("ul", { class: "failures" }, failures.map(entry))];
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

begin();
