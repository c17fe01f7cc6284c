// One finding: what does not fit, what mends it, and where to look.

import { FINDINGS, FINDING_STATES, findingName, findingsLink, kindName, verificationLink, whatToDo } from "./findings.js";
import { button, code, facts, h, section, time, unfold } from "./page.js";
import { HOME } from "./parked.js";
import { call } from "./session.js";
import { searchLink, traceLink } from "./traces.js";
import { beginVerification } from "./verifications.js";

export function findingView(id) {
  return {
    name: "Finding",
    load: async () => (await call("GET", `findings/${encodeURIComponent(id)}`)).body,
    draw(finding) {
      const { kind, state, means } = finding;
      const content = [
        h("p", { class: `stage${state === "open" ? " trouble" : ""}` }, `${FINDING_STATES[state] ?? state}. ${means}`),
        section("What does not fit", facts([["Expected", finding.expected], ["There is", finding.actual]])),
        section("What to do", whatToDo(finding, true), state !== "closed" && again(finding)),
        section("Where to look", whereToLook(finding)),
        section("Everything else", rest(finding)),
      ];
      const name = kindName(kind);
      return { title: `${name}: ${findingName(finding)}`, trail: [HOME, FINDINGS, [name, findingsLink({ kind })]], content };
    },
  };
}

/** Begins the smallest verification that looks at the finding again: a finding that is mended closes with it. */
function again(finding) {
  return h("p", { class: "buttons" }, button("Verify again", () => beginVerification(scopeOf(finding))));
}

/** What is found by an operation's record, which functions/verifier/src/verify.rs says. The others go by their stream. */
const OF_AN_OPERATION = ["operation-without-events", "refusal-untold", "parked-lost", "retry-forgotten"];

function scopeOf(finding) {
  const { kind, tenant, stream } = finding;
  const operation = traced(finding);
  if (OF_AN_OPERATION.includes(kind)) return operation ? { tenant, operation } : { tenant };
  return tenant && stream ? { stream } : { tenant };
}

/** The id that a link of the API ends with. */
function lastSegment(url) {
  return decodeURIComponent(new URL(url).pathname.split("/").at(-1));
}

/** The operation whose trace the API links. */
function traced({ links }) {
  return links.trace && lastSegment(links.trace);
}

function whereToLook(finding) {
  const { tenant, stream, collection, commit, commandType, links } = finding;
  const operation = traced(finding);
  const link = (key, href, label) => h("a", { href, "data-key": key }, label);
  return facts([
    ["Tenant", tenant],
    ["Stream", stream && link("stream", searchLink(stream, tenant), h("code", {}, stream))],
    ["Collection", collection],
    ["From commit", commit],
    ["Command", commandType],
    ["Trace", operation && link("trace", traceLink(operation, tenant), "What became of the command")],
    ["Last seen by", link("verification", verificationLink(lastSegment(links.verification)), "A verification")],
  ]);
}

function rest({ id, firstSeen, lastSeen, links }) {
  return [
    facts([
      ["First seen", time(firstSeen)],
      ["Last seen", time(lastSeen)],
      ["Id", h("code", {}, id)],
    ]),
    links.history && unfold("The aggregate's history, by the API", code(`GET ${links.history}`, "The aggregate's history")),
  ];
}
