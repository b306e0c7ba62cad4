from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from rebalancer.queue import moves
from rebalancer.queue.store import Queue
from rebalancer.queue.values import Lease
from tests.cli.conftest import Rebalancer

pytestmark = pytest.mark.redis_server


def _take(queue: Queue) -> Lease:
    lease = queue.take("a-worker", now=time.time, ttl=20.0, wait=5.0)
    assert lease is not None
    return lease


def _bury(queue: Queue, reason: str = "no such account") -> str:
    lease = _take(queue)
    queue.run(moves.bury(lease, now=time.time(), reason=reason, error="PermanentError"))
    return lease.event.event_id


# enqueue ----------------------------------------------------------------------------------


def test_a_signal_is_queued_then_merged(rebalancer: Rebalancer, redis: Queue) -> None:
    first = rebalancer("enqueue", "DU1000001", "rebalance", "--json")
    again = rebalancer("enqueue", "DU1000001", "--json")
    assert (first.code, first.json["status"], first.json["position"]) == (0, "queued", 1)
    assert again.json["status"] == "merged"
    assert again.json["event_id"] == first.json["event_id"]


def test_a_signal_while_its_key_executes_is_a_rerun(
    rebalancer: Rebalancer, redis: Queue
) -> None:
    rebalancer("enqueue", "DU1000001")
    _take(redis)
    assert "right after" in rebalancer("enqueue", "DU1000001").out


def test_priority_data_and_event_id_reach_the_event(
    rebalancer: Rebalancer, redis: Queue
) -> None:
    rebalancer("enqueue", "DU1000001", "print-equity")
    rebalancer(
        *("enqueue", "DU1000002", "rebalance", "--priority", "high"),
        *("--data", '{"note": "month end"}', "--event-id", "mine-1"),
    )
    event = _take(redis).event
    assert (event.event_id, event.account_id) == ("mine-1", "DU1000002")
    assert (event.priority, event.data, event.source) == ("high", {"note": "month end"}, "cli")


@pytest.mark.parametrize(
    ("flags", "data"),
    [
        (("--buy-only",), {"mode": "buy-only"}),
        (("--raise-cash", "5000.50"), {"raise_cash": "5000.50"}),
        (
            ("--when", "drift_exceeds_percent=5%", "--data", '{"note": "weekly"}'),
            {"when": {"drift_exceeds_percent": "5"}, "note": "weekly"},
        ),
    ],
    ids=str,
)
def test_what_a_rebalance_is_to_do_reaches_the_event(
    rebalancer: Rebalancer, redis: Queue, flags: tuple[str, ...], data: dict[str, Any]
) -> None:
    assert rebalancer("enqueue", "DU1000001", *flags).code == 0
    assert _take(redis).event.data == data


def test_the_same_event_id_again_changes_nothing(rebalancer: Rebalancer, redis: Queue) -> None:
    first = rebalancer("enqueue", "DU1", "--event-id", "mine-1", "--json").json
    assert rebalancer("enqueue", "DU1", "--event-id", "mine-1", "--json").json == first
    assert rebalancer("queue", "status", "--json").json["events"]["queued"] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("DU1", "sell-all"), 1, "unknown exec_command 'sell-all'; known are: rebalance"),
        (("not an account",), 1, "is not an IBKR account id such as U123456"),
        (("DU1", "--data", "{"), 2, "not JSON"),
        (("DU1", "--data", "[1]"), 2, "a JSON object is needed, not list"),
        (("DU1", "--priority", "urgent"), 2, "'urgent' is not one of 'normal', 'high'"),
        (("DU1", "--event-id", "a b"), 1, "event_id 'a b' must be 1 to 64"),
        (("DU1", "--raise-cash", "much"), 1, "raise_cash is 'much'; it is an amount above 0"),
        (("DU1", "--raise-cash", "5", "--buy-only"), 1, "raise_cash goes without mode"),
        (
            ("DU1", "--when", "drift=5"),
            1,
            "unknown in when: 'drift'; it may have drift_exceeds",
        ),
        (("DU1", "--when", "5%"), 2, "write it as drift_exceeds_percent=5"),
        (("DU1", "--buy-only", "--data", '{"mode": "full"}'), 2, "mode stands in --data"),
        (("DU1", "--data", '{"modus": "buy-only"}'), 1, "unknown in data: 'modus'"),
        (("DU1", "print-orders", "--buy-only"), 1, "print-orders takes no mode"),
        ((), 2, "Missing argument 'ACCOUNT'"),
    ],
)
def test_signals_refused(
    rebalancer: Rebalancer, redis: Queue, arguments: tuple[str, ...], code: int, said: str
) -> None:
    answer = rebalancer("enqueue", *arguments)
    assert answer.code == code
    assert said in answer.err
    assert rebalancer("queue", "status", "--json").json["events"]["queued"] == 0


