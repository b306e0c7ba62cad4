// What the page knows, and how it keeps up: everything once, then what a line of the journal
// says has changed.

import { at, get } from "./api.js";
import { ENDINGS } from "./words.js";

export const state = {
  session: null,
  loaded: false,
  //: "live", "lost", or "" before the first connection
  line: "",
  //: Why the latest look failed, if it did.
  trouble: null,
  accounts: [],
  details: {},
  halts: [],
  proposals: [],
  queue: null,
  lists: { active: [], retry: [], delayed: [], dead: [] },
  health: null,
  //: The latest lines of the journal, newest first.
  journal: [],
  runs: { items: [], before: null, account: "" },
  //: Account -> its runs, newest first, for the charts.
  series: {},
  story: null,
  //: Account -> the preview that was asked for.
  previews: {},
};

const KEPT = 40;
const SHOWN = 50;
const CHARTED = 200;

let changed = () => {};

/** What to do when something that is shown has changed. */
export function onChange(callback) {
  changed = callback;
}

export const account = (id) => state.accounts.find((one) => one.account_id === id);
export const operator = () => state.session?.role === "operator";

const PARTS = {
  accounts: async () => {
    state.accounts = (await get("/accounts")).items;
  },
  halts: async () => {
    state.halts = (await get("/halts")).items;
  },
  proposals: async () => {
    state.proposals = (await get("/approvals")).items;
  },
  queue: async () => {
    const names = Object.keys(state.lists);
    const [status, ...pages] = await Promise.all([
      get("/queue/status"),
      ...names.map((name) => get(`/queue/events?type=${name}&limit=${SHOWN}`)),
    ]);
    state.queue = status;
    state.lists = Object.fromEntries(names.map((name, i) => [name, pages[i].items]));
  },
  health: async () => {
    state.health = await get("/health");
  },
  runs: async () => {
    const found = await get(`/runs?limit=${SHOWN}${chosen()}`);
    state.runs = { ...state.runs, ...found };
  },
};

const chosen = () =>
  state.runs.account ? `&account=${encodeURIComponent(state.runs.account)}` : "";

async function detail(id) {
  state.details[id] = await get(at`/accounts/${id}`);
}

/** Everything; returns the journal's line to follow from. */
export async function load() {
  const lines = await get(`/journal?limit=${KEPT}`);
  state.journal = lines.items.reverse();
  await Promise.all(Object.values(PARTS).map((part) => part()));
  await Promise.all(state.accounts.map((one) => detail(one.account_id)));
  state.loaded = true;
  state.trouble = null;
  changed();
  return lines.after;
}

const due = new Set();
let running = false;

/** Look again at these parts, soon; `account:ID`, `story` and `series:ID` are parts, too. */
export function refresh(...parts) {
  parts.forEach((part) => due.add(part));
  if (!running) run();
}

async function run() {
  running = true;
  while (due.size) {
    // Lines come in bursts: one look for all of them.
    await new Promise((done) => setTimeout(done, 120));
    const parts = [...due];
    due.clear();
    try {
      await Promise.all(parts.map(look));
      state.trouble = null;
    } catch (problem) {
      state.trouble = problem;
    }
    changed();
  }
  running = false;
}

function look(part) {
  const [name, id] = part.split(/:(.*)/s);
  if (name === "account") return account(id) ? detail(id) : null;
  if (name === "series") return series(id);
  if (name === "story") return story(state.story?.event_id);
  return PARTS[name]();
}

/** One more line of the journal. */
export function told(entry) {
  if (state.journal.some((line) => line.id === entry.id)) return;
  state.journal = [entry, ...state.journal].slice(0, KEPT);
  const parts = ["queue", "accounts", "halts", "proposals"];
  if (entry.account_id) parts.push(`account:${entry.account_id}`);
  if (ENDINGS.has(entry.kind)) {
    parts.push("runs");
    if (state.series[entry.account_id]) parts.push(`series:${entry.account_id}`);
  }
  if (state.story?.event_id === entry.event_id) {
    state.story.journal.push(entry);
    if (ENDINGS.has(entry.kind)) parts.push("story");
  }
  previewed(entry);
  refresh(...parts);
  changed();
}

/** What came of a preview: its plan stands in the line that says it is completed. */
function previewed(entry) {
  const asked = Object.values(state.previews).find((one) => one.event_id === entry.event_id);
  if (!asked) return;
  if (entry.kind === "completed") Object.assign(asked, { at: entry.at, plan: entry.data.plan });
  if (entry.kind === "merged" && entry.data.into) asked.event_id = entry.data.into;
  if (["dead", "retrying", "delayed", "removed"].includes(entry.kind)) {
    asked.trouble = entry.data.error ?? entry.data.reason ?? "It was removed.";
  }
}

export async function story(id) {
  if (!id) return;
  const found = await get(at`/runs/${id}`);
  // Lines that came in meanwhile are in neither.
  const known = new Set(found.journal.map((line) => line.id));
  const before = state.story?.event_id === found.event_id ? state.story.journal : [];
  found.journal.push(...before.filter((line) => !known.has(line.id)));
  state.story = found;
  changed();
}

export async function series(id) {
  const found = await get(`/runs?limit=${CHARTED}&account=${encodeURIComponent(id)}`);
  state.series[id] = found.items;
  changed();
}

export async function older() {
  const found = await get(`/runs?limit=${SHOWN}&before=${state.runs.before}${chosen()}`);
  state.runs.items.push(...found.items);
  state.runs.before = found.before;
  changed();
}
