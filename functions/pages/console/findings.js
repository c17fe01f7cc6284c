// Findings: what a verification has found that does not fit, and the one action that mends it. For platform operators.

import { ifPermitted, field, select } from "./jobs.js";
import { askForReason, button, confirmed, counted, h, note, section, table, tell, time } from "./page.js";
import { HOME } from "./parked.js";
import { SignedOut, call, setting } from "./session.js";
import { focusHeading, refresh } from "./shell.js";
import { query } from "./traces.js";

/** Steps of a trail. */
export const FINDINGS = ["Findings", "#/findings"];
export const VERIFICATIONS = ["Verifications", "#/verifications"];

export const FINDING_STATES = { open: "Open", ignored: "Ignored", closed: "Closed" };

// The most characters that the API takes of a reason.
const LONGEST_REASON = 500;

/** What the console's button does; or, without a label, what somebody has to do. */
const ACTIONS = {
  "publish-again": { label: "Publish again", does: "The stream's commits are published once more, from the first one that is missing." },
  "project-again": { label: "Make the document anew", does: "A rebuild makes the document anew from its events." },
  "count-anew": { label: "Count anew", does: "A rebuild counts the totals anew from all documents." },
  "write-outcome": { label: "Write the outcome", does: "The operation is written as the events say." },
  "give-up": {
    label: "Give up…",
    does: "The operation says that it is discarded, so its sender learns that what it did is lost. First see whether a backup has it.",
    ask: "Tell the sender that it is lost?",
    final: "The operation ends as discarded. This cannot be undone.",
  },
  "claim-again": { label: "Claim again", does: "The value is claimed for the aggregate, unless another one has claimed it since." },
  release: {
    label: "Release…",
    does: "The value is nobody's any more, and any aggregate can claim it.",
    ask: "Release the value?",
    final: "Any aggregate can claim it then.",
  },
  "set-timer-again": { label: "Set the timer again", does: "The timer is set again, and hands in its command if it is due." },
  "hand-in": { label: "Hand in", does: "The command is handed in under its own key, so it takes effect once." },
  "tell-again": { label: "Tell again", does: "The context is told of the refusal once more." },
  reopen: { label: "Open the operation", does: "The operation is open again. Its sender then sends the command again, under its id." },
  restore: { does: "Bring back from a backup what is lost. The runbook “Restore from a backup” says how." },
  decide: { does: "Decide on the parked message: resubmit, repair or discard it." },
  redrive: { does: "Begin a run of redrive, and see what keeps it from sending the message." },
  "send-again": { does: "Only the sender has the command. Have it sent again, under its id." },
  settle: { does: "Two want the same, and both cannot be right. Find out whose it is." },
};

export function actionOf({ action }) {
  return ACTIONS[action] ?? { label: action, does: "" };
}

/** What a kind is called: `document-behind` is "Document behind". */
export function kindName(kind) {
  const words = kind.replaceAll("-", " ");
  return words[0].toUpperCase() + words.slice(1);
}

/** What a finding is about. */
export function findingName({ stream, commandType, tenant, collection, id }) {
  return stream ?? ([tenant, collection ?? commandType].filter(Boolean).join(", ") || id);
}

export function findingsLink(wanted = {}) {
  return FINDINGS[1] + query(wanted);
}

export function findingLink(id) {
  return `#/findings/${encodeURIComponent(id)}`;
}

export function verificationLink(id) {
  return `#/verifications/${encodeURIComponent(id)}`;
}

// --- For the front page ----------------------------------------------------------------------------------------------

let isServed = true;

/** How many findings are open; false where nobody may see them; why they cannot be seen now, as text. */
export async function openFindings() {
  if (!isServed) return false;
  try {
    return (await call("GET", "findings")).body.total;
  } catch (error) {
    if (error instanceof SignedOut) throw error;
    isServed = ![403, 404].includes(error.status);
    return isServed && `${error.title}. ${error.detail ?? ""}`;
  }
}

/** What somebody has to be told at once. */
export function findingTrouble(open) {
  if (!(open > 0)) return false;
  const link = h("a", { href: FINDINGS[1], "data-key": "finding-trouble" }, "See what, and what mends it.");
  return h("p", { class: "stage trouble" }, `${counted(open, "finding")}: what is stored does not fit together. `, link);
}

export function findingSection(open) {
  if (open === false) return false;
  const links = [
    h("a", { href: FINDINGS[1], "data-key": "findings" }, "See the findings"),
    " ",
    h("a", { href: VERIFICATIONS[1], "data-key": "verifications" }, "See the verifications, or begin one"),
  ];
  if (typeof open === "string") return section("Findings", note(`They cannot be counted now. ${open} `, links));
  return section("Findings", note(open > 0 ? `${counted(open, "finding")} open. ` : "All fits together. ", links));
}

// --- The list --------------------------------------------------------------------------------------------------------

export function findingsView({ state = "open", kind, tenant, stream }) {
  const wanted = { state, kind, tenant, stream };
  return {
    name: "Findings",

    async load() {
      const findings = await ifPermitted(`findings${query(wanted)}`);
      return findings && { ...findings, verified: await lastOfAll() };
    },

    draw(findings) {
      const content = findings === null
        ? [note("Only platform operators see what a verification has found.")]
        : [inShort(findings, wanted), filter(wanted), ...groups(findings.items), rest(findings)];
      const title = state === "open" ? this.name : `${this.name}, ${state}`;
      return { title, trail: [HOME], content };
    },
  };
}

/** The last verification of everything that has ended by itself. */
async function lastOfAll() {
  const { items } = (await call("GET", "verifications")).body;
  return items.find(({ state, tenant, stream, operation }) => state === "finished" && !tenant && !stream && !operation);
}

