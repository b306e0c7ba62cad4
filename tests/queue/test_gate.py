"""The last gate before an order: passes, intents, halts, settlement."""

from __future__ import annotations

from decimal import Decimal

import pytest

from rebalancer.core.order import Fill, OrderReport
from rebalancer.core.request import Aim
from rebalancer.errors import PermanentError
from rebalancer.queue import journal, keys, moves
from rebalancer.queue.values import Spending
from tests.queue.lab import START, Lab, intent


def _report(ref: str) -> OrderReport:
    fill = Fill(
        exec_id="0001.01",
        order_ref=ref,
        account_id="U1",
        symbol="SPY",
        con_id=756733,
        action="BUY",
        quantity=Decimal(10),
        price=Decimal("512.25"),
        currency="USD",
        at=START,
        commission=Decimal("1.00"),
    )
    return OrderReport(
        ref, "filled", Decimal(10), Decimal(0), Decimal("512.25"), perm_id=9, fills=(fill,)
    )


def test_passes_count_on_over_retries_and_crashes(lab: Lab) -> None:
    lab.enqueue("U1")
    lease = lab.leased()
    assert [lab.run(moves.begin_pass(lease, now=START)) for _ in range(2)] == [1, 2]
    lab.retry(lease)
    lab.run(moves.promote_retries(now=START + 999))
    crashed = lab.leased()
    assert lab.run(moves.begin_pass(crashed, now=START)) == 3
    lab.run(moves.reclaim(now=START + 999))
    again = lab.leased()
    assert lab.run(moves.begin_pass(again, now=START)) == 4
    lab.run(moves.complete(again, now=START, result={}))
    assert lab.redis.hlen(keys.PASSES) == 0


def test_passes_count_on_when_a_dead_event_is_put_back(lab: Lab) -> None:
    lab.enqueue("U1", event_id="e")
    lease = lab.leased()
    lab.run(moves.begin_pass(lease, now=START))
    lab.run(moves.bury(lease, now=START, reason="r", error="e"))
    lab.run(moves.requeue("e", now=START))
    assert lab.run(moves.begin_pass(lab.leased(), now=START)) == 2


def test_a_spoilt_count_never_gives_a_number_twice(lab: Lab) -> None:
    lab.enqueue("U1", event_id="e")
    lease = lab.leased()
    lab.run(moves.begin_pass(lease, now=START))
    lab.redis.hset(keys.PASSES, "e", "garbage")
    assert lab.run(moves.begin_pass(lease, now=START)) == int(START) + 1


def test_what_an_event_has_begun_to_do_is_there_for_its_next_attempt(lab: Lab) -> None:
    lab.enqueue("U1", event_id="e")
    lease = lab.leased()
    assert lab.run(moves.spending("e")) is None
    for cash, aim in (("5000.5", Aim("raise-cash", Decimal(7))), ("4000", Aim("full"))):
        lab.run(moves.begin_pass(lease, now=START, cash=Decimal(cash), aim=aim))
    lab.retry(lease)
    found = lab.run(moves.spending("e"))
    assert found == Spending(Decimal(4000), Decimal("1000.5"), Aim("full"))
    # Before there was a choice, nothing was said about it.
    lab.redis.hset(keys.PASSES, "e", "2 4000 1000.5000")
    assert lab.run(moves.spending("e")) == Spending(Decimal(4000), Decimal("1000.5"))
    lab.redis.hset(keys.PASSES, "e", "2  1000.5000 full:0")
    assert lab.run(moves.spending("e")) is None


def test_recorded_intents_are_open_until_settled(lab: Lab) -> None:
    lab.enqueue("U1", event_id="e")
    lease = lab.leased()
    spy, agg = intent(lease, "SPY"), intent(lease, "AGG")
    recorded = lab.run(moves.record_intents(lease, [spy, agg], now=START))
    assert recorded.allowed == {spy.order.order_ref, agg.order.order_ref}
    assert recorded.halted == {}
    assert set(lab.run(moves.open_intents("U1"))) == {spy, agg}
    assert lab.run(moves.open_intents("U2")) == ()

    lab.run(moves.settle_intent(lease, _report(spy.order.order_ref), now=START))
    assert lab.run(moves.open_intents("U1")) == (agg,)
    settled = [e for e in lab.run(journal.read()) if e.kind == "settled"]
    assert [entry.data["status"] for entry in settled] == ["filled"]
    assert settled[0].data["fills"][0]["price"] == "512.25"
    assert settled[0].data["intent"]["order"]["symbol"] == "SPY"


def test_open_intents_outlive_their_event(lab: Lab) -> None:
    lab.enqueue("U1", event_id="first")
    lease = lab.leased()
    sent = intent(lease)
    lab.run(moves.record_intents(lease, [sent], now=START))
    lab.run(moves.bury(lease, now=START, reason="r", error="e"))
    lab.enqueue("U1", event_id="second")
    later = lab.leased()
    assert lab.run(moves.open_intents("U1")) == (sent,)
    lab.run(moves.settle_intent(later, _report(sent.order.order_ref), now=START))
    assert lab.kinds("first")[-1] == "settled"
    assert lab.run(moves.open_intents("U1")) == ()


def test_settling_what_is_not_open_changes_nothing(lab: Lab) -> None:
    lab.enqueue("U1")
    lease = lab.leased()
    before = lab.everything()
    lab.run(moves.settle_intent(lease, _report("rb:x:1:SPY"), now=START))
    assert lab.everything() == before


