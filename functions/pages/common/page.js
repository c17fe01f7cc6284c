// What every view is made of: elements, tables, times, notices, and the one dialog.
//
// Whatever comes from the API goes in as text, never as markup.

import { Problem, SignedOut, signIn } from "./session.js";

const dialog = document.getElementById("dialog");

// --- Elements --------------------------------------------------------------------------------------------------------

/** An element. An attribute whose value is a function listens to the event of that name. */
export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** An element of a drawing. */
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/**
 * A button. It does not start again while it is at work, and what goes wrong is shown. Its `data-key` is what it is
 * known by when a view is drawn anew.
 */
export function button(label, work, attributes = {}) {
  return h("button", { type: "button", click: guarded(work), "data-key": label, ...attributes }, label);
}

export function guarded(work) {
  let atWork = false;
  return async (event) => {
    if (atWork) return;
    atWork = true;
    const pressed = event.currentTarget;
    pressed.setAttribute("aria-disabled", "true");
    hush();
    try {
      await work();
    } catch (error) {
      complain(error);
    } finally {
      atWork = false;
      pressed.removeAttribute("aria-disabled");
    }
  };
}

/** Marks a field while something is in it: what is being typed is not taken away by a view that refreshes itself. */
export function markEdited({ currentTarget }) {
  currentTarget.toggleAttribute("data-edited", currentTarget.value !== "");
}

/**
 * A table whose first column heads its rows. A narrow screen shows each row as a card with labelled lines, which takes
 * the table's meaning away unless the roles are spelt out.
 */
export function table(caption, columns, rows) {
  const cell = (content, index) => {
    const role = index === 0 ? "rowheader" : "cell";
    return h(index === 0 ? "th" : "td", { role, scope: index === 0 && "row", "data-label": columns[index] }, content);
  };
  const headings = columns.map((name) => h("th", { role: "columnheader", scope: "col" }, name));
  return h(
    "table",
    { role: "table" },
    h("caption", {}, caption),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, headings)),
    h("tbody", { role: "rowgroup" }, rows.map((row) => h("tr", { role: "row" }, row.map(cell)))),
  );
}

