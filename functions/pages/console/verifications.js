// Verifications: the latest ones, and a form that begins one. They are for platform operators.

import { FINDINGS, VERIFICATIONS, verificationLink } from "./findings.js";
import { STATES, field, ifPermitted, input, jobForm, number, paceInput, select, tenantInput } from "./jobs.js";
import { button, h, note, section, table, time } from "./page.js";
import { HOME } from "./parked.js";
import { call } from "./session.js";

/** The list says no numbers: of so many, they are asked for one by one. */
const WITH_NUMBERS = 10;

export function verificationName({ tenant, stream, operation }) {
  if (operation) return `Verification of a command${stream ? ` for ${stream}` : ""}`;
  return `Verification of ${stream ?? tenant ?? "everything"}`;
}

/** Begins one, and goes to where it is followed. */
export async function beginVerification(asked) {
  const { id } = (await call("POST", "verifications", JSON.stringify(asked))).body;
  location.hash = verificationLink(id);
}

export const verificationsView = {
  name: VERIFICATIONS[0],

  async load() {
    const list = await ifPermitted("verifications");
    const withNumbers = async ({ id }) => (await call("GET", `verifications/${encodeURIComponent(id)}`)).body;
    const newest = await Promise.all(list?.items.slice(0, WITH_NUMBERS).map(withNumbers) ?? []);
    return list && [...newest, ...list.items.slice(WITH_NUMBERS)];
  },

  draw(verifications) {
    const known = verifications?.length > 0 ? verificationTable(verifications) : note("None is on record.");
    const content = verifications === null
      ? [note("Only platform operators verify.")]
      : [section("Begin a verification", verificationForm()), section("The latest", known)];
    return { title: this.name, trail: [HOME, FINDINGS], content };
  },
};

function verificationTable(verifications) {
  const rows = verifications.map((verification) => [
    h("a", { href: verificationLink(verification.id), "data-key": verification.id }, verificationName(verification)),
    STATES[verification.state] ?? verification.state,
    found(verification.progress),
    time(verification.requestedAt),
    verification.requestedBy,
    time(verification.endedAt),
  ]);
  return table("Verifications, the newest first", ["Verification", "State", "Found", "Asked for", "By", "Ended"], rows);
}

function found(progress) {
  if (!progress) return "–";
  return progress.found > 0 ? h("strong", { class: "again" }, number(progress.found)) : "0";
}

const WHAT = [["all", "Everything"], ["tenant", "A tenant"], ["stream", "A stream"], ["operation", "A command"]];

/** What has to be filled in for each. */
const FIELDS = { all: [], tenant: ["tenant"], stream: ["stream"], operation: ["tenant", "operation"] };

function verificationForm() {
  const plain = { autocomplete: "off", autocapitalize: "off", spellcheck: "false" };
  const what = select("verify-what", WHAT);
  const inputs = {
    tenant: tenantInput("verify-tenant", { placeholder: "acme" }),
    stream: input("verify-stream", { ...plain, placeholder: "tenant/context/id" }),
    operation: input("verify-operation", { ...plain, placeholder: "The operation's id" }),
  };
  const labels = { tenant: "Tenant", stream: "Stream", operation: "Operation" };
  const fields = Object.entries(inputs).map(([name, of]) => [name, field(labels[name], of)]);
  const minutes = input("verify-minutes", { type: "number", min: "1", placeholder: "as long as it may take" });
  const pace = paceInput("verify-pace");
  const isAsked = (name) => FIELDS[what.value].includes(name);

  const send = async () => {
    if (!form.reportValidity()) return;
    const scope = Object.fromEntries(FIELDS[what.value].map((name) => [name, inputs[name].value.trim()]));
    await beginVerification({
      ...scope,
      settledAfter: minutes.value ? Number(minutes.value) * 60 : undefined,
      pace: pace.value ? Number(pace.value) : undefined,
    });
  };
  const changed = () => {
    for (const [name, shown] of fields) {
      shown.hidden = !isAsked(name);
      inputs[name].required = isAsked(name);
    }
  };
  const go = button("Begin the verification", send, { type: "submit", class: "primary", "data-key": "begin" });
  const form = jobForm(
    go,
    changed,
    field("What", what),
    fields.map(([, shown]) => shown),
    field("Judge what is older than, in minutes", minutes),
    field("Items a second, at most", pace),
    note(
      "Nothing is changed. Without minutes, only what is older than the slowest way is judged: two days, and 28 for commands. ",
      "After an incident, choose the minutes since it ended.",
    ),
  );
  changed();
  return form;
}
