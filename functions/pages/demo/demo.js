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
import { button, complain, guarded, h, hush, note, tellSignedOut } from "./page.js";
import { SignedOut, api, clientId, freshToken, isSignedIn, renewedToken, setting, signIn, signOut, signedInAs, start } from "./session.js";
import { slips } from "./slips.js";
import { watched } from "./sockets.js";
import { trouble } from "./trouble.js";
import { Unreachable, Waybill } from "./waybill/index.js";

/** Where the shop's orders come from: a grant of the tenant has to allow it. */
const SOURCE = "https://shop.example/checkout";

const byId = (id) => document.getElementById(id);
const main = byId("main");

/** What is to be ended when somebody signs out. */
let opened;

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
  if (clientId() !== undefined && isSignedIn()) open();
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
    token,
    source: SOURCE,
    storage: sessionStorage,
    push,
    WebSocket: sockets.Socket,
  });
  const orders = new Orders(waybill, sockets);
  opened = { orders, waybill };
  orders.restore();
  const troubleUrl = setting("troubleUrl");
  const parts = [counter(orders), behind(orders), troubleUrl && trouble(orders, troubleUrl), slips(orders)];
  main.replaceChildren(h("h1", { class: "out-of-sight", tabindex: "-1" }, "A shop"), h("div", { class: "shop" }, parts.filter(Boolean)));
  byId("session").hidden = false;
  byId("user").textContent = signedInAs();
  showLink(push ? "asleep" : "none");

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

/** For the client, which tries again where there is no answer. */
async function token({ renew }) {
  try {
    return await (renew ? renewedToken() : freshToken());
  } catch (error) {
    if (!(error instanceof SignedOut)) throw new Unreachable(error.title, { cause: error });
    complain(error);
    throw error;
  }
}

async function leave() {
  const revoked = signOut();
  hush();
  // The orders of who has left are not for who comes.
  opened.orders.end();
  opened.waybill.close();
  for (const key of Object.keys(sessionStorage).filter((key) => key.startsWith("waybill:"))) sessionStorage.removeItem(key);
  byId("session").hidden = true;
  main.replaceChildren(...closed());
  main.querySelector("h1").focus();
  await tellSignedOut(revoked);
}

begin();
