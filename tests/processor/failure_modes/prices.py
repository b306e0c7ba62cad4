"""Prices and hours: missing, of the wrong kind, spelled oddly."""

from __future__ import annotations

from tests.processor.chaos import Arena
from tests.processor.failure_modes.stage import (
    ACCOUNTS,
    IMPATIENT,
    ONE,
    QUICK,
    TWO,
    entries,
    on_target,
    plays,
    rebalanced,
    sent,
    started,
)


@plays("no-price-yet", service=QUICK)
async def no_price_yet(stage: Arena) -> None:
    async with started(stage):
        event = await stage.enqueue(ONE)
        first = await stage.until("retrying", event)
        assert "no usable price for" in first.data["error"]
        assert "BND: nothing within" in first.data["error"]
        assert "SPY: nothing within" in first.data["error"]
        assert sent(stage) == []
        await stage.until("completed", event)
    assert on_target(stage, ONE, SPY=0.6, BND=0.4)


@plays("no-market-data")
async def no_market_data(stage: Arena) -> None:
    async with started(stage):
        event = await stage.enqueue(ONE)
        first = await stage.until("retrying", event)
        assert "354: " in first.data["error"]
        assert "10168: " in first.data["error"]
        assert "allow_delayed_prices" in first.data["error"]
        assert sent(stage) == []
        await stage.until("completed", event)
    retries = await entries(stage, "retrying", event)
    assert not any("10090" in entry.data["error"] for entry in retries)
    assert not any("10091" in entry.data["error"] for entry in retries)
    assert on_target(stage, ONE, SPY=0.6, BND=0.4)


BRIEF = IMPATIENT.replace("price_deadline_seconds: 2.5", "price_deadline_seconds: 1.3")
DELAYED = """\
accounts:
  - {account_id: DU1000001, type: paper, targets: {SPY: 60%, BND: 40%}}
  - account_id: DU1000002
    type: paper
    unlisted: liquidate
    allow_delayed_prices: true
    targets: {SPY: 60%, BND: 40%}
"""


@plays("unexpected-data-type", accounts=DELAYED, service=BRIEF)
async def unexpected_data_type(stage: Arena) -> None:
    async with started(stage):
        event = await stage.enqueue(ONE)
        dead = await stage.until("dead", event)
        await rebalanced(stage, TWO)
    assert "SPY: only delayed prices" in dead.data["error"]
    assert "10089" in dead.data["error"]
    assert sent(stage) == []
    assert on_target(stage, TWO, SPY=0.6, BND=0.4)


UNREADABLE = ACCOUNTS.replace("{SPY: 50%, AAPL: 50%}", "{SPY: 50%, AGG: 50%}")


@plays("odd-hours", accounts=UNREADABLE, service=IMPATIENT)
async def odd_hours(stage: Arena) -> None:
    async with started(stage):
        await rebalanced(stage, ONE)
        event = await stage.enqueue(TWO)
        dead = await stage.until("dead", event)
    assert "unknown time zone 'Mars/Olympus'" in dead.data["error"]
    assert sent(stage, TWO) == []
    assert on_target(stage, ONE, SPY=0.6, BND=0.4)
