"""``rebalancer history``: lists, stories, exports that round trip, and what verify finds."""

from __future__ import annotations

import csv
import io
import json
import zlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rebalancer.cli.export import moment_of
from rebalancer.core.event import Event
from rebalancer.core.order import Fill, Intent, Order, OrderReport
from rebalancer.core.plan import plan
from rebalancer.core.policy import Policy
from rebalancer.core.request import Aim
from rebalancer.processor.record import Ending, Outcome, Recorder, written
from rebalancer.queue import history, keys, moves
from rebalancer.queue.move import command
from rebalancer.queue.store import Queue
from rebalancer.queue.values import Lease
from tests.cli.conftest import Answer, Rebalancer
from tests.core.accounts import account, target

pytestmark = pytest.mark.redis_server

#: 2026-04-15 14:30:00 UTC, and a day.
NOON, DAY = 1_776_263_400.0, 86_400.0


def leased(queue: Queue, name: str, account_id: str, at: float) -> Lease:
    event = Event(name, account_id, "rebalance", at, {"note": "month end"}, source="schedule")
    queue.run(moves.enqueue(event, now=at))
    lease = queue.take("host-10", now=lambda: at, ttl=60, wait=0)
    assert lease is not None
    return lease


def bought(queue: Queue, lease: Lease, at: float) -> Recorder:
    """A run that buys 6 SPY at 100.01 in two fills; the last commission is not there yet."""
    before, aim = account("1000", {"SPY": "100"}), target(SPY="0.6")
    planned = plan(before, aim, Policy())
    name = lease.event.event_id
    ref = f"rb:{name}:1:SPY"
    order = Order(ref, lease.event.account_id, "SPY", 7, "BUY", 6, "LMT", Decimal("100.50"))
    intent = Intent(order, name, 1, at + 1, currency="USD")
    queue.run(moves.record_intents(lease, [intent], now=at))
    fills = tuple(
        Fill(
            *(f"{name}.{n}", ref, lease.event.account_id, "SPY", 7, "BUY", Decimal(3)),
            *(Decimal("100.01"), "USD", at + 2, commission),
        )
        for n, commission in enumerate((Decimal("1.05"), None))
    )
    report = OrderReport(ref, "filled", Decimal(6), Decimal(0), Decimal("100.01"), fills=fills)
    queue.run(moves.settle_intent(lease, report, now=at))
    facts = Recorder(began_at=at + 0.5, target=aim, policy=Policy(), account=before)
    facts.plan = planned
    facts.intents[ref] = intent
    facts.account_after = account("398.89", {"SPY": "100"}, {"SPY": "6"})
    facts.reached = plan(facts.account_after, aim, Policy())
    facts.check("turnover", passed=True, figure="60%", limit="80%", key="max_turnover_percent")
    return facts


def ended(
    queue: Queue,
    lease: Lease,
    facts: Recorder,
    outcome: Outcome,
) -> None:
    event = lease.event
    opening = queue.run(history.open_record(event.account_id, now=outcome.at, keep=None))
    body, told = written(Ending(lease, facts, outcome, {}), opening.outcomes)
    record = history.seal(body, opening.head, told)
    if outcome.status == "completed":
        queue.run(moves.complete(lease, now=outcome.at, result={}, record=record))
        return
    queue.run(
        moves.retry(
            lease,
            now=outcome.at,
            error=outcome.reason,
            base_delay=0,
            cap=0,
            max_attempts=0,
            jitter=0,
            record=record,
        )
    )


@pytest.fixture
def three(redis: Queue) -> Queue:
    """Three runs on three days: bought, failed, bought by another account."""
    one = leased(redis, "first", "DU1000001", NOON)
    ended(redis, one, bought(redis, one, NOON), Outcome("completed", NOON + 5))
    two = leased(redis, "second", "DU1000001", NOON + DAY)
    why = "no usable price for SPY: 10089"
    ended(redis, two, Recorder(began_at=NOON + DAY), Outcome("retrying", NOON + DAY + 5, why))
    other = leased(redis, "third", "DU1000002", NOON + 2 * DAY)
    facts = bought(redis, other, NOON + 2 * DAY)
    ended(redis, other, facts, Outcome("completed", NOON + 2 * DAY + 5))
    return redis


def rows(answer: Answer) -> list[Mapping[str, str]]:
    assert answer.code == 0, answer.err
    return list(csv.DictReader(io.StringIO(answer.out)))


# The list ---------------------------------------------------------------------------------


