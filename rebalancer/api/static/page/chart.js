// A line over time, drawn small: an SVG that stretches, labels that do not, and a table.

import { h, s } from "./dom.js";
import { clock, day, moment } from "./format.js";

const WIDTH = 600;
const HEIGHT = 150;
const EDGE = 8;

/**
 * Points are `{at, value, …}`, oldest first; `show(value)` writes one. The lines are drawn in
 * steps: between two runs nobody looked.
 */
export function chart(title, points, show, { from = null } = {}) {
  const shown = points.filter((point) => Number.isFinite(point.value));
  if (shown.length < 2) {
    return figure(title, h("p", { class: "empty" }, "Two runs make a line."));
  }
  const values = shown.map((point) => point.value);
  let [low, high] = [from ?? Math.min(...values), Math.max(...values)];
  if (low === high) [low, high] = [low - Math.abs(low || 1) * 0.01, high + Math.abs(high || 1) * 0.01];
  const first = shown[0].at;
  const last = shown[shown.length - 1].at;
  const x = (at) => EDGE + ((at - first) / (last - first || 1)) * (WIDTH - 2 * EDGE);
  const y = (value) => HEIGHT - EDGE - ((value - low) / (high - low)) * (HEIGHT - 2 * EDGE);
  const places = shown.map((point) => [x(point.at), y(point.value)].map((n) => n.toFixed(1)));
  const line = places.map(([px, py], i) => (i ? `H${px}V${py}` : `M${px} ${py}`)).join("");
  const area = `${line}V${HEIGHT}H${places[0][0]}Z`;
  const newest = shown[shown.length - 1];
  const label = `${title}: ${shown.length} runs, from ${show(shown[0].value)} to ${show(newest.value)}`;
  const when = day(first) === day(last) ? clock : day;
  return figure(
    title,
    h("div", { class: "chart" },
      h("div", { class: "chart-y", "aria-hidden": "true" }, h("span", null, show(high)), h("span", null, show(low))),
      s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
        [0, 0.5, 1].map((part) => s("path", { class: "grid", d: `M0 ${EDGE + part * (HEIGHT - 2 * EDGE)}H${WIDTH}`, "vector-effect": "non-scaling-stroke" })),
        s("path", { class: "area", d: area }),
        s("path", { class: "line", d: line, "vector-effect": "non-scaling-stroke" }),
        s("path", { class: "dots", d: places.map(([px, py]) => `M${px} ${py}h0`).join(""), "vector-effect": "non-scaling-stroke" }),
      ),
      h("div", { class: "chart-x", "aria-hidden": "true" }, h("span", null, when(first)), h("span", null, when(last))),
    ),
    h("strong", { class: "now" }, show(newest.value)),
    h("details", { "data-key": `table-${title}` },
      h("summary", null, "As a table"),
      h("div", { class: "scroll short", tabindex: 0, role: "region", "aria-label": `${title}, as a table` },
        h("table", null,
          h("thead", null, h("tr", null, h("th", { scope: "col" }, "When"), h("th", { scope: "col", class: "num" }, title))),
          h("tbody", null, [...shown].reverse().map((point) =>
            h("tr", null, h("td", null, moment(point.at)), h("td", { class: "num" }, show(point.value))))),
        ))),
  );
}

const figure = (title, ...content) =>
  h("figure", { class: "panel", "data-key": title }, h("figcaption", null, title), content);
