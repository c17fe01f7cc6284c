// The operator console: shows what is parked and what lies dead, and lets a person do something about it.
//
// How it is laid out:
//   1. the shell: signing in, routes by the URL's fragment, drawing a view and refreshing it
//   2. views: the overview, a group, a message. Each has a `name`, a `load`, and a `draw` of what was loaded.
//   3. the repair of a message's data, with drafts that outlive a sign-in
//   4. dialogs: acting on a whole group, redriving
// Beside it: page.js has the parts that views are made of, session.js signs in and calls the API, json.js knows where
// in a JSON text things are.

import { find, layOut, position, read } from "./json.js";
import {
  askForReason, button, closer, code, complain, counted, facts, guarded, h, hush, note, onlyClose, openDialog, reasonIn,
  section, table, tell, time, unfold, updateTimes,
} from "./page.js";
import { Problem, SignedOut, call, clientId, isSignedIn, operator, signIn, signOut, start } from "./session.js";

const REFRESH_EVERY = 30_000;
const PAGE = 20;
// The most that the API takes at once.
const CHUNK = 100;

const byId = (id) => document.getElementById(id);
const [main, dialog] = [byId("main"), byId("dialog")];

// --- 1. The shell ----------------------------------------------------------------------------------------------------

let view = null;
/** What is drawn, as text; empty until the view's first answer. */
let drawn = "";
let turn = 0;
let lastRefresh = 0;
let refreshFailed = false;

async function begin() {
  byId("skip").addEventListener("click", (event) => {
    // The fragment is the route.
    event.preventDefault();
    main.focus();
  });
  byId("refresh").addEventListener("click", guarded(async () => (await refresh()) && tell("Refreshed.")));
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
  if (path.startsWith("/message/")) return messageView(decodeURIComponent(path.slice("/message/".length)));
  return overview;
}

/** Shows what the URL names. */
async function arrive() {
  // What was asked for before is not shown any more.
  turn += 1;
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
  lastRefresh = Date.now();
  main.setAttribute("aria-busy", "true");
  try {
    const loaded = await view.load();
    if (mine !== turn) return false;
    const text = JSON.stringify(loaded);
    if (text === drawn) updateTimes(main);
    else place(view.draw(loaded));
    drawn = text;
    if (refreshFailed) hush();
    refreshFailed = false;
    const now = new Date().toLocaleTimeString();
    byId("refreshed").textContent = `As of ${now}. Refreshes itself while nothing is being edited.`;
    return true;
  } catch (error) {
    if (mine !== turn) return false;
    refreshFailed = true;
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
  if (due && isSignedIn() && drawn && !document.hidden && !dialog.open && !editing) refresh();
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
  signOut();
  hush();
  await arrive();
  tell("You are signed out here. The identity provider may still know you.");
  focusHeading();
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
    const more = complete === false && note("There are more messages than were counted.");
    const content = [parkedGroups(groups), more, section("Dead letters", deadLetterQueues(queues))];
    return { title: this.name, content };
  },
};

/** The queues; null for who may not see them, undefined if they cannot be had now. */
async function deadLetters() {
  if (!isPlatformOperator) return null;
  try {
    return (await call("GET", "dead-letters")).body.queues;
  } catch (error) {
    if (error instanceof SignedOut) throw error;
    if (error.status !== 403) return void complain(error);
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
    h("span", { class: "reason" }, group.reason),
    h("strong", {}, group.count),
    time(group.oldest),
  ]);
  return table("Groups of messages that wait for a person", columns, rows);
}

