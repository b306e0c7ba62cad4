from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from rebalancer.queue import moves
from rebalancer.queue.move import Move
from rebalancer.queue.store import Queue
from rebalancer.queue.values import Lease
from tests.cli.conftest import Rebalancer

pytestmark = pytest.mark.redis_server

RESULT: dict[str, Any] = {
    "command": "print-rebalance",
    "target": {"source": "accounts.yaml, account DU1", "hash": "0123456789ab"},
    "plan": {
        "account_id": "DU1",
        "currency": "USD",
        "net_liquidation": "100000",
        "base": "100000",
        "reserve": "1000",
        "drift_before": "0.6",
        "drift_after": "0.0002",
        "cash_before": "61000.5",
        "cash_after": "1020",
        "cash_worst": "1002.5",
        "est_commission": "2",
        "gap": "0.00001",
        "target_hash": "0123456789ab",
        "hash": "ba9876543210",
        "lines": [
            {
                "symbol": "SPY",
                "held": "0",
                "trade": 100,
                "price": "599.80",
                "limit_price": "602.8",
                "value_before": "0",
                "value_after": "59980",
                "target_weight": "0.6",
                "weight_before": "0",
                "weight_after": "0.5998",
                "note": "",
            },
            {
                "symbol": "BND",
                "held": "500.5",
                "trade": 0,
                "price": "72.1",
                "limit_price": None,
                "value_before": "36086.05",
                "value_after": "36086.05",
                "target_weight": "0.4",
                "weight_before": "0.3608605",
                "weight_after": "0.3608605",
                "note": "no-buy",
            },
        ],
    },
    "account": {},
}


@contextmanager
def processor(queue: Queue, *answers: Callable[[Lease], Move[Any]]) -> Iterator[None]:
    """Take one event per answer and end it that way, as a processor would."""

    def work() -> None:
        for answer in answers:
            lease = queue.take("processor", now=time.time, ttl=20.0, wait=10.0)
            assert lease is not None
            queue.run(answer(lease))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _complete(lease: Lease) -> Move[Any]:
    assert (lease.event.exec_command, lease.event.priority) == ("print-rebalance", "high")
    return moves.complete(lease, now=time.time(), result=RESULT)


def test_the_plan_is_shown(rebalancer: Rebalancer, redis: Queue) -> None:
    with processor(redis, _complete):
        answer = rebalancer("preview", "DU1")
    assert answer.code == 0
    lines = [line.replace("│", " ").split() for line in answer.out.splitlines()]
    assert ["SPY", "0", "+100", "599.8", "602.8", "0.00%", "59.98%", "60.00%"] in lines
    assert ["BND", "500.5", "72.1", "36.09%", "36.09%", "40.00%", "no-buy"] in lines
    assert "1 orders; drift 60.00% -> 0.02%, 0.10 bps from the best" in answer.out
    assert "cash 61,000.50 -> 1,020.00, at worst 1,002.50, reserve 1,000.00" in answer.out


CONDITION = {"due": False, "says": "below threshold: SPY is off most, by -1.00% of 5%"}


@pytest.mark.parametrize(
    ("flags", "data", "planned", "said"),
    [
        (["--buy-only"], {"mode": "buy-only"}, {"mode": "buy-only"}, "It only buys."),
        (
            ["--raise-cash", "500"],
            {"raise_cash": "500"},
            {"mode": "raise-cash", "aside": "500"},
            "500.00 USD is to be there in cash above the reserve.",
        ),
        (
            [
                "--when",
                "drift_exceeds_percent=5%",
                "--when",
                "uninvested_cash_exceeds_percent=2",
            ],
            {"when": {"drift_exceeds_percent": "5", "uninvested_cash_exceeds_percent": "2"}},
            {},
            "Not due: below threshold: SPY is off most, by -1.00% of 5%.",
        ),
    ],
    ids=str,
)
def test_what_is_asked_for_is_passed_on_and_told(
    rebalancer: Rebalancer,
    redis: Queue,
    flags: list[str],
    data: dict[str, Any],
    planned: dict[str, Any],
    said: str,
) -> None:
    def complete(lease: Lease) -> Move[Any]:
        assert lease.event.data == data
        found = {**RESULT, "plan": {**RESULT["plan"], **planned}}
        if "when" in data:
            found["condition"] = CONDITION
        return moves.complete(lease, now=time.time(), result=found)

    with processor(redis, complete):
        answer = rebalancer("preview", "DU1", *flags)
    assert answer.code == 0
    assert said in answer.out.splitlines()


