// The orders of this tab, one slip each: how it stands, and its own timeline.

import { money } from "./money.js";
import { h, note } from "./page.js";
import { happenings, since, standing } from "./steps.js";

export function slips(orders) {
  const list = h("ol", { class: "slips" });
  const empty = note("Nothing ordered yet. What you order is listed here, and outlives a reload of the page.");
  const told = h("p", { class: "out-of-sight", role: "status" });
  const known = new Map();
  orders.subscribe(() => {
    for (const order of orders.all) {
      if (!known.has(order)) known.set(order, slip(order, orders));
      known.get(order).update(told);
    }
    for (const [order, { node }] of known) {
      if (orders.all.includes(order)) continue;
      node.remove();
      known.delete(order);
    }
    // The newest first. What stays where it is keeps its focus.
    orders.all.forEach((order, at) => {
      const { node } = known.get(order);
      if (list.children[at] !== node) list.insertBefore(node, list.children[at] ?? null);
    });
    empty.hidden = orders.all.length > 0;
  });
  return h("section", { class: "card orders", "aria-labelledby": "slips-title" }, h("h2", { id: "slips-title" }, "Your orders"), empty, told, list);
}

/** A slip, and what brings it up to date. */
function slip(order, orders) {
  const shown = h("span", { class: "standing" });
  const head = h(
    "button",
    { type: "button", class: "slip-head", click: () => orders.select(order) },
    h("code", {}, order.id),
    h("span", {}, money(order.total)),
    shown,
  );
  const more = h("div", {});
  const node = h("li", { class: "slip", id: order.id }, head, more);
  let drawn = "";
  const update = (told) => {
    const { word, mood } = standing(order);
    const isSelected = order === orders.selected;
    // Whoever cannot see the slip hears what became of it.
    if (shown.textContent && shown.textContent !== word && mood !== "busy") told.textContent = `${order.id}: ${word}`;
    [shown.textContent, shown.className] = [word, `standing ${mood}`];
    head.setAttribute("aria-pressed", String(isSelected));
    node.classList.toggle("selected", isSelected);
    const entries = isSelected ? details(order) : [];
    const text = JSON.stringify(entries);
    if (text === drawn) return;
    drawn = text;
    more.replaceChildren(...entries.map(draw));
  };
  return { node, update };
}

function details(order) {
  const { refusal, lost, state, document } = order;
  const why = refusal ?? lost ?? state?.error?.detail;
  const reason = document?.cancellationReason;
  const timeline = happenings(order).map(({ type, time, words }) => ({ type, words, after: since(order, time) }));
  return [why && { why }, reason && { why: `Cancelled: ${reason}` }, timeline.length > 0 && { timeline }].filter(Boolean);
}

function draw({ why, timeline }) {
  if (why) return h("p", { class: "why" }, why);
  const entries = timeline.map(({ type, words, after }) => h("li", {}, h("span", {}, words), " ", h("code", {}, type), " ", h("time", {}, after)));
  return h("ol", { class: "timeline", "aria-label": "What has happened to the order" }, entries);
}
