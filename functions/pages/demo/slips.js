// The orders of this tab, one slip each: how it stands, and its own timeline.

import { h, note } from "./page.js";
import { money } from "./money.js";
import { duration, happenings, standing } from "./steps.js";

export function slips(orders) {
  const list = h("ol", { class: "slips" });
  const empty = note("Nothing ordered yet. What you order is listed here, and outlives a reload of the page.");
  orders.subscribe(() => {
    const key = list.contains(document.activeElement) && document.activeElement.dataset.key;
    list.replaceChildren(...orders.all.map((order) => slip(order, orders)));
    if (key) [...list.querySelectorAll("[data-key]")].find((node) => node.dataset.key === key)?.focus();
    empty.hidden = orders.all.length > 0;
  });
  return h("section", { class: "card", "aria-labelledby": "slips-title" }, h("h2", { id: "slips-title" }, "Your orders"), empty, list);
}

function slip(order, orders) {
  const { word, mood } = standing(order);
  const isSelected = order === orders.selected;
  const head = h(
    "button",
    { type: "button", class: "slip-head", "data-key": order.id, "aria-pressed": String(isSelected), click: () => orders.select(order) },
    h("code", {}, order.id),
    h("span", {}, money(order.total)),
    h("span", { class: `standing ${mood}` }, word),
  );
  return h("li", { class: isSelected ? "slip selected" : "slip", id: order.id }, head, isSelected && details(order));
}

function details(order) {
  const { failure, state, document } = order;
  const why = failure?.detail ?? failure?.message ?? state?.error?.detail;
  const reason = document?.cancellationReason;
  const entries = happenings(order).map(({ type, time, words }) =>
    h("li", {}, h("span", {}, words), " ", h("code", {}, type), " ", h("time", { datetime: time }, `+${duration(Date.parse(time) - order.placedAt)}`)),
  );
  return [
    why && h("p", { class: "why" }, why),
    reason && h("p", { class: "why" }, `Cancelled: ${reason}`),
    entries.length > 0 && h("ol", { class: "timeline", "aria-label": "What has happened to the order" }, entries),
  ];
}
