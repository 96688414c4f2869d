/** Charts by day as inline SVG: stacked bars and lines, with values under the pointer and a table of all. */

import { announce, element } from "./dom.js";
import { NONE, shownDay } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 180;
const PLACE = { top: 8, right: 4, bottom: 22, left: 56 };
const DAY_LABEL = 64;

/** Stacked bars, one a day; `series` are `{name, tone, values}`. Draws into `place`, in place of what is there. */
export const bars = (place, about) => draw(place, { ...about, mark: barMarks, top: stackedTop });

/** Lines through the days; a value that is null breaks its line. */
export const lines = (place, about) => draw(place, { ...about, mark: lineMarks, top: highest });

function draw(place, about) {
  const print = JSON.stringify([about.title, about.days, about.series]);
  if (place.dataset.print === print) return; // nothing is new: the pointer and an open table stay as they are
  place.dataset.print = print;
  const open = place.querySelector("details")?.open ?? false;
  const series = about.series.filter(({ values }) => values.some((value) => value));
  const figure = element("figure", { className: "chart" }, element("figcaption", {}, element("h2", {}, about.title), legend(series)));
  place.replaceChildren(figure);
  if (!series.length) {
    figure.append(element("p", { className: "path" }, "Nothing in these days."));
    return;
  }
  const plot = element("div", { className: "plot", tabIndex: 0 });
  plot.setAttribute("role", "img");
  plot.setAttribute("aria-label", `${about.title}. ${spoken(about, series)} Arrow keys read the days.`);
  const tip = element("div", { className: "tip", hidden: true });
  tip.setAttribute("aria-hidden", "true");
  figure.append(plot, tableOf({ ...about, series }, open));
  const sketch = () => plot.replaceChildren(drawing({ ...about, series }, plot.clientWidth || 640), tip);
  sketch();
  new ResizeObserver(([entry]) => {
    if (Math.abs(entry.contentRect.width - Number(plot.dataset.width ?? 0)) < 1) return;
    plot.dataset.width = entry.contentRect.width;
    sketch();
  }).observe(plot);
  pointAt(plot, tip, { ...about, series });
}

