"""Random lives of many events on a real server: after every step the invariants hold.

Producers, workers that crash between any two steps (also between pop and lease) or come back
late, sweeps, people, a clock that jumps, a server that is killed. The model knows only what
was promised to producers and workers; everything else is read from the bare structures.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from rebalancer.core.event import Event, Priority
from rebalancer.errors import LeaseLostError
from rebalancer.queue import journal, keys, moves
from rebalancer.queue.store import Queue
from rebalancer.queue.values import Enqueued, Lease
from tests.queue.lab import Lab, event, intent
from tests.support.redis_server import DURABLE, RedisServer, redis_server

pytestmark = pytest.mark.redis_server

#: The way an event may leave for good.
ENDS = {"completed", "removed", "merged"}

# Few of each, so that they meet.
accounts = st.sampled_from(["U1", "U2"])
commands = st.sampled_from(["rebalance", "print-orders"])
endings = st.sampled_from(["complete", "retry", "retry", "delay", "release", "bury"])
priorities: st.SearchStrategy[Priority] = st.sampled_from(["normal", "normal", "high"])
workers = st.sampled_from(["w1", "w2"])
steps = st.sampled_from([0.0, 0.3, 2.0, 30.0, 90.0, 4000.0, -0.5, -45.0, -4000.0])


class Look:
    """One consistent look at the bare structures."""

    def __init__(self, client: redis.Redis) -> None:
        pipe = client.pipeline()
        for name in (keys.QUEUE, keys.PROCESSING):
            pipe.lrange(name, 0, -1)
        for name in (keys.RETRY, keys.DELAYED, keys.DEAD):
            pipe.zrange(name, 0, -1)
        pipe.smembers(keys.ACTIVE)
        for name in (keys.INDEX, keys.LEASES, keys.PARKED):
            pipe.hgetall(name)
        pipe.zrange(keys.DUE, 0, -1)
        queue, processing, retry, delayed, dead, active, index, leases, parked, due = (
            pipe.execute()
        )
        self.queue = [_event(raw) for raw in queue]
        self.processing = [_event(raw) for raw in processing]
        self.retry = [_event(raw) for raw in retry]
        self.delayed = [_event(raw) for raw in delayed]
        self.dead = [json.loads(raw)["event"] for raw in dead]
        self.active = {key.decode() for key in active}
        self.index = {field.decode(): raw for field, raw in index.items()}
        self.raw = {"active": {*queue, *processing}, "waiting": {*retry, *delayed}}
        self.leases = {a.decode(): json.loads(raw) for a, raw in leases.items()}
        self.parked = {a.decode(): raw.decode().split() for a, raw in parked.items()}
        self.due = {key.decode() for key in due}

    def executing(self, one: dict[str, Any]) -> bool:
        held = self.leases.get(one["account_id"])
        return held is not None and held["event_id"] == one["event_id"]


def _event(raw: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(raw)
    found["key"] = f"{found['account_id']}:{found['exec_command']}"
    return found


class QueueMachine(RuleBasedStateMachine):
    """The rules are what may happen in any order; the invariants must hold after each."""

    server: RedisServer

    def __init__(self) -> None:
        super().__init__()
        self.exit = ExitStack()
        queue = self.exit.enter_context(Queue(self.server.url))
        client = self.exit.enter_context(redis.Redis.from_url(self.server.url))
        client.flushall()
        self.lab = Lab(queue, client)
        self.count = 0
        self.answers: dict[str, tuple[Event, Enqueued]] = {}
        #: Leases that workers believe to hold; those lost or ended stay in ``old``.
        self.held: list[Lease] = []
        self.old: list[Lease] = []
        self.popped: list[bytes] = []
        #: Newest signal by key, and those that an execution that is over had seen.
        self.newest: dict[str, int] = {}
        self.seen: set[int] = set()
        self.passes: dict[str, int] = {}
        self.tokens: list[int] = []
        self.restarts = 0
        self.ended: set[str] = set()
        self.journal = journal.START

    def teardown(self) -> None:
        self.exit.close()

    # -- producers ---------------------------------------------------------------------

    @initialize()
    def something_to_do(self) -> None:
        for account in ("U1", "U2"):
            self.signal(account, "rebalance", "normal")

    @rule(account=accounts, command=commands, priority=priorities)
    def signal(self, account: str, command: str, priority: Priority) -> None:
        self.count += 1
        one = event(
            account,
            command,
            event_id=f"e{self.count}",
            priority=priority,
            at=self.lab.clock,
            n=self.count,
        )
        answer = self.lab.run(moves.enqueue(one, now=self.lab.clock))
        assert (answer.status == "merged") == (answer.event_id != one.event_id)
        self.answers[one.event_id] = one, answer
        self.newest[one.key] = self.count

    @precondition(lambda self: self.answers)
    @rule(data=st.data())
    def signal_again(self, data: st.DataObject) -> None:
        one, answer = data.draw(st.sampled_from(sorted_values(self.answers)))
        again = self.lab.run(moves.enqueue(one, now=self.lab.clock))
        assert (again.status, again.event_id) == (answer.status, answer.event_id)

    # -- workers -----------------------------------------------------------------------

    @rule(worker=workers, ttl=st.sampled_from([1.0, 20.0]))
    def take(self, worker: str, ttl: float) -> None:
        self._holds(self.lab.take(worker, ttl=ttl))

    @rule()
    def pop_and_crash(self) -> None:
        raw = self.lab.redis.lmove(keys.QUEUE, keys.PROCESSING, "RIGHT", "LEFT")
        if isinstance(raw, bytes):
            self.popped.append(raw)

    @precondition(lambda self: self.popped)
    @rule(worker=workers, data=st.data())
    def lease_late(self, worker: str, data: st.DataObject) -> None:
        raw = self.popped.pop(data.draw(st.integers(0, len(self.popped) - 1)))
        found = self.lab.run(moves.lease(raw, worker, now=self.lab.clock, ttl=20))
        assert found is None or isinstance(found, Lease)
        self._holds(found)

    def _holds(self, lease: Lease | None) -> None:
        if lease is None:
            return
        assert lease.event.event_id not in self.ended
        assert not self.tokens or lease.token > self.tokens[-1], "tokens must grow"
        self.tokens.append(lease.token)
        self.held.append(lease)

    def _some_lease(self, data: st.DataObject) -> Lease:
        lease: Lease = data.draw(st.sampled_from(self.held))
        return lease

    def _still_valid(self, lease: Lease) -> bool:
        stored = Look(self.lab.redis).leases.get(lease.event.account_id)
        return stored is not None and stored["token"] == lease.token

    @precondition(lambda self: self.held)
    @rule(data=st.data(), how=endings)
    def end(self, data: st.DataObject, how: str) -> None:
        lease = self._some_lease(data)
        self._end(lease, how)

    @precondition(lambda self: self.old)
    @rule(data=st.data(), how=endings)
    def end_what_is_over(self, data: st.DataObject, how: str) -> None:
        self._end(data.draw(st.sampled_from(self.old)), how, over=True)

    def _end(self, lease: Lease, how: str, *, over: bool = False) -> None:
        now = self.lab.clock
        move: Any = {
            "complete": lambda: moves.complete(lease, now=now, result={}),
            "delay": lambda: moves.delay(lease, now=now, until=now + 50, reason="r"),
            "release": lambda: moves.release(lease, now=now),
            "bury": lambda: moves.bury(lease, now=now, reason="r", error="e"),
            "retry": lambda: moves.retry(
                lease,
                now=now,
                error="e",
                base_delay=60,
                cap=600,
                max_attempts=2,
                jitter=0.5,
            ),
        }[how]()
        valid = self._still_valid(lease)
        assert not (over and valid)
        before = self.lab.everything()
        try:
            answer = self.lab.run(move)
        except LeaseLostError:
            assert not valid, "the lease was held, yet called lost"
            assert self.lab.everything() == before
        else:
            if valid:
                assert self.lab.run(move) == answer, "a resend must give the same answer"
                if answer.status in ("completed", "dead"):
                    self._consumed(lease)
                if answer.status == "completed":
                    self.ended.add(lease.event.event_id)
            else:
                # The same ending of the same lease once more: a resend.
                assert self.lab.everything() == before
        if lease in self.held:
            self.held.remove(lease)
            self.old.append(lease)

    def _consumed(self, lease: Lease) -> None:
        self.seen.add(lease.event.data["n"])

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        lease = self._some_lease(data)
        self.held.remove(lease)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def work(self, data: st.DataObject) -> None:
        lease = self._some_lease(data)
        now, event_id = self.lab.clock, lease.event.event_id
        valid = self._still_valid(lease)
        before = self.lab.everything()
        try:
            self.lab.run(moves.heartbeat(lease, now=now, ttl=20))
            number = self.lab.run(moves.begin_pass(lease, now=now))
            sent = intent(lease, "SPY", number)
            recorded = self.lab.run(moves.record_intents(lease, [sent], now=now))
        except LeaseLostError:
            assert not valid
            assert self.lab.everything() == before
        else:
            assert valid
            assert number > self.passes.get(event_id, 0), "a pass number came twice"
            self.passes[event_id] = number
            assert recorded.allowed == {sent.order.order_ref}
            open_now = self.lab.run(moves.open_intents(lease.event.account_id))
            assert sent in open_now

    # -- sweeps, people, misfortune ----------------------------------------------------

    @rule(worker=st.sampled_from(["", "", "w1"]), grace=st.sampled_from([0.0, 1.0]))
    def reclaim(self, worker: str, grace: float) -> None:
        self.lab.run(moves.reclaim(now=self.lab.clock, worker=worker, grace=grace))

    @precondition(lambda self: self.popped)
    @rule()
    def reclaim_what_is_popped(self) -> None:
        """Its worker may still come, late."""
        for _ in range(2):
            self.lab.run(moves.reclaim(now=self.lab.clock, grace=0.0))

    @rule(after=st.sampled_from([0.0, 100.0]))
    def promote(self, after: float) -> None:
        self.lab.clock += after
        self.lab.run(moves.promote_retries(now=self.lab.clock))
        self.lab.run(moves.promote_delayed(now=self.lab.clock))

    @rule()
    def repair(self) -> None:
        """Finds nothing to mend, since nothing but the scripts wrote."""
        assert self.lab.run(moves.repair(now=self.lab.clock)).moved == ()

    @rule(step=steps)
    def time_passes(self, step: float) -> None:
        self.lab.clock += step

    @precondition(lambda self: self.count % 3 == 0)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        event_id = data.draw(st.sampled_from(sorted(self.answers)))
        shown = self.lab.run(moves.show(event_id))
        state = self.lab.run(moves.remove(event_id, now=self.lab.clock))
        assert (state is None) == (shown is None or shown.state in ENDS)
        if state is not None:
            assert shown is not None
            assert shown.event is not None
            assert shown.state == state
            self.seen.add(shown.event.data["n"])
            self.ended.add(event_id)

    @rule(data=st.data())
    def requeue(self, data: st.DataObject) -> None:
        dead = self.lab.run(moves.list_events("dead")).items
        if dead:
            chosen = data.draw(st.sampled_from(sorted(item.event_id for item in dead)))
            assert self.lab.run(moves.requeue(chosen, now=self.lab.clock)).status in (
                "queued",
                "merged",
                "rerun",
            )

    @precondition(lambda self: self.restarts < 1 and self.count > 5)
    @rule()
    def the_server_is_killed(self) -> None:
        self.restarts += 1
        before = self.lab.everything()
        self.server.restart()
        self.lab.queue.ping()
        assert self.lab.everything() == before

    # -- what must always hold ---------------------------------------------------------

    @invariant()
    def every_accepted_event_is_in_one_place(self) -> None:
        look = Look(self.lab.redis)
        places = Counter(
            one["event_id"]
            for place in (look.queue, look.processing, look.retry, look.delayed, look.dead)
            for one in place
        )
        entries = self.lab.run(journal.read(self.journal, limit=1000))
        self.ended |= {entry.event_id for entry in entries if entry.kind in ENDS}
        self.journal = entries[-1].id if entries else self.journal
        for event_id, (_, answer) in self.answers.items():
            expected = 0 if event_id in self.ended or answer.status == "merged" else 1
            assert places[event_id] == expected, f"{event_id} is in {places[event_id]} places"
        assert set(places) <= set(self.answers)

    @invariant()
    def the_active_set_is_what_queue_and_processing_hold(self) -> None:
        look = Look(self.lab.redis)
        found = [one["key"] for one in (*look.queue, *look.processing)]
        assert len(found) == len(set(found)), "two active events for a key"
        assert set(found) == look.active

    @invariant()
    def one_waits_per_key_and_only_beside_an_execution(self) -> None:
        look = Look(self.lab.redis)
        waiting = [one["key"] for one in (*look.retry, *look.delayed)]
        assert len(waiting) == len(set(waiting)), "two waiting events for a key"
        for one in (*look.queue, *look.processing):
            if one["key"] in waiting:
                assert look.executing(one)
        assert look.due == {one["key"] for one in look.retry}

    @invariant()
    def the_newest_signal_is_alive_or_was_executed(self) -> None:
        look = Look(self.lab.redis)
        alive = {
            one["data"]["n"]
            for place in (look.queue, look.processing, look.retry, look.delayed, look.dead)
            for one in place
        }
        for key, newest in self.newest.items():
            assert newest in alive | self.seen, f"signal {newest} for {key} is lost"

    @invariant()
    def one_lease_per_account_and_what_is_parked_waits_for_one(self) -> None:
        look = Look(self.lab.redis)
        inside = {one["key"]: one for one in look.processing}
        for account, held in look.leases.items():
            assert inside[held["key"]]["event_id"] == held["event_id"]
            assert held["key"].startswith(f"{account}:")
        for account, parked in look.parked.items():
            assert account in look.leases, "parked behind nobody"
            assert all(key in inside for key in parked)
            assert len(parked) == len(set(parked))

    @invariant()
    def the_index_names_every_element(self) -> None:
        look = Look(self.lab.redis)
        for kind, raws in look.raw.items():
            named = {raw for f, raw in look.index.items() if f.startswith(f"{kind} ")}
            assert named == raws
        assert len(look.index) == sum(map(len, look.raw.values()))


def sorted_values(answers: dict[str, tuple[Event, Enqueued]]) -> list[Any]:
    return [answers[event_id] for event_id in sorted(answers)]


@pytest.fixture(scope="module")
def own_server() -> Iterator[RedisServer]:
    with TemporaryDirectory() as folder, redis_server(Path(folder), *DURABLE) as running:
        yield running


def test_the_invariants_hold(own_server: RedisServer) -> None:
    class Machine(QueueMachine):
        server = own_server

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=int(os.environ.get("QUEUE_EXAMPLES", "120")),
            stateful_step_count=60,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