function deadLetterQueues(queues) {
  if (queues === null) return note("Only platform operators see the dead letters.");
  if (queues === undefined) return note("They cannot be shown now.");
  const rows = queues.map(({ name, waiting, inFlight, oldest }) => [
    name,
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
    h("a", { href: messageLink(item.id), "data-key": item.id }, item.subject ?? item.operation ?? item.id),
    ...(tenants ? [item.tenant ?? "–"] : []),
    h("span", { class: "clipped" }, item.error),
    item.attempts,
    time(item.parkedAt),
  ]);
  const columns = ["Subject", ...(tenants ? ["Tenant"] : []), "Error", "Attempts", "Parked"];
  return table("Messages, the oldest first", columns, rows);
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
  return {
    name: "Message",
    async load() {
      const { body, text } = await call("GET", `parked/${encodeURIComponent(id)}`);
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
    h("p", { class: `stage ${message.stage}` }, STAGES[message.stage] ?? message.stage),
    section("What went wrong", code(message.error, "The error"), messageFacts(message)),
    message.stage === "waiting" ? repair(message) : unsent(message),
    section("History", h("ol", { class: "history" }, message.history.map(historyEntry))),
    section(
      "Everything else",
      message.schema && unfold("The schema", code(JSON.stringify(message.schema, null, 2), "The schema")),
      unfold("The message, verbatim", code(message.message, "The message, verbatim")),
      message.revisions.map(({ revision, message }) => {
        const title = `Revision ${revision}, verbatim`;
        return unfold(title, code(message, title));
      }),
    ),
  ];
}

const STAGES = {
  waiting: "Waits for a person. Nothing happens to it until somebody acts.",
  resubmitted: "Resubmitted: it is on its way again, and nothing is left to do here.",
  discarded: "Discarded: it will not be carried out.",
};

function messageFacts(message) {
  return facts([
    ["Reason", message.reason],
    ["Attempts", message.attempts],
    ["Parked", time(message.parkedAt)],
    ["First failed", message.firstFailedAt && time(message.firstFailedAt)],
    ["First parked", message.firstParkedAt !== message.parkedAt && time(message.firstParkedAt)],
    ["Queue", message.queue],
    ["Context", message.context],
    ["Tenant", message.tenant],
    ["Revision", message.revision],
    ["Operation", message.operation && h("code", {}, message.operation)],
    ["Schema", message.dataschema && h("code", {}, message.dataschema)],
  ]);
}

function historyEntry({ at, what, by, reason, repaired }) {
  const words = `${what}${repaired ? " with repaired data" : ""}${by ? ` by ${by}` : ""}`;
  return h("li", {}, h("span", {}, words), time(at), reason && h("q", {}, reason));
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
  const send = button("Resubmit as it is", resubmit, { class: "primary", "data-key": "resubmit" });
  const undo = button("Undo my changes", () => edit(asParked));
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
    const kept = isEdited() || reason.value !== "";
    editor.toggleAttribute("data-edited", kept);
    keepDraft(message.id, kept && { text: editor.value, reason: reason.value });
  }

  async function resubmit() {
    const wrong = isEdited() && faultOf(editor.value);
    if (wrong) {
      select(editor, wrong.offset, wrong.offset + 1);
      throw new Problem({ title: "The data is not JSON yet", detail: faultInWords(editor.value, wrong) });
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
      if (error.errors) show(error.errors, "What the schema says of your repair").focus();
      if (error.status === 409 && (await refresh())) focusHeading();
      throw error;
    }
    keepDraft(message.id, null);
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
  const ids = await idsOf(group, opened);
  if (!opened.isOpen) return;
  tell(`These are ${counted(ids.length, "message")}. What is parked from now on is not among them.`);
  const reason = await reasonIn(opened, { ...deed, label: `${deed.label} ${counted(ids.length, "message")}` });
  if (reason === null) return;

  const failures = [];
  try {
    await inChunks(ids, verb, reason, failures, opened);
  } finally {
    opened.body.replaceChildren(...failureList(failures));
    if (opened.isOpen) onlyClose(opened, "Close");
    whenClosed(opened, refresh);
  }
}

function whenClosed(opened, work) {
  if (opened.isOpen) dialog.addEventListener("close", work, { once: true });
  else work();
}

async function idsOf(group, opened) {
  const ids = new Set();
  let cursor;
  do {
    const page = await pageOf(group, CHUNK, cursor);
    page.items.forEach((item) => ids.add(item.id));
    cursor = page.next;
    if (opened.isOpen) tell(`Counting: ${ids.size} so far.`);
  } while (cursor && opened.isOpen);
  return [...ids];
}

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
    if (results.some((result) => result.status === 503)) return;
  }
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
  const found = counted(total("found"), "message");
  return `${found} found; ${total("redriven")} ${verb} sent back, ${total("parked")} parked.`;
}

function report(queues) {
  const canary = queues.some((queue) => queue.canary);
  const errors = queues.some((queue) => queue.error);
  const rows = queues.map((queue) => [
    ...[queue.name, queue.found, queue.redriven, queue.parked, queue.settled, queue.waiting],
    ...(canary ? [queue.canary ?? "–"] : []),
    ...(errors ? [queue.error ?? "–"] : []),
  ]);
  const columns = ["Queue", "Found", "Sent back", "Parked", "Settled", "Left"];
  return h(
    "div",
    {},
    table("By queue", [...columns, ...(canary ? ["First one"] : []), ...(errors ? ["Error"] : [])], rows),
    note("Parked: has used up its attempts. Settled: was done already. Left: waits for the next run."),
  );
}

begin();
