// Jobs: rebuilds and verifications. How they are listed, begun, followed and cancelled. They are for platform operators.

import { button, confirmed, h, note, section, table, tell, time } from "./page.js";
import { call } from "./session.js";
import { focusHeading, refresh } from "./shell.js";

export const STATES = { waiting: "Waiting", running: "Running", cancelled: "Cancelled", finished: "Finished" };

export function isOpen({ state }) {
  return ["waiting", "running"].includes(state);
}

export function number(count) {
  return count.toLocaleString("en");
}

/** What the API answers to platform operators; null for everybody else. */
export async function ifPermitted(path) {
  try {
    return (await call("GET", path)).body;
  } catch (error) {
    if (error.status !== 403) throw error;
    return null;
  }
}

// --- The form that begins one ----------------------------------------------------------------------------------------

const TENANT = { pattern: "[A-Za-z0-9_\\-]{1,64}", placeholder: "all", autocomplete: "off" };
// The most that the API takes.
const PACE = { type: "number", min: "1", max: "4294967295", placeholder: "no limit" };

/** A field of a form. It keeps its focus when the view is drawn anew. */
export function input(id, attributes) {
  return h("input", { id, "data-key": id, ...attributes });
}

export const tenantInput = (id, attributes) => input(id, { ...TENANT, ...attributes });
export const paceInput = (id) => input(id, PACE);

export function select(id, options) {
  return h("select", { id, "data-key": id }, options.map(([value, label]) => h("option", { value }, label ?? value)));
}

export function field(label, input) {
  return h("div", {}, h("label", { for: input.id }, label), input);
}

/** A form whose last line is the button `go`. `changed` is told of each input. */
export function jobForm(go, changed, ...content) {
  const form = h(
    "form",
    {
      class: "field begin",
      novalidate: true,
      submit: (event) => event.preventDefault(),
      input: () => {
        changed();
        // A view that refreshes itself must not take away what somebody fills in.
        form.toggleAttribute("data-edited", true);
      },
    },
    content,
    h("p", { class: "buttons" }, go),
  );
  return form;
}

// --- One job ---------------------------------------------------------------------------------------------------------

/** A view that follows a job. `told` gives its title, its state in words, whether that is trouble, and all parts below. */
export function jobView({ name, at, trail, told }) {
  let state;
  return {
    name,
    every: 5_000,
    isPending: isOpen,
    async load() {
      const { body } = await call("GET", at);
      if (state && state !== body.state) tell(told(body).inWords);
      state = body.state;
      return body;
    },
    draw(job) {
      const { title, inWords, isTrouble, parts } = told(job);
      const { segments, segmentsDone } = job.progress;
      const content = [
        h("p", { class: `stage ${isTrouble ? "trouble" : job.state}` }, inWords),
        isOpen(job) && h("progress", { max: segments, value: segmentsDone, "aria-label": "Segments done" }),
        ...parts,
      ];
      return { title, trail, content };
    },
  };
}

export function failedCount(failed) {
  return failed > 0 ? h("strong", { class: "again" }, number(failed)) : "0";
}

export function failureSection({ failed, failures }, caption, why) {
  if (failed === 0) return false;
  const rows = failures.map(({ what, error }) => [h("code", {}, what), error]);
  const some = failures.length < failed ? `, ${failures.length} of ${number(failed)}` : "";
  return section("What failed", note(why), table(`${caption}${some}`, ["What", "Error"], rows));
}

/** A button that cancels the job, which is called `what`. */
export function cancelButton(at, what, text) {
  const cancel = async () => {
    const isSure = await confirmed({
      title: `Cancel this ${what}?`,
      text,
      label: `Cancel the ${what}`,
      otherwise: "Let it go on",
      danger: true,
    });
    if (!isSure) return;
    await call("POST", `${at}/cancel`, "{}");
    await refresh();
    focusHeading();
  };
  return button(`Cancel the ${what}…`, cancel, { class: "danger" });
}

/** Facts about who has asked for a job, and who has ended it. */
export function whoAsked({ requestedBy, requestedAt, cancelledBy, endedAt }) {
  return [
    ["Asked for", time(requestedAt)],
    ["By", requestedBy],
    ["Cancelled by", cancelledBy],
    ["Ended", endedAt && time(endedAt)],
  ];
}
