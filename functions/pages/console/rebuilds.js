// Rebuilds of read models: the latest ones, and a form that begins one. They are for platform operators.

import { STATES, field, ifPermitted, input, jobForm, paceInput, select, tenantInput } from "./jobs.js";
import { button, h, note, section, table, time } from "./page.js";
import { HOME } from "./parked.js";
import { call, setting } from "./session.js";

/** A step of a trail. */
export const REBUILDS = ["Rebuilds", "#/rebuilds"];

export function rebuildName({ dryRun, totals, collection, stream, tenant }) {
  if (totals) return `Totals of ${collection} for ${tenant}`;
  const whose = stream ?? tenant ? ` for ${stream ?? tenant}` : "";
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

  load: () => ifPermitted("rebuilds"),

  draw(rebuilds) {
    const known = rebuilds?.items.length > 0 ? rebuildTable(rebuilds.items) : note("None is on record.");
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

const DRY_RUN_MEANS = "Dry run: write nothing, only count what would be written";

function rebuildForm() {
  const all = ["", "All collections"];
  const collection = select("rebuild-collection", [all, ...setting("collections").map((name) => [name])]);
  const [tenant, pace] = [tenantInput("rebuild-tenant"), paceInput("rebuild-pace")];
  const dryRun = input("rebuild-dry-run", { type: "checkbox", checked: true });

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
  };
  const form = jobForm(
    go,
    changed,
    field("Collection", collection),
    field("Tenant", tenant),
    field("Events a second, at most", pace),
    h("p", { class: "check" }, dryRun, h("label", { for: dryRun.id }, DRY_RUN_MEANS)),
    note("All events are read, and each document that is not what its events say is written again. Reads go on meanwhile."),
  );
  return form;
}
