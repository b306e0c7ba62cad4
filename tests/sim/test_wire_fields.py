"""Fields as values: what is taken, what is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest

from rebalancer.sim.protocol.fields import BadFieldError, Fields, decimal, integer, moment


@pytest.mark.parametrize(
    ("field", "value"),
    [("", 0), ("7", 7), ("-1", -1), ("2147483647", 0), ("2147483646", 2147483646)],
)
def test_integers(field: str, value: int) -> None:
    assert integer(field) == value


@pytest.mark.parametrize(
    "field", ["x", "1.5", "1_0", "--1", "-", "٣", "2147483648", "9" * 5000]
)
def test_what_is_no_integer(field: str) -> None:
    with pytest.raises(BadFieldError):
        integer(field)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("", None),
        ("1.7976931348623157E308", None),
        ("1.7976931348623157e+308", None),
        ("2147483647", None),
        ("0.0", Decimal("0.0")),
        ("505.25", Decimal("505.25")),
        ("1e3", Decimal(1000)),
    ],
)
def test_numbers(field: str, value: Decimal | None) -> None:
    assert decimal(field) == value


@pytest.mark.parametrize(
    "field", ["NaN", "sNaN", "-Infinity", "1e999999", "1e-99", "abc", "1" * 40]
)
def test_what_is_no_number_an_order_can_have(field: str) -> None:
    with pytest.raises(BadFieldError):
        decimal(field)


@pytest.mark.parametrize(
    ("field", "at"),
    [
        ("", None),
        ("20260402-15:00:00", 1775142000.0),
        ("20260402-15:00:00 UTC", 1775142000.0),
        ("20260402 15:00:00", 1775142000.0),
        ("20260402 11:00:00 US/Eastern", 1775142000.0),
        ("20260402 11:00:00 America/New_York", 1775142000.0),
        ("20260402", 1775088000.0),
    ],
)
def test_moments(field: str, at: float | None) -> None:
    assert moment(field) == at


@pytest.mark.parametrize(
    "field",
    [
        "now",
        "20260402 11:00:00 Mars/Olympus",
        "20261402-15:00:00",
        "20260402 11:00:00 ../x",
        "00010101",
    ],
)
def test_what_is_no_moment(field: str) -> None:
    with pytest.raises(BadFieldError):
        moment(field)


def test_a_message_that_ends_too_early() -> None:
    fields = Fields(["9", "8", "1"], skip=2)
    assert fields.integer() == 1
    with pytest.raises(BadFieldError, match="too early"):
        fields.contract()
