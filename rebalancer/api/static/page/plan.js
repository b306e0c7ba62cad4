// A plan, as exactly as it would trade.

import { h } from "./dom.js";
import { money, percent, plural, price, shares } from "./format.js";

export const traded = (plan) => plan.lines.filter((line) => line.trade);

/** What a plan would buy and sell, in one line. */
export function gist(plan) {
  const lines = traded(plan);
  if (!lines.length) return "Nothing to trade: it is as close to the target as it may be.";
  const sum = (some) =>
    money(some.reduce((total, line) => total + Math.abs(line.trade) * Number(line.price), 0), plan.currency, 0);
  const [buys, sells] = [lines.filter((l) => l.trade > 0), lines.filter((l) => l.trade < 0)];
  const said = [];
  if (sells.length) said.push(`${plural(sells.length, "sell")} for about ${sum(sells)}`);
  if (buys.length) said.push(`${plural(buys.length, "buy")} for about ${sum(buys)}`);
  return said.join(", ");
}

const side = (trade) =>
  trade ? h("span", { class: trade > 0 ? "buy" : "sell" }, trade > 0 ? "Buy " : "Sell ", shares(Math.abs(trade))) : h("span", { class: "muted" }, "keep");

/** The plan line by line, with what it leads to. */
export function planTable(plan, name) {
  const notes = plan.lines.some((line) => line.note);
  const head = ["Trade", "Limit", "Held", "Weight now", "then", "Target"];
  const wide = new Set(["Held", "Weight now"]);
  const css = (column) => (wide.has(column) ? "num wide" : "num");
  return h("div", { class: "plan" },
    h("dl", { class: "figures" },
      fact("Drift", `${percent(plan.drift_before)} → ${percent(plan.drift_after)}`),
      fact("Cash", `${money(plan.cash_before, plan.currency, 0)} → ${money(plan.cash_after, plan.currency, 0)}`),
      fact("At worst", money(plan.cash_worst, plan.currency, 0)),
      fact("Commission, about", money(plan.est_commission, plan.currency)),
      fact("Plan", h("code", null, plan.hash)),
    ),
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": name },
      h("table", null,
        h("thead", null, h("tr", null, h("th", { scope: "col" }, "Symbol"),
          head.map((column) => h("th", { scope: "col", class: css(column) }, column)),
          notes && h("th", { scope: "col" }, "Why"))),
        h("tbody", null, plan.lines.map((line) =>
          h("tr", { "data-key": line.symbol },
            h("th", { scope: "row" }, line.symbol),
            h("td", { class: "num" }, side(line.trade)),
            h("td", { class: "num" }, line.trade ? price(line.limit_price ?? line.price) : ""),
            h("td", { class: "num wide" }, shares(line.held)),
            h("td", { class: "num wide" }, percent(line.weight_before)),
            h("td", { class: "num" }, percent(line.weight_after)),
            h("td", { class: "num" }, percent(line.target_weight)),
            notes && h("td", { class: "muted" }, line.note),
          ))),
      )));
}

export const fact = (name, value) => h("div", null, h("dt", null, name), h("dd", null, value));
