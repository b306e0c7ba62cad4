// The page: who is here, where they look, what they do.

import { account } from "./account.js";
import { ACTIONS } from "./actions.js";
import { onLoggedOut, session } from "./api.js";
import { say } from "./dialogs.js";
import { guarded, h, morph, prose } from "./dom.js";
import { banner, header, health, trouble } from "./frame.js";
import { history } from "./history.js";
import { follow } from "./live.js";
import { login } from "./login.js";
import { overview } from "./overview.js";
import { queue } from "./queue.js";
import { run } from "./run.js";
import { lacking, load, onChange, refresh, series, state, story, told } from "./store.js";

const root = document.getElementById("page");

/** Milliseconds between two looks at what no line of the journal tells: health, the clock. */
const LOOK = 10_000;

const PAGES = {
  "": { place: "#/", title: "Accounts", view: overview },
  account: { place: "#/", title: "Account", view: account, open: (id) => series(id) },
  run: { place: "#/history", title: "Run", view: run, open: openStory },
  queue: { place: "#/queue", title: "Queue", view: queue },
  history: { place: "#/history", title: "History", view: history, open: openHistory },
};

async function openStory(id) {
  state.missing = null;
  try {
    await story(id);
  } catch (problem) {
    if (problem.status !== 404) throw problem;
    state.missing = id;
  }
}

async function openHistory() {
  const id = state.runs.account || state.accounts[0]?.account_id;
  if (id) await series(id);
}

function where() {
  const [name = "", id = ""] = location.hash.replace(/^#\/?/, "").split("/").map(decode);
  return { page: PAGES[name] ?? PAGES[""], id };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

let drawing = 0;

function draw() {
  drawing ||= requestAnimationFrame(() => {
    drawing = 0;
    if (!state.session) return;
    const { page, id } = where();
    const fresh = h("div", { id: "page" },
      h("a", { class: "skip", href: "#main", "data-do": "skip" }, "To the content"),
      header(page.place),
      h("main", { id: "main", tabindex: -1 }, trouble(), ...(state.loaded
        ? [banner(), health(), h("div", { "data-key": location.hash || "#/", class: "view" }, guarded(() => page.view(id)))]
        : [h("p", { "data-key": "loading", class: "empty" }, "Loading…")])));
    morph(root, fresh);
    const stopped = state.halts.some((halt) => halt.scope === "all") ? "Halted · " : "";
    document.title = `${stopped}${id || page.title} · Rebalancer`;
  });
}

async function arrive() {
  const { page, id } = where();
  draw();
  try {
    await page.open?.(id);
  } catch (problem) {
    failed(problem);
  }
  draw();
}

let leaveStream = () => {};
let looking = 0;

async function begin(found) {
  state.session = found;
  draw(); // the switch first, whatever becomes of the rest
  try {
    await catchUp();
  } catch (problem) {
    failed(problem);
    setTimeout(() => state.session && begin(found), LOOK);
    return;
  }
  looking ||= setInterval(() => state.session && !away && refresh("health", "queue", "halts", ...lacking()), LOOK);
  await arrive();
}

/** Everything anew, and the journal from there on. */
async function catchUp() {
  const after = await load();
  leaveStream();
  leaveStream = follow(after, {
    told,
    gap: () => catchUp().catch(failed),
    state: (line) => {
      const back = line === "live" && state.line === "lost";
      state.line = line;
      // What changes without a line in the journal may have changed meanwhile.
      if (back) {
        const previews = Object.keys(state.previews).map((id) => `preview:${id}`);
        refresh("accounts", "halts", "proposals", "queue", "health", "runs", ...previews);
      }
      draw();
    },
  });
}

function showLogin() {
  leaveStream();
  state.session = null;
  state.loaded = false;
  document.querySelector("dialog")?.close();
  login(root, (found) => {
    root.replaceChildren();
    begin(found);
  });
}

document.addEventListener("click", async (event) => {
  const target = event.target.closest("[data-do]");
  if (!target) return;
  if (target.dataset.do === "skip") {
    event.preventDefault();
    document.getElementById("main").focus();
    return;
  }
  try {
    await ACTIONS[target.dataset.do]({ ...target.dataset });
  } catch (problem) {
    say(`${problem.message} ${problem.remedy ?? ""}`);
  }
});

document.addEventListener("change", async (event) => {
  if (event.target.dataset.change !== "history-account") return;
  Object.assign(state.runs, { account: event.target.value, items: [], before: null });
  refresh("runs");
  await openHistory();
});

window.addEventListener("hashchange", async () => {
  await arrive();
  window.scrollTo(0, 0);
  requestAnimationFrame(() => root.querySelector("h1")?.focus({ preventScroll: true }));
});

/** Milliseconds a page may be out of sight before it lets go of its line: browsers have six. */
const PATIENCE = 30_000;
let unseen = 0;
let away = false;

document.addEventListener("visibilitychange", () => {
  clearTimeout(unseen);
  if (document.hidden) {
    unseen = setTimeout(() => {
      away = true;
      leaveStream();
    }, PATIENCE);
  } else if (away) {
    away = false;
    if (state.session) catchUp().then(arrive, failed);
  }
});

function failed(problem) {
  state.trouble = problem;
  draw();
}

onChange(draw);
onLoggedOut(showLogin);

try {
  const found = await session();
  if (found) await begin(found);
  else showLogin();
} catch (problem) {
  root.replaceChildren(h("main", { class: "alone" }, h("p", { class: "trouble card", role: "alert" }, h("strong", null, prose(problem.message)), " ", prose(problem.remedy))));
}