# queue ------------------------------------------------------------------------------------


def test_status_counts_and_names_halts_and_daemons(
    rebalancer: Rebalancer, redis: Queue
) -> None:
    rebalancer("enqueue", "DU1")
    rebalancer("halt", "--symbol", "SPY", "--reason", "split")
    redis.run(moves.heartbeat_daemon("broker", {"status": "3 schedules"}, now=time.time()))
    out = rebalancer("queue", "status").out
    assert "queued          1" in out
    assert "symbol:SPY" in out
    assert "split" in out
    assert "3 schedules" in out
    assert "signals    from cli: 1 accepted" in out
    as_json = rebalancer("queue", "status", "--json").json
    assert as_json["halts"]["symbol:SPY"]["reason"] == "split"
    assert as_json["daemons"]["broker"]["info"] == {"status": "3 schedules"}
    assert as_json["signals"] == {"cli": {"accepted": 1}}


def test_list_shows_every_state(rebalancer: Rebalancer, redis: Queue) -> None:
    rebalancer("enqueue", "DU1", "--event-id", "dead-one")
    _bury(redis)
    rebalancer("enqueue", "DU2", "--event-id", "leased-one")
    _take(redis)
    rebalancer("enqueue", "DU3", "--event-id", "queued-one")
    out = rebalancer("queue", "list").out
    for word in ("dead-one", "no such account", "leased-one", "a-worker", "queued-one", "DU3"):
        assert word in out
    assert "queued-one" not in rebalancer("queue", "list", "dead").out


def test_list_of_nothing(rebalancer: Rebalancer, redis: Queue) -> None:
    assert rebalancer("queue", "list").out == "no events\n"


def test_list_pages(rebalancer: Rebalancer, redis: Queue) -> None:
    for number in range(3):
        rebalancer("enqueue", f"DU{number}", "--event-id", f"e{number}")
    first = rebalancer("queue", "list", "queued", "--limit", "2")
    assert "--cursor 2" in first.err
    rest = rebalancer("queue", "list", "queued", "--cursor", "2", "--json").json
    assert [item["event_id"] for item in rest["queued"]["items"]] == ["e2"]
    assert rebalancer("queue", "list", "--cursor", "2").code == 2


def test_show_finds_an_event_wherever_it_is(rebalancer: Rebalancer, redis: Queue) -> None:
    rebalancer("enqueue", "DU1", "--event-id", "e1")
    assert "state: queued" in rebalancer("queue", "show", "e1").out
    _bury(redis)
    shown = rebalancer("queue", "show", "e1", "--json").json
    assert (shown["state"], shown["reason"]) == ("dead", "no such account")


def test_list_says_what_used_up_the_attempts(rebalancer: Rebalancer, redis: Queue) -> None:
    rebalancer("enqueue", "DU1", "--event-id", "tired")
    retry = moves.retry(
        _take(redis),
        now=time.time(),
        error="no price",
        base_delay=1.0,
        cap=1.0,
        max_attempts=1,
        jitter=0.0,
    )
    redis.run(retry)
    said = " ".join(rebalancer("queue", "list", "dead").out.split())
    assert "attempts exhausted: no price" in said


def test_requeue_brings_a_dead_event_back(rebalancer: Rebalancer, redis: Queue) -> None:
    rebalancer("enqueue", "DU1", "--event-id", "e1")
    _bury(redis)
    assert rebalancer("queue", "requeue", "e1", "--json").json["status"] == "queued"
    assert _take(redis).event.account_id == "DU1"


def test_remove_takes_an_event_out(rebalancer: Rebalancer, redis: Queue) -> None:
    rebalancer("enqueue", "DU1", "--event-id", "e1")
    assert "it was queued" in rebalancer("queue", "remove", "e1").out
    assert rebalancer("queue", "list").out == "no events\n"


@pytest.mark.parametrize("verb", ["show", "remove", "requeue"])
def test_an_unknown_event_is_said(rebalancer: Rebalancer, redis: Queue, verb: str) -> None:
    answer = rebalancer("queue", verb, "nope")
    assert answer.code == 1
    assert "no event nope" in answer.err


def test_clear_asks_first_and_spares_what_executes(
    rebalancer: Rebalancer, redis: Queue
) -> None:
    rebalancer("enqueue", "DU1")
    _take(redis)
    rebalancer("enqueue", "DU2")
    refused = rebalancer("queue", "clear")
    assert refused.code == 2
    assert "1 queued" in refused.err
    assert rebalancer("queue", "clear", "dead", "--confirm", "--json").json["removed"] == 0
    assert rebalancer("queue", "clear", "--confirm").out == "1 events removed\n"
    assert rebalancer("queue", "status", "--json").json["events"]["leased"] == 1
    assert rebalancer("queue", "clear", "leased", "--confirm").code == 2


