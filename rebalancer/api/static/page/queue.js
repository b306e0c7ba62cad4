// The queue in its states.

import { h } from "./dom.js";
import { ago, moment, plural, until } from "./format.js";
import { button, link, pill, when } from "./frame.js";
import { dead } from "./overview.js";
import { operator, state } from "./store.js";

const STATES = [
  ["queue_length", "Queued"],
  ["executing_events_count", "Running"],
  ["retry_events_count", "Retrying"],
  ["delayed_events_count", "Put off"],
  ["dead_letter_count", "Given up"],
];

const BADLY = { dead_letter_count: "bad", retry_events_count: "warn" };

/** How many there are in each state, and those on their way. */
export function counts() {
  const waiting = [...state.lists.active, ...state.lists.retry, ...state.lists.delayed];
  return [
    h("dl", { class: "counts" }, STATES.map(([member, name]) => {
      const count = state.queue?.[member] ?? 0;
      return h("div", { class: count ? (BADLY[member] ?? "some") : "" }, h("dt", null, name), h("dd", null, count));
    })),
    waiting.length
      ? h("ul", { class: "events" }, waiting.slice(0, 8).map(event))
      : h("p", { class: "empty" }, "Nothing on its way."),
  ];
}

const NAMES = { queued: "Queued", leased: "Running", retrying: "Retrying", delayed: "Put off" };
const TONES = { leased: "accent", retrying: "warn" };

function event(item) {
  const found = item.event;
  const id = item.event_id;
  return h("li", { "data-key": id },
    pill(item.parked ? "Waits its turn" : (NAMES[item.state] ?? item.state), TONES[item.state]),
    h("span", { class: "what" },
      h("strong", null, link(found ? `${found.account_id} ${found.exec_command}` : id, "run", id)), " ",
      h("span", { class: "muted" }, detail(item))),
    operator() && item.state !== "leased" && button("Remove", "remove", { kind: "quiet small", event: id }));
}

function detail(item) {
  const found = item.event;
  const said = [];
  if (found?.priority === "high") said.push("urgent");
  if (found) said.push(`from ${found.source}`, `received ${ago(found.received_at)}`);
  if (item.due_at) said.push(`again ${until(item.due_at)}`);
  if (found?.attempt) said.push(`${plural(found.attempt, "failure")}`);
  if (item.reason) said.push(item.reason);
  if (found?.last_error) said.push(found.last_error);
  return said.join(", ");
}

const LISTS = [
  ["active", "Queued and running", "Nothing runs, and nothing waits to run."],
  ["retry", "Retrying", "Nothing has failed."],
  ["delayed", "Put off", "Nothing waits for a better time, such as the opening of the exchange."],
];

export function queue() {
  const { lists } = state;
  return [
    h("h1", { tabindex: -1 }, "Queue"),
    h("section", { class: "panel", "aria-label": "Counts" }, h("dl", { class: "counts" },
      STATES.map(([member, name]) => h("div", { class: state.queue?.[member] ? (BADLY[member] ?? "some") : "" },
        h("dt", null, name), h("dd", null, state.queue?.[member] ?? 0))))),
    LISTS.map(([name, title, empty]) =>
      h("section", { class: "panel", "aria-labelledby": `list-${name}`, "data-key": name },
        h("h2", { id: `list-${name}` }, title),
        lists[name].length ? h("ul", { class: "events" }, lists[name].map(event)) : h("p", { class: "empty" }, empty))),
    h("section", { class: "attention", "aria-labelledby": "list-dead", "data-key": "dead" },
      h("h2", { id: "list-dead" }, "Given up"),
      lists.dead.length ? lists.dead.map(dead) : h("p", { class: "empty card" }, "The dead letter is empty.")),
    nextTimes(),
  ];
}

function nextTimes() {
  const { next_retry_at: retry, next_delayed_at: delayed } = state.queue ?? {};
  const next = Math.min(retry ?? Infinity, delayed ?? Infinity);
  return Number.isFinite(next) ? h("p", { class: "muted" }, "Next is called up ", when(next, moment(next)), ".") : null;
}
