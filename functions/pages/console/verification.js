// One verification: how far it is, what it has found, and how it is cancelled.

import { FINDINGS, VERIFICATIONS, findingsLink, kindName } from "./findings.js";
import { cancelButton, failedCount, failureSection, isOpen, jobView, number, whoAsked } from "./jobs.js";
import { facts, h, note, section, table } from "./page.js";
import { HOME } from "./parked.js";
import { verificationName } from "./verifications.js";

const WHY = "These records cannot be read, so nothing is said about them. The log names the error.";

export function verificationView(id) {
  const at = `verifications/${encodeURIComponent(id)}`;
  const told = (verification) => ({
    title: verificationName(verification),
    inWords: inWords(verification),
    isTrouble: verification.progress.found > 0 || verification.progress.failed > 0,
    parts: [
      section("What it has found", kinds(verification)),
      section("How far it is", counts(verification.progress)),
      failureSection(verification.progress, "Records and messages", WHY),
      isOpen(verification) && h("p", { class: "buttons" }, cancelButton(at, "verification", "It stops within seconds. What it has found stays.")),
      section("What was asked for", asked(verification)),
    ],
  });
  return jobView({ name: "Verification", at, trail: [HOME, FINDINGS, VERIFICATIONS], told });
}

function inWords({ state, progress: { found, failed } }) {
  const told = {
    waiting: "It begins within a minute. This page follows it.",
    running: "It is running. This page follows it.",
    cancelled: "Cancelled. What it had found stays.",
    finished: "Finished. Findings that are true no more are closed.",
  };
  const what = found > 0 ? ` It has found ${number(found)} that ${found === 1 ? "does" : "do"} not fit.` : "";
  const none = state === "finished" && found === 0 ? " All that was judged fits." : "";
  return `${told[state] ?? state}${what}${none}${failed > 0 ? ` ${number(failed)} could not be read.` : ""}`;
}

function kinds({ tenant, stream, operation, progress: { kinds } }) {
  const entries = Object.entries(kinds);
  if (entries.length === 0) return note("Nothing.");
  // The findings of an operation are its tenant's, and the key of its record begins with the tenant.
  const of = operation ? { tenant: operation.split("#")[0] } : { tenant, stream };
  const rows = entries.map(([kind, count]) => [
    h("a", { href: findingsLink({ kind, ...of }), "data-key": kind }, kindName(kind)),
    number(count),
  ]);
  return table("What does not fit, by kind", ["Kind", "Found"], rows);
}

function counts(progress) {
  const { segments, segmentsDone, streams, commits, events, operations, documents, unjudged, unknown, failed } = progress;
  return facts([
    ["Segments", `${segmentsDone} of ${segments} done`],
    ["Streams", number(streams)],
    ["Commits", number(commits)],
    ["Events", number(events)],
    ["Operations", number(operations)],
    ["Documents counted", number(documents)],
    ["Collections never quiet", unjudged > 0 && number(unjudged)],
    ["Streams of an unknown type", unknown > 0 && number(unknown)],
    ["Could not be read", failedCount(failed)],
  ]);
}

function asked(verification) {
  const { tenant, stream, operation, settledAfter, pace } = verification;
  return facts([
    ["Tenant", stream || operation ? undefined : tenant ?? "all"],
    ["Stream", stream && h("code", {}, stream)],
    ["Operation", operation && h("code", {}, operation)],
    ["Judges what is older than", settledAfter ? `${number(settledAfter / 60)} minutes` : "the slowest way"],
    ["Items a second, at most", pace ? number(pace) : "no limit"],
    ...whoAsked(verification),
  ]);
}
