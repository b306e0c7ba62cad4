"""What is remembered of orders that have ended, and what holds an account."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from rebalancer.core.order import OrderReport
from rebalancer.core.reconcile import Difference, Remembered, Shown
from rebalancer.errors import PermanentError
from rebalancer.queue import holds, journal, keys, moves
from rebalancer.queue.values import Lease
from tests.queue.lab import START, Lab, intent

DAY = 86_400.0
SHOWN = Shown(
    7, "rb:x:1:SPY", "U1", 11, "SPY", 756733, "BUY", Decimal(10), Decimal(4), working=False
)
UNKNOWN = Difference("unknown", SHOWN.order_ref, None, (SHOWN,))


def _settled(lab: Lab, lease: Lease, symbol: str = "SPY", filled: int = 10) -> Remembered:
    sent = intent(lease, symbol)
    lab.run(moves.record_intents(lease, [sent], now=lab.clock))
    ref = sent.order.order_ref
    report = OrderReport(ref, "filled", Decimal(filled), Decimal(0), Decimal("512.25"))
    lab.run(moves.settle_intent(lease, report, now=lab.clock))
    return Remembered(
        sent.order,
        sent.event_id,
        status="filled",
        filled=Decimal(filled),
        avg_price=Decimal("512.25"),
        at=lab.clock,
    )


def _hold(lab: Lab, *found: Difference) -> bool:
    return lab.run(moves.hold("U1", found or (UNKNOWN,), reason="odd", now=lab.clock))


def _alerts(lab: Lab) -> list[str]:
    return [e.data["title"] for e in lab.run(journal.read()) if e.kind == "alert"]


def test_an_outcome_is_remembered_as_it_was_written(lab: Lab) -> None:
    lab.enqueue("U1")
    lease = lab.leased()
    known = [_settled(lab, lease, "SPY"), _settled(lab, lease, "AGG", 3)]
    assert sorted(lab.run(moves.settled_orders("U1")), key=lambda k: k.filled) == known[::-1]
    assert lab.run(moves.settled_orders("U2")) == ()


def test_it_belongs_to_the_event_that_sent_it(lab: Lab) -> None:
    lab.enqueue("U1", event_id="first")
    lease = lab.leased()
    sent = intent(lease)
    lab.run(moves.record_intents(lease, [sent], now=START))
    lab.run(moves.complete(lease, now=START, result={}))
    lab.enqueue("U1", event_id="second")
    report = OrderReport(
        sent.order.order_ref, "filled", Decimal(10), Decimal(0), Decimal("512.25")
    )
    lab.run(moves.settle_intent(lab.leased(), report, now=START))
    (known,) = lab.run(moves.settled_orders("U1"))
    assert known.event_id == "first"


def test_what_is_older_than_ten_days_is_forgotten(lab: Lab) -> None:
    lab.enqueue("U1")
    lease = lab.leased()
    _settled(lab, lease, "SPY")
    lab.clock += 10 * DAY
    second = _settled(lab, lease, "AGG")
    assert len(lab.run(moves.settled_orders("U1"))) == 2
    lab.clock += 1
    third = _settled(lab, lease, "BND")
    assert lab.run(moves.settled_orders("U1")) == (second, third)


def test_what_nobody_can_read_is_not_remembered(lab: Lab) -> None:
    lab.enqueue("U1")
    known = _settled(lab, lab.leased())
    for raw in ("garbage", "{}", '{"order":{},"filled":"x"}'):
        lab.redis.zadd(keys.settled("U1"), {raw: START})
    assert lab.run(moves.settled_orders("U1")) == (known,)


def test_a_hold_stops_new_orders_of_its_account(lab: Lab) -> None:
    lab.enqueue("U1")
    lab.enqueue("U2")
    one, two = lab.leased(), lab.leased()
    assert _hold(lab)
    recorded = lab.run(moves.record_intents(one, [intent(one)], now=START))
    assert set(recorded.halted.values()) == {"odd"}
    assert not recorded.allowed
    assert lab.run(moves.record_intents(two, [intent(two)], now=START)).allowed
    assert lab.run(moves.halts())["hold:U1"].reason == "odd"


def test_a_hold_shows_both_sides_and_alerts_once(lab: Lab) -> None:
    assert _hold(lab)
    assert not _hold(lab)
    found = lab.run(moves.held("U1"))
    assert found is not None
    assert (found.reason, found.at) == ("odd", START)
    (row,) = found.differences
    assert (row["kind"], row["fingerprint"]) == ("unknown", UNKNOWN.fingerprint)
    assert holds.ours(row) == "nothing"
    assert "BUY 10 SPY of U1 by client 11, ended, 4 filled, permId 7" in holds.theirs(row)
    assert _alerts(lab) == ["U1 is held"]


def test_an_alert_spells_out_some_and_the_hold_all(lab: Lab) -> None:
    many = [replace(UNKNOWN, order_ref=f"rb:x:{n}:SPY") for n in range(40)]
    assert _hold(lab, *many)
    (alert,) = [e for e in lab.run(journal.read()) if e.kind == "alert"]
    assert alert.data["text"].endswith("; and 35 more")
    found = lab.run(moves.held("U1"))
    assert found is not None
    assert len(found.differences) == 40
    lab.run(moves.accept("U1", reason="", now=START))
    assert lab.run(moves.accepted("U1")) == {d.fingerprint for d in many}


def test_what_comes_to_it_is_news(lab: Lab) -> None:
    more = replace(UNKNOWN, theirs=(replace(SHOWN, filled=Decimal(5)),))
    assert _hold(lab)
    assert _hold(lab, UNKNOWN, more)
    # Of what it was held for, less shows: the hold stands as it was.
    assert not _hold(lab, more)
    found = lab.run(moves.held("U1"))
    assert found is not None
    assert len(found.differences) == 2
    assert len(_alerts(lab)) == 2


def test_what_was_accepted_holds_no_more(lab: Lab) -> None:
    _hold(lab)
    lifted = lab.run(moves.accept("U1", reason="my other host", now=START))
    assert lifted is not None
    assert lifted.differences[0]["fingerprint"] == UNKNOWN.fingerprint
    assert lab.run(moves.accepted("U1")) == {UNKNOWN.fingerprint}
    assert lab.run(moves.held("U1")) is None
    assert not _hold(lab)
    assert lab.run(moves.halts()) == {}
    (entry,) = [e for e in lab.run(journal.read()) if e.kind == "accepted"]
    assert (entry.account_id, entry.data["reason"]) == ("U1", "my other host")
    more = replace(UNKNOWN, theirs=(replace(SHOWN, filled=Decimal(5)),))
    assert _hold(lab, UNKNOWN, more)


def test_accepting_what_is_not_held_changes_nothing(lab: Lab) -> None:
    before = lab.everything()
    assert lab.run(moves.accept("U1", reason="", now=START)) is None
    assert lab.everything() == before


def test_resume_lifts_no_hold(lab: Lab) -> None:
    _hold(lab)
    for scope in ("all", "account:U1"):
        assert lab.run(moves.resume(scope, now=START)) is False
    with pytest.raises(PermanentError):
        moves.resume("hold:U1", now=START)
    assert lab.run(moves.held("U1")) is not None


def test_a_hold_nobody_can_read_still_holds_and_can_be_lifted(lab: Lab) -> None:
    lab.redis.hset(keys.HALTS, "hold:U1", "stop it")
    found = lab.run(moves.held("U1"))
    assert found is not None
    assert (found.reason, found.differences) == ("stop it", ())
    lab.enqueue("U1")
    lease = lab.leased()
    recorded = lab.run(moves.record_intents(lease, [intent(lease)], now=START))
    assert set(recorded.halted.values()) == {"stop it"}
    assert lab.run(moves.accept("U1", reason="", now=START)) is not None
    assert lab.run(moves.record_intents(lease, [intent(lease)], now=START)).allowed