/** Names with what they stand for; those that stand for nothing are left out. */
export function facts(entries) {
  const known = entries.filter(([, value]) => value !== null && value !== undefined && value !== false && value !== "");
  return h("dl", {}, known.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

export function unfold(summary, ...content) {
  return h("details", {}, h("summary", { "data-key": summary }, summary), content);
}

/** The same; its content is only asked for when somebody unfolds it. */
export function unfoldLater(summary, load) {
  const place = h("div", {}, note("Loading…"));
  const details = unfold(summary, place);
  details.addEventListener("toggle", async () => {
    try {
      place.replaceChildren(await load());
    } catch (error) {
      place.replaceChildren(note(`It cannot be shown now: ${error.title ?? error}.`));
    }
  }, { once: true });
  return details;
}

/** Code. Focusable, so that the keyboard can scroll it. */
export function code(text, label) {
  return h("pre", { tabindex: "0", role: "group", "aria-label": label }, text);
}

export function section(title, ...content) {
  const id = `section-${title.toLowerCase().replaceAll(/[^a-z]+/g, "-")}`;
  return h("section", { "aria-labelledby": id }, h("h2", { id }, title), content);
}

export function note(...content) {
  return h("p", { class: "note" }, content);
}

export function counted(count, thing) {
  return `${count} ${thing}${count === 1 ? "" : "s"}`;
}

export function times(count) {
  return count === 1 ? "once" : `${count} times`;
}

// --- Times -----------------------------------------------------------------------------------------------------------

/** How long ago, and exactly when. */
export function time(at) {
  if (!at) return "–";
  const exact = new Date(at).toISOString().slice(0, 19).replace("T", " ");
  return h("time", { datetime: at }, h("span", {}, ago(at)), " ", h("small", {}, `${exact} UTC`));
}

export function updateTimes(root) {
  for (const shown of root.querySelectorAll("time")) shown.firstChild.textContent = ago(shown.dateTime);
}

const UNITS = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];
const WORDS = new Intl.RelativeTimeFormat("en");

function ago(at) {
  const seconds = (Date.parse(at) - Date.now()) / 1000;
  if (Math.abs(seconds) < 5) return "just now";
  const [unit, length] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? UNITS.at(-1);
  return WORDS.format(Math.trunc(seconds / length), unit);
}

// --- Notices ---------------------------------------------------------------------------------------------------------

/** A modal dialog has regions of its own: what is outside of it is silent while it is open. */
function region(role) {
  return (dialog.open ? dialog : document).querySelector(`[role=${role}]`);
}

export function tell(text) {
  region("status").textContent = text;
}

/** Says that nobody is signed in any more; `revoked` becomes whether the identity provider has ended it, too. */
export async function tellSignedOut(revoked) {
  tell("You are signed out here. The identity provider may still know you.");
  if (!(await revoked)) {
    tell("You are signed out here. The identity provider did not confirm that it has ended what this tab was given.");
  }
}

/** Shows an error until the next action, or until what it is about is put right: see {@link hush}. */
export function complain(error) {
  let { title, detail } = error;
  if (!(error instanceof Problem)) {
    [title, detail] = ["Something is wrong in this page", String(error)];
    console.error(error);
  }
  region("alert").dataset.about = error.about ?? "";
  region("alert").replaceChildren(h("strong", {}, title), detail ? `: ${detail}` : "");
  if (error instanceof SignedOut) {
    const again = h("button", { type: "button", click: signIn }, "Sign in again");
    region("alert").append(". What you have typed is kept. ", again);
  }
}

/** Takes all notices away; or only an alert, if it is about this. */
export function hush(about) {
  const alert = region("alert");
  if (about === undefined || alert.dataset.about === about) alert.replaceChildren();
  if (about === undefined) region("status").replaceChildren();
}

// --- The dialog ------------------------------------------------------------------------------------------------------

/** Opens the dialog. Returns where its content and its buttons go, and whether it is still open. */
export function openDialog(title, text = "") {
  const body = h("div", {}, text && h("p", {}, text));
  const buttons = h("div", { class: "buttons" }, closer());
  const heading = h("h2", { id: "dialog-title", tabindex: "-1" }, title);
  const opened = { body, buttons, isOpen: true };
  dialog.replaceChildren(heading, h("div", { role: "alert" }), body, h("div", { role: "status" }), buttons);
  dialog.addEventListener("close", () => (opened.isOpen = false), { once: true });
  dialog.showModal();
  heading.focus();
  return opened;
}

/** Leaves only one button, which closes, and puts the focus on it. */
export function onlyClose({ buttons }, label) {
  buttons.replaceChildren(closer(label));
  buttons.firstChild.focus();
}

/** Works once the dialog is closed, or at once if it is already. */
export function whenClosed(opened, work) {
  if (opened.isOpen) dialog.addEventListener("close", work, { once: true });
  else work();
}

export function closer(label = "Cancel") {
  return h("button", { type: "button", click: () => dialog.close() }, label);
}

/** Asks for a reason in an open dialog. Resolves to it, or to null if the dialog is closed instead. */
export function reasonIn({ body, buttons }, options) {
  const { label, reader = "for the history", optional, danger, suggested = "", most = 1000 } = options;
  return new Promise((resolve) => {
    const field = h("textarea", { id: "dialog-reason", rows: "3", maxlength: most, required: !optional });
    field.value = suggested;
    const submit = (event) => {
      event.preventDefault();
      const told = field.value.trim();
      if (told || optional) return resolve(told);
      field.value = "";
      field.reportValidity();
    };
    const words = h("label", { for: field.id }, `Reason, ${reader}${optional ? " (optional)" : ""}`);
    body.append(h("form", { id: "dialog-form", submit }, h("p", { class: "field" }, words, field)));
    const doIt = h("button", { form: "dialog-form", class: danger ? "danger" : "primary" }, label);
    buttons.replaceChildren(doIt, closer());
    dialog.addEventListener("close", () => resolve(null), { once: true });
    field.focus();
  });
}

/** Asks for a yes in the dialog. Resolves to whether it was given. */
export function confirmed({ title, text, label, otherwise, danger }) {
  const { buttons } = openDialog(title, text);
  return new Promise((resolve) => {
    const agree = () => {
      resolve(true);
      dialog.close();
    };
    buttons.replaceChildren(button(label, agree, { class: danger ? "danger" : "primary" }), closer(otherwise));
    dialog.addEventListener("close", () => resolve(false), { once: true });
  });
}

export async function askForReason({ title, text, ...options }) {
  const told = await reasonIn(openDialog(title, text), options);
  dialog.close();
  return told;
}
