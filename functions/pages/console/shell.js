// The frame around all views: signing in, drawing a view, and refreshing it. Knows no view.
//
// A view has a `name`, a `load`, and a `draw` of what was loaded. One that `isPending` is asked for again soon, and
// later on `every` so many milliseconds. One that is `byHandOnly` is not asked for again by itself.

import { button, complain, guarded, h, hush, note, tellSignedOut, updateTimes } from "./page.js";
import { clientId, isSignedIn, signIn, signOut, signedInAs, start } from "./session.js";

export const REFRESH_EVERY = 30_000;
/** What is on its way is looked at again after this; twice as long each time. */
export const SOON = 1_000;

const byId = (id) => document.getElementById(id);
const [main, dialog] = [byId("main"), byId("dialog")];

let route;
let view = null;
/** What is drawn, as text; empty until the view's first answer. */
let drawn = "";
let turn = 0;
let lastRefresh = 0;
/** When the view is to be asked for again, and how long that waits. */
let again;
let soon = SOON;

/** Shows what the URL names, now and whenever it changes. `viewOf` gives the view of a fragment. */
export async function begin(viewOf) {
  route = viewOf;
  byId("skip").addEventListener("click", (event) => {
    // The fragment is the route.
    event.preventDefault();
    main.focus();
  });
  byId("refresh").addEventListener("click", guarded(refresh));
  byId("sign-out").addEventListener("click", leave);
  addEventListener("hashchange", () => arrive().then(focusHeading));
  try {
    await start();
  } catch (error) {
    complain(error);
  }
  if (clientId() === undefined) {
    return place({ title: "Operator console", content: [button("Try again", () => location.reload())] });
  }
  await arrive();
  setInterval(refreshGently, REFRESH_EVERY / 6);
}

/** Shows what the URL names. */
async function arrive() {
  // What was asked for before is not shown any more.
  turn += 1;
  clearTimeout(again);
  soon = SOON;
  byId("session").hidden = !isSignedIn();
  byId("operator").textContent = signedInAs();
  byId("refreshed").textContent = "";
  if (!isSignedIn()) return place(signInView());
  if (dialog.open) dialog.close();
  if (view) hush();
  drawn = "";
  view = route(location.hash.slice(1));
  place({ title: view.name, content: [note("Loading…")] });
  await refresh();
}

/** Asks anew for what the view shows. Says whether it got an answer, and drew it. */
export function refresh() {
  return load(false);
}

async function load(isByItself) {
  const mine = ++turn;
  clearTimeout(again);
  lastRefresh = Date.now();
  main.setAttribute("aria-busy", "true");
  try {
    const loaded = await view.load();
    if (mine !== turn) return false;
    if (isByItself && dialog.open) {
      again = setTimeout(follow, SOON);
      return false;
    }
    const text = JSON.stringify(loaded);
    if (text === drawn) updateTimes(main);
    else place(view.draw(loaded));
    drawn = text;
    hush("refresh");
    const now = new Date().toLocaleTimeString();
    const itself = view.byHandOnly ? "" : " Refreshes itself while nothing is being edited.";
    byId("refreshed").textContent = `As of ${now}.${itself}`;
    if (view.isPending?.(loaded)) {
      again = setTimeout(follow, soon);
      soon = Math.min(soon * 2, view.every ?? REFRESH_EVERY);
    }
    return true;
  } catch (error) {
    if (mine !== turn) return false;
    error.about = "refresh";
    if (!drawn) place({ title: view.name, content: [button("Try again", refresh)] });
    complain(error);
    return false;
  } finally {
    if (mine === turn) main.removeAttribute("aria-busy");
  }
}

/** Not behind an open dialog: once it closes, the button that opened it gets the focus back, if it is still there. */
function follow() {
  if (dialog.open) again = setTimeout(follow, SOON);
  else load(true);
}

/** The same, and again soon, as long as the view is pending. */
export function refreshSoon() {
  soon = SOON;
  return refresh();
}

function refreshGently() {
  const editing = main.querySelector("[data-edited]") || document.activeElement.matches("textarea, input, select");
  const due = Date.now() - lastRefresh >= REFRESH_EVERY;
  if (due && isSignedIn() && drawn && !view.byHandOnly && !document.hidden && !dialog.open && !editing) load(true);
}

/** Puts a view in place. Who was on something stays on it, if it is still there. */
function place({ title, trail = [], content }) {
  const key = main.contains(document.activeElement) && document.activeElement.dataset.key;
  const crumbs = trail.map(([label, href]) => h("li", {}, h("a", { href, "data-key": href }, label)));
  main.replaceChildren(
    crumbs.length > 0 ? h("nav", { "aria-label": "Where this belongs" }, h("ol", { class: "trail" }, crumbs)) : "",
    h("h1", { tabindex: "-1", "data-key": "heading" }, title),
    ...content.filter(Boolean),
  );
  document.title = `${title} · Waybill operator console`;
  if (key) [...main.querySelectorAll("[data-key]")].find((node) => node.dataset.key === key)?.focus();
}

export function focusHeading() {
  main.querySelector("h1").focus();
}

function signInView() {
  const content = clientId()
    ? [h("p", {}, "This console is for operators."), button("Sign in", signIn, { class: "primary" })]
    : [h("p", {}, "Nobody can sign in here yet: this installation names no client id for the console.")];
  return { title: "Sign in", content };
}

async function leave() {
  const revoked = signOut();
  hush();
  await arrive();
  focusHeading();
  await tellSignedOut(revoked);
}
