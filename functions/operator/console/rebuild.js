// One rebuild: how far it is, what failed, and how it is cancelled.

import { button, confirmed, facts, h, note, section, table, tell, time } from "./page.js";
import { HOME } from "./parked.js";
import { REBUILDS, beginRebuild, rebuildName } from "./rebuilds.js";
import { call } from "./session.js";
import { focusHeading, refresh } from "./shell.js";

export function rebuildView(id) {
  const at = `rebuilds/${encodeURIComponent(id)}`;
  let state;
  return {
    name: "Rebuild",
    every: 5_000,
    isPending: isOpen,
    async load() {
      const { body } = await call("GET", at);
      if (state && state !== body.state) tell(inWords(body));
      state = body.state;
      return body;
    },
    draw(rebuild) {
      const { segments, segmentsDone } = rebuild.progress;
      const content = [
        h("p", { class: `stage ${rebuild.progress.failed > 0 ? "trouble" : rebuild.state}` }, inWords(rebuild)),
        isOpen(rebuild) && h("progress", { max: segments, value: segmentsDone, "aria-label": "Segments done" }),
        section("How far it is", counts(rebuild)),
        failures(rebuild.progress),
        actions(rebuild, at),
        section("What was asked for", asked(rebuild)),
      ];
      return { title: rebuildName(rebuild), trail: [HOME, REBUILDS], content };
    },
  };
}

function isOpen({ state }) {
  return ["waiting", "running"].includes(state);
}

function inWords({ state, dryRun, progress: { failed } }) {
  const nothing = "It was a dry run: nothing was written.";
  const told = {
    waiting: "It begins within a minute. This page follows it.",
    running: "It is running. This page follows it.",
    cancelled: `Cancelled. ${dryRun ? nothing : "What it had written stays."}`,
    finished: `Finished. ${dryRun ? nothing : "What was not right is written."}`,
  };
  return `${told[state] ?? state}${failed > 0 ? ` ${number(failed)} failed.` : ""}`;
}

function number(count) {
  return count.toLocaleString("en");
}

function counts({ dryRun, progress }) {
  const { segments, segmentsDone, streams, events, right, written, failed } = progress;
  return facts([
    ["Segments", `${segmentsDone} of ${segments} done`],
    ["Streams read", number(streams)],
    ["Events read", number(events)],
    ["Documents that are right", number(right)],
    [dryRun ? "Would be written" : "Written", number(written)],
    ["Failed", failed > 0 ? h("strong", { class: "again" }, number(failed)) : "0"],
  ]);
}

function failures({ failed, failures }) {
  if (failed === 0) return false;
  const rows = failures.map(({ what, error }) => [h("code", {}, what), error]);
  const some = failures.length < failed ? `, ${failures.length} of ${number(failed)}` : "";
  const why = note("This release can make nothing of these. They stay as they are.");
  return section("What failed", why, table(`Documents and streams${some}`, ["What", "Error"], rows));
}

function actions(rebuild, at) {
  const { collection, tenant, pace, dryRun, state, progress } = rebuild;
  const cancel = async () => {
    const isSure = await confirmed({
      title: "Cancel this rebuild?",
      text: `It stops within seconds. ${dryRun ? "It writes nothing anyway." : "What it has written is right, and stays."}`,
      label: "Cancel the rebuild",
      otherwise: "Let it go on",
      danger: true,
    });
    if (!isSure) return;
    await call("POST", `${at}/cancel`, "{}");
    await refresh();
    focusHeading();
  };
  const write = async () => {
    const isSure = await confirmed({
      title: "Begin the rebuild?",
      text: "It does what the dry run has shown: what is not right is written. Reads go on meanwhile.",
      label: "Begin the rebuild",
    });
    if (isSure) await beginRebuild({ collection, tenant, pace, dryRun: false });
  };
  if (isOpen(rebuild)) return h("p", { class: "buttons" }, button("Cancel the rebuild…", cancel, { class: "danger" }));
  if (!dryRun || state !== "finished" || progress.written === 0) return false;
  return h("p", { class: "buttons" }, button("Begin the rebuild…", write, { class: "primary" }));
}

function asked({ collection, tenant, pace, dryRun, requestedBy, requestedAt, cancelledBy, endedAt }) {
  return facts([
    ["Collection", collection ?? "all"],
    ["Tenant", tenant ?? "all"],
    ["Dry run", dryRun ? "yes" : "no"],
    ["Events a second, at most", pace ? number(pace) : "no limit"],
    ["Asked for", time(requestedAt)],
    ["By", requestedBy],
    ["Cancelled by", cancelledBy],
    ["Ended", endedAt && time(endedAt)],
  ]);
}
