// The counter: what there is to buy, and the button that buys it.

import { CURRENCY, money } from "./money.js";
import { button, h, svg } from "./page.js";

const GOODS = [
  { sku: "TEA-EARL-GREY-100", name: "Earl Grey, 100 g", price: 450, picture: "M6 9h16v7a8 8 0 0 1-16 0zM22 11h2a4 4 0 0 1 0 8h-2M10 3v3M14 2v4M18 3v3" },
  { sku: "POT-CAST-IRON", name: "Cast-iron pot", price: 3990, picture: "M8 12h16l-1.5 11a3 3 0 0 1-3 3h-7a3 3 0 0 1-3-3zM12 12a4 4 0 0 1 8 0M24 15l5-4M8 15c-4 0-4 7 1 7" },
  { sku: "KETTLE-STEEL", name: "Steel kettle", price: 5900, picture: "M7 26l2-14h12l2 14zM11 12a4 4 0 0 1 8 0M23 18l5-5 1 2M9 8c0-6 12-6 12 0" },
];
const MOST = 9;
const RUSH = 10;

export function counter(orders) {
  const quantities = new Map(GOODS.map(({ sku }) => [sku, 0]));
  quantities.set(GOODS[0].sku, 1);
  const sum = h("output", { for: "goods", class: "sum" });
  const order = button("Place the order", () => place(), { class: "primary" });
  const rush = button(`Rush hour: ${RUSH} orders`, () => {
    for (let nth = 0; nth < RUSH; nth += 1) place();
  });
  const onAccount = h("input", { type: "checkbox", id: "on-account" });

  function lines() {
    const wanted = GOODS.filter(({ sku }) => quantities.get(sku) > 0);
    return wanted.map(({ sku, price }) => ({ sku, quantity: quantities.get(sku), unitPrice: { amount: price, currency: CURRENCY } }));
  }

  // It is not waited for: the shop goes on selling.
  function place() {
    if (lines().length > 0) orders.place(lines(), onAccount.checked);
  }

  function show() {
    const total = GOODS.reduce((total, { sku, price }) => total + quantities.get(sku) * price, 0);
    sum.textContent = money(total);
    for (const each of [order, rush]) each.disabled = total === 0;
  }

  show();
  return h(
    "section",
    { class: "card counter", "aria-labelledby": "counter-title" },
    h("h2", { id: "counter-title" }, "The counter"),
    h("ul", { id: "goods", class: "goods" }, GOODS.map((good) => goods(good, quantities, show))),
    h("p", { class: "how" }, h("label", {}, onAccount, " On account: it ships before it is paid")),
    h("p", { class: "buy" }, h("span", {}, "Together ", sum), order),
    h("p", { class: "buy more" }, rush),
  );
}

function goods({ sku, name, price, picture }, quantities, changed) {
  const count = h("output", { class: "count" }, quantities.get(sku));
  const add = (more) => () => {
    quantities.set(sku, Math.min(MOST, Math.max(0, quantities.get(sku) + more)));
    count.textContent = quantities.get(sku);
    changed();
  };
  const step = (label, sign, more) => h("button", { type: "button", "aria-label": `${label}: ${name}`, click: add(more) }, sign);
  return h(
    "li",
    {},
    drawing(picture),
    h("span", { class: "name" }, name, " ", h("small", {}, money(price))),
    h("span", { class: "stepper", role: "group", "aria-label": `How many: ${name}` }, step("One less", "−", -1), count, step("One more", "+", 1)),
  );
}

function drawing(path) {
  return svg("svg", { viewBox: "0 0 32 32", "aria-hidden": "true" }, svg("path", { d: path }));
}