def test_no_runs(rebalancer: Rebalancer, redis: Queue) -> None:
    assert rebalancer("history").out == "no runs\n"
    assert rebalancer("history", "verify").out == "ok: no records\n"
    assert rebalancer("history", "export", "--format", "json").json == []


def test_the_list_is_newest_first(rebalancer: Rebalancer, three: Queue) -> None:
    listed = rebalancer("history")
    assert listed.code == 0
    assert [name in listed.out for name in ("first", "second", "third")] == [True] * 3
    assert listed.out.index("third") < listed.out.index("second") < listed.out.index("first")
    assert "retrying: no usable price" in listed.out
    found = rebalancer("history", "--json").json
    assert found["next"] is None
    first = found["runs"][-1]
    assert (first["event_id"], first["orders"], first["filled"]) == ("first", 1, 1)
    assert first["commission"] == {"USD": "1.05"}
    assert (first["source"], first["status"]) == ("schedule", "completed")


def test_the_list_of_one_account_in_pages(rebalancer: Rebalancer, three: Queue) -> None:
    page = rebalancer("history", "DU1000001", "--limit", "1")
    assert "second" in page.out
    assert "first" not in page.out
    assert "more: rebalancer history DU1000001 --before 2" in page.err
    last = rebalancer("history", "DU1000001", "--limit", "1", "--before", "2", "--json").json
    assert [run["event_id"] for run in last["runs"]] == ["first"]
    assert last["next"] is None
    exact = rebalancer("history", "list", "DU1000001", "--limit", "2", "--json").json
    assert (len(exact["runs"]), exact["next"]) == (2, None)


# The story --------------------------------------------------------------------------------


def test_the_story_of_a_run(rebalancer: Rebalancer, three: Queue) -> None:
    shown = rebalancer("history", "show", "first")
    assert shown.code == 0
    for sentence in (
        "Record 1: rebalance of DU1000001, event first",
        "From schedule at 2026-04-15 14:30:00Z, normal priority.",
        'It carried {"note": "month end"}.',
        "Attempt 1 began 0.5 s later on host-10 and took 4.5 s.",
        "SPY 60.00%",
        "reserve 1.00%; LMT within 0.50% of the price",
        "the account was worth 1,000.00 USD, 1,000.00 of it in cash.",
        "It held no positions.",
        "1 order would bring the drift from",
        "passed  turnover: 60%, limit 80% (max_turnover_percent)",
        "1 order; 1 filled.",
        "BUY 6 SPY",
        "1.05 so far",
        "Commissions of 1.05 USD.",
        "The commissions of 1 fills were not reported yet.",
        "Prices were 0.06 USD worse than planned with.",
        "2026-04-15 14:30:05Z  The event is complete.",
        "The account was worth 998.89 USD, 398.89 of it in cash.",
    ):
        assert sentence in shown.out, sentence
    words = ("signal", "seen", "planned", "checked", "sent", "cost", "ended", "hash")
    places = [shown.out.index(f"\n{word:<10}") for word in words]
    assert places == sorted(places)


def test_the_story_of_a_failure(rebalancer: Rebalancer, three: Queue) -> None:
    shown = rebalancer("history", "show", "second").out
    assert "It failed and was to be tried again: no usable price for SPY: 10089" in shown
    assert "No order." in shown
    assert "planned" not in shown


def test_the_story_of_a_look_that_found_nothing_to_do(
    rebalancer: Rebalancer, redis: Queue
) -> None:
    lease = leased(redis, "looked", "DU1000001", NOON)
    seen = account("400", {"SPY": "100"}, {"SPY": "6"})
    facts = Recorder(began_at=NOON, target=target(SPY="0.6"), policy=Policy(), account=seen)
    facts.reached = plan(seen, target(SPY="0.6"), Policy())
    says = "below threshold: SPY is off most, by +0.00% of 5%"
    facts.condition = {
        "due": False,
        "says": says,
        "drift": {"SPY": {"absolute": "0.0012", "relative": "0.002"}},
        "uninvested_cash": "0.015",
    }
    ended(redis, lease, facts, Outcome("completed", NOON + 1, says))
    shown = rebalancer("history", "show", "looked").out
    for sentence in (
        f"Not due: {says}.",
        "SPY was off by +0.12%, +0.20% of its target.",
        "Uninvested cash was 1.50%.",
        f"The event is complete: {says}",
    ):
        assert sentence in shown
    assert f"completed: {says}"[:60] in rebalancer("history").out


