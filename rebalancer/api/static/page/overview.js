// The first page: what waits for a person, the accounts, what happens.

import { bars } from "./bar.js";
import { guarded, h, prose } from "./dom.js";
import { ago, brief, clock, money, percent, plural, until } from "./format.js";
import { button, link, pill, when } from "./frame.js";
import { fact, gist, planTable } from "./plan.js";
import { counts } from "./queue.js";
import { operator, state } from "./store.js";
import { tell } from "./words.js";

export function overview() {
  return [
    h("h1", { tabindex: -1, class: "hidden" }, "Accounts"),
    attention(),
    accounts(),
    h("div", { class: "columns", "data-key": "columns" }, queuePanel(), activity()),
  ];
}

/** What nobody but a person can decide. */
export function attention(only = "") {
  const mine = (id) => !only || id === only;
  const cards = [
    ...state.proposals.filter((one) => mine(one.account_id)).map(proposal),
    ...state.accounts.filter((one) => mine(one.account_id)).map((one) => held(one.account_id)),
    ...(only ? [] : state.lists.dead.slice(0, 3).map(dead)),
  ].filter(Boolean);
  if (!cards.length) return null;
  return h("section", { class: "attention", "aria-labelledby": "attention", "data-key": "attention" },
    h("h2", { id: "attention" }, "Waits for you"), cards);
}

export function proposal(found) {
  const { account_id: id, plan_hash: hash, plan } = found;
  return h("article", { class: "card ask", "data-key": `ask-${id}-${hash}` },
    h("header", null,
      h("h3", null, link(id, "account", id), " asks before it trades"),
      found.approved_at
        ? pill(`Approved by ${found.approved_by}`, "good")
        : h("span", { class: "muted" }, "expires ", when(found.expires_at, until(found.expires_at)))),
    h("p", null, gist(plan), ". ", link("Its run", "run", found.event_id)),
    h("details", { open: true, "data-key": hash }, h("summary", null, "The exact plan"), planTable(plan, `Plan for ${id}`)),
    operator() && !found.approved_at &&
      h("p", { class: "actions" },
        button("Approve this plan", "approve", { kind: "primary", account: id, hash }),
        button("Reject", "reject", { account: id, hash })));
}

function held(id) {
  const hold = state.details[id]?.hold;
  if (!hold) return null;
  return h("article", { class: "card bad", "data-key": `held-${id}` },
    h("header", null, h("h3", null, link(id, "account", id), " is held"), h("span", { class: "muted" }, ago(hold.at))),
    h("p", null, hold.reason),
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Differences of ${id}` },
      h("table", null,
        h("thead", null, h("tr", null, ["Order", "What", "We remember", "The gateway shows"].map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", null, hold.sides.map((side) =>
          h("tr", null, h("td", null, h("code", null, side.order_ref)), h("td", null, side.kind), h("td", null, side.ours), h("td", null, side.theirs)))))),
    operator() &&
      h("p", { class: "actions" }, button("Accept and go on", "accept", { kind: "primary", account: id })));
}

export function dead(item) {
  const event = item.event;
  const id = item.event_id;
  return h("article", { class: "card bad", "data-key": `dead-${id}` },
    h("header", null,
      h("h3", null, event ? [link(event.account_id, "account", event.account_id), ` ${event.exec_command} was given up`] : "Unreadable"),
      h("span", { class: "muted" }, ago(item.at))),
    h("p", null, h("strong", null, item.reason), item.error && item.error !== item.reason ? `: ${item.error}` : "", !event && h("code", null, item.raw)),
    h("p", { class: "actions" },
      operator() && event && button("Requeue", "requeue", { event: id, account: event.account_id }),
      operator() && button("Remove", "remove", { event: id }),
      id && link("Its story", "run", id)));
}

function accounts() {
  if (!state.accounts.length) {
    return h("p", { class: "empty card" }, "No account yet. Put one into accounts.yaml, check it with ",
      h("code", null, "rebalancer config check"), ", then reload the API.");
  }
  return h("section", { class: "accounts", "aria-label": "Accounts", "data-key": "accounts" },
    state.accounts.map((one) => guarded(() => card(one))));
}

export function standingPill(one) {
  if (one.stopped === "held") return pill("Held", "bad");
  if (one.stopped === "halted") return pill("Halted", "bad");
  return one.traded ? null : pill("Not traded", "warn");
}

function card(one) {
  const id = one.account_id;
  const shown = state.details[id];
  const picture = shown?.snapshot;
  return h("article", { class: "card account", "data-key": id },
    h("header", null,
      h("h2", null, link(id, "account", id)),
      h("span", { class: "pills" }, one.type === "live" ? pill("Live account", "accent") : pill("Paper"), standingPill(one))),
    one.strategy && h("p", { class: "muted strategy" }, one.strategy),
    picture ? seen(one, shown) : unseen(one),
    h("dl", { class: "runs-line" }, lastAndNext(one, shown)),
    operator() && one.traded &&
      h("p", { class: "actions" },
        button("Preview", "preview", { account: id }),
        button("Rebalance", "rebalance", { account: id }),
        haltButton(one)));
}

export function haltButton(one) {
  const scope = `account:${one.account_id}`;
  return state.halts.some((halt) => halt.scope === scope)
    ? button("Resume", "resume", { kind: "quiet", scope })
    : button("Halt", "halt", { kind: "quiet danger", scope });
}

function seen(one, shown) {
  const { snapshot } = shown;
  return [
    h("p", { class: "worth" }, money(one.net_liquidation, one.currency)),
    h("p", { class: "muted" },
      "Cash ", h("b", null, money(snapshot.total_cash, snapshot.currency)),
      one.drift !== null && [" · Drift ", h("b", null, percent(one.drift))],
      " · seen ", when(one.seen_at, ago(one.seen_at))),
    bars(shown),
  ];
}

const unseen = (one) =>
  h("p", { class: "empty" },
    state.proposals.some((found) => found.account_id === one.account_id)
      ? "Its plan waits for you."
      : one.traded ? "Not looked at yet. A preview asks the gateway and sends no order." : prose(one.why_not));

export function lastAndNext(one, shown) {
  const last = shown?.last_run;
  return [
    fact("Last run", last
      ? [link(last.status, "run", last.event_id), ", ", when(last.at, ago(last.at)), `, ${plural(last.orders, "order")}`]
      : "none yet"),
    fact("Next", one.next_run_at ? when(one.next_run_at, brief(one.next_run_at)) : shown?.schedule.length ? "as scheduled" : "no schedule"),
  ];
}

const queuePanel = () =>
  h("section", { class: "panel", "aria-labelledby": "queue" }, h("h2", { id: "queue" }, "Queue"), counts());

export function line(entry, { account = true } = {}) {
  const { name, words, tone } = tell(entry);
  return h("li", { "data-key": entry.id },
    when(entry.at, clock(entry.at)),
    h("span", { class: "what" },
      h("strong", { class: tone }, entry.event_id ? link(name, "run", entry.event_id) : name), " ",
      account && entry.account_id ? [entry.account_id, " "] : null,
      h("span", { class: "muted" }, words)));
}

const activity = () =>
  h("section", { class: "panel", "aria-labelledby": "activity" },
    h("h2", { id: "activity" }, "What happens"),
    state.journal.length
      ? h("ol", { class: "lines" }, state.journal.slice(0, 14).map((entry) => line(entry)))
      : h("p", { class: "empty" }, "Nothing yet. The first signal shows here as soon as it is sent."));
