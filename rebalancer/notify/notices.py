"""What is worth telling: from an entry of the journal to a notice, decided in one table.

What is passed over is in the journal all the same, and so is what is not in the table.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rebalancer.core import request
from rebalancer.queue.holds import described
from rebalancer.queue.values import Entry

#: ``critical``: look at it now. ``action``: it waits for you. ``routine``: good to know.
Level = Literal["critical", "action", "routine"]
LEVELS: tuple[Level, ...] = ("critical", "action", "routine")


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell: what happened, to which account, and what to do about it."""

    level: Level
    title: str
    text: str = ""
    remedy: str = ""
    #: '' when it concerns all of them.
    account_id: str = ""
    #: Unix seconds.
    at: float = 0.0
    #: The entries it stands for; none if it is about the telling itself.
    ids: tuple[str, ...] = ()
    times: int = 1

    @property
    def sameness(self) -> tuple[str, ...]:
        """Two notices that agree in this are the same thing once more."""
        return (self.level, self.account_id, self.title, self.text)


#: Level, what happened, details and remedy; ``None``: not worth telling.
Said = tuple[Level, str, str, str] | None


def notice_of(entry: Entry) -> Notice | None:
    """What to tell of an entry; ``None``: nothing.

    Data of another shape than ours are shown as they are: a notice must not be lost for that.
    """
    tell = TABLE.get(entry.kind)
    if tell is None:
        return None
    try:
        said = tell(entry.data)
    except (KeyError, TypeError, ValueError, AttributeError):
        said = ("critical", f"Unreadable entry of the journal: {entry.kind}", "", _LOOK)
    if said is None:
        return None
    level, title, text, remedy = said
    named = entry.kind != "alert" and entry.account_id
    return Notice(
        level=level,
        title=f"{entry.account_id}: {title}" if named else title,
        text=_line(text),
        remedy=_line(remedy)
        .replace("{event}", entry.event_id)
        .replace("{account}", entry.account_id),
        account_id=entry.account_id,
        at=entry.at,
        ids=(entry.id,),
    )


_LOOK = "rebalancer journal --event {event}"
_LIMIT = 1000


def _line(text: Any) -> str:
    words = " ".join(str(text).split())
    return words if len(words) <= _LIMIT else words[: _LIMIT - 1] + "…"


def _alert(data: Mapping[str, Any]) -> Said:
    # Of an unknown level it is better told too loud than not at all.
    level = data.get("level")
    known: Level = level if level in LEVELS else "critical"
    return known, str(data["title"]), str(data["text"]), str(data.get("remedy", ""))


def _dead(data: Mapping[str, Any]) -> Said:
    text = f"{data['reason']} ({data['error']})"
    return (
        "critical",
        "given up, nothing more is tried",
        text,
        "rebalancer queue requeue {event}",
    )


def _planned(data: Mapping[str, Any]) -> Said:
    broken = [check for check in data.get("checks", ()) if not check["passed"]]
    if not broken:
        return None
    names = ", ".join(dict.fromkeys(check["name"] for check in broken))
    texts = "; ".join(dict.fromkeys(check["text"] for check in broken))
    return "critical", f"plan refused by {names}", texts, _LOOK


def _refused(data: Mapping[str, Any]) -> Said:
    shown = "; ".join(f"{ref}: {why} {figure}" for ref, (why, figure) in data["orders"].items())
    return "critical", "orders refused right before they were sent", shown, _LOOK


def _settled(data: Mapping[str, Any]) -> Said:
    if data["status"] != "rejected":
        return None
    order = data["intent"]["order"]
    title = f"{order['action']} {order['quantity']} {order['symbol']} was rejected"
    return "critical", title, str(data["reason"]), _LOOK


def _completed(data: Mapping[str, Any]) -> Said:
    if data.get("command") != "rebalance" or "drift_reached" not in data:
        return None  # it only looked, or found that nothing was due
    before, reached = float(data["drift_before"]), float(data["drift_reached"])
    text = f"{len(data['orders'])} orders, drift {before:.2%} -> {reached:.2%}"
    return "routine", "rebalanced", text, ""


def _partially_done(data: Mapping[str, Any]) -> Said:
    left = [order for order in data["orders"] if order["status"] != "filled"]
    text = "; ".join(f"{o['order_ref']} {o['status']}, {o['remaining']} left" for o in left)
    return "routine", f"{len(left)} orders did not fill", text, ""


