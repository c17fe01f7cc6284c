// The repair of a message's data, with drafts that outlive a sign-in.

import { find, layOut, position, read } from "./json.js";
import { askForReason, button, code, h, hush, note, section, tell } from "./page.js";
import { SENDER } from "./parked.js";
import { Problem, call } from "./session.js";
import { focusHeading, refresh, refreshSoon } from "./shell.js";

const draftOf = (id) => `waybill.console.draft.${id}`;

function keepDraft(id, draft) {
  if (draft) sessionStorage.setItem(draftOf(id), JSON.stringify(draft));
  else sessionStorage.removeItem(draftOf(id));
}

/** The data to edit, what the schema says of it, and what can be done. */
export function repair(message) {
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
    await refreshSoon();
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
export function unsent({ id }) {
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
