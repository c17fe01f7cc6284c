// Rebuilds of read models: the latest ones, and a form that begins one. They are for platform operators.

import { button, h, note, section, table, time } from "./page.js";
import { HOME } from "./parked.js";
import { call, collections } from "./session.js";

/** A step of a trail. */
export const REBUILDS = ["Rebuilds", "#/rebuilds"];

export const STATES = { waiting: "Waiting", running: "Running", cancelled: "Cancelled", finished: "Finished" };

export function rebuildName({ dryRun, collection, tenant }) {
  const whose = tenant ? ` for ${tenant}` : "";
  return `${dryRun ? "Dry run" : "Rebuild"} of ${collection ?? "all collections"}${whose}`;
}

/** For the front page. */
export function rebuildSection() {
  const link = h("a", { href: REBUILDS[1], "data-key": "rebuilds" }, "See the rebuilds, or begin one");
  return section("Read models", note("Documents that are not what their events say can be rebuilt. ", link));
}

/** Begins one, and goes to where it is followed. */
export async function beginRebuild(asked) {
  const { id } = (await call("POST", "rebuild", JSON.stringify(asked))).body;
  location.hash = rebuildLink(id);
}

function rebuildLink(id) {
  return `#/rebuilds/${encodeURIComponent(id)}`;
}

export const rebuildsView = {
  name: "Rebuilds",

  async load() {
    try {
      return (await call("GET", "rebuilds")).body.items;
    } catch (error) {
      if (error.status !== 403) throw error;
      return null;
    }
  },

  draw(rebuilds) {
    const known = rebuilds?.length > 0 ? rebuildTable(rebuilds) : note("None is on record.");
    const content = rebuilds === null
      ? [note("Only platform operators rebuild read models.")]
      : [section("Begin a rebuild", rebuildForm()), section("The latest", known)];
    return { title: this.name, trail: [HOME], content };
  },
};

function rebuildTable(rebuilds) {
  const rows = rebuilds.map((rebuild) => [
    h("a", { href: rebuildLink(rebuild.id), "data-key": rebuild.id }, rebuildName(rebuild)),
    STATES[rebuild.state] ?? rebuild.state,
    time(rebuild.requestedAt),
    rebuild.requestedBy,
    time(rebuild.endedAt),
  ]);
  return table("Rebuilds, the newest first", ["Rebuild", "State", "Asked for", "By", "Ended"], rows);
}

const TENANT = {
  id: "rebuild-tenant",
  pattern: "[A-Za-z0-9_\\-]{1,64}",
  placeholder: "all",
  autocomplete: "off",
  "data-key": "rebuild-tenant",
};
const PACE = {
  id: "rebuild-pace",
  type: "number",
  min: "1",
  // The most that the API takes.
  max: "4294967295",
  placeholder: "no limit",
  "data-key": "rebuild-pace",
};
const DRY_RUN_MEANS = "Dry run: write nothing, only count what would be written";
const DRY_RUN = { id: "rebuild-dry-run", type: "checkbox", checked: true, "data-key": "rebuild-dry-run" };

function rebuildForm() {
  const option = (value, label = value) => h("option", { value }, label);
  const choice = { id: "rebuild-collection", "data-key": "rebuild-collection" };
  const collection = h("select", choice, option("", "All collections"), collections().map((name) => option(name)));
  const [tenant, pace, dryRun] = [TENANT, PACE, DRY_RUN].map((attributes) => h("input", attributes));
  const field = (label, input) => h("div", {}, h("label", { for: input.id }, label), input);

  const send = async () => {
    if (!form.reportValidity()) return;
    await beginRebuild({
      collection: collection.value || undefined,
      tenant: tenant.value || undefined,
      pace: pace.value ? Number(pace.value) : undefined,
      dryRun: dryRun.checked,
    });
  };
  const go = button("Begin the dry run", send, { type: "submit", class: "primary", "data-key": "begin" });
  const changed = () => {
    go.textContent = dryRun.checked ? "Begin the dry run" : "Begin the rebuild";
    // What is being filled in is not taken away by a view that refreshes itself.
    form.toggleAttribute("data-edited", true);
  };
  const form = h(
    "form",
    { class: "field begin", novalidate: true, submit: (event) => event.preventDefault(), input: changed },
    field("Collection", collection),
    field("Tenant", tenant),
    field("Events a second, at most", pace),
    h("p", { class: "check" }, dryRun, h("label", { for: dryRun.id }, DRY_RUN_MEANS)),
    note("All events are read, and each document that is not what its events say is written again. Reads go on meanwhile."),
    h("p", { class: "buttons" }, go),
  );
  return form;
}
