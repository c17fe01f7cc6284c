// The dashboard: what the reports of all read models tell, as charts that move while documents come and change.
//
// This part is the frame: who is signed in, which days are shown, and when to ask again. Each part knows only those to
// the right of it:
//
//   dashboard   reports   chart   page   session

import { button, complain, h, hush, note, tell, tellSignedOut } from "./page.js";
import { Card, ask, lastDays } from "./reports.js";
import { Problem, clientId, isSignedIn, setting, signIn, signOut, signedInAs, start } from "./session.js";

const RANGES = [7, 30, 90];
const USUAL_RANGE = 30;

const SOON = 5_000;
/** After trouble, and when nothing has changed for a while. */
const LATER = 30_000;
const A_WHILE = 60_000;

const byId = (id) => document.getElementById(id);
const main = byId("main");
const freshness = h("p", { class: "freshness" });
const grid = h("div", { class: "grid" });

/** By collection; those that have something come first, and stay where they are. */
const cards = new Map();
/** Collections that the API shows this person nothing of. */
const closed = new Set();
let turn = 0;
let timer;
let changedAt = 0;
let refreshedAt = null;
let failures = 0;

async function begin() {
  byId("skip").addEventListener("click", (event) => {
    // The fragment is the range.
    event.preventDefault();
    main.focus();
  });
  byId("sign-out").addEventListener("click", leave);
  addEventListener("hashchange", () => isSignedIn() && (chooseRange(), wake()));
  document.addEventListener("visibilitychange", () => isSignedIn() && wake());
  try {
    await start();
  } catch (error) {
    complain(error);
  }
  if (clientId() !== undefined) arrive();
  else main.replaceChildren(h("h1", {}, "Reports"), button("Try again", () => location.reload()));
}

/** Shows what there is for who is signed in, or for nobody. */
function arrive() {
  // What was asked for before is not shown any more.
  turn += 1;
  clearTimeout(timer);
  cards.clear();
  closed.clear();
  [refreshedAt, failures] = [null, 0];
  hush("refresh");
  byId("session").hidden = !isSignedIn();
  byId("operator").textContent = signedInAs();
  if (!isSignedIn()) return main.replaceChildren(...signInView());
  freshness.textContent = "Loading…";
  grid.replaceChildren(...setting("collections").map(() => h("div", { class: "card waiting", "aria-hidden": "true" })));
  main.replaceChildren(
    h("div", { class: "bar" }, h("h1", {}, "Reports"), freshness, rangeChoice()),
    note("Numbers are of all time. Charts show documents on their own days, in UTC, in the state that they have now."),
    grid,
  );
  chooseRange();
  wake();
}

function signInView() {
  const content = clientId()
    ? [h("p", {}, "These are the reports of your business."), button("Sign in", signIn, { class: "primary" })]
    : [h("p", {}, "Nobody can sign in here yet: this installation names no client id for its pages.")];
  return [h("h1", {}, "Sign in"), ...content];
}

async function leave() {
  const revoked = signOut();
  hush();
  arrive();
  await tellSignedOut(revoked);
}

// --- The range -------------------------------------------------------------------------------------------------------

/** How many days the URL's fragment names. */
function range() {
  const named = Number(new URLSearchParams(location.hash.slice(1)).get("days"));
  return RANGES.includes(named) ? named : USUAL_RANGE;
}

function rangeChoice() {
  const choices = RANGES.map((days) => {
    const change = () => (location.hash = `days=${days}`);
    return h("label", {}, h("input", { type: "radio", name: "days", value: days, change }), h("span", {}, `${days} days`));
  });
  return h("fieldset", { class: "range" }, h("legend", {}, "Days shown"), choices);
}

function chooseRange() {
  main.querySelector(`[name=days][value="${range()}"]`).checked = true;
}

// --- Refreshing ------------------------------------------------------------------------------------------------------

/** Somebody looks: asks now, and soon again. */
function wake() {
  clearTimeout(timer);
  changedAt = Date.now();
  if (!document.hidden) refresh();
}

async function refresh() {
  const mine = ++turn;
  const days = lastDays(range());
  const asked = setting("collections").filter((collection) => !closed.has(collection));
  const answers = await Promise.allSettled(asked.map((collection) => ask(collection, days)));
  if (mine !== turn) return;
  if (!isSignedIn()) {
    arrive();
    return tell("Your sign-in has expired. Please sign in again.");
  }
  const reports = [];
  let trouble = null;
  answers.forEach(({ value, reason }, index) => {
    if (value) reports.push([asked[index], value]);
    else if ([403, 404].includes(reason.status)) closed.add(asked[index]);
    else trouble ??= reason;
  });
  if (draw(reports, days)) changedAt = Date.now();
  if (trouble) failed(trouble);
  else if (cards.size > 0) succeeded();
  else return nothingToSee();
  const pause = Date.now() - changedAt > A_WHILE ? LATER : Math.min(SOON * 2 ** failures, LATER);
  if (!document.hidden) timer = setTimeout(refresh, pause);
}

/** Says whether anything is other than it was. */
function draw(reports, days) {
  const added = reports.filter(([collection]) => !cards.has(collection));
  if (cards.size === 0 && added.length > 0) grid.replaceChildren();
  for (const [collection] of added.sort(([, one], [, other]) => isEmpty(one) - isEmpty(other))) {
    cards.set(collection, new Card(collection));
    grid.append(cards.get(collection).node);
  }
  for (const collection of closed) {
    cards.get(collection)?.node.remove();
    cards.delete(collection);
  }
  return reports.filter(([collection, report]) => cards.get(collection).show(report, days)).length > 0;
}

const isEmpty = ({ totals }) => Object.keys(totals).length === 0;

function nothingToSee() {
  freshness.textContent = "";
  hush("refresh");
  const why = "There are no reports for you. They count the documents of all, and you may read only your own.";
  grid.replaceChildren(h("p", { class: "card closed" }, `${why} If you need them, ask whoever gives out rights here.`));
}

function succeeded() {
  [refreshedAt, failures] = [new Date(), 0];
  freshness.textContent = `As of ${refreshedAt.toLocaleTimeString()}`;
  freshness.classList.remove("stale");
  hush("refresh");
}

/** What is shown stays. It is said once until it works again. */
function failed(error) {
  const since = refreshedAt ? `What you see is as of ${refreshedAt.toLocaleTimeString()}.` : "";
  freshness.textContent = refreshedAt ? `Not refreshed since ${refreshedAt.toLocaleTimeString()}` : "Not loaded yet";
  freshness.classList.add("stale");
  failures += 1;
  if (failures > 1) return;
  const detail = `${error.detail ?? ""} ${since} This page tries again by itself.`;
  complain(error instanceof Problem ? new Problem({ title: error.title, detail, about: "refresh" }) : error);
}

begin();
