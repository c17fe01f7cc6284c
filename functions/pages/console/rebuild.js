// One rebuild: how far it is, what failed, and how it is cancelled.

import { cancelButton, failedCount, failureSection, isOpen, jobView, number, whoAsked } from "./jobs.js";
import { button, confirmed, facts, h, section } from "./page.js";
import { HOME } from "./parked.js";
import { REBUILDS, beginRebuild, rebuildName } from "./rebuilds.js";

const WHY = "This release can make nothing of these. They stay as they are.";

export function rebuildView(id) {
  const at = `rebuilds/${encodeURIComponent(id)}`;
  const told = (rebuild) => ({
    title: rebuildName(rebuild),
    inWords: inWords(rebuild),
    isTrouble: rebuild.progress.failed > 0,
    parts: [
      section("How far it is", counts(rebuild)),
      failureSection(rebuild.progress, rebuild.totals ? "Totals" : "Documents and streams", WHY),
      actions(rebuild, at),
      section("What was asked for", asked(rebuild)),
    ],
  });
  return jobView({ name: "Rebuild", at, trail: [HOME, REBUILDS], told });
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

function counts({ dryRun, totals, progress }) {
  const { segments, segmentsDone, streams, events, right, written, failed } = progress;
  const ofDocuments = [
    ["Streams read", number(streams)],
    ["Events read", number(events)],
    ["Documents that are right", number(right)],
    [dryRun ? "Would be written" : "Written", number(written)],
  ];
  return facts([
    ["Segments", `${segmentsDone} of ${segments} done`],
    ...(totals ? [["Totals that were wrong", number(progress.totals)]] : ofDocuments),
    ["Failed", failedCount(failed)],
  ]);
}

function actions(rebuild, at) {
  const { collection, tenant, stream, pace, dryRun, state, progress } = rebuild;
  const write = async () => {
    const isSure = await confirmed({
      title: "Begin the rebuild?",
      text: "It does what the dry run has shown: what is not right is written. Reads go on meanwhile.",
      label: "Begin the rebuild",
    });
    if (isSure) await beginRebuild({ collection, tenant, stream, pace, dryRun: false });
  };
  const stops = `It stops within seconds. ${dryRun ? "It writes nothing anyway." : "What it has written is right, and stays."}`;
  if (isOpen(rebuild)) return h("p", { class: "buttons" }, cancelButton(at, "rebuild", stops));
  if (!dryRun || state !== "finished" || progress.written === 0) return false;
  return h("p", { class: "buttons" }, button("Begin the rebuild…", write, { class: "primary" }));
}

function asked(rebuild) {
  const { collection, tenant, stream, totals, pace, dryRun } = rebuild;
  return facts([
    ["Collection", collection ?? "all"],
    ["Tenant", stream ? undefined : tenant ?? "all"],
    ["Stream", stream && h("code", {}, stream)],
    ["What", totals && "the totals, counted anew"],
    ["Dry run", dryRun ? "yes" : "no"],
    ["Events a second, at most", pace ? number(pace) : "no limit"],
    ...whoAsked(rebuild),
  ]);
}