def test_a_preview_that_another_one_joins_says_so(rebalancer: Rebalancer, redis: Queue) -> None:
    rebalancer("enqueue", "DU1", "print-rebalance", "--buy-only")
    answer = rebalancer("preview", "DU1", "--timeout", "1")
    assert "the plan will be for all that is asked for" in answer.err


def _checked(lease: Lease) -> Move[Any]:
    check = {"name": "orders", "symbol": "", "figure": "1", "limit": "100", "passed": True}
    broken = {"name": "order_value", "symbol": "SPY", "figure": "59980", "limit": "50000"}
    checks = [
        {**check, "key": "max_orders", "text": ""},
        {**broken, "passed": False, "key": "max_order_value", "text": "too much for SPY"},
    ]
    told = {
        "symbol": "SPY",
        "initial_margin_change": "14995",
        "maintenance_margin_change": "14995.5",
        "commission": "1.25",
        "commission_currency": "USD",
        "warning": "",
        "refused": "",
    }
    silent = {"symbol": "BND", "refused": "no margin"}
    plan = {**RESULT["plan"], "checks": checks, "what_if": [told, silent]}
    return moves.complete(lease, now=time.time(), result={**RESULT, "plan": plan})


def test_rails_margin_and_cost_are_shown(rebalancer: Rebalancer, redis: Queue) -> None:
    with processor(redis, _checked):
        answer = rebalancer("preview", "DU1")
    assert answer.code == 0
    lines = [line.replace("│", " ").split() for line in answer.out.splitlines()]
    assert ["orders", "1", "100", "ok"] in lines
    assert ["order_value", "SPY", "59980", "50000", "REFUSED"] in lines
    assert ["SPY", "14,995.00", "14,995.50", "1.25", "USD"] in lines
    assert ["BND", "refused:", "no", "margin"] in lines
    assert "refused: too much for SPY" in answer.out


def test_the_plan_in_json_is_the_journals(rebalancer: Rebalancer, redis: Queue) -> None:
    with processor(redis, _complete):
        assert rebalancer("preview", "DU1", "--json").json == RESULT


def test_a_refusal_of_the_processor_is_said(rebalancer: Rebalancer, redis: Queue) -> None:
    def refuse(lease: Lease) -> Move[Any]:
        said = "unknown symbol XYZ"
        return moves.bury(lease, now=time.time(), reason=said, error="PermanentError")

    with processor(redis, refuse):
        answer = rebalancer("preview", "DU1")
    assert answer.code == 1
    assert "the processor refuses: unknown symbol XYZ" in answer.err


def test_an_event_removed_by_somebody_is_said(rebalancer: Rebalancer, redis: Queue) -> None:
    def remove(lease: Lease) -> Move[Any]:
        return moves.remove(lease.event.event_id, now=time.time())

    with processor(redis, remove):
        answer = rebalancer("preview", "DU1")
    assert answer.code == 1
    assert "somebody removed the event" in answer.err


@pytest.mark.parametrize("jitter", [0.001, 0.99])
def test_a_failed_attempt_is_said_and_the_next_awaited_if_it_comes_in_time(
    rebalancer: Rebalancer, redis: Queue, jitter: float
) -> None:
    def fail(lease: Lease) -> Move[Any]:
        return moves.retry(
            lease,
            now=time.time(),
            error="no price for SPY",
            base_delay=600.0,
            cap=600.0,
            max_attempts=5,
            jitter=jitter,
        )

    with processor(redis, fail):
        answer = rebalancer("preview", "DU1", "--timeout", "1" if jitter < 0.1 else "60")
    assert answer.code == 1
    assert "not yet: no price for SPY" in answer.err
    assert "s; last said: no price for SPY" in answer.err


def test_without_a_processor_the_remedy_is_said(rebalancer: Rebalancer, redis: Queue) -> None:
    answer = rebalancer("preview", "DU1", "--timeout", "1")
    assert answer.code == 1
    assert "no plan for DU1 within 1 s; no processor runs; start it" in answer.err


def test_a_processor_that_waits_is_quoted(rebalancer: Rebalancer, redis: Queue) -> None:
    said = {"status": "0 events running; gateway down"}
    redis.run(moves.heartbeat_daemon("processor", said, now=time.time()))
    answer = rebalancer("preview", "DU1", "--timeout", "1")
    assert "the processor's state: 0 events running; gateway down" in answer.err
