"""A record read back: the same account, target and rules, and so the same plan."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import pytest

from rebalancer.core.event import Event
from rebalancer.core.plan import plan
from rebalancer.core.policy import Bounds, Policy
from rebalancer.core.request import Aim
from rebalancer.errors import PermanentError
from rebalancer.processor.record import Ending, Outcome, Recorder, written
from rebalancer.queue.values import Lease
from rebalancer.rehearsal import replay
from tests.core.accounts import account, target

UNUSUAL = Policy(
    cash_reserve=Decimal("0.02"),
    slippage=Decimal("0.003"),
    unlisted="liquidate",
    max_turnover=Decimal("0.9"),
    drift_band=Decimal("0.001"),
    bounds={"AAPL": Bounds(no_sell=True, drift_band=Decimal("0.01")), "SPY": Bounds()},
    open_orders="respect",
)


def record(
    policy: Policy = UNUSUAL, spent: Decimal | None = None, aim: Aim | None = None
) -> dict[str, Any]:
    """A run as Redis would give it back."""
    seen = account(
        "12345.67", {"SPY": "512.305", "AAPL": "201.5", "X": "7"}, {"AAPL": "10", "X": "3.5"}
    )
    goal = target(SPY="0.6", AAPL="0.3")
    event = Event("e", seen.account_id, "rebalance", 1.0)
    facts = Recorder(target=goal, policy=policy, aim=aim, account=seen, spent=spent)
    facts.plan = plan(seen, goal, policy, spent=spent, aim=aim or Aim())
    ending = Ending(Lease(event, 1, "w", 9.0), facts, Outcome("completed", 2.0), {})
    body, _ = written(ending, {})
    found: dict[str, Any] = json.loads(json.dumps({**body, "seq": 1}))
    return found


@pytest.mark.parametrize("policy", [Policy(), UNUSUAL, replace(UNUSUAL, order_type="MKT")])
@pytest.mark.parametrize("spent", [None, Decimal(0)])
def test_the_plan_is_made_again(policy: Policy, spent: Decimal | None) -> None:
    found = record(policy, spent)
    assert replay.policy_of(found) == policy
    assert replay.target_of(found).hash == found["target"]["hash"]
    assert replay.planned_again(found) == found["plan"]["hash"]


@pytest.mark.parametrize(
    "aim", [None, Aim("buy-only"), Aim("raise-cash", Decimal("12000.5"))], ids=str
)
def test_it_is_made_again_for_what_the_run_was_to_do(aim: Aim | None) -> None:
    found = record(aim=aim)
    assert replay.planned_again(found) == found["plan"]["hash"]
    assert replay.aim_of(found) == (aim or Aim())
    del found["aim"]
    assert replay.aim_of(found) == Aim()


def test_every_rule_survives() -> None:
    found = replay.policy_of(record())
    for rule in fields(Policy):
        assert getattr(found, rule.name) == getattr(UNUSUAL, rule.name), rule.name


def test_another_price_is_another_plan() -> None:
    found = record()
    found["snapshot"]["instruments"]["SPY"]["price"] = "512.31"
    assert replay.planned_again(found) != found["plan"]["hash"]


def test_what_cannot_be_planned_any_more_says_why() -> None:
    found = record()
    found["snapshot"]["net_liquidation"] = "1"
    assert "add up to" in replay.planned_again(found)


def test_rules_of_another_version() -> None:
    found = record()
    found["policy"] |= {"a_rule_that_is_gone": "x"}
    del found["policy"]["min_order_value"]
    assert replay.policy_of(found) == UNUSUAL
    found["policy"]["open_orders"] = "ignore"
    with pytest.raises(PermanentError, match="not those of this version"):
        replay.policy_of(found)


def test_a_run_without_a_plan_cannot_be_replayed() -> None:
    found = {**record(), "plan": None, "outcome": {"status": "dead", "reason": "no target"}}
    with pytest.raises(
        PermanentError, match="record 1 .* came to no plan, it is dead: no target"
    ):
        replay.require_replayable(found)
