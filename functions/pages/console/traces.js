// Finding a command: by its receipt, by the id of what it changed, or by its correlation.

import { h, markEdited, note, section, table, time } from "./page.js";
import { HOME } from "./parked.js";
import { call } from "./session.js";

/** An operation's id leads to its trace without a search. */
const RECEIPT = /^[A-Za-z0-9_-]{74}$/;

/** A platform operator has to say whose command is meant. The API says who is one. */
let isPlatformOperator = false;

/** What follows a path, or a view's name. A tenant's operator has only one tenant, and need not name it. */
export function query(parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value);
  return given.length > 0 ? `?${new URLSearchParams(given)}` : "";
}

export function traceLink(id, tenant) {
  return `#/traces/${encodeURIComponent(id)}${query({ tenant })}`;
}

export function searchLink(search, tenant) {
  return `#/traces${query({ search, tenant })}`;
}

export function searchSection() {
  return section("Find a command", searchForm({}));
}

const TENANT = { id: "search-tenant", required: true, pattern: "[A-Za-z0-9_\\-]{1,64}", autocomplete: "off", "data-key": "search-tenant" };
const SEARCH = { id: "search", type: "search", required: true, maxlength: 256, autocomplete: "off", autocapitalize: "off", spellcheck: "false", "data-key": "search" };

function searchForm({ search = "", tenant = "" }) {
  const [field, whose] = [SEARCH, TENANT].map((attributes) => h("input", { ...attributes, input: markEdited }));
  [field.value, whose.value] = [search, tenant];
  const submit = (event) => {
    event.preventDefault();
    const [text, of] = [field.value.trim(), isPlatformOperator && whose.value];
    if (!text) return field.focus();
    location.hash = RECEIPT.test(text) ? traceLink(text, of) : searchLink(text, of);
  };
  const label = (input, words) => h("label", { for: input.id }, words);
  return h(
    "form",
    { class: "field search", role: "search", submit },
    isPlatformOperator && h("div", {}, label(whose, "Tenant"), whose),
    h("div", {}, label(field, "Operation, or the id of what it changed"), field),
    h("button", { class: "primary", "data-key": "find" }, "Find"),
    note("An operation's id (the receipt), an aggregate's id such as an order's, an event's id, or a correlation."),
  );
}

export function tracesView({ search = "", tenant }) {
  return {
    name: search ? `Commands of ${search}` : "Find a command",
    async load() {
      if (!search || (isPlatformOperator && !tenant)) return null;
      try {
        const { body } = await call("GET", `traces${query({ search, tenant })}`);
        const [only] = body.found;
        if (only && body.found.length === 1) location.replace(traceLink(only.id, tenant));
        return body;
      } catch (error) {
        if (tenant || error.status !== 400) throw error;
        isPlatformOperator = true;
        return null;
      }
    },
    draw(answer) {
      const content = [searchForm({ search, tenant }), answer ? results(answer, tenant) : search && note("Say whose command it is.")];
      return { title: this.name, trail: [HOME], content: content.flat() };
    },
  };
}

function results({ found, complete }, tenant) {
  if (found.length === 0) {
    return [
      note("Nothing was found. A correlation is found if it is the key of the command that began it all, as it is unless its sender has given another."),
    ];
  }
  const rows = found.map(({ id, type, status, stream, events = [], at }) => [
    h("a", { href: traceLink(id, tenant), "data-key": id }, type ?? (events.join(", ") || "Command")),
    type && events.length > 0 ? events.join(", ") : "–",
    stream ? h("code", {}, stream) : "–",
    status ?? "–",
    time(at),
  ]);
  const columns = ["Command or events", "Events", "Aggregate", "Status", "When"];
  return [
    table("Commands, the newest first", columns, rows),
    !complete && note("There are older ones, which are not listed. The aggregate's history has all of them."),
  ];
}
