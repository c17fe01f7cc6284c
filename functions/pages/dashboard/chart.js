// Charts of days: panels of stacked columns, one below the other on the same days, and a readout of one day, by pointer
// and by keyboard. Knows nothing of what is counted.

import { h, svg } from "./page.js";

/** In pixels: what stands left of the columns, above each panel, and below all. */
const [LEFT, ABOVE, BELOW] = [40, 38, 24];
/** A column's width, and what is between its parts. */
const [WIDEST, GAP] = [26, 0.75];
/** The room of a line of an axis. */
const LINE = 30;

const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 2 });
const SHORT = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", timeZone: "UTC" });
const LONG = new Intl.DateTimeFormat("en", { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" });
const KEYS = {
  ArrowLeft: -1, ArrowDown: -1, PageDown: -7, Home: -Infinity, ArrowRight: 1, ArrowUp: 1, PageUp: 7, End: Infinity,
};

/** Of a day as in 2026-01-31. */
export const dayName = (day) => LONG.format(new Date(day));

/** A round distance of lines, of which so many are enough. It is whole, as the numbers are. */
function distanceOf(span, lines) {
  const least = Math.max(span / lines, 1);
  const power = 10 ** Math.floor(Math.log10(least));
  const round = [1, 2, 2.5, 5, 10].map((times) => times * power);
  return round.find((distance) => distance >= least && Number.isInteger(distance));
}

/** The values at a panel's lines, from the lowest to the highest: as many as have room, unless fewer fit far better. */
function linesOf({ series, height }) {
  const sums = (sign) => series[0]?.values.map((_, day) =>
    series.reduce((sum, { values }) => sum + Math.max(sign * values[day], 0), 0)) ?? [];
  const [up, down] = [Math.max(1, ...sums(1)), Math.max(0, ...sums(-1))];
  const choices = Array.from({ length: Math.floor(height / LINE) }, (_, fewer) => {
    const distance = distanceOf(up + down, Math.floor(height / LINE) - fewer);
    const [from, to] = [-Math.ceil(down / distance), Math.ceil(up / distance)];
    return Array.from({ length: to - from + 1 }, (_, index) => (from + index) * distance);
  });
  const reach = (lines) => lines.at(-1) - lines[0];
  return choices.reduce((best, lines) => (reach(lines) < 0.8 * reach(best) ? lines : best));
}

const between = (least, value, most) => Math.max(least, Math.min(value, most));

/** It is a slider for who cannot see it: arrow keys go along the days, and each day is told in words. */
export class Chart {
  constructor(label) {
    this.columns = new Map();
    this.at = null;
    this.axes = svg("g");
    this.band = svg("rect", { class: "band", y: 0 });
    this.bars = svg("g");
    this.drawing = svg("svg", { "aria-hidden": "true" }, this.band, this.axes, this.bars);
    this.why = h("p", { class: "why" });
    this.readout = h("div", { class: "readout", hidden: true, "aria-hidden": "true" });
    const slider = { role: "slider", tabindex: "0", "aria-label": label, "aria-valuemin": "0" };
    const point = (event) => this.point(event);
    this.node = h("div", {
      class: "chart", ...slider, pointermove: point, pointerdown: point, pointerleave: () => this.leave(),
      keydown: (event) => this.press(event), focus: () => this.read(this.at), blur: () => this.hide(),
    }, this.drawing, this.why, this.readout);
    new ResizeObserver(() => this.draw()).observe(this.drawing);
  }

  /** Panels have a title, a height, and series, with a value for each day. `why` is said where there is nothing to see. */
  show(days, panels, why) {
    const stays = this.at === null ? -1 : days.indexOf(this.days[this.at]);
    Object.assign(this, { days, panels, at: stays < 0 ? days.length - 1 : stays });
    this.height = panels.reduce((sum, { height }) => sum + ABOVE + height, BELOW);
    this.drawing.setAttribute("height", this.height);
    this.why.textContent = why;
    this.node.setAttribute("aria-valuemax", days.length - 1);
    this.tell();
    this.draw();
  }

  draw() {
    this.width = this.drawing.clientWidth - LEFT;
    if (!this.days || this.width <= 0) return;
    this.slot = this.width / this.days.length;
    const left = new Set(this.columns.keys());
    const axes = [];
    let top = 0;
    this.panels.forEach((panel, index) => {
      const lines = linesOf(panel);
      const scale = panel.height / (lines.at(-1) - lines[0]);
      const zero = top + ABOVE + lines.at(-1) * scale;
      axes.push(...this.axis(panel, lines, scale, top + ABOVE - 14, zero));
      this.stack(panel, index, scale, zero).forEach((key) => left.delete(key));
      top += ABOVE + panel.height;
    });
    for (const key of left) {
      this.columns.get(key).remove();
      this.columns.delete(key);
    }
    const [first, last] = [this.days[0], this.days.at(-1)].map((day) => SHORT.format(new Date(day)));
    const y = this.height - 6;
    axes.push(svg("text", { x: LEFT, y }, first), svg("text", { x: LEFT + this.width, y, "text-anchor": "end" }, last));
    this.axes.replaceChildren(...axes);
    this.band.setAttribute("height", this.height - BELOW);
    if (!this.readout.hidden) this.read(this.at);
  }

  axis({ title, series }, lines, scale, titleAt, zero) {
    const unit = series[0]?.unit ?? 1;
    const drawn = lines.map((value) => {
      const y = Math.round(zero - value * scale) + 0.5;
      const line = svg("line", { class: value === 0 ? "zero" : "", x1: LEFT, x2: LEFT + this.width, y1: y, y2: y });
      return [line, svg("text", { x: LEFT - 8, y: y + 3.5, "text-anchor": "end" }, COMPACT.format(value / unit))];
    });
    return [svg("text", { class: "title", x: 0, y: titleAt }, title), ...drawn.flat()];
  }

  /** Columns stay what they are, so that they grow. Returns their keys. */
  stack({ series }, panel, scale, zero) {
    const width = between(1, this.slot * 0.72, WIDEST);
    const gap = series.length > 1 ? GAP : 0;
    const keys = [];
    this.days.forEach((day, index) => {
      const x = LEFT + (index + 0.5) * this.slot - width / 2;
      const ends = { up: 0, down: 0 };
      for (const { name, tone, values } of series) {
        const [value, key] = [values[index], `${panel} ${name} ${day}`];
        // However little it is, it is to be seen.
        const height = value === 0 ? 0 : Math.max(Math.abs(value) * scale, 1.5);
        const y = value < 0 ? zero + ends.down : zero - ends.up - height;
        ends[value < 0 ? "down" : "up"] += height;
        this.column(key, tone, { x, y, width, height: Math.max(height - gap, 0) });
        keys.push(key);
      }
    });
    return keys;
  }

  column(key, tone, place) {
    let column = this.columns.get(key);
    if (!column) {
      column = svg("rect", { class: `column ${tone}` });
      this.columns.set(key, column);
      this.bars.append(column);
    }
    for (const [name, value] of Object.entries(place)) column.setAttribute(name, value.toFixed(2));
  }

  // --- One day -------------------------------------------------------------------------------------------------------

  /** What there is on the day that is read. */
  entries() {
    const series = this.panels.flatMap((panel) => panel.series);
    const some = series.filter(({ values }) => values[this.at] !== 0);
    return some.map(({ label, tone, format, values }) => ({ label, tone, value: format(values[this.at]) }));
  }

  tell() {
    const told = this.entries().map(({ label, value }) => `${label} ${value}`).join("; ") || "nothing";
    this.node.setAttribute("aria-valuenow", this.at);
    this.node.setAttribute("aria-valuetext", `${dayName(this.days[this.at])}: ${told}`);
  }

  read(at) {
    if (!this.days) return;
    this.at = at;
    this.tell();
    const rows = this.entries().map(({ tone, label, value }) =>
      h("li", {}, h("span", { class: `swatch ${tone}` }), h("span", {}, label), h("b", {}, value)));
    const told = rows.length > 0 ? h("ul", {}, rows) : h("span", {}, "Nothing");
    this.readout.replaceChildren(h("strong", {}, dayName(this.days[at])), told);
    this.readout.hidden = false;
    const [x, end] = [LEFT + at * this.slot, LEFT + this.width];
    this.band.setAttribute("x", x);
    this.band.setAttribute("width", this.slot);
    this.node.classList.add("reading");
    const beside = x + this.slot + 8;
    const room = this.readout.offsetWidth;
    this.readout.style.setProperty("left", `${beside + room <= end ? beside : Math.max(x - 8 - room, 0)}px`);
  }

  hide() {
    this.readout.hidden = true;
    this.node.classList.remove("reading");
  }

  leave() {
    if (this.node !== document.activeElement) this.hide();
  }

  point(event) {
    if (!this.slot) return;
    const x = event.clientX - this.node.getBoundingClientRect().left - LEFT;
    this.read(between(0, Math.floor(x / this.slot), this.days.length - 1));
  }

  press(event) {
    if (event.key === "Escape") return this.hide();
    if (!(event.key in KEYS) || !this.days) return;
    event.preventDefault();
    this.read(between(0, this.at + KEYS[event.key], this.days.length - 1));
  }
}
