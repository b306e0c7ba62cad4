// The journal in words.

import { clock, percent, plural, price } from "./format.js";

/** Kind -> what it is called. */
const NAMES = {
  queued: "Accepted",
  leased: "Started",
  parked: "Waits its turn",
  unparked: "Waits no more",
  merged: "Merged",
  rerun: "Runs again",
  planned: "Planned",
  replanned: "Planned again",
  pass: "Trading",
  intents: "Orders",
  settled: "Order ended",
  halted: "Held back",
  refused: "Refused",
  retrying: "Failed",
  delayed: "Put off",
  promoted: "Called up",
  reclaimed: "Taken over",
  released: "Put back",
  dead: "Given up",
  completed: "Completed",
  proposed: "Waits for approval",
  approved: "Approved",
  declined: "Rejected",
  rejected: "Refused",
  converting: "Converting",
  missed: "Missed",
  gap: "Gap in a stream",
  repaired: "Mended",
  reloaded: "Reloaded",
  not_reloaded: "Not reloaded",
  partially_done: "Partly done",
  removed: "Removed",
  requeued: "Requeued",
  halt: "Halted",
  resume: "Resumed",
  resumed: "Resumed",
  held: "Held",
  accepted: "Differences accepted",
  open_cancelled: "Open orders cancelled",
  reconciled: "Compared",
  alert: "Look",
};

/** Kinds after which an event's record may be there. */
export const ENDINGS = new Set(["completed", "retrying", "delayed", "dead", "released", "removed"]);

const TONES = {
  completed: "good",
  settled: "accent",
  intents: "accent",
  proposed: "warn",
  alert: "warn",
  retrying: "warn",
  rejected: "warn",
  missed: "warn",
  gap: "warn",
  not_reloaded: "warn",
  refused: "warn",
  halted: "warn",
  dead: "bad",
  held: "bad",
  halt: "bad",
};

const order = (one) => `${one.action === "BUY" ? "buy" : "sell"} ${one.quantity} ${one.symbol}`;

const SCOPES = { all: "everything" };
export const scopeName = (scope) => SCOPES[scope] ?? scope.replace(/^\w+:/, "");

/** Kind -> what an entry says beyond its name. */
const WORDS = {
  queued: (d) => `${d.exec_command}, from ${d.source}${d.priority === "high" ? ", urgent" : ""}`,
  rerun: (d) => `${d.exec_command}, from ${d.source}`,
  leased: () => "",
  merged: (d) => `into ${d.into}`,
  parked: (d) => `behind ${d.behind}`,
  planned,
  replanned: planned,
  pass: (d) => `pass ${d.pass}`,
  intents: (d) => d.intents.map((one) => order(one.order)).join(", "),
  settled: (d) =>
    `${order(d.intent.order)} ${d.status}` +
    (Number(d.filled) ? `, ${d.filled} at ${price(d.avg_price)}` : "") +
    (d.reason ? ` (${d.reason})` : ""),
  halted: (d) => pairs(d.orders),
  refused: (d) => pairs(d.orders),
  retrying: (d) => `attempt ${d.attempt}, again at ${clock(d.due_at)}: ${d.error}`,
  delayed: (d) => `until ${clock(d.until)}: ${d.reason}`,
  promoted: () => "",
  dead: (d) => `${d.reason}: ${d.error}`,
  completed: (d) =>
    d.nothing_due ? d.nothing_due : d.command === "rebalance"
      ? `${plural(d.orders.length, "order")}, drift ${percent(d.drift_before)} → ${percent(d.drift_reached)}`
      : d.command,
  proposed: (d) => `plan ${d.plan}, until ${clock(d.expires_at)}`,
  approved: (d) => `plan ${d.plan_hash} by ${d.by}`,
  declined: (d) => `plan ${d.plan}`,
  rejected: (d) => `from ${d.source}: ${d.reason}`,
  converting: (d) => `${d.trade} ${d.pair} at ${d.price}`,
  missed: (d) => `${d.schedule}, due ${clock(d.last)}`,
  gap: (d) => `${d.source} since ${clock(d.since)}: ${d.reason}`,
  repaired: (d) => `${d.what}: ${d.why}`,
  reloaded: (d) => d.program,
  not_reloaded: (d) => `${d.program}: ${d.problems[0].file}:${d.problems[0].line}: ${d.problems[0].key}`,
  halt: (d) => `${scopeName(d.scope)}: ${d.halt.reason}`,
  resume: (d) => scopeName(d.scope),
  resumed: (d) => scopeName(d.scope),
  held: (d) => plural(d.differences.length, "difference"),
  accepted: (d) => d.reason,
  open_cancelled: (d) =>
    `${scopeName(d.scope)}: ${d.cancelled.length} cancelled, ${d.left.length} left`,
  reconciled: (d) => `${d.shown} orders shown, ${d.remembered} remembered`,
  alert: (d) => `${d.title}: ${d.text} ${d.remedy}`,
};

function planned(data) {
  const orders = data.lines.filter((line) => line.trade).length;
  return `${plural(orders, "order")}, drift ${percent(data.drift_before)} → ${percent(data.drift_after)}`;
}

function pairs(orders) {
  return Object.entries(orders)
    .map(([symbol, why]) => `${symbol}: ${[why].flat().join(" ")}`)
    .join("; ");
}

/** Name, words and tone of one line; data of another shape than ours is shown as it is. */
export function tell({ kind, data }) {
  let words;
  try {
    words = (WORDS[kind] ?? raw)(data);
  } catch {
    words = raw(data);
  }
  return { name: NAMES[kind] ?? kind, words: words ?? "", tone: TONES[kind] ?? "" };
}

const raw = (data) => (Object.keys(data ?? {}).length ? JSON.stringify(data) : "");
