// One account: what it holds, the plan that would follow, what it did.

import { holdingsTable } from "./bar.js";
import { h, prose } from "./dom.js";
import { ago, money, percent } from "./format.js";
import { button, pill, when } from "./frame.js";
import { charts, runsTable } from "./history.js";
import { attention, haltButton, lastAndNext, standingPill } from "./overview.js";
import { fact, gist, planTable } from "./plan.js";
import { account as standing, operator, state } from "./store.js";

export function account(id) {
  const one = standing(id);
  const shown = state.details[id];
  if (!one || !shown) {
    return [h("h1", { tabindex: -1 }, id), h("p", { class: "empty card" }, "There is no such account in accounts.yaml.")];
  }
  return [
    h("div", { class: "title", "data-key": `title-${id}` },
      h("h1", { tabindex: -1 }, id),
      h("span", { class: "pills" }, one.type === "live" ? pill("Live account", "accent") : pill("Paper"), standingPill(one)),
      operator() && one.traded &&
        h("p", { class: "actions" },
          button("Preview", "preview", { kind: "primary", account: id }),
          button("Rebalance", "rebalance", { account: id }),
          haltButton(one))),
    one.reason && h("p", { class: "trouble" }, h("strong", null, one.stopped === "held" ? "Held: " : "Halted: "), one.reason),
    attention(id),
    preview(id, shown),
    picture(one, shown),
    charts(id),
    runs(id),
  ];
}

function picture(one, shown) {
  const { snapshot, target } = shown;
  const cash = (figure, digits) => money(figure, snapshot?.currency, digits);
  return h("section", { class: "panel", "aria-labelledby": "holdings", "data-key": "holdings" },
    h("h2", { id: "holdings" }, "Holdings"),
    h("dl", { class: "figures" },
      fact("Net liquidation", money(one.net_liquidation, one.currency)),
      fact("Cash", cash(snapshot?.total_cash)),
      fact("Drift", percent(one.drift)),
      fact("Seen", when(one.seen_at, ago(one.seen_at))),
      lastAndNext(one, shown),
      fact("Target", target.weights ? target.source : prose(target.lacks)),
      shown.approval === "required" && fact("Approval", "every plan waits for you")),
    snapshot
      ? holdingsTable(shown, cash)
      : h("p", { class: "empty" }, "Not looked at yet. A preview asks the gateway and sends no order."));
}

function preview(id, shown) {
  const asked = state.previews[id];
  if (!asked) return null;
  return h("section", { class: "panel preview", "aria-labelledby": "preview", "data-key": "preview", "aria-live": "polite" },
    h("h2", { id: "preview" }, "Preview"),
    asked.plan
      ? [
          h("p", null, gist(asked.plan), h("span", { class: "muted" }, ` · at the prices of ${ago(asked.at)}; nothing was sent.`)),
          planTable(asked.plan, `Preview for ${id}`),
          operator() &&
            h("p", { class: "actions" },
              button(shown.approval === "required" ? "Ask for this rebalance" : "Rebalance now", "rebalance", { kind: "primary", account: id }),
              button("Preview again", "preview", { account: id }),
              button("Close", "close-preview", { kind: "quiet", account: id }))]
      : asked.trouble
        ? h("p", { class: "trouble" }, asked.trouble)
        : h("p", { class: "empty" }, "Asking the gateway…"));
}

function runs(id) {
  const items = state.series[id];
  return h("section", { class: "panel", "aria-labelledby": "runs", "data-key": "runs" },
    h("h2", { id: "runs" }, "Runs"),
    !items ? h("p", { class: "empty" }, "Loading…") : items.length ? runsTable(items.slice(0, 20), { account: false }) : h("p", { class: "empty" }, "No run yet."));
}