@pytest.mark.parametrize("scope", ["all", "account:U1", "symbol:SPY"])
def test_a_halt_stops_new_orders_of_its_scope(lab: Lab, scope: str) -> None:
    lab.enqueue("U1")
    lease = lab.leased()
    lab.run(moves.halt(scope, now=START, reason="fat finger"))
    spy, agg = intent(lease, "SPY"), intent(lease, "AGG")
    recorded = lab.run(moves.record_intents(lease, [spy, agg], now=START))
    ref_spy, ref_agg = spy.order.order_ref, agg.order.order_ref
    stopped = {ref_spy} if scope.startswith("symbol") else {ref_spy, ref_agg}
    assert recorded.halted == dict.fromkeys(stopped, "fat finger")
    assert recorded.allowed == {ref_spy, ref_agg} - stopped
    assert {i.order.order_ref for i in lab.run(moves.open_intents("U1"))} == recorded.allowed


@pytest.mark.parametrize("scope", ["account:U2", "symbol:AGG", "account:all"])
def test_a_halt_elsewhere_does_not(lab: Lab, scope: str) -> None:
    lab.enqueue("U1")
    lease = lab.leased()
    lab.run(moves.halt(scope, now=START, reason="r"))
    recorded = lab.run(moves.record_intents(lease, [intent(lease)], now=START))
    assert recorded.halted == {}


def test_halts_are_seen_and_lifted_one_by_one(lab: Lab) -> None:
    lab.run(moves.halt("all", now=START, reason="drill"))
    lab.run(moves.halt("account:U1", now=START + 1, reason="audit"))
    found = lab.run(moves.halts())
    assert {s: (h.reason, h.at) for s, h in found.items()} == {
        "all": ("drill", START),
        "account:U1": ("audit", START + 1),
    }
    assert lab.run(moves.resume("all", now=START)) is True
    assert lab.run(moves.resume("all", now=START)) is False
    assert set(lab.run(moves.halts())) == {"account:U1"}


def test_a_halt_nobody_can_read_still_halts(lab: Lab) -> None:
    lab.enqueue("U1")
    lease = lab.leased()
    lab.redis.hset(keys.HALTS, "all", "stop it")
    recorded = lab.run(moves.record_intents(lease, [intent(lease)], now=START))
    assert set(recorded.halted.values()) == {"stop it"}
    assert lab.run(moves.halts())["all"].reason == "stop it"


def test_recording_again_looks_at_the_halts_anew(lab: Lab) -> None:
    lab.enqueue("U1")
    lease = lab.leased()
    sent = intent(lease)
    lab.run(moves.record_intents(lease, [sent], now=START))
    lab.run(moves.halt("all", now=START, reason="r"))
    again = lab.run(moves.record_intents(lease, [sent], now=START))
    assert again.allowed == frozenset()
    # It may be at the gateway: it stays open until that is known.
    assert lab.run(moves.open_intents("U1")) == (sent,)


def test_no_intents_no_trouble(lab: Lab) -> None:
    lab.enqueue("U1")
    recorded = lab.run(moves.record_intents(lab.leased(), [], now=START))
    assert (recorded.allowed, recorded.halted) == (frozenset(), {})


@pytest.mark.parametrize("scope", ["", "everything", "account:", "symbol: ", "user:x"])
def test_a_malformed_scope_is_refused(scope: str) -> None:
    with pytest.raises(PermanentError, match="is not all"):
        moves.halt(scope, now=START, reason="r")


def test_an_order_of_another_account_is_refused(lab: Lab) -> None:
    lab.enqueue("U1")
    lab.enqueue("U2")
    mine, other = lab.leased(), lab.leased()
    with pytest.raises(PermanentError, match="is of account U2"):
        moves.record_intents(mine, [intent(other)], now=START)


@pytest.mark.parametrize(
    "raw",
    [
        b"not json",
        b"{}",
        b'{"order":{"limit_price":"abc"}}',
        b'{"order":{"limit_price":null},"event_id":"e"}',
    ],
)
def test_an_unreadable_intent_goes_to_a_person_and_blocks_nothing(lab: Lab, raw: bytes) -> None:
    lab.enqueue("U1")
    lease = lab.leased()
    good = intent(lease)
    lab.run(moves.record_intents(lease, [good], now=START))
    lab.redis.hset(keys.intents("U1"), "rb:bad:1:SPY", raw)
    assert lab.run(moves.open_intents("U1", now=START)) == (good,)
    (entry,) = lab.dead()
    assert entry["reason"] == "unreadable intent"
    assert "U1 rb:bad:1:SPY" in entry["error"]
    assert entry["raw"].encode() == raw


def test_an_intent_of_a_newer_version_is_read(lab: Lab) -> None:
    lab.enqueue("U1")
    lease = lab.leased()
    sent = intent(lease)
    lab.run(moves.record_intents(lease, [sent], now=START))
    key, ref = keys.intents("U1"), sent.order.order_ref
    raw = lab.redis.hget(key, ref)
    assert isinstance(raw, bytes)
    lab.redis.hset(key, ref, raw.replace(b'"order":{', b'"new":1,"order":{"newer":[],'))
    assert lab.run(moves.open_intents("U1")) == (sent,)
