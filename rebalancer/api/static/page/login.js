// Logging in: the token once, a cookie that scripts cannot read from then on.

import { logIn } from "./api.js";
import { h, prose } from "./dom.js";

/** Show the form in `root`; `done(session)` goes on. */
export function login(root, done) {
  const input = h("input", { id: "token", type: "password", autocomplete: "current-password", required: true, spellcheck: "false", "aria-describedby": "token-hint" });
  const submit = h("button", { type: "submit", class: "primary" }, "Log in");
  const problem = h("p", { class: "trouble", role: "alert", hidden: true });
  const form = h("form", { class: "card login" },
    h("h1", null, "Rebalancer"),
    h("div", { class: "field" },
      h("label", { for: "token" }, "Token"),
      input,
      h("small", { id: "token-hint" }, "On the server: ", h("code", null, "rebalancer api token --show"))),
    problem,
    submit);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    problem.hidden = true;
    try {
      done(await logIn(input.value.trim()));
    } catch (found) {
      problem.replaceChildren(h("strong", null, prose(found.message)), " ", ...prose(found.remedy));
      problem.hidden = false;
      input.select();
    } finally {
      submit.disabled = false;
    }
  });
  root.replaceChildren(h("main", { id: "main", class: "alone", tabindex: -1 }, form));
  document.title = "Log in · Rebalancer";
  input.focus();
}
