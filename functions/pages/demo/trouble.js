// Trouble, on a local stack: what to break, and how what is under way gets through all the same.

import { isFinal } from "./orders.js";
import { button, guarded, h, note } from "./page.js";
import { Problem } from "./session.js";
import { duration, standing } from "./steps.js";

const MODES = [
  ["fine", "Works", "Customers are charged."],
  ["slow", "Slow", "It answers after two seconds."],
  ["down", "Down", "It answers 503. Payments are tried again, and given up when their time is over."],
  ["lost", "Loses answers", "It charges, and the answer is lost. It is asked before anything is repeated, so nobody pays twice."],
  ["declined", "Declines", "Nobody is charged. Orders that are to be paid are cancelled."],
];
/** Milliseconds after which an order was held up, and it is told that it got through. */
const HELD_UP = 1_500;

export function trouble(orders, url) {
  const log = h("ol", { class: "log", role: "log", "aria-label": "What was broken, and how it healed" });
  // What was ordered before the page was loaded is no news.
  const told = new WeakSet(orders.all);
  const tell = (text, mood = "") => {
    const now = new Date().toLocaleTimeString();
    log.prepend(h("li", { class: mood }, h("time", {}, now), " ", text));
    for (const old of [...log.children].slice(12)) old.remove();
  };

  orders.subscribe(() => {
    for (const order of orders.all) {
      if (told.has(order) || !order.toldAt || !isFinal(order.state)) continue;
      told.add(order);
      const took = order.toldAt - order.placedAt;
      if (took > HELD_UP && order.state.status === "succeeded") tell(`${order.id} got through after ${duration(took)}: ${standing(order).word}`, "good");
    }
  });

  const kill = async () => {
    const { killed } = await ask("handlers");
    tell(killed > 0 ? `Killed: ${killed} processes of handlers. What they were at is delivered again.` : "No handler was running. Place an order, and kill again.");
  };
  const cut = async () => {
    const { sockets, others } = await ask("connections");
    tell(`Cut: ${sockets} WebSockets that follow an order, and ${others} connections of functions. All are made again.`);
  };
  let mode = "fine";
  const show = (provider) => {
    mode = provider;
    for (const { firstChild: input } of modes) input.checked = input.value === mode;
    about.textContent = MODES.find(([name]) => name === mode)?.[2] ?? "";
  };
  // One at a time. What is chosen meanwhile is not, which shows at the end.
  const choose = guarded(async () => {
    const wanted = modes.map(({ firstChild }) => firstChild).find(({ checked }) => checked).value;
    try {
      show((await ask(`provider?mode=${wanted}`)).provider);
      tell(`The payment provider: ${MODES.find(([name]) => name === mode)[1].toLowerCase()}.`);
    } finally {
      show(mode);
    }
  });

  async function ask(what) {
    let answer;
    try {
      answer = await fetch(`${url}/${what}`, { method: "POST" });
    } catch {
      throw new Problem({ title: "Nobody makes trouble", detail: `${url} gave no answer.` });
    }
    if (!answer.ok) throw new Problem({ title: "No trouble was made", detail: (await answer.json()).error });
    return answer.json();
  }

  const about = h("p", { class: "note mode" }, MODES[0][2]);
  const modes = MODES.map(([name, label]) =>
    h("label", {}, h("input", { type: "radio", name: "provider", value: name, checked: name === "fine", change: choose }), h("span", {}, label)),
  );
  // As it was set last, by whatever page.
  fetch(url).then((answer) => answer.json()).then(({ provider }) => show(provider), () => {});

  return h(
    "section",
    { class: "card trouble", "aria-labelledby": "trouble-title" },
    h("h2", { id: "trouble-title" }, "Make trouble"),
    note("This is a local stack, so you may break it. No order is lost, and none is carried out twice."),
    h("p", { class: "buttons" }, button("Kill the handlers", kill, { class: "danger" }), button("Cut the connections", cut, { class: "danger" })),
    h("fieldset", { class: "modes" }, h("legend", {}, "The payment provider"), modes),
    about,
    log,
  );
}
