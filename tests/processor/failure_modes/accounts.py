"""Accounts: several of them, of another currency or kind, with things that are no stocks."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from rebalancer.core.event import Event
from rebalancer.queue import moves
from tests.processor.chaos import Arena
from tests.processor.failure_modes.stage import (
    ACCOUNTS,
    IMPATIENT,
    ONE,
    TWO,
    on_target,
    plays,
    rebalanced,
    sent,
    started,
    weights,
)
from tests.processor.system import eventually


@plays("foreign-base-currency")
async def foreign_base_currency(stage: Arena) -> None:
    stage.accounts = stage.accounts.replace("type: paper", "type: paper, fx: auto-convert")
    async with started(stage):
        (end,) = await rebalanced(stage)
    assert end.data["account"]["currency"] == "EUR"
    assert set(end.data["account"]["cash"]) == {"EUR", "USD"}
    assert [c["status"] for c in end.data["conversions"]] == ["filled"]
    held = {symbol: weight / Decimal("1.1") for symbol, weight in weights(stage, ONE).items()}
    assert abs(held["SPY"] - Decimal("0.6")) < Decimal("0.025")
    assert abs(held["BND"] - Decimal("0.4")) < Decimal("0.025")


@plays("several-accounts")
async def several_accounts(stage: Arena) -> None:
    async with started(stage):
        await rebalanced(stage, ONE, TWO)
    assert {order.account for order in stage.exchange.orders} == {ONE, TWO}
    assert on_target(stage, ONE, SPY=0.6, BND=0.4)
    assert on_target(stage, TWO, SPY=0.5, AAPL=0.5)
    assert stage.exchange.shares("DF1000000") == {}


@plays("fractional-shares")
async def fractional_shares(stage: Arena) -> None:
    async with started(stage):
        await rebalanced(stage)
    assert all(order.quantity % 1 == 0 for order in stage.exchange.orders)
    held = stage.exchange.shares(ONE)
    assert (held["AAPL"], held["SPY"] % 1, held["BND"] % 1) == (
        Decimal("0.5"),
        Decimal("0.25"),
        Decimal("0.75"),
    )
    assert on_target(stage, ONE, SPY=0.6, BND=0.4)


LIVE = ACCOUNTS.replace("DU1000002", "U1000002")


@plays("wrong-port", accounts=LIVE)
async def wrong_port(stage: Arena) -> None:
    async with started(stage):
        absent = await stage.enqueue(ONE)
        live = Event("live", "U1000002", "rebalance", received_at=0.0)
        await stage.queue.run(moves.enqueue(live, now=0.0))
        dead = await stage.until("dead", absent)
        assert "is not managed by the login" in dead.data["reason"]
        assert "U1000001, U1000002" in dead.data["reason"]
        dead = await stage.until("dead", live)
        assert "is a live account by its name" in dead.data["reason"]
    assert stage.exchange.orders == []


BESIDE = ACCOUNTS.replace(
    "unlisted: liquidate, targets: {SPY: 60%", "drift_band_percent: 1, targets: {SPY: 60%"
)


@plays("corporate-action", accounts=BESIDE, service=IMPATIENT)
async def corporate_action(stage: Arena) -> None:
    async with started(stage):
        others = ("ES", "QQQ", "XLF")
        before = {name: stage.exchange.shares(ONE)[name] for name in others}
        await rebalanced(stage, ONE)
        bought = stage.exchange.shares(ONE)["SPY"]
        await eventually(lambda: stage.exchange.shares(ONE)["SPY"] == bought * 4)
        sent_before = len(stage.exchange.orders)
        await asyncio.sleep(0)
        await rebalanced(stage, ONE)
        # Four times the shares at a quarter of the price: nothing is to be done.
        assert len(stage.exchange.orders) == sent_before
        assert {name: stage.exchange.shares(ONE)[name] for name in others} == before

        event = await stage.enqueue(TWO)
        dead = await stage.until("dead", event)
    assert "holds SPY as contract" in dead.data["error"]
    assert "the target's is contract 756733" in dead.data["error"]
    assert sent(stage, TWO) == []
