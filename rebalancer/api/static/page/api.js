// Asking the API: one way in, and refusals as they are meant to be read.

/** What was refused, or not answered: `detail` says why, `remedy` what to do. */
export class Problem extends Error {
  constructor(status, { title = "", detail = "", remedy = "" }) {
    super(detail || title);
    Object.assign(this, { status, title, detail, remedy });
  }
}

const TIMEOUT = 10_000;
let csrf = "";
let lost = () => {};

/** What to do when the session has ended. */
export function onLoggedOut(callback) {
  lost = callback;
}

async function refused(response) {
  const plain = { title: `Status ${response.status}`, detail: "The server refused." };
  try {
    return new Problem(response.status, await response.json());
  } catch {
    return new Problem(response.status, plain);
  }
}

/** Ask for `path`; the answer's JSON, or a `Problem`. */
export async function call(method, path, body, { key = "" } = {}) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET" && csrf) headers["X-CSRF-Token"] = csrf;
  if (key) headers["Idempotency-Key"] = key;
  let response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT),
    });
  } catch {
    throw new Problem(0, {
      title: "No answer",
      detail: "The server does not answer.",
      remedy: "Is the tunnel open, and rebalancer-api running? Sending it again is safe.",
    });
  }
  // What is unwell is told with 503, and is an answer all the same.
  const unwell = response.status === 503 && path.startsWith("/health");
  if (response.ok || unwell) return response.status === 204 ? null : response.json();
  const problem = await refused(response);
  if (problem.status === 401 && path !== "/session") lost();
  throw problem;
}

export const get = (path) => call("GET", path);

/** A part of a path or a link; half a character, which may come from outside, would throw. */
export const part = (text) => encodeURIComponent(String(text).toWellFormed());

/** A path with its parts filled in. */
export const at = (parts, ...names) => parts.reduce((path, text, i) => path + part(names[i - 1]) + text);

/** Who is logged in, or null. */
export async function session() {
  try {
    return remember(await get("/session"));
  } catch (problem) {
    if (problem.status === 401) return null;
    throw problem;
  }
}

export const logIn = async (token) => remember(await call("POST", "/session", { token }));

export async function logOut() {
  await call("DELETE", "/session");
  csrf = "";
}

function remember(found) {
  csrf = found.csrf_token;
  return found;
}

/** A name for a request, so that it is done once however often it is sent. */
export function requestName() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `page.${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
