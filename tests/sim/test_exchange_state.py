"""The exchange survives its process: what it remembers can be written down and read again."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from rebalancer.sim.exchange import Exchange
from rebalancer.sim.vocabulary import ExecutionFilter, Fault
from rebalancer.sim.world import AccountSpec, Listing, World
from tests.support.exchange_play import Play, market


def busy() -> Play:
    """A play in the middle of things: fills, resting, staged, late and faulty orders."""
    faults = (
        Fault("late_commission", "placeOrder", 1, (("seconds", "60"),)),
        Fault("late_fill", "placeOrder", 1, (("seconds", "90"), ("symbol", "BND"))),
    )
    play = Play(market(faults=faults))
    play.buy(5, order_ref="filled")
    play.buy(7, "BND", order_ref="late")
    play.buy(1, limit=250, order_ref="resting")
    play.buy(1, limit=250, order_ref="staged", transmit=False)
    play.buy(1, kind="STP", stop=300, order_ref="stop")
    play.cancel(3)
    play.buy(2, limit=251, client=2, tif="GTC")
    return play


def reborn(play: Play, world: World | None = None) -> Play:
    state = json.loads(json.dumps(play.exchange.to_dict()))
    again = Play(world or play.exchange.world)
    again.exchange = Exchange.from_dict(world or play.exchange.world, state)
    again.now = play.now
    return again


def test_a_loaded_exchange_is_the_one_that_was_dumped() -> None:
    play = busy()
    again = reborn(play)
    assert again.exchange.to_dict() == play.exchange.to_dict()
    assert again.exchange.open_orders() == play.exchange.open_orders()
    assert again.exchange.completed_orders() == play.exchange.completed_orders()
    wanted = ExecutionFilter()
    assert again.exchange.executions(wanted) == play.exchange.executions(wanted)
    assert again.exchange.next_wakeup(play.now) == play.exchange.next_wakeup(play.now)


def test_what_was_under_way_goes_on() -> None:
    play = busy()
    again = reborn(play)
    for each in (play, again):
        assert each.wait(60) == ["commission 1.00"]
        assert "orderStatus Filled 7/0" in each.wait(30)
        assert "orderStatus Filled 2/0" in each.move("AAPL", "250.99")
        assert each.buy(1)[2] == "execDetails BOT 1 @ 251.00"
    assert again.exchange.to_dict() == play.exchange.to_dict()


def test_ids_go_on_after_a_restart() -> None:
    play = busy()
    again = reborn(play)
    again.buy(1)
    ids = [fill.exec_id for fill in again.exchange.fills]
    assert len(ids) == len(set(ids)) == 2
    assert again.exchange.connect(1, again.now) == 7
    assert again.exchange.connect(2, again.now) == 2


def test_armed_faults_survive() -> None:
    play = Play()
    play.exchange.arm(Fault("reject", "placeOrder"), play.now)
    again = reborn(play)
    assert again.buy(1)[0].startswith("error 201 ")
    assert reborn(again).buy(1)[-1].startswith("commission ")


def test_a_world_may_grow_but_not_become_another() -> None:
    play = busy()
    world = play.exchange.world
    more = replace(
        world,
        listings=(*world.listings, Listing(7, "NEW", Decimal(10))),
        accounts=(*world.accounts, AccountSpec("DU9000002", cash={"USD": Decimal(5)})),
    )
    assert reborn(play, more).exchange.accounts == ("DU9000001", "DU9000002")
    for other in (
        replace(world, listings=world.listings[:1]),
        replace(world, accounts=more.accounts[1:]),
        replace(world, faults=()),
    ):
        with pytest.raises(ValueError, match="another world"):
            reborn(play, other)


@pytest.mark.parametrize(
    "damage",
    [
        {},
        {"now": "noon"},
        {"orders": [{"client_id": 1}]},
        {"prices": {"AAPL": {}}},
        {"ledgers": None},
        {"surprise": 1},
    ],
)
def test_a_damaged_state_is_refused(damage: dict[str, Any]) -> None:
    play = Play()
    state = play.exchange.to_dict()
    with pytest.raises(ValueError, match="not a saved"):
        Exchange.from_dict(play.exchange.world, {**state, **damage} if damage else {})


def test_time_does_not_run_backwards() -> None:
    play = Play()
    before = play.exchange.to_dict()
    assert play.wait(-3_600) == []
    assert play.exchange.to_dict() == before
