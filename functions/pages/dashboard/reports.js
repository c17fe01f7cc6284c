// Reports: from the API's answer about one collection to its card, with numbers, a chart, and the same as a table.
//
// A report has totals by name, and says no more of them: `amount:EUR` and the like are money in the currency's smallest
// unit, and all others are counts, such as of documents in a state.

import { Chart, dayName } from "./chart.js";
import { h, table } from "./page.js";
import { call } from "./session.js";

const DAY = 24 * 60 * 60 * 1000;
const TONES = 8;
const MONEY = /^(.+):([A-Z]{3})$/;
const COUNT = new Intl.NumberFormat("en");

// --- What the API tells ----------------------------------------------------------------------------------------------

/** The last days, today included, as in 2026-01-31. They are UTC's, as those of reports. */
export function lastDays(count) {
  const first = Date.now() - (count - 1) * DAY;
  return Array.from({ length: count }, (_, index) => new Date(first + index * DAY).toISOString().slice(0, 10));
}

/** A collection's totals of all time; those of these days; and those of each of them that has any. */
export async function ask(collection, days) {
  const path = `reports/${encodeURIComponent(collection)}`;
  const asked = [call("GET", path), call("GET", `${path}?from=${days[0]}&to=${days.at(-1)}`)];
  const [allTime, range] = await Promise.all(asked);
  const byDay = Object.fromEntries(range.body.days.map(({ day, totals }) => [day, totals]));
  return { totals: allTime.body.totals, range: range.body.totals, byDay };
}

/** The names of totals, new ones behind those that are known: so each keeps its colour, even when it comes to 0. */
function named(known, { totals, byDay }) {
  const told = [totals, ...Object.values(byDay)].flatMap(Object.keys);
  return [...new Set([...known, ...told.sort()])];
}

/** What totals are, counts first: their label, how a value reads, and their tone in charts. */
function described(names) {
  const isMoney = (name) => MONEY.test(name);
  const counts = names.filter((name) => !isMoney(name)).map((name, index) => {
    const tone = `tone-${(index % TONES) + 1}`;
    return { name, label: worded(name), unit: 1, format: COUNT.format, tone, isMoney: false };
  });
  const amounts = names.filter(isMoney).map((name) => {
    const [, what, currency] = name.match(MONEY);
    const money = new Intl.NumberFormat("en", { style: "currency", currency });
    const unit = 10 ** money.resolvedOptions().maximumFractionDigits;
    const format = (value) => money.format(value / unit);
    return { name, label: `${worded(what)} in ${currency}`, unit, format, tone: "tone-money", isMoney: true };
  });
  return [...counts, ...amounts];
}

/** As people write it: `in-credit` is In credit. */
function worded(name) {
  return name.charAt(0).toUpperCase() + name.slice(1).replaceAll(/-(?=[a-z])/g, " ");
}

// --- What is shown ---------------------------------------------------------------------------------------------------

/** One collection. */
export class Card {
  constructor(collection) {
    const id = `card-${collection}`;
    this.title = worded(collection);
    this.known = [];
    this.numbers = new Map();
    this.list = h("dl", { class: "numbers" });
    this.empty = h("p", { class: "empty" }, h("strong", {}, "Nothing yet"), "What comes in shows here within seconds.");
    this.chart = new Chart(`${this.title} by day`);
    // Focusable, so that the keyboard can scroll it.
    this.rows = h("div", { class: "rows", tabindex: "0", role: "region", "aria-label": `Table of ${collection}` });
    this.details = h("details", { toggle: () => this.fill() }, h("summary", {}, "The same as a table"), this.rows);
    const numbers = h("div", {}, this.list, this.empty);
    const parts = [h("h2", { id }, this.title), numbers, this.chart.node, this.details];
    this.node = h("article", { class: "card", "aria-labelledby": id }, parts);
  }

  /** Says whether anything is other than it was. */
  show(report, days) {
    const text = JSON.stringify([report, days]);
    if (text === this.text) return false;
    this.text = text;
    this.known = named(this.known, report);
    this.shown = { report, days, measures: described(this.known) };
    this.count();
    this.draw();
    this.fill();
    return true;
  }

  /** The numbers of all time, each with what the days shown have of it. They are the chart's legend as well. */
  count() {
    const { report, days, measures } = this.shown;
    for (const { name, label, format, tone, isMoney } of measures) {
      if (!this.numbers.has(name)) {
        const number = { value: h("dd"), within: h("dd", { class: "within" }) };
        const term = h("dt", {}, h("span", { class: `swatch ${tone}` }), label);
        this.numbers.set(name, number);
        this.list.append(h("div", { class: isMoney ? "money" : "" }, term, number.value, number.within));
      }
      const { value, within } = this.numbers.get(name);
      const [before, now] = [value.textContent, format(report.totals[name] ?? 0)];
      if (now !== before) value.replaceChildren(h("span", { class: before ? "changed" : "" }, now));
      within.textContent = name in report.range ? `${format(report.range[name])} in ${days.length} days` : "–";
    }
    this.empty.hidden = measures.length > 0;
    this.list.hidden = this.details.hidden = measures.length === 0;
  }

  draw() {
    const { report, days, measures } = this.shown;
    const values = (name) => days.map((day) => report.byDay[day]?.[name] ?? 0);
    const series = measures.map((measure) => ({ ...measure, values: values(measure.name) }));
    const amounts = series.filter(({ isMoney, values }) => isMoney && values.some(Boolean));
    const panels = [
      { title: `${this.title} by day`, height: 132, series: series.filter(({ isMoney }) => !isMoney) },
      ...amounts.map((amount) => ({ title: `${amount.label} by day`, height: 60, series: [amount] })),
    ];
    const isBare = measures.length > 0 && Object.keys(report.byDay).length === 0;
    this.chart.show(days, panels, isBare ? `Nothing in these ${days.length} days` : "");
  }

  /** Only while somebody has it open. */
  fill() {
    if (!this.details.open) return;
    const { report, days, measures } = this.shown;
    const row = (what, totals) => [what, ...measures.map(({ name, format }) => format(totals[name] ?? 0))];
    const some = days.filter((day) => day in report.byDay).reverse();
    const rows = [row("All time", report.totals), row(`${days.length} days`, report.range)];
    rows.push(...some.map((day) => row(dayName(day), report.byDay[day])));
    const columns = ["Day", ...measures.map(({ label }) => label)];
    this.rows.replaceChildren(table("Days with documents, latest first", columns, rows));
  }
}
