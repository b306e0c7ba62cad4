"""Every run leaves one record, and the records tell every fill once, whatever happened."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from rebalancer.core.event import Event
from rebalancer.errors import QueueUnavailableError
from rebalancer.processor import record_json
from rebalancer.processor.record import Ending, Outcome, Recorder, end
from rebalancer.queue import keys, moves
from rebalancer.queue.move import Move, command
from rebalancer.queue.store import AsyncQueue
from rebalancer.sim.vocabulary import ContractSpec, Fault, OrderSpec
from tests.processor import chronicle
from tests.processor.chronicle import Record
from tests.processor.programs import process
from tests.processor.system import System, eventually
from tests.processor.test_kill import finished

pytestmark = pytest.mark.redis_server


async def records(system: System) -> list[Record]:
    """All records; the chain is whole and tells each fill of the exchange exactly once."""
    found, wrong = await chronicle.read(system)
    assert wrong == []
    return found


async def retried_until(system: System, kind: str, event: Event) -> None:
    done = asyncio.create_task(system.until(kind, event))
    while not done.done():
        await system.sweep()
        await asyncio.wait({done}, timeout=0.05)
    await done


def sent(record: Record, key: str = "orders") -> list[tuple[str, str, str]]:
    return [(o["action"], o["symbol"], o["status"]) for o in record[key]]


async def test_a_rebalance_is_told_from_signal_to_end(system: System) -> None:
    async with system.processor():
        event = await system.enqueue(data={"note": "month end"}, priority="high")
        result = await system.result(event)
    [record] = await records(system)
    assert record["event"]["event_id"] == event.event_id
    assert record["event"]["source"] == "test"
    assert record["event"]["data"] == {"note": "month end"}
    assert record["target"]["weights"] == {"SPY": "0.6", "BND": "0.4"}
    assert record["target"]["source"] == "accounts.yaml, account DU1000001"
    assert record["policy"]["unlisted"] == "liquidate"
    assert record["snapshot"]["total_cash"] == "100000.00"
    assert record["snapshot"]["positions"][0]["symbol"] == "AAPL"
    assert record["plan"].items() <= result["plan"].items()
    assert [line["symbol"] for line in record["replan"]["lines"]] == ["BND", "SPY"]
    assert sent(record) == [
        ("SELL", "AAPL", "filled"),
        ("BUY", "BND", "filled"),
        ("BUY", "SPY", "filled"),
    ]
    assert [o["order_ref"] for o in record["orders"]] == [
        o["order_ref"] for o in result["orders"]
    ]
    assert record["orders"][0]["reference"] == "200.005"
    paid = sum(Decimal(f["commission"]) for o in record["orders"] for f in o["fills"])
    assert Decimal(record["costs"]["commission"]["USD"]) == paid > 0
    assert record["drift"]["after"] == result["drift_reached"]
    assert record["after"] == result["account"]
    assert record["outcome"] == {"status": "completed", "reason": "", "until": None}
    assert record["run"]["reclaims"] == 0
    assert record["earlier"] == record["cancelled"] == []
    assert {"order_share SPY", "reserve"} <= {check["name"] for check in record["checks"]}
    assert all(check["passed"] for check in record["checks"])


async def test_what_only_looks_leaves_no_record(system: System) -> None:
    async with system.processor():
        for command in ("print-positions", "print-equity", "print-orders", "print-rebalance"):
            await system.result(await system.enqueue(command=command))
    assert await records(system) == []


async def test_a_run_with_nothing_to_do_says_so(system: System) -> None:
    async with system.processor():
        for _ in range(2):
            await system.result(await system.enqueue())
    first, second = await records(system)
    assert len(first["orders"]) == 3
    assert second["orders"] == []
    assert second["plan"]["drift_before"] == second["drift"]["after"]


async def test_each_attempt_of_a_failing_event_leaves_a_record(system: System) -> None:
    system.sim.inject(Fault("reject", "placeOrder", 0, (("symbol", "BND"),)))
    async with system.processor():
        event = await system.enqueue()
        await retried_until(system, "dead", event)
    found = await records(system)
    assert [r["outcome"]["status"] for r in found] == ["retrying", "retrying", "dead"]
    assert [r["event"]["attempt"] for r in found] == [0, 1, 2]
    assert ("BUY", "BND", "rejected") in sent(found[0])
    assert ("BUY", "SPY", "filled") in sent(found[0])
    assert "did not fill" in found[0]["outcome"]["reason"]
    assert sent(found[1]) == [("BUY", "BND", "rejected")]
    assert Decimal(found[1]["spent"]) > 0


async def test_an_order_filled_in_part_is_told_with_what_filled(system: System) -> None:
    system.service += "processor:\n  fill_deadline_seconds: 0.3\n"
    only_part = (("symbol", "BND"), ("shares", "100"), ("then", "rest"))
    system.sim.inject(Fault("partial", "placeOrder", 1, only_part))
    async with system.processor():
        event = await system.enqueue()
        await retried_until(system, "completed", event)
    first, second = await records(system)
    [part] = [o for o in first["orders"] if o["symbol"] == "BND"]
    assert (part["status"], part["filled"]) == ("cancelled", "100")
    assert first["outcome"]["status"] == "retrying"
    assert first["drift"]["after"] is not None
    assert sent(second) == [("BUY", "BND", "filled")]


async def test_an_event_that_can_never_run_leaves_a_record(system: System) -> None:
    async with system.processor():
        event = await system.enqueue("DU7777777")
        await system.until("dead", event)
    [record] = await records(system)
    assert record["outcome"]["status"] == "dead"
    assert "not in accounts.yaml" in record["outcome"]["reason"]
    assert record["plan"] is record["snapshot"] is record["target"] is None


async def test_a_lost_connection_leaves_the_orders_to_the_next_record(system: System) -> None:
    system.sim.inject(Fault("disconnect", "placeOrder", 1, (("after", "done"),)))
    async with system.processor():
        event = await system.enqueue()
        await retried_until(system, "completed", event)
    first, second = await records(system)
    assert sent(first) == [("SELL", "AAPL", "unsettled")]
    assert first["orders"][0]["fills"] == []
    assert sent(second, "earlier") == [("SELL", "AAPL", "filled")]
    assert second["earlier"][0]["event_id"] == event.event_id


async def test_waiting_leaves_no_record_but_what_it_did_does(system: System) -> None:
    now = time.time()
    await system.queue.run(moves.halt("symbol:BND", now=now, reason="wait"))
    async with system.processor():
        event = await system.enqueue()
        entry = await system.until("delayed", event)
        other = await system.enqueue("DU1000002")
        await system.result(other)
        await system.queue.run(moves.halt("all", now=now, reason="wait"))
        second = await system.enqueue("DU1000002", data={"note": "again"})
        await system.result(second)  # nothing to trade, so nothing to halt
    sold, bought, idle = await records(system)
    assert sold["outcome"]["status"] == "delayed"
    assert sold["outcome"]["until"] == entry.data["until"]
    assert "halted" in sold["outcome"]["reason"]
    assert ("SELL", "AAPL", "filled") in sent(sold)
    assert "BND" not in {o["symbol"] for o in sold["orders"]}
    assert bought["outcome"]["status"] == idle["outcome"]["status"] == "completed"


async def test_a_halt_before_the_first_order_leaves_no_record(system: System) -> None:
    await system.queue.run(moves.halt("all", now=time.time(), reason="wait"))
    async with system.processor():
        event = await system.enqueue()
        await system.until("delayed", event)
    assert await records(system) == []


@pytest.mark.parametrize("command", ["rebalance", "cancel-orders"])
async def test_working_orders_that_were_cancelled_are_told(
    system: System, command: str
) -> None:
    order = OrderSpec("BUY", Decimal(5), "LMT", Decimal(480), None, "GTC", "DU1000001")
    spec = ContractSpec(symbol="SPY", sec_type="STK", exchange="SMART", currency="USD")
    exchange = system.sim.exchange
    system.sim.tell(exchange.place(10, 1, spec, order, system.sim.now()))
    async with system.processor():
        await system.result(await system.enqueue(command=command))
    [record] = await records(system)
    assert [(o["symbol"], o["remaining"]) for o in record["cancelled"]] == [("SPY", "5")]
    assert exchange.open_orders() == ()


async def test_secrets_stay_out(system: System) -> None:
    note = {
        "api_token": "hunter2",
        "nested": [{"Password": "hunter2", "note": "https://me:hunter2@example.org/hook"}],
        "key": "kept",
    }
    async with system.processor():
        await system.result(await system.enqueue(data={"note": note}))
    [record] = await records(system)
    assert "hunter2" not in str(record)
    assert record["event"]["data"]["note"]["key"] == "kept"
    assert "VWCE@IBIS2/EUR" in record_json.unspoilt("see http://x: 80 of VWCE@IBIS2/EUR")


async def test_a_signal_with_data_that_json_lacks_still_ends(system: System) -> None:
    raw = (
        b'{"event_id":"odd","account_id":"DU1000002","exec_command":"rebalance",'
        b'"received_at":1.5,"data":{"note":{"x":NaN,"deep":[Infinity]}}}'
    )
    await system.queue.run(command("LPUSH", keys.QUEUE, raw, parse=int))
    async with system.processor():
        await system.until("completed", "odd")
    [record] = await records(system)
    assert record["event"]["data"] == {"note": {"x": "nan", "deep": ["inf"]}}


# kill -9 ----------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
async def test_killed_right_before_or_after_the_record_is_appended(
    system: System, when: str
) -> None:
    died = system.folder / "died"
    module = ("tests.processor.mortal", when)
    async with process(system, module, MORTAL=str(died)) as mortal:
        event = await system.enqueue()
        await mortal.died()
        assert died.exists()
        mortal.start()
        await finished(system, event.event_id)
        other = await system.enqueue("DU1000002")
        await finished(system, other.event_id)
    found = [r for r in await records(system) if r["event"]["event_id"] == event.event_id]
    assert [r["outcome"]["status"] for r in found] == ["completed"]
    if when == "before":
        # All was done, and no record said so: the next one tells it.
        assert found[0]["run"]["reclaims"] == 1
        assert len(found[0]["earlier"]) == 3
        assert len(found[0]["orders"]) <= 1  # what its own sells leave over may buy a share
    else:
        assert found[0]["run"]["reclaims"] == 0
        assert len(found[0]["orders"]) == 3


@pytest.mark.parametrize("moment", ["planned", "intents", "settled", "replanned"])
async def test_killed_in_the_middle_nothing_is_missing_from_the_history(
    system: System, moment: str
) -> None:
    system.sim.inject(Fault("late_fill", "placeOrder", 0, (("seconds", "0.1"),)))
    async with process(system) as processor:
        event = await system.enqueue()
        await system.until(moment, event)
        await processor.end(signal.SIGKILL)
        processor.start()
        await finished(system, event.event_id)
    found = await records(system)
    assert found[-1]["outcome"]["status"] == "completed"
    assert found[-1]["run"]["reclaims"] == 1


async def test_orders_of_a_removed_event_are_told_by_the_next_record(system: System) -> None:
    system.sim.inject(Fault("late_fill", "placeOrder", 1, (("seconds", "0.3"),)))
    async with system.processor():
        event = await system.enqueue()
        await eventually(system.sim.exchange.open_orders)
        await system.queue.run(moves.remove(event.event_id, now=time.time()))
        again = await system.enqueue()
        await retried_until(system, "completed", again)
    found = await records(system)
    assert {r["event"]["event_id"] for r in found} == {again.event_id}
    told = [o["event_id"] for r in found for o in r["earlier"]]
    assert told == [event.event_id]


async def test_two_processors_append_to_one_chain(system: System) -> None:
    entries = [
        f"  - {{account_id: DU{n}, type: paper, targets: {{SPY: 1}}}}"
        for n in (1000001, 1000002)
    ]
    system.accounts = "\n".join(["accounts:", *entries])
    other = {"REBALANCER_GATEWAY_CLIENT_ID": "11"}
    async with process(system), process(system, **other):
        await eventually(lambda: len(system.sim.hub.sessions) == 2)
        events: list[Event] = []
        for _ in range(8):
            both: Sequence[Event] = [
                await system.enqueue(account) for account in ("DU1000001", "DU1000002")
            ]
            events += both
            for event in both:
                await finished(system, event.event_id)
    found = await records(system)
    assert Counter(r["event"]["event_id"] for r in found) == Counter(
        event.event_id for event in events
    )
    assert {r["run"]["worker"].rpartition("-")[2] for r in found} == {"10", "11"}


class Unlucky(AsyncQueue):
    """A queue whose first ending is carried out, but never answered."""

    lost = False

    async def run(self, move: Move[Any]) -> Any:
        answer = await super().run(move)
        if move.script == "complete" and not self.lost:
            self.lost = True
            raise QueueUnavailableError("no answer")
        return answer


async def test_an_ending_whose_answer_was_lost_has_one_record(
    system: System, caplog: pytest.LogCaptureFixture
) -> None:
    await system.enqueue()
    lease = await system.queue.take("w", now=time.time, ttl=20, wait=2)
    assert lease is not None
    over = Ending(lease, Recorder(began_at=1.0), Outcome("completed", 2.0), {})
    move = partial(moves.complete, lease, now=2.0, result={})
    caplog.set_level("INFO", "rebalancer.processor")
    async with Unlucky(system.redis.url) as queue:
        with pytest.raises(QueueUnavailableError):
            await end(queue, asyncio.Lock(), over, move, keep=None)
        await end(queue, asyncio.Lock(), over, move, keep=None)
    [record] = await records(system)
    # The log is held against the chain one day: it must not name a record that never was.
    assert caplog.messages == [f"record 1 of the history: {record['hash']}"]


async def test_redis_away_at_the_end_of_a_run_costs_no_record(system: System) -> None:
    system.sim.inject(Fault("late_fill", "placeOrder", 1, (("seconds", "0.3"),)))
    system.redis.stop()
    system.redis._options = ("--appendfsync", "always")
    system.redis.start()
    async with system.processor():
        event = await system.enqueue("DU1000002")
        await system.until("intents", event)
        system.redis.restart()
        await finished(system, event.event_id)
    found = await records(system)
    assert found[-1]["outcome"]["status"] == "completed"
