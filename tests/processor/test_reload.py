"""SIGHUP to a real processor: a run ends as it began, the next one follows the new files."""

from __future__ import annotations

import signal

import pytest

from rebalancer.queue import journal
from rebalancer.sim.vocabulary import Fault
from tests.processor.programs import ProcessorProcess, process
from tests.processor.system import System

pytestmark = pytest.mark.redis_server

ONE = """\
accounts:
  - {account_id: DU1000001, type: paper, unlisted: liquidate, targets: {SPY: 60%, BND: 40%}}
"""
OTHER_TARGET = ONE.replace("SPY: 60%, BND: 40%", "SPY: 30%, BND: 70%")
TWO = ONE + "  - {account_id: DU1000002, type: paper, targets: {SPY: 50%, AAPL: 50%}}\n"


async def reload(system: System, processor: ProcessorProcess, word: str = "reloaded") -> None:
    system.files()
    processor.send(signal.SIGHUP)
    await system.until(word, "")


async def test_a_run_ends_as_it_began_and_the_next_follows_the_new_files(
    system: System,
) -> None:
    system.accounts = ONE
    system.sim.inject(Fault("late_fill", "placeOrder", 0, (("seconds", "0.5"),)))
    async with process(system) as processor:
        first = await system.enqueue()
        await system.until("intents", first)
        system.accounts, system.service = OTHER_TARGET, "retry: {max_attempts: 7}\n"
        await reload(system, processor)
        begun = await system.result(first)
        assert float(begun["drift_reached"]) < 0.02
        second = await system.enqueue()
        followed = await system.result(second)
    assert float(followed["drift_before"]) > 0.2
    assert float(followed["drift_reached"]) < 0.02


async def test_an_account_that_is_new_is_compared_before_its_first_event(
    system: System,
) -> None:
    system.accounts = ONE
    async with process(system) as processor:
        await system.result(await system.enqueue())
        system.accounts = TWO
        await reload(system, processor)
        event = await system.enqueue("DU1000002")
        await system.result(event)
    entries = await system.queue.run(journal.read(limit=1000))
    compared = [e.data["accounts"] for e in entries if e.kind == "reconciled"]
    assert compared == [1, 2]
    kinds = [(e.kind, e.event_id) for e in entries]
    last = max(n for n, (kind, _) in enumerate(kinds) if kind == "reconciled")
    assert last < kinds.index(("planned", event.event_id))


async def test_a_mistake_changes_nothing_and_connections_wait_for_a_restart(
    system: System,
) -> None:
    system.accounts = ONE
    async with process(system) as processor:
        await system.result(await system.enqueue())
        system.accounts = TWO.replace("AAPL: 50%", "AAPL: 60%")
        await reload(system, processor, "not_reloaded")
        system.accounts = ONE
        system.service = "gateway: {client_id: 99}\nprocessor: {max_concurrent_events: 2}\n"
        await reload(system, processor)
        await system.result(await system.enqueue())
    [entry] = [
        e for e in await system.queue.run(journal.read(limit=1000)) if e.kind == "reloaded"
    ]
    assert entry.data["needs_restart"] == [
        "gateway.client_id",
        "processor.max_concurrent_events",
    ]
    log = said(system)
    assert "settings not reloaded: " in log
    assert "Traceback" not in log


def said(system: System) -> str:
    return (system.folder / "processor.log").read_text()