def test_the_story_of_a_withdrawal(rebalancer: Rebalancer, redis: Queue) -> None:
    lease = leased(redis, "raised", "DU1000001", NOON)
    facts = bought(redis, lease, NOON)
    facts.aim = Aim("raise-cash", Decimal(5000))
    ended(redis, lease, facts, Outcome("completed", NOON + 1))
    shown = rebalancer("history", "show", "raised").out
    assert "It only raises cash, by selling just enough." in shown
    assert "5,000.00 USD is to be there in cash above the reserve." in shown


def test_all_attempts_of_an_event_and_by_number(rebalancer: Rebalancer, three: Queue) -> None:
    later = NOON + 3 * DAY
    three.run(moves.promote_retries(now=later))
    killed = three.take("host-10", now=lambda: later, ttl=60, wait=0)
    assert killed is not None
    three.run(moves.reclaim(now=later, worker="host-10"))
    lease = three.take("host-10", now=lambda: later, ttl=60, wait=0)
    assert lease is not None
    ended(three, lease, Recorder(began_at=later), Outcome("completed", later))
    shown = rebalancer("history", "show", "second")
    assert shown.out.index("Record 2") < shown.out.index("Record 4")
    assert "Attempt 2 began" in shown.out
    assert "1 earlier executions ended without a record" in shown.out
    assert [r["seq"] for r in rebalancer("history", "show", "second", "--json").json] == [2, 4]
    assert "Record 3" in rebalancer("history", "show", "3").out


def test_orders_of_an_event_without_a_record_of_its_own(
    rebalancer: Rebalancer, redis: Queue
) -> None:
    lost = leased(redis, "lost", "DU1000001", NOON)
    bought(redis, lost, NOON)
    redis.run(moves.remove("lost", now=NOON))
    after = leased(redis, "after", "DU1000001", NOON + 9)
    ended(redis, after, Recorder(began_at=NOON + 9), Outcome("completed", NOON + 10))
    shown = rebalancer("history", "show", "lost").out
    assert "event after" in shown
    assert "1 order of earlier runs, whose end no record had told yet." in shown
    assert "BUY 6 SPY" in shown


def test_what_has_no_record(rebalancer: Rebalancer, three: Queue) -> None:
    answer = rebalancer("history", "show", "nope")
    assert answer.code == 1
    assert "rebalancer journal --event nope" in answer.err


# Export -----------------------------------------------------------------------------------


def test_json_comes_back_as_it_was(
    rebalancer: Rebalancer, three: Queue, tmp_path: Path
) -> None:
    exported = rebalancer("history", "export", "--format", "json").json
    assert exported == [link.record for link in three.run(history.oldest())]
    file = tmp_path / "history.json"
    said = rebalancer("history", "export", "--format", "json", "--output", str(file))
    assert said.err == f"3 records written to {file}\n"
    assert json.loads(file.read_text()) == exported
    assert rebalancer("history", "verify", "--against", str(file)).code == 0


def test_csv_of_fills_orders_and_runs(rebalancer: Rebalancer, three: Queue) -> None:
    fills = rows(rebalancer("history", "export", "--format", "csv"))
    assert [f["event_id"] for f in fills] == ["first", "first", "third", "third"]
    assert (fills[0]["quantity"], fills[0]["price"]) == ("3", "100.01")
    assert [f["commission"] for f in fills] == ["1.05", "", "1.05", ""]
    assert fills[0]["filled_at"] == "2026-04-15T14:30:02+00:00"
    orders = rows(rebalancer("history", "export", "--format", "csv", "--rows", "orders"))
    assert [(o["symbol"], o["filled"], o["limit_price"]) for o in orders] == [
        ("SPY", "6", "100.50")
    ] * 2
    runs = rows(rebalancer("history", "export", "--format", "csv", "--rows", "runs"))
    assert [r["status"] for r in runs] == ["completed", "retrying", "completed"]
    links = three.run(history.oldest())
    assert [(r["record"], r["hash"]) for r in runs] == [(str(x.seq), x.hash) for x in links]


@pytest.mark.parametrize(
    ("filters", "events"),
    [
        (["--account", "DU1000001"], ["first", "second"]),
        (["--since", "2026-04-16"], ["second", "third"]),
        (["--until", "2026-04-15"], ["first"]),
        (["--until", "2026-04-15T14:30:05"], []),
        (
            ["--since", "2026-04-15T16:30:05+02:00", "--until", "2026-04-16"],
            ["first", "second"],
        ),
        (["--since", str(NOON + DAY)], ["second", "third"]),
    ],
)
def test_filters(
    rebalancer: Rebalancer, three: Queue, filters: list[str], events: list[str]
) -> None:
    exported = rebalancer("history", "export", "--format", "json", *filters).json
    assert [record["event"]["event_id"] for record in exported] == events