function drawing({ days, series, mark, top, format }, width) {
  const inner = { width: Math.max(width - PLACE.left - PLACE.right, 40), height: HEIGHT - PLACE.top - PLACE.bottom };
  const steps = ticks(top(series));
  const most = steps.at(-1);
  const x = (index) => PLACE.left + (inner.width * (index + 0.5)) / days.length;
  const y = (value) => PLACE.top + inner.height * (1 - value / most);
  const svg = shape("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, "aria-hidden": "true" });
  for (const step of steps) {
    svg.append(
      shape("line", { class: step ? "grid" : "axis", x1: PLACE.left, x2: width - PLACE.right, y1: y(step), y2: y(step) }),
      text(format(step), { class: "label", x: PLACE.left - 8, y: y(step) + 4, "text-anchor": "end" }),
    );
  }
  const every = Math.ceil((days.length * DAY_LABEL) / inner.width);
  days.forEach((day, index) => {
    if ((days.length - 1 - index) % every) return;
    const anchor = index === days.length - 1 && days.length > 3 ? "end" : "middle";
    const at = anchor === "end" ? width - PLACE.right : x(index);
    svg.append(text(shownDay(day), { class: "label", x: at, y: HEIGHT - 5, "text-anchor": anchor }));
  });
  svg.append(shape("line", { class: "cursor", x1: 0, x2: 0, y1: PLACE.top, y2: HEIGHT - PLACE.bottom, visibility: "hidden" }));
  svg.append(...mark(series, x, y, inner.width / days.length));
  return svg;
}

function barMarks(series, x, y, step) {
  const width = Math.max(Math.min(step * 0.7, 28), 1.5);
  const floors = series[0].values.map(() => 0);
  return series.flatMap(({ tone, values }) =>
    values.flatMap((value, index) => {
      if (!value) return [];
      const [low, high] = [y(floors[index]), y((floors[index] += value))];
      return [shape("rect", { class: `tone-${tone}`, x: x(index) - width / 2, y: high, width, height: Math.max(low - high, 0.5) })];
    }),
  );
}

function lineMarks(series, x, y) {
  return series.flatMap(({ tone, values }) => {
    let pen = "M";
    const path = values.map((value, index) => {
      if (value === null) {
        pen = "M";
        return "";
      }
      const part = `${pen}${x(index).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = "L";
      return part;
    });
    const dots = values.flatMap((value, index) =>
      value === null ? [] : [shape("circle", { class: `tone-${tone}`, cx: x(index), cy: y(value), r: 2.5 })],
    );
    return [shape("path", { class: `stroke-${tone}`, d: path.join("") }), ...dots];
  });
}

/** Show the values of the day under the pointer, or of the one that the arrow keys have come to. */
function pointAt(plot, tip, { days, series, format }) {
  let at = days.length - 1;
  const show = (index) => {
    at = Math.max(0, Math.min(days.length - 1, index));
    const inner = plot.clientWidth - PLACE.left - PLACE.right;
    const x = PLACE.left + (inner * (at + 0.5)) / days.length;
    const cursor = plot.querySelector(".cursor");
    cursor.setAttribute("visibility", "visible");
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    const rows = series.map(({ name, tone, values }) =>
      element("div", {}, element("i", { className: `swatch tone-${tone}` }), element("span", {}, name), element("b", {}, format(values[at]))),
    );
    tip.replaceChildren(element("strong", {}, shownDay(days[at])), ...rows);
    tip.hidden = false;
    const room = plot.clientWidth - tip.offsetWidth;
    tip.style.setProperty("left", `${Math.max(0, Math.min(room, x > plot.clientWidth / 2 ? x - tip.offsetWidth - 12 : x + 12))}px`);
  };
  const hide = () => {
    tip.hidden = true;
    plot.querySelector(".cursor")?.setAttribute("visibility", "hidden");
  };
  plot.addEventListener("pointermove", (event) => {
    const inner = plot.clientWidth - PLACE.left - PLACE.right;
    const x = event.clientX - plot.getBoundingClientRect().left - PLACE.left;
    show(Math.floor((x / inner) * days.length));
  });
  plot.addEventListener("pointerleave", hide);
  plot.addEventListener("blur", hide);
  plot.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: days.length - 1 }[event.key];
    if (event.key === "Escape") hide();
    if (to === undefined) return;
    event.preventDefault();
    show(tip.hidden && event.key.startsWith("Arrow") ? at : to);
    announce(`${shownDay(days[at])}: ${series.map(({ name, values }) => `${name} ${format(values[at])}`).join(", ")}`);
  });
}

function legend(series) {
  if (series.length < 2) return series.length ? element("p", { className: "legend" }, key(series[0])) : null;
  return element("p", { className: "legend" }, ...series.map(key));
}

const key = ({ name, tone }) => element("span", {}, element("i", { className: `swatch tone-${tone}` }), name);

function tableOf({ title, days, series, format }, open) {
  const head = element("tr", {}, element("th", { scope: "col" }, "Day"), ...series.map(({ name }) => element("th", { scope: "col", className: "number" }, name)));
  const rows = days.map((day, index) => {
    const cells = series.map(({ values }) => element("td", { className: "number" }, values[index] ? format(values[index]) : NONE));
    return element("tr", {}, element("th", { scope: "row" }, shownDay(day)), ...cells);
  });
  const table = element("table", {}, element("caption", { className: "visually-hidden" }, title), element("thead", {}, head), element("tbody", {}, ...rows.reverse()));
  const box = element("div", { className: "scroll short", tabIndex: 0 }, table);
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", `${title}, as a table`);
  return element("details", { open }, element("summary", {}, "As a table"), box);
}

/** The sum of what is added up, or the last value of what is not. */
function spoken({ mark, format, days }, series) {
  if (mark === lineMarks) return `${days.length} days.`;
  return `${series.map(({ name, values }) => `${name}: ${format(values.reduce((sum, value) => sum + value, 0))}`).join(", ")}.`;
}

const highest = (series) => Math.max(...series.flatMap(({ values }) => values.map((value) => value ?? 0)));
const stackedTop = (series) => Math.max(...series[0].values.map((_, index) => series.reduce((sum, { values }) => sum + values[index], 0)));

/** Round steps from 0 to at least `top`: three or four of them. */
function ticks(top) {
  const rough = top / 3;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((each) => each * unit).find((each) => each * 3 >= top * 0.999) ?? rough;
  const count = Math.max(1, Math.ceil((top / step) * 0.999));
  return Array.from({ length: count + 1 }, (_, index) => index * step);
}

function shape(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function text(words, attributes) {
  const made = shape("text", attributes);
  made.textContent = words;
  return made;
}