def _retrying(data: Mapping[str, Any]) -> Said:
    # Without the attempt's number: the same failure again is the same notice.
    return "routine", "failed, is tried again", str(data["error"]), _LOOK


def _rejected(data: Mapping[str, Any]) -> Said:
    title = f"a signal from {data['source']} was rejected"
    return "critical", title, str(data["reason"]), "mend it and send it again"


def _missed(data: Mapping[str, Any]) -> Said:
    title = f"a scheduled {data['exec_command']} was missed"
    again = request.again("{account}", data["exec_command"], data.get("data", {}))
    return "critical", title, f"no broker ran when it was due: {data['schedule']}", again


def _halt(data: Mapping[str, Any]) -> Said:
    scope = "everything" if data["scope"] == "all" else data["scope"]
    kind, _, name = data["scope"].partition(":")
    again = f"rebalancer resume --{kind} {shlex.quote(name)}" if name else "rebalancer resume"
    return "critical", f"halted: {scope}", str(data["halt"]["reason"]), again


def _resume(data: Mapping[str, Any]) -> Said:
    scope = "everything" if data["scope"] == "all" else data["scope"]
    return "critical", f"resumed: {scope}", "orders may be sent again", ""


def _halted(data: Mapping[str, Any]) -> Said:
    reasons = "; ".join(dict.fromkeys(map(str, data["orders"].values())))
    return "routine", "a halt stopped orders", reasons, ""


def _accepted(data: Mapping[str, Any]) -> Said:
    shown = "; ".join(described(row) for row in data["hold"]["differences"])
    return "routine", "trades again", f"{data['reason']} ({shown})", ""


def _approved(data: Mapping[str, Any]) -> Said:
    return "routine", f"plan {data['plan_hash']} approved", f"by {data['by']}", ""


def _open_cancelled(data: Mapping[str, Any]) -> Said:
    text = f"{len(data['cancelled'])} cancelled, {len(data['left'])} left"
    level: Level = "critical" if data["left"] else "routine"
    return (
        level,
        f"open orders of the halt: {data['scope']}",
        text,
        "cancel what is left in the gateway's window",
    )


def _removed(data: Mapping[str, Any]) -> Said:
    return "routine", "an event was removed by hand", f"it was {data['state']}", ""


def _requeued(_data: Mapping[str, Any]) -> Said:
    return "routine", "a dead event was put back", "", ""


def _reclaimed(data: Mapping[str, Any]) -> Said:
    worker = data["worker"] or "a worker"
    return "routine", "taken back from a worker that went silent", f"it was {worker}", ""


def _reloaded(data: Mapping[str, Any]) -> Said:
    waiting = ", ".join(data["needs_restart"])
    text = f"these wait for a restart: {waiting}" if waiting else "all of them hold now"
    return "routine", f"the {data['program']} has read its settings again", text, ""


def _repaired(data: Mapping[str, Any]) -> Said:
    text = f"{data['what']}: {data['why']}"
    return "routine", "the queue was mended", text, "rebalancer journal"


#: Kind of entry -> what to say; ``None``: never anything.
TABLE: Mapping[str, Callable[[Mapping[str, Any]], Said] | None] = {
    "alert": _alert,
    "dead": _dead,
    "planned": _planned,
    "replanned": _planned,
    "refused": _refused,
    "settled": _settled,
    "completed": _completed,
    "partially_done": _partially_done,
    "retrying": _retrying,
    "rejected": _rejected,
    "missed": _missed,
    "halt": _halt,
    "resume": _resume,
    "halted": _halted,
    "accepted": _accepted,
    "approved": _approved,
    "open_cancelled": _open_cancelled,
    "removed": _removed,
    "requeued": _requeued,
    "reclaimed": _reclaimed,
    "reloaded": _reloaded,
    "repaired": _repaired,
    # Whoever declined it knows; what follows is told by the event's removal.
    "declined": None,
    # Told by the alerts beside them.
    "gap": None,
    "held": None,
    "proposed": None,
    "not_reloaded": None,
    # Steps on the way; how it ends is told.
    "queued": None,
    "merged": None,
    "rerun": None,
    "leased": None,
    "parked": None,
    "unparked": None,
    "promoted": None,
    "delayed": None,
    "released": None,
    "pass": None,
    "intents": None,
    "converting": None,
    "reconciled": None,
}