def test_a_time_that_is_none_is_refused(rebalancer: Rebalancer, three: Queue) -> None:
    answer = rebalancer("history", "export", "--format", "csv", "--since", "yesterday")
    assert answer.code == 2
    assert "--since 'yesterday' is no time" in answer.err
    with pytest.raises(ValueError, match="month"):
        moment_of("2026-13-01")


def test_a_file_that_cannot_be_written_is_named(
    rebalancer: Rebalancer, three: Queue, tmp_path: Path
) -> None:
    answer = rebalancer(
        "history", "export", "--format", "csv", "--output", str(tmp_path / "no" / "file")
    )
    assert answer.code == 1
    assert "cannot be written" in answer.err


# Verify -----------------------------------------------------------------------------------


def tampered(queue: Queue, change: Callable[[list[list[Any]]], list[list[Any]]]) -> None:
    entries: list[list[Any]] = queue.run(command("XRANGE", keys.HISTORY, "-", "+", parse=list))
    queue.run(command("DEL", keys.HISTORY, parse=int))
    for number, fields in enumerate(change([fields for _, fields in entries]), 1):
        queue.run(command("XADD", keys.HISTORY, f"{number}-0", *fields, parse=bytes))


def test_a_whole_history(rebalancer: Rebalancer, three: Queue) -> None:
    answer = rebalancer("history", "verify")
    assert answer.code == 0
    assert answer.out.startswith("ok: 3 records, 1 to 3; the last is ")
    found = rebalancer("history", "verify", "--json").json
    assert (found["ok"], found["records"], found["fault"]) == (True, 3, "")


def test_an_edited_record_is_named(rebalancer: Rebalancer, three: Queue) -> None:
    def edit(entries: list[list[Any]]) -> list[list[Any]]:
        text = zlib.decompress(entries[1][-1])
        entries[1][-1] = zlib.compress(text.replace(b"10089", b"10090"))
        return entries

    tampered(three, edit)
    answer = rebalancer("history", "verify")
    assert answer.code == 1
    assert "record 2 was changed" in answer.err
    assert "1 records before it are as they were written" in answer.err


def test_a_removed_and_a_reordered_record_are_named(
    rebalancer: Rebalancer, three: Queue
) -> None:
    tampered(three, lambda entries: [entries[1], entries[0], entries[2]])
    assert "record 1 calls itself 2" in rebalancer("history", "verify").err
    three.run(command("XDEL", keys.HISTORY, "3-0", parse=int))
    found = rebalancer("history", "verify", "--json")
    assert (found.code, found.json["ok"]) == (1, False)


def test_a_record_that_is_unreadable(rebalancer: Rebalancer, three: Queue) -> None:
    def tear(entries: list[list[Any]]) -> list[list[Any]]:
        entries[2][-1] = entries[2][-1][:90]
        return entries

    tampered(three, tear)
    assert "record 3 is unreadable" in rebalancer("history", "verify").err
    assert "unreadable" in rebalancer("history").out
    for words in (["show", "third"], ["export", "--format", "csv"]):
        answer = rebalancer("history", *words)
        assert answer.code == 1
        assert "record 3 is unreadable; run: rebalancer history verify" in answer.err


def test_a_history_made_anew_does_not_fit_an_older_copy(
    rebalancer: Rebalancer, three: Queue, tmp_path: Path
) -> None:
    file = tmp_path / "copy.json"
    rebalancer("history", "export", "--format", "json", "--output", str(file))
    three.run(command("DEL", keys.HISTORY, keys.HISTORY_HEAD, parse=int))
    lease = leased(three, "forged", "DU1000009", NOON)
    ended(three, lease, Recorder(began_at=NOON), Outcome("completed", NOON))
    assert rebalancer("history", "verify").code == 0
    against = rebalancer("history", "verify", "--against", str(file))
    assert against.code == 1
    assert "record 1 is another one than in the copy" in against.err


def test_what_the_copy_has_must_be_there(
    rebalancer: Rebalancer, three: Queue, tmp_path: Path
) -> None:
    file = tmp_path / "copy.json"
    copy = rebalancer("history", "export", "--format", "json").json
    file.write_text(json.dumps([*copy, {"seq": 9, "hash": "x"}]))
    answer = rebalancer("history", "verify", "--against", str(file))
    assert "record 9 of the copy is missing" in answer.err
    file.write_text("{}")
    assert "is no export" in rebalancer("history", "verify", "--against", str(file)).err