function inShort({ total, verified }, { state, kind, tenant, stream }) {
  const isTrouble = state === "open" && total > 0;
  const isAll = state === "open" && !kind && !tenant && !stream;
  const none = isAll ? "All fits together." : "There are none of these.";
  const words = total === 0 ? none : `${counted(total, "finding")}${state === "open" ? " open" : ""}.`;
  const last = verified
    ? [" Everything was last verified ", time(verified.endedAt), ". "]
    : " No verification of everything has ended yet. ";
  const link = h("a", { href: VERIFICATIONS[1], "data-key": "verifications" }, "See the verifications, or begin one");
  return h("p", { class: `stage${isTrouble ? " trouble" : ""}` }, words, last, link);
}

function filter(wanted) {
  const states = Object.entries(FINDING_STATES);
  const kinds = [["", "All kinds"], ...setting("findingKinds").map((kind) => [kind, kindName(kind)])];
  const [state, kind] = [select("finding-state", states), select("finding-kind", kinds)];
  [state.value, kind.value] = [wanted.state, wanted.kind ?? ""];
  const submit = (event) => {
    event.preventDefault();
    location.hash = findingsLink({ ...wanted, state: state.value, kind: kind.value });
  };
  const of = wanted.stream ?? wanted.tenant;
  return h(
    "form",
    { class: "field search", submit },
    field("State", state),
    field("Kind", kind),
    h("button", { "data-key": "show-findings" }, "Show"),
    of && note(`Only of ${of}. `, h("a", { href: FINDINGS[1], "data-key": "of-all" }, "Show those of all")),
  );
}

/** By kind, in the order of the API's kinds: the earlier ones are often the cause of the later ones. */
function groups(items) {
  const kinds = setting("findingKinds");
  const byKind = [...Map.groupBy(items, ({ kind }) => kind)];
  byKind.sort(([one], [other]) => kinds.indexOf(one) - kinds.indexOf(other));
  return byKind.map(([kind, findings]) => {
    const actions = [...new Set(findings.filter(({ mendable }) => mendable).map(actionOf))];
    const does = actions.map(({ label, does }) => note(h("strong", {}, label.replace("…", "")), `: ${does}`));
    return section(findings[0].means, does, findingTable(kind, findings));
  });
}

function findingTable(kind, findings) {
  const columns = ["What", "Expected", "There is", "First and last seen", "What to do"];
  const rows = findings.map((finding) => [
    [
      h("a", { href: findingLink(finding.id), class: "breaks", "data-key": finding.id }, findingName(finding)),
      finding.stream && h("small", {}, [finding.collection, finding.commandType].filter(Boolean).map((name) => ` ${name}`)),
    ],
    h("span", { class: "breaks" }, finding.expected),
    h("span", { class: "breaks" }, finding.actual),
    [time(finding.firstSeen), time(finding.lastSeen)],
    whatToDo(finding),
  ]);
  return table(`${kindName(kind)}: ${counted(findings.length, "finding")}`, columns, rows);
}

function rest({ items, total }) {
  return items.length < total && note(`These are the newest ${items.length} of ${total}. The others are seen by kind, or once these are mended.`);
}

// --- What mends it ---------------------------------------------------------------------------------------------------

/** The action and the decision on a finding, or what somebody has to do. `isAlone`: nothing else on the page says what it does. */
export function whatToDo(finding, isAlone = false) {
  const { state, mendable, closedAt } = finding;
  if (state === "closed") return h("span", {}, "It has closed ", time(closedAt));
  const { does } = actionOf(finding);
  const buttons = [mendable && mendButton(finding), state === "ignored" ? reopenButton(finding) : ignoreButton(finding)];
  return h("div", {}, decided(finding), (isAlone || !mendable) && h("p", {}, does), h("p", { class: "buttons" }, buttons.filter(Boolean)));
}

/** What was decided on it before. */
function decided({ mended, ignored }) {
  return [
    mended && h("p", {}, "Asked for by ", mended.by, " ", time(mended.at)),
    ignored && h("p", {}, "Ignored by ", ignored.by, " ", time(ignored.at), h("q", {}, ignored.reason)),
  ];
}

async function act(finding, verb, body, done) {
  await call("POST", `findings/${encodeURIComponent(finding.id)}/${verb}`, JSON.stringify(body));
  await refresh();
  tell(done);
  focusHeading();
}

/** Buttons of one table differ in what they are about. */
function about(verb, finding, label) {
  return { "data-key": `${verb} ${finding.id}`, "aria-label": `${label}: ${findingName(finding)}` };
}

function mendButton(finding) {
  const { label, ask, final } = actionOf(finding);
  const mend = async () => {
    const isSure = !ask || (await confirmed({ title: ask, text: final, label: label.replace("…", ""), danger: true }));
    if (isSure) await act(finding, "mend", {}, "Asked for. The finding closes with the next verification that finds it mended.");
  };
  return button(label, mend, { class: ask ? "danger" : "primary", ...about("mend", finding, label) });
}

function ignoreButton(finding) {
  const ignore = async () => {
    const reason = await askForReason({
      title: "Ignore this finding?",
      text: "Nothing is changed, and the alarm counts it no more. It closes by itself once it is true no more.",
      label: "Ignore",
      reader: "shown with the finding",
      most: LONGEST_REASON,
    });
    if (reason !== null) await act(finding, "ignore", { reason }, "Ignored.");
  };
  return button("Ignore…", ignore, about("ignore", finding, "Ignore…"));
}

function reopenButton(finding) {
  const reopen = () => act(finding, "reopen", {}, "It is open again.");
  return button("Open again", reopen, about("reopen", finding, "Open again"));
}
