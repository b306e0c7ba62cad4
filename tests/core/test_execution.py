"""Where an order's limit stands at each step: always within the collar, never backwards."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalancer.core.account import Quote
from rebalancer.core.execution import limit_at
from rebalancer.core.planned import PlanLine, Terms
from rebalancer.core.policy import OrderType
from tests.core.accounts import NOW

CENTS = st.integers(100, 100_000).map(lambda cents: Decimal(cents) / 100)


def line(
    trade: int, price: Decimal, slippage: str, tick: str = "0.01", style: OrderType = "LMT"
) -> PlanLine:
    terms = Terms(Decimal(10_000), Decimal(1), Decimal(slippage), style)
    one, zero = Decimal(1), Decimal(0)
    return PlanLine("A", 1, zero, trade, price, Decimal(tick), one, one, 0, 0, terms)


def quote(bid: Decimal | None, ask: Decimal | None) -> Quote:
    return Quote(Decimal(1), bid, ask, None, "live", NOW)


@given(
    trade=st.sampled_from([7, -7]),
    price=CENTS,
    slippage=st.sampled_from(["0", "0.001", "0.005", "0.05"]),
    tick=st.sampled_from(["0.01", "0.05", "0.5"]),
    steps=st.integers(0, 5),
    bid=st.none() | CENTS,
    ask=st.none() | CENTS,
)
def test_limits_walk_the_collar_to_its_edge(
    trade: int,
    price: Decimal,
    slippage: str,
    tick: str,
    steps: int,
    bid: Decimal | None,
    ask: Decimal | None,
) -> None:
    order = line(trade, price, slippage, tick)
    edge = order.limit_price
    assert edge is not None
    walked = [limit_at(order, quote(bid, ask), step, steps) for step in range(steps + 1)]
    found = [limit for limit in walked if limit is not None]
    assert len(found) == steps + 1
    assert found[-1] == edge
    assert found == sorted(found, reverse=trade < 0)
    assert all(limit <= edge if trade > 0 else limit >= edge for limit in found)
    assert all(limit % order.tick == 0 for limit in found)


def test_it_begins_where_it_can_be_met() -> None:
    order = line(7, Decimal(100), "0.03")
    assert limit_at(order, quote(Decimal("99.5"), Decimal("100.5")), 0, 2) == Decimal(101)
    assert limit_at(order, quote(Decimal(101), Decimal("102.5")), 0, 2) == Decimal("102.5")
    sell = line(-7, Decimal(100), "0.03")
    assert limit_at(sell, quote(Decimal("97.5"), Decimal(99)), 0, 2) == Decimal("97.5")


@pytest.mark.parametrize(
    ("style", "limit"),
    [("ADAPTIVE", Decimal(103)), ("LOC", Decimal(103)), ("MKT", None), ("MOC", None)],
)
def test_other_styles_stay_where_they_are(style: OrderType, limit: Decimal | None) -> None:
    order = line(7, Decimal(100), "0.03", style=style)
    assert limit_at(order, None, 0, 2) == order.limit_price == limit
