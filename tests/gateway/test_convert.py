"""Floats, unset markers and spellings become core values, or nothing."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from ib_async import Contract, ContractDetails
from ib_async.util import UNSET_DOUBLE

from rebalancer.core.order import Order
from rebalancer.gateway import convert


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (257.95, Decimal("257.95")),
        ("68000.00", Decimal("68000.00")),
        ("1,234.5", None),  # a comma may separate thousands or decimals: it is not guessed
        ("1234,5", None),
        (-3, Decimal(-3)),
        (0.1 + 0.2, Decimal("0.30000000000000004")),
        (math.nan, None),
        (math.inf, None),
        (UNSET_DOUBLE, None),
        ("1.7976931348623157E308", None),
        ("", None),
        (None, None),
        ("abc", None),
    ],
)
def test_a_number_is_a_finite_number_or_nothing(
    given: float | str | None,
    expected: Decimal | None,
) -> None:
    assert convert.number(given) == expected


@pytest.mark.parametrize("given", [math.nan, -1, 0, -0.0, UNSET_DOUBLE, None])
def test_what_the_gateway_sends_for_no_price_is_no_price(given: float | None) -> None:
    assert convert.price(given) is None


@pytest.mark.parametrize(
    ("given", "text"),
    [(100.0, "100"), (0.5, "0.5"), (1e6, "1000000"), (-3.0, "-3"), ("12.250", "12.25")],
)
def test_a_quantity_has_no_needless_digits(given: float | str, text: str) -> None:
    assert format(convert.quantity(given), "f") == text


def test_a_quantity_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="no quantity"):
        convert.quantity(math.nan)


@pytest.mark.parametrize(
    ("exec_id", "stem", "revision"),
    [
        ("0000e0d5.69dd7411.01.01", "0000e0d5.69dd7411.01", 1),
        ("0000e0d5.69dd7411.01.02", "0000e0d5.69dd7411.01", 2),
        ("0000e0d5.69dd7411.01.10", "0000e0d5.69dd7411.01", 10),
        ("manual", "manual", 0),
        ("a.b", "a.b", 0),
    ],
)
def test_the_last_part_of_an_exec_id_is_its_revision(
    exec_id: str,
    stem: str,
    revision: int,
) -> None:
    assert convert.exec_id(exec_id) == (stem, revision)


def order(**changes: object) -> Order:
    fields: dict[str, object] = {
        "order_ref": "rb:e1:1:SPY",
        "account_id": "DU1000001",
        "symbol": "SPY",
        "con_id": 756733,
        "action": "BUY",
        "quantity": 10,
        "order_type": "LMT",
        "limit_price": Decimal("450.10"),
    }
    return Order(**{**fields, **changes})  # type: ignore[arg-type]


def test_an_order_carries_account_tif_and_reference() -> None:
    sent = convert.ib_order(order(outside_rth=True))
    assert (sent.account, sent.tif, sent.orderRef) == ("DU1000001", "DAY", "rb:e1:1:SPY")
    assert (sent.action, sent.totalQuantity, sent.orderType) == ("BUY", 10, "LMT")
    assert sent.outsideRth
    assert sent.transmit


@pytest.mark.parametrize(
    ("price", "text"),
    [("450.10", "450.10"), ("4.5E+2", "450"), ("0.0001", "0.0001"), ("1E-5", "0.00001")],
)
def test_a_limit_price_is_sent_in_plain_digits(price: str, text: str) -> None:
    assert str(convert.ib_order(order(limit_price=Decimal(price))).lmtPrice) == text


@pytest.mark.parametrize(
    "changes",
    [
        {"account_id": ""},
        {"tif": ""},
        {"order_ref": ""},
        {"quantity": 0},
        {"quantity": -5},
        {"limit_price": None},
        {"limit_price": Decimal(0)},
        {"limit_price": Decimal("NaN")},
        {"order_type": "MKT"},
    ],
)
def test_an_order_that_could_mean_something_else_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"order|price"):
        convert.ib_order(order(**changes))


def test_contract_details_without_tick_or_id_are_refused() -> None:
    contract = Contract(conId=756733, symbol="SPY", secType="STK")
    with pytest.raises(ValueError, match="incomplete"):
        convert.instrument("SPY", ContractDetails(contract=contract, minTick=0.0))
    with pytest.raises(ValueError, match="incomplete"):
        convert.instrument("SPY", ContractDetails(contract=Contract(), minTick=0.01))
