// Webhooks: a tenant's endpoints, how each does, and which of them need somebody.

import { counted, h, markEdited, note, section, table, time } from "./page.js";
import { HOME } from "./parked.js";
import { SignedOut, call } from "./session.js";

/** Those that need somebody come first. */
const STATUSES = ["off", "failing", "on"];

let isServed = true;
let isPlatformOperator = false;

/** What follows a path: whose webhooks are meant. A tenant's operator has only one tenant, and names none. */
export function whose(tenant) {
  return tenant ? `?${new URLSearchParams({ tenant })}` : "";
}

/** The tenant's endpoints; null for a platform operator who has yet to name the tenant. */
async function endpointsOf(tenant) {
  if (isPlatformOperator && !tenant) return null;
  try {
    const { items } = (await call("GET", `webhooks${whose(tenant)}`)).body;
    return items.sort((one, other) => STATUSES.indexOf(one.status) - STATUSES.indexOf(other.status));
  } catch (error) {
    if (tenant || error.status !== 400) throw error;
    isPlatformOperator = true;
    return null;
  }
}

/** How many endpoints there are; null for a platform operator, false where there are none to see, why not as text. */
export async function webhookCounts() {
  if (!isServed) return false;
  try {
    const endpoints = await endpointsOf();
    const count = (status) => endpoints.filter((endpoint) => endpoint.status === status).length;
    return endpoints && { all: endpoints.length, off: count("off"), failing: count("failing") };
  } catch (error) {
    if (error instanceof SignedOut) throw error;
    isServed = ![403, 404].includes(error.status);
    return isServed && `${error.title}. ${error.detail ?? ""}`;
  }
}

/** What somebody has to be told at once. */
export function webhookTrouble(counts) {
  const { all, off, failing } = counts || {};
  if (!off && !failing) return false;
  const words = [[off, "off"], [failing, "failing"]].filter(([count]) => count > 0);
  const told = words.map(([count, word]) => `${count} ${count === 1 ? "is" : "are"} ${word}`).join(", ");
  const link = h("a", { href: webhooksLink(), "data-key": "trouble" }, "See which.");
  return h("p", { class: "stage trouble" }, `Webhooks: of ${counted(all, "endpoint")}, ${told}. `, link);
}

export function webhookSection(counts) {
  if (counts === false) return false;
  if (counts === null) return section("Webhooks", tenantForm());
  if (typeof counts === "string") return section("Webhooks", note(`They cannot be shown now. ${counts}`));
  const link = h("a", { href: webhooksLink(), "data-key": webhooksLink() }, "See how they do");
  return section("Webhooks", note(`${counted(counts.all, "endpoint")} of your tenant. `, counts.all > 0 && link));
}

export function webhooksLink(tenant) {
  return `#/webhooks${whose(tenant)}`;
}

export function webhooksView({ tenant }) {
  return {
    name: tenant ? `Webhooks of ${tenant}` : "Webhooks",
    load: () => endpointsOf(tenant),
    draw(endpoints) {
      const list = endpoints?.length > 0 ? endpointTable(endpoints, tenant) : endpoints && note("There are no endpoints.");
      return { title: this.name, trail: [HOME], content: [isPlatformOperator && tenantForm(tenant), byApiAlone(), list] };
    },
  };
}

function byApiAlone() {
  const description = h("a", { href: "openapi.yaml", "data-key": "openapi" }, "openapi.yaml");
  const words = "Endpoints and their secrets are registered and changed by the API alone: ";
  return note(words, h("code", {}, "POST /webhooks"), " and others, in ", description, ".");
}

const TENANT = { id: "tenant", required: true, pattern: "[A-Za-z0-9_\\-]{1,64}", autocomplete: "off", "data-key": "tenant" };

function tenantForm(tenant = "") {
  const field = h("input", { ...TENANT, input: markEdited });
  field.value = tenant;
  const submit = (event) => {
    event.preventDefault();
    location.hash = webhooksLink(field.value);
  };
  const show = h("button", { "data-key": "show-webhooks" }, "Show webhooks");
  return h("form", { class: "field tenant", submit }, h("label", { for: field.id }, "Tenant"), field, show);
}

function endpointTable(endpoints, tenant) {
  const columns = ["Endpoint", "Status", "Last answer", "Last success", "Next try"];
  const rows = endpoints.map((endpoint) => {
    const link = `#/webhooks/${encodeURIComponent(endpoint.id)}${whose(tenant)}`;
    return [
      h("a", { href: link, "data-key": link }, endpointName(endpoint)),
      endpointStatus(endpoint),
      h("span", { class: "clipped" }, endpoint.lastAnswer ?? "–"),
      time(endpoint.succeededAt),
      time(endpoint.notBefore),
    ];
  });
  return table("Endpoints, those that need somebody first", columns, rows);
}

export function endpointName({ description, url }) {
  return description || new URL(url).host;
}

/** Whether events are sent, and why not. */
export function endpointStatus({ status, off, failingSince }) {
  const trouble = (word) => h("strong", { class: "again" }, word);
  if (status === "off") return [trouble("Off"), ", switched ", time(off.at), h("q", {}, off.because)];
  if (status === "failing") return [trouble("Failing"), ", began ", time(failingSince)];
  return "On";
}
