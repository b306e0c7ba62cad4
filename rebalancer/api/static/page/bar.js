// How far a symbol is from its target, against its band, as a drawing with its words.

import { h, s } from "./dom.js";
import { known, percent, points, shares } from "./format.js";

/** The least that a bar's half stands for, as a fraction of 1. */
const LEAST = 0.01;

/** What an account holds and should hold, symbol by symbol, from its latest picture. */
export function holdings(shown) {
  const { snapshot, target, drift_band: band, drift_bands: bands } = shown;
  if (!snapshot) return [];
  const own = (symbol) => Number(bands[symbol] ?? band);
  const positions = Object.fromEntries((snapshot.positions ?? []).map((p) => [p.symbol, p]));
  if (snapshot.plan) {
    return snapshot.plan.lines.map((line) => ({
      symbol: line.symbol,
      quantity: line.held,
      price: line.price,
      value: line.value_before,
      weight: Number(line.weight_before),
      target: Number(line.target_weight),
      band: own(line.symbol),
      note: line.note,
    }));
  }
  const weights = target.weights ?? {};
  const symbols = [...new Set([...Object.keys(weights), ...Object.keys(positions)])];
  return symbols.map((symbol) => {
    const held = positions[symbol];
    return {
      symbol,
      quantity: held?.quantity ?? "0",
      price: held?.price,
      value: held?.value ?? "0",
      weight: Number(held?.value ?? 0) / Number(snapshot.net_liquidation),
      target: Number(weights[symbol] ?? 0),
      band: own(symbol),
      note: "",
    };
  });
}

/** What half a bar stands for, the same for all symbols of an account. */
export const reach = (rows) =>
  Math.max(LEAST, ...rows.map((row) => Math.max(Math.abs(row.weight - row.target), row.band * 1.5) * 1.1));

function said(row) {
  const off = row.weight - row.target;
  const inside = Math.abs(off) <= row.band;
  const place = row.band ? `, ${inside ? "within" : "outside"} its band of ±${percent(row.band)}` : "";
  return `${row.symbol} is ${percent(row.weight)}, target ${percent(row.target)}${place}`;
}

/** The bar: the target in the middle, the band around it, and where the symbol is. */
export function bar(row, half) {
  const x = (off) => 50 + (Math.max(-half, Math.min(half, off)) / half) * 50;
  const off = row.weight - row.target;
  const outside = Math.abs(off) > row.band + 1e-9;
  return s(
    "svg",
    { class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", "aria-label": said(row) },
    s("rect", { class: "bar-track", x: 0, y: 4, width: 100, height: 2 }),
    row.band > 0 && s("rect", { class: "bar-band", x: x(-row.band), y: 1, width: x(row.band) - x(-row.band), height: 8 }),
    s("rect", { class: outside ? "bar-off" : "bar-in", x: Math.min(50, x(off)), y: 3, width: Math.abs(x(off) - 50), height: 4 }),
    s("path", { class: "bar-target", d: "M50 0V10", "vector-effect": "non-scaling-stroke" }),
    s("path", { class: outside ? "bar-dot out" : "bar-dot", d: `M${x(off)} 5h0`, "vector-effect": "non-scaling-stroke" }),
  );
}

/** Bars of a card: symbol, bar, weight and how far it is off. */
export function bars(shown) {
  const rows = holdings(shown);
  const half = reach(rows);
  return h(
    "ul",
    { class: "bars", "aria-label": "Weights against targets" },
    rows.map((row) =>
      h(
        "li",
        { "data-key": row.symbol },
        h("span", { class: "symbol" }, row.symbol),
        bar(row, half),
        h("span", { class: "figure" }, percent(row.weight, 1)),
        h("span", { class: "figure muted" }, known(row.weight) ? points(row.weight - row.target, 1) : ""),
      ),
    ),
  );
}

/** The table of an account's own page. */
export function holdingsTable(shown, money) {
  const rows = holdings(shown);
  const half = reach(rows);
  const head = ["Symbol", "Held", "Price", "Value", "Weight", "Target"];
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "Holdings, symbol by symbol" },
    h(
      "table",
      null,
      h("thead", null, h("tr", null,
        head.map((name, i) => h("th", { scope: "col", class: (i ? "num" : "") + (i === 2 || i === 3 ? " wide" : "") }, name)),
        h("th", { scope: "col", class: "bar-cell" }, "Drift"),
        h("th", { scope: "col", class: "num wide" }, "Off by"))),
      h("tbody", null, rows.map((row) =>
        h("tr", { "data-key": row.symbol },
          h("th", { scope: "row" }, row.symbol),
          h("td", { class: "num" }, shares(row.quantity)),
          h("td", { class: "num wide" }, money(row.price)),
          h("td", { class: "num wide" }, money(row.value, 0)),
          h("td", { class: "num" }, percent(row.weight)),
          h("td", { class: "num" }, percent(row.target)),
          h("td", { class: "bar-cell" }, bar(row, half)),
          h("td", { class: "num wide" }, points(row.weight - row.target)),
        ))),
    ),
  );
}
