// Asking back, in one <dialog>: what is about to happen, a reason where one is due, and what
// the API says if it refuses.

import { requestName } from "./api.js";
import { h, prose } from "./dom.js";

/**
 * Ask, and do it.
 *
 * `fields` are what is asked for; `act(values, name)` does it, `name` names the request, so that
 * sending it again after no answer is safe. Resolves to what `act` returned, or null.
 */
export function ask({ title, text, fields = [], label, danger = false, wide = false, act }) {
  const opener = document.activeElement;
  const problem = h("p", { class: "trouble", role: "alert", hidden: true });
  const submit = h("button", { type: "submit", class: danger ? "stop" : "primary" }, label);
  const cancel = h("button", { type: "button" }, "Cancel");
  const form = h("form", { method: "dialog" },
    h("h2", { id: "dialog-title" }, title),
    text && h("p", null, text),
    fields,
    problem,
    h("p", { class: "actions" }, submit, cancel));
  const dialog = h("dialog", { class: wide ? "roomy" : null, "aria-labelledby": "dialog-title" }, form);
  document.body.append(dialog);
  const names = new Map();

  return new Promise((resolve) => {
    let result = null;
    cancel.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      dialog.remove();
      // The opener may have been drawn anew meanwhile.
      if (opener?.isConnected) opener.focus();
      resolve(result);
    });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const values = Object.fromEntries(new FormData(form));
      const said = JSON.stringify(values);
      if (!names.has(said)) names.set(said, requestName());
      submit.disabled = true;
      problem.hidden = true;
      try {
        result = (await act(values, names.get(said))) ?? true;
        dialog.close();
      } catch (found) {
        problem.replaceChildren(h("strong", null, prose(found.message)), " ", ...prose(found.remedy));
        problem.hidden = false;
      } finally {
        submit.disabled = false;
      }
    });
    dialog.showModal();
    (form.querySelector("[autofocus]") ?? submit).focus();
  });
}

/** An input with its label and, where it needs one, a hint. */
export function field(label, input, hint, css = "") {
  const id = `field-${input.name}`;
  input.id = id;
  if (hint) input.setAttribute("aria-describedby", `${id}-hint`);
  return h("div", { class: `field ${css}` },
    h("label", { for: id }, label), input, hint && h("small", { id: `${id}-hint` }, hint));
}

export const check = (name, label) =>
  h("label", { class: "check" }, h("input", { type: "checkbox", name, value: "yes" }), label);

let fading = 0;

/** Say what was done. */
export function say(text) {
  const toast = document.getElementById("toast");
  clearTimeout(fading);
  toast.textContent = text;
  fading = setTimeout(() => { toast.textContent = ""; }, 6000);
}
