"""A recorded run as it was: the account it saw, the target and the rules it followed."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from rebalancer.core.account import Account, Instrument, PriceKind, Quote
from rebalancer.core.account import Position as AccountPosition
from rebalancer.core.plan import plan
from rebalancer.core.policy import Policy
from rebalancer.core.request import Aim
from rebalancer.core.target import Substitute, Target
from rebalancer.errors import PermanentError, RebalancerError
from rebalancer.targets.holdings import counted

Record = Mapping[str, Any]


def require_replayable(record: Record) -> None:
    """Raise ``PermanentError`` if the run came to no plan: there is nothing to do again."""
    if record["plan"] is None or record["snapshot"] is None or record["target"] is None:
        event, outcome = record["event"], record["outcome"]
        what = f"{event['exec_command']} of {event['account_id']}"
        raise PermanentError(
            f"record {record['seq']} ({what}) came to no plan, it is {outcome['status']}: "
            f"{outcome['reason'] or 'it trades by none'}; replay a rebalance that has one"
        )


def target_of(record: Record) -> Target:
    """Return the target that the run followed."""
    found = record["target"]
    weights = {symbol: Decimal(weight) for symbol, weight in found["weights"].items()}
    # Records of earlier versions know of no replacements.
    replacements = {
        source: Substitute(one["symbol"], Decimal(one["scale"]))
        for source, one in found.get("replacements", {}).items()
    }
    return Target(weights, found["source"], replacements=replacements)


def policy_of(record: Record) -> Policy:
    """Return the rules that the run followed.

    Rules that came later have their defaults; rules that are gone are left out.

    Raises:
        PermanentError: a rule has a value that it cannot have any more.
    """
    try:
        return cast(Policy, _value(Policy, record["policy"] or {}))
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise PermanentError(
            f"the rules in record {record['seq']} are not those of this version: {error}"
        ) from error


def _value(kind: Any, found: Any) -> Any:
    """Read ``found``, as ``record_json.plain`` wrote it, as a value of the type ``kind``."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        [inner] = [part for part in parts if part is not type(None)]
        return None if found is None else _value(inner, found)
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        known = {f.name for f in dataclasses.fields(kind)} & found.keys()
        made: Any = kind
        return made(**{name: _value(hints[name], found[name]) for name in known})
    if kind is Decimal:
        return Decimal(found)
    if origin is Literal and found not in parts:
        raise ValueError(f"{found!r} is none of {parts}")
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {name: _value(parts[1], item) for name, item in found.items()}
    if origin in {tuple, frozenset}:
        return origin(_value(parts[0], item) for item in found)
    return found


def account_of(record: Record) -> Account:
    """Return the account that the run saw, as far as a plan looks at it."""
    seen = record["snapshot"]
    at = float(seen["taken_at"])
    quotes, instruments = {}, {}
    for symbol, found in seen["instruments"].items():
        quotes[symbol] = Quote(
            price=Decimal(found["price"]),
            bid=_decimal(found["bid"]),
            ask=_decimal(found["ask"]),
            close=None,
            kind=cast(PriceKind, found["kind"]),
            at=at,
        )
        instruments[symbol] = Instrument(
            symbol=symbol,
            con_id=found["con_id"],
            local_symbol=found["local_symbol"],
            sec_type="STK",  # nothing else is priced
            currency=found["currency"],
            exchange="SMART",
            primary_exchange=found["primary_exchange"],
            min_tick=Decimal(found["min_tick"]),
            time_zone="",
            trading_hours="",
            liquid_hours="",
        )
    return Account(
        account_id=seen["account_id"],
        currency=seen["currency"],
        net_liquidation=Decimal(seen["net_liquidation"]),
        total_cash=Decimal(seen["total_cash"]),
        cash=_decimals(seen["cash"]),
        rates=_decimals(seen["rates"]),
        positions=tuple(
            AccountPosition(
                symbol=position["symbol"],
                con_id=position["con_id"],
                sec_type=position["sec_type"],
                currency=position["currency"],
                quantity=Decimal(position["quantity"]),
                avg_cost=Decimal(position["avg_cost"]),
            )
            for position in seen["positions"]
        ),
        quotes=quotes,
        instruments=instruments,
        taken_at=at,
        working=_decimals(seen["working"]),
    )


def spent_before(record: Record) -> Decimal | None:
    """Return what attempts before this run had spent; ``None`` if none had traded."""
    return _decimal(record["spent"])


def aim_of(record: Record) -> Aim:
    """Return what the run was to do; records of before there was a choice do not say."""
    found = record.get("aim")
    return cast(Aim, _value(Aim, found)) if found else Aim()


def planned_again(record: Record) -> str:
    """Return the hash of the plan that is made today on what the run saw.

    It is the record's, unless the planner has changed since. Where no plan comes of it any
    more, it is the reason why.
    """
    spent = spent_before(record)
    try:
        account, aim = account_of(record), aim_of(record)
        target, policy = counted(account, target_of(record), policy_of(record), aim.aside)
        again = plan(account, target, policy, spent=spent, aim=aim)
    except RebalancerError as error:
        return str(error)
    return again.hash


def trades(found: Mapping[str, Any] | None) -> dict[str, int]:
    """Return the signed whole shares that a plan trades, by symbol."""
    lines = found["lines"] if found else ()
    return {line["symbol"]: line["trade"] for line in lines if line["trade"]}


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _decimals(found: Mapping[str, str]) -> dict[str, Decimal]:
    return {name: Decimal(text) for name, text in found.items()}
