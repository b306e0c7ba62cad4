// What was: value and drift over time, and every run.

import { part } from "./api.js";
import { chart } from "./chart.js";
import { h } from "./dom.js";
import { brief, money, percent } from "./format.js";
import { button, link, pill, when } from "./frame.js";
import { state } from "./store.js";

export const TONES = { completed: "good", retrying: "warn", delayed: "", dead: "bad", released: "", unreadable: "bad" };

/** The two lines of an account, from its runs. */
export function charts(id) {
  const items = state.series[id];
  if (!items) return h("div", { class: "columns charts", "data-key": "charts" }, placeholder("Value"), placeholder("Drift"));
  const oldest = [...items].reverse();
  const currency = items.find((run) => run.currency)?.currency;
  const points = (member) => oldest.map((run) => ({ at: run.at, value: run[member] === null ? NaN : Number(run[member]) }));
  const drift = oldest.map((run) => {
    const reached = run.drift_after ?? run.drift_before;
    return { at: run.at, value: reached === null ? NaN : Number(reached) };
  });
  if (drift.filter((point) => Number.isFinite(point.value)).length < 2) {
    return h("section", { class: "panel", "aria-label": "Value and drift", "data-key": "charts" },
      h("p", { class: "empty" }, "Value and drift over time are drawn here after two runs."));
  }
  return h("div", { class: "columns charts", "data-key": "charts" },
    chart("Value", points("net_liquidation"), (value) => money(value, currency, 0)),
    chart("Drift", drift, (value) => percent(value), { from: 0 }));
}

const placeholder = (title) =>
  h("figure", { class: "panel", "data-key": title }, h("figcaption", null, title), h("p", { class: "empty" }, "Loading…"));

export function runsTable(items, { account = true } = {}) {
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Runs, newest first" },
    h("table", null,
      h("thead", null, h("tr", null,
        h("th", { scope: "col" }, "When"),
        account && h("th", { scope: "col" }, "Account"),
        h("th", { scope: "col" }, "Ended"),
        h("th", { scope: "col", class: "num" }, "Filled"),
        h("th", { scope: "col", class: "num" }, "Drift"),
        h("th", { scope: "col", class: "num wide" }, "Commission"),
        h("th", { scope: "col", class: "wide" }, "From"))),
      h("tbody", null, items.map((run) =>
        h("tr", { "data-key": run.seq },
          h("td", { class: "nowrap" }, h("a", { href: `#/run/${part(run.event_id)}` }, when(run.at, brief(run.at)))),
          account && h("td", null, link(run.account_id, "account", run.account_id)),
          h("td", null, pill(run.status, TONES[run.status]), run.reason && h("span", { class: "muted reason" }, ` ${run.reason}`)),
          h("td", { class: "num" }, `${run.filled} of ${run.orders}`),
          h("td", { class: "num" }, `${percent(run.drift_before)} → ${percent(run.drift_after)}`),
          h("td", { class: "num wide" }, Object.entries(run.commission).map(([currency, sum]) => money(sum, currency)).join(" + ") || "–"),
          h("td", { class: "wide muted" }, `${run.command}, ${run.source}`))))));
}

export function history() {
  const { items, before, account } = state.runs;
  const charted = account || state.accounts[0]?.account_id;
  return [
    h("div", { class: "title" },
      h("h1", { tabindex: -1 }, "History"),
      h("label", { class: "choose" }, "Account ",
        h("select", { "data-change": "history-account" },
          h("option", { value: "" }, "All"),
          state.accounts.map((one) => h("option", { value: one.account_id, selected: one.account_id === account }, one.account_id))))),
    charted && h("p", { class: "muted" }, `Value and drift of ${charted}, at the end of each run.`),
    charted && charts(charted),
    h("section", { class: "panel", "aria-labelledby": "runs" },
      h("h2", { id: "runs" }, "Runs"),
      items.length ? runsTable(items) : h("p", { class: "empty" }, "No run yet. Rebalance an account, and its story is kept here."),
      before && h("p", { class: "actions" }, button("Older", "older"))),
  ];
}
