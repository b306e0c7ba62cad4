// Figures and times in words. Decimals come as text; they are rounded here, to be read, and
// never sent back.

export const NOTHING = "–";

const number = (digits) =>
  new Intl.NumberFormat(undefined, { minimumFractionDigits: digits, maximumFractionDigits: digits });
const WHOLE = new Intl.NumberFormat(undefined, { maximumFractionDigits: 4 });

export const known = (text) =>
  text !== null && text !== undefined && text !== "" && Number.isFinite(Number(text));

/** Money; a currency that browsers do not know stands behind the figure. */
export function money(text, currency, digits = 2) {
  if (!known(text)) return NOTHING;
  const style = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  try {
    return new Intl.NumberFormat(undefined, {
      style: "currency",
      currency: currency ?? "",
      currencyDisplay: "narrowSymbol",
      ...style,
    }).format(Number(text));
  } catch {
    return `${number(digits).format(Number(text))} ${currency ?? ""}`.trim();
  }
}

export const shares = (text) => (known(text) ? WHOLE.format(Number(text)) : NOTHING);

export const price = (text) => (known(text) ? number(2).format(Number(text)) : NOTHING);

/** A fraction of 1 as percent. */
export const percent = (text, digits = 2) =>
  known(text) ? `${number(digits).format(Number(text) * 100)}%` : NOTHING;

/** A difference of two fractions in percentage points, with its sign. */
export function points(fraction, digits = 2) {
  if (!known(fraction)) return NOTHING;
  const figure = number(digits).format(Math.abs(fraction) * 100);
  const zero = Number(figure) === 0;
  return `${zero ? "±" : fraction > 0 ? "+" : "−"}${figure}`;
}

export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.round(whole / 60)} min`;
  if (whole < 48 * 3600) return `${Math.round(whole / 3600)} h`;
  return `${Math.round(whole / 86400)} days`;
}

export const now = () => Date.now() / 1000;

export function ago(at) {
  if (!known(at)) return NOTHING;
  const seconds = now() - at;
  return seconds < 5 ? "just now" : `${span(seconds)} ago`;
}

export function until(at) {
  if (!known(at)) return NOTHING;
  const seconds = at - now();
  return seconds < 1 ? "now" : `in ${span(seconds)}`;
}

const MOMENT = { dateStyle: "medium", timeStyle: "short" };
const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false };

/** Date and time, in the reader's own time zone. */
export const moment = (at) =>
  known(at) ? new Intl.DateTimeFormat(undefined, MOMENT).format(at * 1000) : NOTHING;

/** The same, as short as it can be told. */
export function brief(at) {
  if (!known(at)) return NOTHING;
  const when = new Date(at * 1000);
  const year = when.getFullYear() === new Date().getFullYear() ? {} : { year: "numeric" };
  const style = { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hour12: false };
  return new Intl.DateTimeFormat(undefined, { ...style, ...year }).format(when);
}

export const day = (at) =>
  known(at) ? new Intl.DateTimeFormat(undefined, { dateStyle: "medium" }).format(at * 1000) : "";

/** The time of day; of another day with its date. */
export function clock(at) {
  if (!known(at)) return NOTHING;
  const when = new Date(at * 1000);
  const today = when.toDateString() === new Date().toDateString();
  const date = today ? {} : { month: "short", day: "numeric" };
  return new Intl.DateTimeFormat(undefined, { ...date, ...CLOCK }).format(when);
}

/** Unix seconds as `datetime` attributes have them. */
export const machine = (at) => (known(at) ? new Date(at * 1000).toISOString() : null);
