"""The fields of a request as values: integers, numbers, moments, contracts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from rebalancer.sim.protocol.wire import UNSET_DOUBLE, UNSET_INTEGER
from rebalancer.sim.vocabulary import ContractSpec

_UNSET = {"", UNSET_DOUBLE, "1.7976931348623157e+308", UNSET_INTEGER, "Infinity", "Infinite"}
#: Numbers with more digits than any price or size are refused, not computed with.
_DIGITS = 30


class BadFieldError(Exception):
    """A field does not hold what its place demands, or is missing."""


class UnsupportedError(Exception):
    """A request that is well formed but not simulated."""


class Fields:
    """The fields of one request, read from left to right."""

    def __init__(self, fields: list[str], *, skip: int) -> None:
        self._rest: Iterator[str] = iter(fields[skip:])

    def text(self) -> str:
        """The next field. Raises BadFieldError if there is none."""
        for field in self._rest:
            return field
        raise BadFieldError("the message ends too early")

    def integer(self) -> int:
        """The next field as a 32-bit integer, '' and unset being 0."""
        return integer(self.text())

    def flag(self) -> bool:
        """The next field as truth."""
        return self.integer() != 0

    def skip(self, count: int) -> None:
        """Pass over ``count`` fields."""
        for _ in range(count):
            self.text()

    def contract(self, *, primary: bool = True) -> ContractSpec:
        """The twelve fields that name a contract (eleven without the primary exchange)."""
        return ContractSpec(
            con_id=self.integer(),
            symbol=self.text(),
            sec_type=self.text(),
            expiry=self.text(),
            strike=strike(self.text()),
            right=self.text().replace("?", ""),
            multiplier=self.text(),
            exchange=self.text(),
            primary_exchange=self.text() if primary else "",
            currency=self.text(),
            local_symbol=self.text(),
            trading_class=self.text(),
        )


def integer(field: str) -> int:
    """A field as a 32-bit integer, '' and unset being 0. Raises BadFieldError."""
    if field in _UNSET:
        return 0
    if not field.lstrip("-").isascii() or not field.lstrip("-").isdigit() or len(field) > 11:
        raise BadFieldError(f"{field[:40]!r} is not an integer")
    number = int(field) if field.count("-") <= 1 else 1 << 40
    if not -(1 << 31) <= number < 1 << 31:
        raise BadFieldError(f"{field[:40]!r} does not fit 32 bits")
    return number


def decimal(field: str) -> Decimal | None:
    """A field as a number, ``None`` where it is unset. Raises BadFieldError."""
    if field in _UNSET:
        return None
    try:
        number = Decimal(field)
    except InvalidOperation:
        raise BadFieldError(f"{field[:40]!r} is not a number") from None
    if not number.is_finite() or len(field) > _DIGITS or abs(number.adjusted()) > _DIGITS:
        raise BadFieldError(f"{field[:40]!r} is not a number an order can have")
    return number


def strike(field: str) -> str:
    """A strike price as sent, '' where it is none. Raises BadFieldError."""
    return "" if not decimal(field) else field


#: The year 2100. Nothing this side of it or of 1970 overflows when hours are added.
_LAST_MOMENT = 4102444800.0
_FORMATS = ("%Y%m%d-%H:%M:%S", "%Y%m%d %H:%M:%S", "%Y%m%d  %H:%M:%S", "%Y%m%d")


def moment(field: str) -> float | None:
    """A date and time as Unix seconds; without a zone it is UTC, '' is ``None``.

    Takes ``20260402-15:00:00`` and ``20260402 11:00:00 US/Eastern``. Raises BadFieldError.
    """
    if not field:
        return None
    stamp, zone = field, "UTC"
    parts = field.split()
    if len(parts) == 3 or (len(parts) == 2 and "-" in parts[0]):
        stamp, zone = field.rsplit(" ", 1)
    for form in _FORMATS:
        with suppress(ValueError, OSError, OverflowError, KeyError):
            naive = datetime.strptime(stamp, form).replace(tzinfo=UTC)
            at = naive.replace(tzinfo=ZoneInfo(zone)).timestamp()
            if 0 <= at < _LAST_MOMENT:
                return at
    raise BadFieldError(f"{field[:40]!r} is not a date like 20260402-15:00:00")
