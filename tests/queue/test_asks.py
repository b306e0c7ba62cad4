"""Signals for one account ask for different things: nothing asked is lost, nothing is added."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from rebalancer.core.request import THRESHOLDS, Request, When, parse
from rebalancer.errors import PermanentError
from rebalancer.queue import keys, moves
from rebalancer.queue.store import Queue
from tests.queue.lab import START, Lab, event
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.redis_server

Data = Mapping[str, Any]

BUY: Data = {"mode": "buy-only"}
DRIFT: Data = {"when": {"drift_exceeds_percent": 5}}
LOWER: Data = {"when": {"drift_exceeds_percent": "3.5"}}
CASH: Data = {"mode": "buy-only", "when": {"uninvested_cash_exceeds_percent": "2"}}


def raising(amount: str) -> Data:
    return {"raise_cash": amount}


def folded(lab: Lab, signals: Sequence[Data], command: str = "rebalance") -> Data:
    """What the event asks for that carries all the signals."""
    for data in signals:
        lab.enqueue("U1", command, **data)
    return lab.leased().event.data


def together(requests: Sequence[Request]) -> Request:
    """What all of them ask for: the rule, in the simplest words."""
    full = [r.full for r in requests if r.full is not None]
    buys = [r.buy_only for r in requests if r.buy_only is not None]
    whole = any_of(full)
    covered = whole is not None and whole.always
    amount = max(r.raise_cash for r in requests)
    return Request(whole, None if covered else any_of(buys), amount)


def any_of(conditions: Sequence[When]) -> When | None:
    if not conditions:
        return None
    if any(when.always for when in conditions):
        return When()
    lowest = {}
    for name in THRESHOLDS:
        limits = [limit for when in conditions if (limit := getattr(when, name)) is not None]
        lowest[name] = min(limits, default=None)
    return When(**lowest)


@pytest.mark.parametrize(
    ("signals", "wanted"),
    [
        ([DRIFT, {}], {}),
        ([{}, DRIFT], {}),
        ([BUY, {}], {}),
        ([{}, BUY], {}),
        ([{}, CASH], {}),
        ([BUY, CASH], BUY),
        ([CASH, BUY], BUY),
        ([BUY, DRIFT], {"asks": {"buy-only": BUY, "full": DRIFT}}),
        ([raising("5000"), raising("3000")], raising("5000")),
        ([raising("3000"), raising("5000")], raising("5000")),
        ([raising("900"), raising("5000")], raising("5000")),
        ([raising("5000"), {}], {"asks": {"raise_cash": raising("5000"), "full": {}}}),
        ([raising("5000"), BUY], {"asks": {"raise_cash": raising("5000"), "buy-only": BUY}}),
        ([DRIFT, CASH], {"asks": {"full": DRIFT, "buy-only": CASH}}),
        ([DRIFT, CASH, {}], {}),
        ([DRIFT, LOWER], LOWER),
        ([LOWER, DRIFT], LOWER),
        ([DRIFT, {"when": {"drift_exceeds_percent": 10}}], DRIFT),
        ([{"note": "a"}, {"note": "b"}], {"note": "b"}),
        ([{"note": "a"}, DRIFT], {"note": "a"}),
    ],
    ids=str,
)  # fmt: skip
def test_what_two_signals_come_to(lab: Lab, signals: list[Data], wanted: Data) -> None:
    assert folded(lab, signals) == wanted


def test_previews_are_folded_like_rebalances(lab: Lab) -> None:
    assert folded(lab, [DRIFT, {}], "print-rebalance") == {}


def test_other_commands_data_are_as_the_newest_says(lab: Lab) -> None:
    assert folded(lab, [{"raise_cash": 1}, {"x": 2}], "print-orders") == {"x": 2}


def test_what_comes_while_it_executes_runs_once_more_with_all_that_came(lab: Lab) -> None:
    lab.enqueue("U1", **raising("9000"))
    lease = lab.leased()
    assert lab.enqueue("U1", **DRIFT).status == "rerun"
    assert lab.enqueue("U1", **raising("5000")).status == "merged"
    assert lab.enqueue("U1").status == "merged"
    lab.run(moves.complete(lease, now=START, result={}))
    # What was carried out is not asked for again.
    found = parse(lab.leased().event.data)
    assert found == Request(full=When(), raise_cash=Decimal(5000))
    assert lab.take() is None


@pytest.mark.parametrize("how", ["retry", "delay", "release", "reclaim"])
def test_what_comes_while_an_execution_fails_joins_what_is_left_of_it(
    lab: Lab, how: str
) -> None:
    lab.enqueue("U1", event_id="first", **raising("5000"))
    lease = lab.leased()
    lab.enqueue("U1", **BUY)
    now = START
    if how == "retry":
        lab.retry(lease)
        now += 100
        lab.run(moves.promote_retries(now=now))
    elif how == "delay":
        lab.run(moves.delay(lease, now=now, until=now + 9, reason="closed"))
        now += 10
        lab.run(moves.promote_delayed(now=now))
    elif how == "release":
        lab.run(moves.release(lease, now=now))
    else:
        lab.run(moves.reclaim(now=now + 60))
    found = lab.leased().event
    assert found.event_id == "first"
    assert parse(found.data) == Request(buy_only=When(), raise_cash=Decimal(5000))


@pytest.mark.parametrize("waiting", [{}, DRIFT, raising("3000")], ids=str)
def test_a_withdrawal_that_comes_back_from_the_dead_is_not_lost(
    lab: Lab, waiting: Data
) -> None:
    lab.enqueue("U1", event_id="dead", **raising("5000"))
    lab.run(moves.bury(lab.leased(), now=START, reason="r", error="e"))
    lab.enqueue("U1", event_id="waits", **waiting)
    assert lab.run(moves.requeue("dead", now=START)).status == "merged"
    found = parse(lab.leased().event.data)
    assert found == together([parse(waiting), parse(raising("5000"))])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('{"when":5}', '{"when":{"drift_exceeds_percent":5}}'),
        ('{"when":{"drift_exceeds_percent":5}}', '{"when":[]}'),
        ('{"when":{"drift_exceeds_percent":{}}}', '{"when":{"drift_exceeds_percent":5}}'),
        ('{"raise_cash":null}', '{"raise_cash":"5000"}'),
        ('{"raise_cash":{"a":1}}', '{"raise_cash":true}'),
        ('{"asks":5}', '{"mode":"buy-only"}'),
        ('{"asks":{"full":5}}', '{"asks":{"full":[]}}'),
        ('{"asks":{"bogus":"x"}}', "{}"),
        ('{"asks":{"sell":{}}}', '{"asks":{}}'),
        ("[5]", '{"mode":"buy-only"}'),
    ],
)
def test_data_of_any_form_can_be_folded(lab: Lab, old: str, new: str) -> None:
    """What others pushed is for the processor to refuse, not for the queue to die of."""
    lab.enqueue("U1", event_id="first")
    text = lab.redis.lpop(keys.QUEUE).decode()
    text = text.replace('"data":{}', f'"data":{old}')
    lab.redis.lpush(keys.QUEUE, text)
    lab.redis.hset(keys.INDEX, "active U1:rebalance", text)
    pushed = text.replace("first", "other").replace(old, new)
    lab.redis.zadd(keys.DELAYED, {pushed: START - 1})
    lab.run(moves.promote_delayed(now=START))
    [left] = lab.redis.lrange(keys.QUEUE, 0, -1)
    assert json.loads(left)["event_id"] == "first"
    data = json.loads(left)["data"]
    assert isinstance(data, dict)
    if "sell" in old:
        with pytest.raises(PermanentError, match="sell"):
            parse(data)


_limits = st.one_of(
    st.integers(0, 100), st.decimals(0, 100, places=2).map(str), st.floats(0, 100)
)
_whens = st.dictionaries(st.sampled_from(sorted(THRESHOLDS)), _limits, min_size=1)
_amounts = st.one_of(st.integers(1, 10**9), st.decimals(1, 10**9, places=2).map(str))
_signals: st.SearchStrategy[Any] = st.one_of(
    st.fixed_dictionaries({}, optional={"when": _whens}),
    st.fixed_dictionaries({"mode": st.just("buy-only")}, optional={"when": _whens}),
    st.fixed_dictionaries({"mode": st.just("full")}, optional={"when": _whens}),
    st.fixed_dictionaries({"raise_cash": _amounts}, optional={"note": st.text(max_size=5)}),
    st.just({"asks": {}}),
)


def test_whatever_comes_in_whatever_order_all_of_it_is_carried(server: RedisServer) -> None:
    """The script's answer is the rule's, and does not depend on the order."""
    with Queue(server.url) as queue, redis.Redis.from_url(server.url) as client:
        lab = Lab(queue, client)

        @settings(max_examples=120, deadline=None, derandomize=True)
        @given(st.lists(_signals, min_size=1, max_size=6))
        def holds(signals: list[Data]) -> None:
            wanted = together([parse(data) for data in signals])
            for order in (signals, signals[::-1]):
                client.flushall()
                assert parse(folded(lab, order)) == wanted

        holds()


def test_an_approval_asks_for_nothing_itself(lab: Lab) -> None:
    lab.run(moves.enqueue(event("U1", event_id="waits", **BUY), now=START))
    lab.run(moves.enqueue(event("U1", priority="high", asks={}), now=START))
    assert lab.leased().event.data == BUY
