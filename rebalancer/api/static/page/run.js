// One event's story: from the signal to the fills, as it happens and afterwards.

import { h } from "./dom.js";
import { money, percent, price, shares } from "./format.js";
import { link, pill, when } from "./frame.js";
import { TONES } from "./history.js";
import { line } from "./overview.js";
import { fact, gist, planTable } from "./plan.js";
import { state } from "./store.js";
import { ENDINGS } from "./words.js";

export function run(id) {
  const story = state.story;
  const title = h("h1", { tabindex: -1 }, "Run");
  if (state.missing === id) return [title, h("p", { class: "empty card" }, "Nothing is known of this event (any more).")];
  if (!story || (story.event_id !== id && !story.records.some((one) => String(one.seq) === id))) {
    return [title, h("p", { class: "empty card" }, "Loading…")];
  }
  const record = story.records.at(-1);
  const found = record?.event ?? {};
  const account = found.account_id ?? story.journal.find((entry) => entry.account_id)?.account_id ?? "";
  const plan = story.journal.findLast((entry) => entry.kind === "planned")?.data ?? record?.plan;
  const orders = ordersOf(story);
  return [
    h("div", { class: "title", "data-key": "title" },
      h("h1", { tabindex: -1 }, account, " ", found.exec_command ?? command(story) ?? "event"),
      stateOf(story, record)),
    h("p", { class: "muted" }, "Event ", h("code", null, story.event_id), account && [" of ", link(account, "account", account)]),
    record && h("section", { class: "panel", "aria-label": "Result" }, h("dl", { class: "figures" },
      fact("Drift", `${percent(record.drift.before)} → ${percent(record.drift.after)}`),
      fact("Worth", money((record.after ?? record.snapshot)?.net_liquidation, (record.after ?? record.snapshot)?.currency)),
      fact("Commission", Object.entries(record.costs.commission).map(([currency, sum]) => money(sum, currency)).join(" + ") || "none"),
      fact("From", `${found.source}, ${found.priority} priority`),
      record.outcome.reason && fact("Reason", record.outcome.reason))),
    h("section", { class: "panel", "aria-labelledby": "orders", "data-key": "orders" },
      h("h2", { id: "orders" }, "Orders"),
      orders.length ? ordersTable(orders) : h("p", { class: "empty" }, "No order so far.")),
    plan?.lines && h("section", { class: "panel", "aria-labelledby": "plan", "data-key": "plan" },
      h("h2", { id: "plan" }, "Plan"), h("p", null, gist(plan), "."), planTable(plan, "Plan, line by line")),
    checks(record),
    h("section", { class: "panel", "aria-labelledby": "story", "data-key": "story" },
      h("h2", { id: "story" }, "Story"),
      h("ol", { class: "lines", "aria-live": "polite" }, story.journal.map((entry) => line(entry, { account: false })))),
  ];
}

const command = (story) => story.journal.find((entry) => entry.data?.exec_command)?.data.exec_command;

function stateOf(story, record) {
  const last = story.journal.findLast((entry) => ENDINGS.has(entry.kind) || entry.kind === "leased");
  if (last?.kind === "leased") return pill("running", "accent");
  const status = last?.kind ?? record?.outcome.status ?? "queued";
  return pill(status, TONES[status]);
}

/** Orders by their orderRef: what the journal has seen, and what records know better. */
function ordersOf(story) {
  const orders = new Map();
  const put = (ref, found) => orders.set(ref, { ...orders.get(ref), ...found });
  for (const { kind, data, at } of story.journal) {
    if (kind === "intents") {
      for (const intent of data.intents ?? []) put(intent.order.order_ref, { ...intent.order, currency: intent.currency, status: "working", filled: "0", at });
    }
    if (kind === "settled" && data.intent?.order) {
      const { status, filled, avg_price, reason, fills } = data;
      put(data.intent.order.order_ref, { ...data.intent.order, currency: data.intent.currency, status, filled, avg_price, reason, fills: fills ?? [], at });
    }
  }
  for (const record of story.records) {
    for (const order of [...(record.orders ?? []), ...(record.earlier ?? [])]) {
      if (!order.event_id || order.event_id === story.event_id) put(order.order_ref, order);
    }
  }
  return [...orders.values()];
}

const ORDER_TONES = { filled: "good", working: "accent", unsettled: "warn", rejected: "bad" };

function ordersTable(orders) {
  const head = ["Order", "Limit", "State", "Filled", "Price", "Commission"];
  const css = (name) => ({ State: "", Order: "", Commission: "num wide", Limit: "num wide" })[name] ?? "num";
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Orders, one by one" },
    h("table", null,
      h("thead", null, h("tr", null, head.map((name) => h("th", { scope: "col", class: css(name) }, name)))),
      h("tbody", null, orders.map((order) =>
        h("tr", { "data-key": order.order_ref },
          h("th", { scope: "row" }, h("span", { class: order.action === "BUY" ? "buy" : "sell" }, order.action === "BUY" ? "Buy " : "Sell ", shares(order.quantity)), " ", order.symbol),
          h("td", { class: "num wide" }, order.limit_price ? price(order.limit_price) : order.order_type),
          h("td", null, pill(order.status, ORDER_TONES[order.status]), order.reason && h("span", { class: "muted reason" }, ` ${order.reason}`)),
          h("td", { class: "num" }, Number(order.filled) < Number(order.quantity) ? `${shares(order.filled)} of ${shares(order.quantity)}` : shares(order.filled), fills(order)),
          h("td", { class: "num" }, Number(order.avg_price) ? price(order.avg_price) : "–"),
          h("td", { class: "num wide" }, commission(order)))))));
}

function fills({ fills: list }) {
  if (!list || list.length < 2) return null;
  return h("ul", { class: "fills" }, list.map((fill) =>
    h("li", null, `${shares(fill.quantity)} at ${price(fill.price)} `, when(fill.at, ""))));
}

function commission({ fills: list, currency }) {
  const reported = (list ?? []).filter((fill) => fill.commission);
  if (!reported.length) return "–";
  return money(reported.reduce((sum, fill) => sum + Number(fill.commission), 0), currency);
}

function checks(record) {
  const failed = (record?.checks ?? []).filter((check) => !check.passed);
  if (!failed.length) return null;
  return h("section", { class: "panel", "aria-labelledby": "checks", "data-key": "checks" },
    h("h2", { id: "checks" }, "Refused by"),
    h("ul", null, failed.map((check) => h("li", null, h("strong", null, check.name), ` ${check.figure}, limit ${check.limit} (`, h("code", null, check.key), ")"))));
}
