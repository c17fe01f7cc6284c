// The messages of one group.

import { button, facts, h, note, table, time, times } from "./page.js";
import { HOME, groupLink, groupName, messageLink, nameOf, pageOf, parkedBefore } from "./parked.js";
import { actOnAll } from "./together.js";

const PAGE = 20;

export function groupView({ queue = "", context = "", type = "", reason = "", cursor }) {
  const group = { queue, context, type, reason };
  return {
    name: groupName(group),
    load: () => pageOf(group, PAGE, cursor),
    draw({ items, next }) {
      const content = [facts([["Reason", reason], ["Queue", queue], ["Context", context]])];
      if (items.length > 0) content.push(groupActions(group), messages(items));
      else content.push(note(cursor ? "Nothing is left on this page." : "Nothing of this group waits any more."));
      content.push(pages(group, cursor, next));
      return { title: this.name, trail: [HOME], content };
    },
  };
}

function groupActions(group) {
  return h(
    "p",
    { class: "buttons" },
    button("Resubmit all…", () => actOnAll(group, "resubmit")),
    button("Discard all…", () => actOnAll(group, "discard"), { class: "danger" }),
  );
}

function messages(items) {
  const tenants = items.some((item) => item.tenant);
  const rows = items.map((item) => [
    h("a", { href: messageLink(item.id), "data-key": item.id }, nameOf(item)),
    ...(tenants ? [item.tenant ?? "–"] : []),
    [item.title, h("small", { class: "clipped" }, item.error)],
    times(item.attempts + 1),
    [time(item.parkedAt), parkedBefore(item)],
  ]);
  const columns = ["Subject", ...(tenants ? ["Tenant"] : []), "What happened", "Failed", "Parked"];
  return table("Messages, the oldest first", columns, rows);
}

function pages(group, cursor, next) {
  const to = (label, href) => h("a", { href, "data-key": label }, label);
  const links = [
    cursor && to("First page", groupLink(group)),
    next && to("Next page", `${groupLink(group)}&${new URLSearchParams({ cursor: next })}`),
  ];
  return links.some(Boolean) ? h("nav", { class: "buttons", "aria-label": "Pages" }, links.filter(Boolean)) : "";
}
