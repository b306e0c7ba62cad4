// Elements, and bringing a page up to date without losing focus, scroll or open details.
//
// All that is shown goes through `h` as a text node or an attribute of a fixed name. Names and
// reasons come from Redis, from the gateway, from whoever sends signals: none of it is markup.

const SVG = "http://www.w3.org/2000/svg";
const FORBIDDEN = /^(on|style$|srcdoc$)/i;

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (FORBIDDEN.test(name)) throw new Error(`${name} is no attribute of ours`);
    element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

/** An HTML element. Strings among its children become text. */
export const h = (tag, attributes, ...children) =>
  fill(document.createElement(tag), attributes, children);

/** An SVG element. */
export const s = (tag, attributes, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

/** Text of ours in which `backticks` mark what is typed or read in a file. */
export const prose = (text) =>
  String(text ?? "").split("`").map((part, i) => (i % 2 ? h("code", null, part) : part));

/** What `draw` returns, or that it cannot be drawn: one odd entry must not hide the rest. */
export function guarded(draw) {
  try {
    return draw();
  } catch (problem) {
    return h("p", { class: "trouble" }, h("strong", null, "This cannot be shown. "), problem.message);
  }
}

const key = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.getAttribute("data-key") : null);

/** Make `old` look like `fresh`, keeping its elements where they are the same thing. */
export function morph(old, fresh) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  // Whether details are open is up to the reader.
  const own = (name) => name === "open" && old.nodeName === "DETAILS";
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !own(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value && !own(name)) old.setAttribute(name, value);
  }
  morphChildren(old, fresh);
}

function morphChildren(old, fresh) {
  const kept = new Map([...old.children].filter(key).map((child) => [key(child), child]));
  let place = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const same = key(child)
      ? kept.get(key(child))
      : place && !key(place) && place.nodeName === child.nodeName
        ? place
        : null;
    if (!same || same.nodeName !== child.nodeName) {
      old.insertBefore(child, place);
      continue;
    }
    if (same === place) place = place.nextSibling;
    else old.insertBefore(same, place);
    morph(same, child);
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}
