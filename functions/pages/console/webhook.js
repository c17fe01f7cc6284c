// One endpoint for webhooks: how it does, which streams wait for it, and what can be done about it.

import { askForReason, button, facts, h, note, section, table, tell, time } from "./page.js";
import { CHUNK, HOME } from "./parked.js";
import { call } from "./session.js";
import { focusHeading, refresh } from "./shell.js";
import { endpointName, endpointStatus, webhooksLink, whose } from "./webhooks.js";

// The most characters that the API takes.
const LONGEST_REASON = 200;

export function webhookView(id, { tenant }) {
  const at = `webhooks/${encodeURIComponent(id)}`;
  // For each part, the API looks through up to a thousand streams.
  let parts = 1;
  return {
    name: "Webhook",
    get byHandOnly() {
      return parts > 1;
    },
    async load() {
      const list = (status) => deliveries(at, { ...(tenant && { tenant }), status, limit: CHUNK }, parts);
      const [{ body }, held, failing] = await Promise.all([call("GET", at + whose(tenant)), list("held"), list("failing")]);
      return { endpoint: body, streams: [...held.items, ...failing.items], more: held.more || failing.more };
    },
    draw({ endpoint, streams, more }) {
      const further = () => {
        parts *= 10;
        return refresh();
      };
      const found = streams.length > 0 ? streamTable(streams, endpoint) : note("None was found.");
      const rest = more && [note("There may be more."), h("p", { class: "buttons" }, button("Look further", further))];
      const content = [
        endpointFacts(endpoint, tenant),
        actions(endpoint, (verb) => `${at}/${verb}${whose(tenant)}`),
        section("Held and failing streams", found, rest),
      ];
      return { title: endpointName(endpoint), trail: [HOME, ["Webhooks", webhooksLink(tenant)]], content };
    },
  };
}

/** What so many parts of the list hold, and whether there are more parts. */
async function deliveries(endpoint, query, parts) {
  const items = [];
  let cursor;
  for (let part = 0; part === 0 || (cursor && part < parts); part += 1) {
    const parameters = new URLSearchParams({ ...query, ...(cursor && { cursor }) });
    const { body } = await call("GET", `${endpoint}/deliveries?${parameters}`);
    items.push(...body.items);
    cursor = body.next;
  }
  return { items, more: cursor !== undefined };
}

function endpointFacts(endpoint, tenant) {
  const { url, types, contexts, lastAnswer, succeededAt, notBefore } = endpoint;
  return facts([
    ["URL", h("code", {}, url)],
    ["Tenant", tenant],
    ["Status", endpointStatus(endpoint)],
    ["Last answer", lastAnswer],
    ["Last success", time(succeededAt)],
    ["Next try", notBefore && time(notBefore)],
    ["Contexts", contexts.join(", ") || "all"],
    ["Types", types.join(", ") || "all"],
  ]);
}

function actions({ status }, path) {
  const act = async (verb, body, done) => {
    await call("POST", path(verb), JSON.stringify(body));
    await refresh();
    tell(done);
    focusHeading();
  };
  const off = async () => {
    const told = await askForReason({
      title: "Switch this endpoint off?",
      text: "Nothing is sent to it. What it misses is sent when it is switched on again.",
      label: "Switch off",
      reader: "shown with the endpoint",
      most: LONGEST_REASON,
      danger: true,
    });
    // The API takes one line.
    if (told !== null) await act("off", { because: told.replaceAll(/\s+/g, " ") }, "Switched off.");
  };
  const on = () => act("on", {}, "Switched on. What it has missed is sent now.");
  const retry = () => act("retry", {}, "What is held or waits is due now.");
  const first = status === "off" ? button("Switch on", on, { class: "primary" }) : button("Retry", retry);
  return h("p", { class: "buttons" }, first, status !== "off" && button("Switch off…", off, { class: "danger" }));
}

function streamTable(streams, { off, notBefore }) {
  const next = ({ status, nextTryAt }) => {
    if (status === "held") return "none by itself";
    // An endpoint that is down as a whole is not asked before its own time.
    return off ? "once it is on" : time(notBefore > nextTryAt ? notBefore : nextTryAt);
  };
  const columns = ["Stream", "Status", "Versions behind", "Last answer", "Next try"];
  const rows = streams.map((item) => [
    item.stream,
    item.status === "held" ? h("strong", { class: "again" }, "Held") : "Failing",
    item.head - item.version,
    h("span", { class: "clipped" }, item.answer ?? "–"),
    next(item),
  ]);
  return table("Streams whose next event is not taken", columns, rows);
}
