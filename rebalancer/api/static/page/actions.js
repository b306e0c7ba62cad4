// What a person can do here: each by the name that a button carries in `data-do`.

import { at, call, logOut, part } from "./api.js";
import { ask, check, field, say } from "./dialogs.js";
import { h } from "./dom.js";
import { gist, planTable } from "./plan.js";
import { older, refresh, state } from "./store.js";
import { scopeName } from "./words.js";

const post = (path, body, key) => call("POST", path, body, { key });

const reason = (hint) =>
  field("Reason", h("input", { name: "reason", required: true, maxlength: 500, autofocus: true, autocomplete: "off", pattern: ".*\\S.*" }), hint);

function scopes(chosen) {
  const options = [["all", "Everything"], ...state.accounts.map((one) => [`account:${one.account_id}`, `Account ${one.account_id}`]), ["symbol", "One symbol, in every account"]];
  return field("What", h("select", { name: "scope" }, options.map(([value, name]) => h("option", { value, selected: value === chosen }, name))));
}

export async function halt({ scope }) {
  const done = await ask({
    title: "Halt trading",
    text: "New orders stop from this moment, until somebody resumes. Signals are still accepted, and wait.",
    fields: [
      scopes(scope),
      field("Symbol", h("input", { name: "symbol", maxlength: 64, autocomplete: "off" }), "Such as SPY.", "for-symbol"),
      reason("Everybody who looks will read it."),
      check("cancel", "Cancel orders that work already"),
    ],
    label: "Halt",
    danger: true,
    act: ({ scope: what, symbol, reason: why, cancel }, name) => {
      if (what === "symbol" && !symbol.trim()) throw new Error("Name the symbol.");
      const named = what === "symbol" ? `symbol:${symbol.trim().toUpperCase()}` : what;
      return post("/halts", { scope: named, reason: why, cancel_open: cancel === "yes" }, name);
    },
  });
  if (done) say(`Halted: ${scopeName(done.scope)}.`);
  refresh("halts", "accounts");
}

export async function resume({ scope }) {
  const halt = state.halts.find((one) => one.scope === scope);
  const done = await ask({
    title: `Resume ${scopeName(scope)}?`,
    text: halt && `It was halted for: ${halt.reason}. Whatever waits goes on within a minute.`,
    label: "Resume",
    act: () => call("DELETE", at`/halts/${scope}`),
  });
  if (done) say(`Resumed: ${scopeName(scope)}.`);
  refresh("halts", "accounts");
}

export async function preview({ account }) {
  location.hash = `#/account/${part(account)}`;
  try {
    const found = await post(at`/accounts/${account}/preview`);
    state.previews[account] = { event_id: found.event_id };
    refresh(`preview:${account}`);
  } catch (problem) {
    state.previews[account] = { trouble: `${problem.message} ${problem.remedy}` };
  }
  refresh("queue");
}

export function closePreview({ account }) {
  delete state.previews[account];
  refresh("queue");
}

export async function rebalance({ account }) {
  const asks = state.details[account]?.approval === "required";
  const found = await ask({
    title: `Rebalance ${account}?`,
    text: asks
      ? "A plan is made at the prices of now, and waits for your approval before it trades."
      : "A plan is made at the prices of now, and traded at once if the exchange is open.",
    label: asks ? "Ask for a plan" : "Rebalance",
    act: (_values, name) => post(at`/accounts/${account}/rebalance`, {}, name),
  });
  if (!found) return;
  say(found.status === "queued" ? `${account} is in the queue.` : `${account}: ${found.status} with a signal that was there.`);
  location.hash = `#/run/${part(found.event_id)}`;
}

export async function approve({ account, hash }) {
  const waiting = state.proposals.find((one) => one.account_id === account && one.plan_hash === hash);
  const done = await ask({
    title: `Let plan ${hash} trade?`,
    text: `${account} trades exactly this plan, within its limits: ${gist(waiting.plan)}.`,
    fields: [planTable(waiting.plan, "The plan that will trade")],
    wide: true,
    label: "Approve",
    act: (_values, name) => post(at`/accounts/${account}/approve`, { plan_hash: hash, by: "the page" }, name),
  });
  if (done) say(`Plan ${hash} of ${account} is approved.`);
  refresh("proposals", "queue");
}

export async function reject({ account, hash }) {
  const done = await ask({
    title: `Drop plan ${hash}?`,
    text: `Its event goes with it; ${account} is not rebalanced until the next signal.`,
    label: "Reject",
    danger: true,
    act: (_values, name) => post(at`/accounts/${account}/reject`, { plan_hash: hash }, name),
  });
  if (done) say(`Plan ${hash} of ${account} is dropped.`);
  refresh("proposals", "queue");
}

export async function accept({ account }) {
  const done = await ask({
    title: `Let ${account} go on?`,
    text: "You accept what the gateway shows. The same differences hold the account no more.",
    fields: [reason("What explains them; goes to the journal.")],
    label: "Accept and go on",
    act: ({ reason: why }, name) => post(at`/accounts/${account}/accept`, { reason: why }, name),
  });
  if (done) say(`${account} trades again.`);
  refresh(`account:${account}`, "accounts", "halts");
}

export async function requeue({ event, account }) {
  const found = await ask({
    title: "Put it back into the queue?",
    text: `The event of ${account} runs again, with its failures forgotten.`,
    label: "Requeue",
    act: (_values, name) => post(at`/dead-letter/${event}/requeue`, undefined, name),
  });
  if (found) say("It is back in the queue.");
  refresh("queue");
}

export async function remove({ event }) {
  const found = await ask({
    title: "Remove this event?",
    text: "It will not run. What it did already stays done.",
    label: "Remove",
    danger: true,
    act: () => call("DELETE", at`/queue/events/${event}`),
  });
  if (found) say("It is removed.");
  refresh("queue");
}

export function theme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("theme", root.dataset.theme);
  } catch {
    // Storage is off: it holds for this page.
  }
}

async function leave() {
  await logOut();
  location.reload();
}

export const ACTIONS = {
  halt, resume, preview, rebalance, approve, reject, accept, requeue, remove, theme, older,
  "close-preview": closePreview,
  "log-out": leave,
};
