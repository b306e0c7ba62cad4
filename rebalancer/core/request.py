"""What the ``data`` of a rebalance may ask for.

==========================  ===============================================================
``{}``                      bring the account to its target
``{"mode": "buy-only"}``    invest the cash above the reserve; sell nothing
``{"raise_cash": "5000"}``  have so much cash above the reserve; sell just enough, buy nothing
``"when": {…}`` with the    the same as its mode says, if one of the thresholds is exceeded
first two
``"asks": {…}``             several of these, by kind: what merging signals makes of them
==========================  ===============================================================

``queue/lua/lib/merge.lua`` joins what two signals of one event ask for; nothing that was asked
is lost by it, and nothing is added. Anything else in ``data`` is refused: a misspelled key
would otherwise be a full rebalance. Only ``note`` is free, for people.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, cast, get_args

from rebalancer.errors import PermanentError

Mode = Literal["full", "buy-only", "raise-cash"]

#: Commands whose data is read here; the data of others is just passed on.
COMMANDS = frozenset({"rebalance", "print-rebalance"})
#: Threshold -> the largest percentage that makes sense.
THRESHOLDS: Mapping[str, Decimal] = {
    "drift_exceeds_percent": Decimal(100),
    "drift_exceeds_relative_percent": Decimal(1000),
    "uninvested_cash_exceeds_percent": Decimal(100),
}
#: Kinds of asks, and the keys each may have.
KINDS: Mapping[str, frozenset[str]] = {
    "full": frozenset({"mode", "when", "note"}),
    "buy-only": frozenset({"mode", "when", "note"}),
    "raise_cash": frozenset({"raise_cash", "note"}),
}
_KEYS = ("mode", "raise_cash", "when")
_MOST = Decimal(10) ** 15
_DIGITS = re.compile(r"\d{1,18}(\.\d{1,18})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class When:
    """Thresholds, any of which is enough; percentages as people write them. None: always."""

    #: Of a symbol's weight from its target: in points of the whole, and of the target.
    drift_exceeds_percent: Decimal | None = None
    drift_exceeds_relative_percent: Decimal | None = None
    #: Of cash beyond what reserve and target leave in cash, in points of the whole.
    uninvested_cash_exceeds_percent: Decimal | None = None

    @property
    def always(self) -> bool:
        """Whether it depends on nothing."""
        return self == _ALWAYS


_ALWAYS = When()


@dataclass(frozen=True, slots=True)
class Request:
    """Everything that the signals of one event ask for; each kind once."""

    #: ``None``: nobody asks for it.
    full: When | None = None
    buy_only: When | None = None
    #: In the account's base currency; 0: nobody asks for any.
    raise_cash: Decimal = Decimal(0)

    @property
    def conditional(self) -> bool:
        """Whether the account has to be looked at before it is known what is to be done."""
        if self.full is not None and self.full.always:
            return False
        return any(when is not None and not when.always for when in (self.full, self.buy_only))


@dataclass(frozen=True, slots=True)
class Aim:
    """What one run does, now that its conditions are decided."""

    mode: Mode = "full"
    #: Cash to be there in the end besides the reserve.
    aside: Decimal = Decimal(0)

    def __str__(self) -> str:
        return f"{self.mode}:{self.aside.normalize():f}"


#: A full rebalance, and no amount besides the reserve.
ANYTHING = Aim()


def aim_from(text: str) -> Aim | None:
    """Read what ``str`` wrote; ``None`` if it is something else."""
    mode, _, amount = text.partition(":")
    try:
        aside = Decimal(amount)
    except InvalidOperation:
        return None
    if mode not in get_args(Mode) or not aside.is_finite() or aside < 0:
        return None
    return Aim(cast(Mode, mode), aside)


def parse(data: Mapping[str, Any]) -> Request:
    """Read what a rebalance is asked for.

    Raises:
        PermanentError: it is not what the table above says; the text says what would be.
    """
    if "asks" not in data:
        return _one(data, _kind(data))
    _known(data, ("asks", "note"), "data")
    asks = _mapping(data["asks"], "asks")
    _known(asks, tuple(KINDS), "asks")
    found = Request()
    for kind, ask in asks.items():
        one = _one(_mapping(ask, f"asks.{kind}"), kind)
        found = Request(
            one.full if kind == "full" else found.full,
            one.buy_only if kind == "buy-only" else found.buy_only,
            one.raise_cash if kind == "raise_cash" else found.raise_cash,
        )
    return found


def data_of(aim: Aim) -> Mapping[str, Any]:
    """Return data that ask for exactly this."""
    asks: dict[str, Any] = {} if aim.mode == "raise-cash" else {aim.mode: {"mode": aim.mode}}
    if aim.aside:
        asks["raise_cash"] = {"raise_cash": f"{aim.aside:f}"}
    return {"asks": asks}


def check(data: Mapping[str, Any], command: str) -> None:
    """Refuse data that ``command`` could not make anything of.

    Raises:
        PermanentError: the text says what would be right.
    """
    if command in COMMANDS:
        parse(data)
    elif taken := [name for name in (*_KEYS, "asks") if name in data]:
        raise PermanentError(
            f"{command} takes no {', '.join(taken)}; only {' and '.join(sorted(COMMANDS))} do"
        )


def again(account_id: str, command: str, data: Mapping[str, Any]) -> str:
    """Return what to type to send the same signal by hand: all of it, so no other trades."""
    said = f"rebalancer enqueue {account_id} {command}"
    return f"{said} --data {shlex.quote(json.dumps(data, default=str))}" if data else said


def _kind(data: Mapping[str, Any]) -> str:
    if "raise_cash" in data:
        return "raise_cash"
    return "buy-only" if data.get("mode") == "buy-only" else "full"


def _one(data: Mapping[str, Any], kind: str) -> Request:
    if kind == "raise_cash" and (odd := [name for name in ("mode", "when") if name in data]):
        raise PermanentError(
            f"raise_cash goes without {' and '.join(odd)}: it sells what is lacking, if "
            f"anything is, and buys nothing; send another signal for the rest"
        )
    _known(data, tuple(sorted(KINDS[kind])), "data")
    if kind == "raise_cash":
        return Request(raise_cash=_amount(data.get("raise_cash")))
    mode = data.get("mode", kind)
    if mode != kind:
        raise PermanentError(f"mode is {mode!r}; it is full or buy-only")
    when = _when(data["when"]) if "when" in data else _ALWAYS
    return Request(full=when) if kind == "full" else Request(buy_only=when)


def _when(value: Any) -> When:
    found = _mapping(value, "when")
    _known(found, tuple(THRESHOLDS), "when")
    if not found:
        raise PermanentError(f"when is empty; it has one or more of {', '.join(THRESHOLDS)}")
    limits = {}
    for name, text in found.items():
        limit, most = _number(text), THRESHOLDS[name]
        if limit is None or not 0 <= limit <= most:
            raise PermanentError(
                f"{name} is {text!r}; it is a percentage from 0 to {most}, such as 5"
            )
        limits[name] = limit
    return When(**limits)


def _amount(value: Any) -> Decimal:
    amount = _number(value)
    if amount is None or not 0 < amount <= _MOST:
        raise PermanentError(
            f"raise_cash is {value!r}; it is an amount above 0 in the account's base currency, "
            f"such as 5000 or '5000.50'"
        )
    return amount


def _number(value: Any) -> Decimal | None:
    """A JSON number, or a text in plain digits: what the queue's scripts can compare, too."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        return None
    number = Decimal(str(value))
    return number if number.is_finite() else None


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise PermanentError(f"{name} is {value!r}; it is an object")
    return value


def _known(found: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    if unknown := sorted(set(found) - set(known)):
        raise PermanentError(
            f"unknown in {where}: {', '.join(map(repr, unknown))}; it may have "
            f"{', '.join(known)}"
        )
