// What the page knows, and how it keeps up: everything once, then what a line of the journal
// says has changed.

import { at, get, part } from "./api.js";
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
    // Older pages that were asked for stay.
    const oldest = found.items.at(-1)?.seq ?? 0;
    const older = state.runs.items.filter((run) => run.seq < oldest);
    state.runs.items = [...found.items, ...older];
    if (!older.length) state.runs.before = found.before;
  },
};

const chosen = () =>
  state.runs.account ? `&account=${part(state.runs.account)}` : "";

async function detail(id) {
  state.details[id] = await get(at`/accounts/${id}`);
}

/** Everything; returns the journal's line to follow from. */
export async function load() {
  const lines = await get(`/journal?limit=${KEPT}`);
  state.journal = lines.items.reverse();
  await lookAt(Object.keys(PARTS));
  await lookAt(state.accounts.map((one) => `account:${one.account_id}`));
  state.loaded = true;
  changed();
  return lines.after;
}

/** Part -> why it could not be had when it was last asked for. */
const failing = new Map();

/** What cannot be had is told; the rest is shown all the same, and the switch with it. */
async function lookAt(parts) {
  const found = await Promise.allSettled(parts.map(look));
  found.forEach(({ reason }, i) => (reason ? failing.set(parts[i], reason) : failing.delete(parts[i])));
  state.trouble = [...failing.values()][0] ?? null;
}

/** What has to be asked for again. */
export const lacking = () => [...failing.keys()];

const due = new Set();
let running = false;

/** Look again at these parts, soon; `account:ID`, `story` and `series:ID` are parts, too. */
export function refresh(...parts) {
  parts.forEach((one) => due.add(one));
  if (!running) run();
}

async function run() {
  running = true;
  while (due.size) {
    // Lines come in bursts: one look for all of them.
    await new Promise((done) => setTimeout(done, 120));
    const parts = [...due];
    due.clear();
    await lookAt(parts);
    changed();
  }
  running = false;
}

async function look(what) {
  const [name, id] = what.split(/:(.*)/s);
  if (name === "preview") return preview(id);
  if (name === "account") return account(id) ? detail(id) : null;
  if (name === "series") return series(id);
  if (name === "story") return story(state.story?.event_id);
  return PARTS[name]();
}

/** Kind of line -> what is looked at again beside the queue; `account` is the line's own. */
const TOUCHED = {
  halt: ["halts", "accounts"],
  resume: ["halts", "accounts"],
  held: ["halts", "accounts", "account"],
  accepted: ["halts", "accounts", "account"],
  proposed: ["proposals"],
  approved: ["proposals"],
  declined: ["proposals"],
};
const ENDED = ["accounts", "account", "proposals", "runs", "series", "preview"];

function touched({ kind, account_id: id }) {
  const parts = ENDINGS.has(kind) ? ENDED : (TOUCHED[kind] ?? []);
  const wanted = { account: true, series: state.series[id], preview: state.previews[id] };
  return parts
    .filter((part) => !(part in wanted) || (id && wanted[part]))
    .map((part) => (part in wanted ? `${part}:${id}` : part));
}

/** One more line of the journal. */
export function told(entry) {
  if (state.journal.some((line) => line.id === entry.id)) return;
  state.journal = [entry, ...state.journal].slice(0, KEPT);
  const parts = ["queue", ...touched(entry)];
  if (state.story && state.story.event_id === entry.event_id) {
    if (!state.story.journal.some((line) => line.id === entry.id)) state.story.journal.push(entry);
    if (ENDINGS.has(entry.kind)) parts.push("story");
  }
  refresh(...parts);
  changed();
}

/** What came of a preview, if anything has yet. */
async function preview(id) {
  const asked = state.previews[id];
  if (!asked || asked.plan) return;
  let found;
  try {
    found = await get(at`/queue/events/${asked.event_id}`);
  } catch (problem) {
    if (problem.status !== 404) throw problem;
    asked.trouble = "It was removed.";
    return;
  }
  const { outcome, event } = found;
  if (outcome?.plan) Object.assign(asked, { plan: outcome.plan, at: found.at, trouble: "" });
  else if (["dead", "delayed", "retrying"].includes(found.state)) {
    asked.trouble = [found.reason, found.error, event?.last_error].find(Boolean) ?? found.state;
  }
}

export async function story(id) {
  if (!id) return;
  const found = await get(at`/runs/${id}`);
  // Lines that came in while this was asked for may be missing from it.
  const known = new Set(found.journal.map((line) => line.id));
  const late = state.journal.filter((line) => line.event_id === found.event_id && !known.has(line.id));
  found.journal.push(...late.reverse());
  state.story = found;
  if (late.some((line) => ENDINGS.has(line.kind))) refresh("story");
  changed();
}

export async function series(id) {
  const found = await get(`/runs?limit=${CHARTED}&account=${part(id)}`);
  state.series[id] = found.items;
  changed();
}

export async function older() {
  const found = await get(`/runs?limit=${SHOWN}&before=${state.runs.before}${chosen()}`);
  state.runs.items.push(...found.items);
  state.runs.before = found.before;
  changed();
}
