// The demo: a shop's counter, and what happens behind it. It uses the client in TypeScript as it ships (waybill/).
//
// This part signs people in and puts the others in place. Each part knows only those to the right of it:
//
//   demo   behind    steps   orders   money   page   session
//          counter           sockets
//          slips
//          trouble

import { behind } from "./behind.js";
import { counter } from "./counter.js";
import { Orders } from "./orders.js";
import { button, complain, guarded, h, hush, note } from "./page.js";
import { api, clientId, freshToken, isSignedIn, setting, signIn, signOut, signedInAs, start } from "./session.js";
import { slips } from "./slips.js";
import { watched } from "./sockets.js";
import { trouble } from "./trouble.js";
import { Waybill } from "./waybill/index.js";

/** Where the shop's orders come from: a grant of the tenant has to allow it. */
const SOURCE = "https://shop.example/checkout";

const byId = (id) => document.getElementById(id);
const main = byId("main");

async function begin() {
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });
  byId("sign-out").addEventListener("click", guarded(leave));
  try {
    await start();
  } catch (error) {
    complain(error);
  }
  if (isSignedIn()) open();
  else main.replaceChildren(...closed());
}

/** What is there for whom nobody knows yet. */
function closed() {
  const intro = h(
    "p",
    { class: "lead" },
    "Order something, and watch how it becomes a durable message: accepted, queued, handled once, stored as an event, read, and told to this page.",
  );
  const way =
    clientId() === undefined ? button("Try again", () => location.reload())
    : clientId() ? button("Sign in", signIn, { class: "primary" })
    : note("Nobody can sign in here yet: this installation names no client id for its pages.");
  return [h("h1", { tabindex: "-1" }, "A shop that loses no order"), intro, way];
}

function open() {
  const sockets = watched(WebSocket, showLink);
  // Without push, what becomes of an order is asked for.
  const push = setting("push");
  const waybill = new Waybill({
    url: api().href,
    token: freshToken,
    source: SOURCE,
    storage: sessionStorage,
    push,
    WebSocket: sockets.Socket,
  });
  const orders = new Orders(waybill, sockets);
  const troubleUrl = setting("troubleUrl");
  const parts = [counter(orders), slips(orders), behind(orders), troubleUrl && trouble(orders, troubleUrl)];
  main.replaceChildren(h("h1", { class: "out-of-sight", tabindex: "-1" }, "A shop"), h("div", { class: "shop" }, parts.filter(Boolean)));
  byId("session").hidden = false;
  byId("user").textContent = signedInAs();
  showLink(push ? "asleep" : "none");
  orders.restore();

  function showLink(state) {
    const words = {
      none: "No push: this page asks",
      asleep: "Push opens with an order",
      open: "Push is connected",
      cut: "Push was cut",
    };
    byId("link").textContent = words[state];
    byId("link").className = state;
  }
}

async function leave() {
  hush();
  await signOut();
  // The orders of who has left are not for who comes.
  sessionStorage.clear();
  location.reload();
}

begin();
