// What is always in sight: the way around, whether the line stands, the switch, the health.

import { part } from "./api.js";
import { h, prose, s } from "./dom.js";
import { ago, machine } from "./format.js";
import { operator, state } from "./store.js";
import { scopeName } from "./words.js";

const PLACES = [
  ["#/", "Accounts"],
  ["#/queue", "Queue"],
  ["#/history", "History"],
];

export const button = (label, action, { kind = "", ...data } = {}) =>
  h("button", { type: "button", class: kind, "data-do": action,
    ...Object.fromEntries(Object.entries(data).map(([name, value]) => [`data-${name}`, value])) }, label);

export const link = (label, ...parts) =>
  h("a", { href: `#/${parts.map(part).join("/")}` }, label);

export const when = (at, text) => h("time", { datetime: machine(at) }, text);

export const pill = (text, tone = "") => h("span", { class: `pill ${tone}` }, text);

function lineSign() {
  const lost = state.line === "lost" || state.trouble?.status === 0;
  const text = lost ? "Disconnected" : state.line === "live" ? "Live" : "Connecting";
  return h("span", { class: `wire ${lost ? "bad" : state.line === "live" ? "good" : ""}`, role: "status" }, text);
}

export function header(place) {
  const everything = state.halts.find((halt) => halt.scope === "all");
  return h("header", { class: "top" },
    h("div", { class: "bar-top" },
      h("a", { class: "brand", href: "#/" }, "Rebalancer"),
      h("nav", { "aria-label": "Pages" }, PLACES.map(([href, name]) =>
        h("a", { href, "aria-current": place === href ? "page" : null }, name,
          name === "Queue" && state.lists.dead.length ? h("span", { class: "count" }, state.lists.dead.length, h("span", { class: "hidden" }, " given up")) : null))),
      lineSign(),
      h("span", { class: "tools" },
        h("button", { type: "button", class: "quiet icon", "data-do": "theme", "aria-label": "Light or dark" },
          s("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" },
            s("circle", { cx: 8, cy: 8, r: 6.25, class: "ring" }), s("path", { d: "M8 1.75a6.25 6.25 0 0 1 0 12.5z" }))),
        state.session?.by === "session" && button("Log out", "log-out", { kind: "quiet" })),
      operator() &&
        (everything
          ? button("Resume", "resume", { kind: "stop resume", scope: "all" })
          : button("Halt", "halt", { kind: "stop", scope: "all" })),
    ));
}

export function banner() {
  const halts = state.halts.filter((halt) => !halt.scope.startsWith("hold:"));
  if (!halts.length) return null;
  return h("section", { class: "banner", "aria-label": "Halts" },
    halts.map((halt) =>
      h("p", { "data-key": halt.scope },
        h("strong", null, halt.scope === "all" ? "Trading is halted" : `${scopeName(halt.scope)} is halted`),
        " ", h("span", { class: "why" }, halt.reason), " ",
        when(halt.at, ago(halt.at)),
        operator() && halt.scope !== "all" && button("Resume", "resume", { kind: "small", scope: halt.scope }))));
}

export function trouble() {
  const problem = state.trouble;
  if (!problem) return null;
  return h("p", { class: "trouble", role: "alert" },
    state.loaded && h("strong", null, "What you see may be old. "), prose(problem.message), " ", prose(problem.remedy));
}

const PARTS = { dead_letter: "dead letter" };

/** Each part of the system on one line; what is not well says why and what to do. */
export function health() {
  if (!state.health) return null;
  const parts = Object.entries(state.health.components);
  const ill = parts.filter(([, found]) => found.status !== "ok");
  return h("section", { class: "health", "aria-label": "Health" },
    h("ul", { class: "parts" }, parts.map(([name, { status }]) =>
      h("li", { "data-key": name, class: status }, PARTS[name] ?? name, h("span", { class: "hidden" }, ` ${status}`)))),
    ill.length > 0 &&
      h("ul", { class: "ill" }, ill.map(([name, { detail, remedy }]) =>
        h("li", { "data-key": name }, h("strong", null, PARTS[name] ?? name), ` ${detail}. `, h("span", { class: "muted" }, prose(remedy))))));
}