# halt and resume --------------------------------------------------------------------------


def test_halt_and_resume_by_scope(rebalancer: Rebalancer, redis: Queue) -> None:
    assert rebalancer("halt", "--reason", "storm").out == "halted all: storm\n"
    rebalancer("halt", "--account", "DU1", "--symbol", "SPY", "--reason", "split")
    assert redis.run(moves.halts()).keys() == {"all", "account:DU1", "symbol:SPY"}
    answer = rebalancer("resume")
    assert answer.out.startswith("resumed all\n")
    assert "still halted: account:DU1 (split)" in answer.out
    rebalancer("resume", "--account", "DU1", "--symbol", "SPY")
    assert redis.run(moves.halts()) == {}
    assert rebalancer("resume").out == "all was not halted\n"


def test_a_halt_needs_a_reason(rebalancer: Rebalancer, redis: Queue) -> None:
    assert rebalancer("halt").code == 2
    assert redis.run(moves.halts()) == {}


# journal ----------------------------------------------------------------------------------


def test_the_journal_tells_one_events_story(rebalancer: Rebalancer, redis: Queue) -> None:
    rebalancer("enqueue", "DU1", "--event-id", "e1")
    rebalancer("enqueue", "DU2", "--event-id", "e2")
    redis.run(moves.complete(_take(redis), now=time.time(), result={"command": "print-equity"}))
    lines = rebalancer("journal", "--event", "e1").out.splitlines()
    assert all("e1" in line for line in lines)
    assert [line.split(maxsplit=3)[2] for line in lines] == ["queued", "leased", "completed"]
    assert lines[0].endswith("rebalance, from cli")
    assert lines[-1].endswith("print-equity")
    of_account = rebalancer("journal", "--account", "DU2", "--json").out.splitlines()
    assert all('"account_id": "DU2"' in line for line in of_account)


def test_the_journal_ends_with_the_latest(rebalancer: Rebalancer, redis: Queue) -> None:
    for number in range(5):
        rebalancer("enqueue", f"DU{number}")
    lines = rebalancer("journal", "--limit", "2").out.splitlines()
    assert [line.split()[3] for line in lines] == ["DU3", "DU4"]


# sweep ------------------------------------------------------------------------------------


def _delayed(queue: Queue) -> None:
    lease = _take(queue)
    queue.run(moves.delay(lease, now=time.time(), until=time.time() - 1, reason="closed"))


def _failed(queue: Queue) -> None:
    queue.run(
        moves.retry(
            _take(queue),
            now=time.time(),
            error="gateway away",
            base_delay=1.0,
            cap=1.0,
            max_attempts=0,
            jitter=0.0,
        )
    )


def _abandoned(queue: Queue) -> None:
    assert queue.take("a-worker", now=lambda: time.time() - 60, ttl=20.0, wait=5.0)


@pytest.mark.parametrize(
    ("what", "arrange"), [("delayed", _delayed), ("retry", _failed), ("leases", _abandoned)]
)
@pytest.mark.parametrize("everything", [False, True])
def test_sweep_moves_what_is_due_and_says_so(
    rebalancer: Rebalancer,
    redis: Queue,
    what: str,
    arrange: Callable[[Queue], None],
    everything: bool,
) -> None:
    rebalancer("enqueue", "DU1", "--event-id", "e1")
    arrange(redis)
    swept = rebalancer("sweep", "all" if everything else what)
    assert swept.code == 0
    assert "e1 of DU1: queued" in swept.out
    assert rebalancer("sweep", "all").out == ""
    assert _take(redis).event.event_id == "e1"


def test_sweep_answers_in_json(rebalancer: Rebalancer, redis: Queue) -> None:
    rebalancer("enqueue", "DU1", "--event-id", "e1")
    _delayed(redis)
    swept = rebalancer("sweep", "delayed", "--json").json
    assert [moved["event_id"] for sweep in swept for moved in sweep["moved"]] == ["e1"]


# Redis away -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("enqueue", "DU1"),
        ("queue", "status"),
        ("queue", "list"),
        ("journal",),
        ("sweep", "all"),
        ("halt", "--reason", "x"),
        ("preview", "DU1"),
    ],
)
def test_without_redis_the_exit_code_is_3(
    rebalancer: Rebalancer, arguments: tuple[str, ...]
) -> None:
    answer = rebalancer(*arguments)
    assert answer.code == 3
    assert answer.err.startswith("rebalancer: Redis at ")
    assert "Traceback" not in answer.err
