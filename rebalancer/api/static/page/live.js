// Following the journal: what happens, as it happens, with nothing left out after a break.

/** Milliseconds a line may be away before the page says so: streams end and begin again. */
const GRACE = 1500;
const SOONEST = 1000;
const LATEST = 15_000;

/**
 * Follow what comes after line `after`.
 *
 * `told(entry)` is called for each line, `gap()` when the journal has forgotten some, and
 * `state("live" | "lost")` when the connection comes or goes. Returns what ends it.
 */
export function follow(after, { told, gap, state }) {
  let last = after;
  let source = null;
  let wait = SOONEST;
  let again = 0;
  let missing = 0;

  function lost() {
    missing ||= setTimeout(() => state("lost"), GRACE);
  }

  function open() {
    source = new EventSource(`/events?after=${encodeURIComponent(last)}`);
    source.onopen = () => {
      clearTimeout(missing);
      missing = 0;
      wait = SOONEST;
      state("live");
    };
    source.onmessage = (message) => {
      last = message.lastEventId || last;
      told(JSON.parse(message.data));
    };
    source.addEventListener("gap", gap);
    source.onerror = () => {
      lost();
      // After a refusal browsers give up; otherwise they ask again by themselves, from the
      // last line on.
      if (source.readyState !== EventSource.CLOSED) return;
      again = setTimeout(open, wait);
      wait = Math.min(wait * 2, LATEST);
    };
  }

  open();
  return () => {
    clearTimeout(again);
    clearTimeout(missing);
    source.close();
  };
}
