"""Weights from files and URLs, and holdings that are replaced, through the whole system."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from rebalancer.core.order import Intent, Order
from rebalancer.queue import codec, history, keys, moves
from rebalancer.queue.move import command
from rebalancer.queue.store import AsyncQueue
from rebalancer.rehearsal import replay
from rebalancer.sim.vocabulary import Fault
from rebalancer.sim.world import AccountSpec, Holding, Listing
from tests.processor.programs import process
from tests.processor.system import DEADLINE, System, eventually
from tests.support.redis_server import RedisServer
from tests.support.sim_gateway import SPY, sim_gateway, small_world
from tests.support.weights_server import (
    Answer,
    WeightsServer,
    allocations,
    weights_server,
)

pytestmark = pytest.mark.redis_server

VTI = 900_000_002


def following(targets: str, *lines: str) -> str:
    more = "".join(f"    {line}\n" for line in lines)
    return f"""\
accounts:
  - account_id: DU1000001
    type: paper
    strategy_name: mix
{more}strategies:
  mix: {{targets: {targets}}}
  bonds: {{targets: {{BND: 1}}}}
"""


@pytest.fixture
def server() -> Iterator[WeightsServer]:
    with weights_server() as served:
        yield served


async def eventually_swept(system: System, server: WeightsServer, *, requests: int) -> None:
    """Sweep until the server has been asked so often."""
    ends = time.monotonic() + DEADLINE
    while len(server.asked) < requests:
        assert time.monotonic() < ends, "waited in vain"
        await system.sweep()
        await asyncio.sleep(0.02)


async def test_a_changed_file_is_followed_at_the_next_event(system: System) -> None:
    model = system.folder / "model.csv"
    system.accounts = following("{file: model.csv}", "unlisted: liquidate")
    model.write_text("symbol,weight\nSPY,0.5\n")
    async with system.processor():
        first = await system.result(await system.enqueue())
        held = system.bought()
        model.write_text("symbol,weight\nBND,0.5\n")
        second = await system.result(await system.enqueue())
        model.write_text("symbol,weight\nBND,0.")
        half = await system.until("retrying", await system.enqueue())
    assert held["SPY"] > 0
    bought = system.bought()
    assert bought["SPY"] == 0
    assert bought["BND"] > 0
    [origin] = first["target"]["origins"]
    assert (origin["kind"], origin["location"]) == ("file", "model.csv")
    assert origin["hash"] != second["target"]["origins"][0]["hash"]
    assert "its last line has no end" in half.data["error"]


async def test_a_file_that_is_no_model_goes_to_the_dead_letter(system: System) -> None:
    (system.folder / "model.csv").write_text("symbol,weight\nBND,1.5\n")
    system.accounts = following("{file: model.csv}")
    async with system.processor():
        dead = await system.until("dead", await system.enqueue())
    assert "model.csv:2: BND: found '1.5'; expected a weight" in dead.data["reason"]
    assert not system.bought()


async def test_a_url_that_fails_is_asked_again_and_only_then_followed(
    system: System, server: WeightsServer
) -> None:
    """What it said before is never traded on, though it is known here."""
    models = f"{{api: {{url: '{server.url}'}}}}"
    system.accounts = following("{models: {stocks: 50%, bonds: 50%}}").replace(
        "  bonds:", f"  stocks: {{targets: {models}}}\n  bonds:"
    )
    server.says(
        allocations({"SPY": 1}, ETag='"1"'),
        Answer(429, headers={"Retry-After": "1"}),
        allocations({"AAPL": 1}, ETag='"2"'),
    )
    async with system.processor():
        first = await system.result(await system.enqueue())
        event = await system.enqueue()
        failed = await system.until("retrying", event)
        before = dict(system.bought())
        await eventually_swept(system, server, requests=3)
        second = await system.result(event)
    url = f"{server.url}/stocks/allocations"
    assert failed.data["error"] == f"{url}: 429 Too Many Requests, retry after 1"
    assert before.keys() == {"SPY", "BND"}
    assert system.bought()["AAPL"] > 0
    stocks = {o["name"]: o for o in second["target"]["origins"]}["strategy stocks"]
    assert (stocks["location"], stocks["status"], stocks["etag"]) == (url, "200", '"2"')
    assert first["target"]["hash"] != second["target"]["hash"]
    records = [link.record for link in await system.queue.run(history.oldest(limit=10))]
    told = [r["target"] and r["target"]["origins"] for r in records if r is not None]
    assert [origins and origins[0]["etag"] for origins in told] == ['"1"', None, '"2"']


async def test_killed_while_it_asks_and_between_two_sets_of_weights(
    system: System, server: WeightsServer
) -> None:
    """Killed before the answer, then with orders under way: the next attempt follows anew."""
    system.accounts = following(f"{{api: {{url: '{server.url}'}}}}")
    system.sim.inject(Fault("late_fill", "placeOrder", 0, (("seconds", "0.1"),)))
    never = threading.Event()
    server.says(
        replace(allocations({"SPY": 0.5}), wait=never),
        allocations({"SPY": 0.5}),
        allocations({"SPY": 0.2, "BND": 0.3}),
    )
    async with process(system) as processor:
        event = await system.enqueue()
        await eventually(lambda: server.asked)
        await processor.end(signal.SIGKILL)
        never.set()
        processor.start()
        await system.until("intents", event)
        await processor.end(signal.SIGKILL)
        processor.start()
        result = await system.result(event)
    assert len(server.asked) == 3
    assert system.executed_twice() == []
    assert system.sim.exchange.open_orders() == ()
    lines = {line["symbol"]: line for line in result["plan"]["lines"]}
    assert Decimal(lines["SPY"]["target_weight"]) == Decimal("0.2")
    assert system.bought()["BND"] > 0
    assert Decimal(result["drift_reached"]) < Decimal("0.01")


async def test_orders_of_an_earlier_attempt_are_settled_whatever_the_server_says(
    system: System, server: WeightsServer
) -> None:
    system.accounts = following(f"{{api: {{url: '{server.url}'}}}}")
    server.says(Answer(503))
    order = Order("rb:earlier:1:SPY", "DU1000001", "SPY", SPY, "BUY", 1, "MKT", None)
    left = codec.dumps(Intent(order, "earlier", 1, time.time() - 60))
    key = keys.intents("DU1000001")
    await system.queue.run(command("HSET", key, "rb:earlier:1:SPY", left, parse=int))
    async with system.processor():
        await system.until("retrying", await system.enqueue())
    assert await system.queue.run(moves.open_intents("DU1000001")) == ()


async def test_a_bound_that_a_fetched_symbol_would_slip_past_is_an_error(
    system: System, server: WeightsServer
) -> None:
    system.accounts = following(f"{{api: {{url: '{server.url}'}}}}", "no_sell: [BRK.B]")
    server.says(allocations({"BRK B": 1}))
    async with system.processor():
        dead = await system.until("dead", await system.enqueue())
    assert "the target's BRK B is BRK.B in bounds" in dead.data["reason"]


# Replaced holdings -------------------------------------------------------------------------

SET = "replacement_sets: {ira: [{source: SPY, target: VTI}]}\n"


@contextlib.asynccontextmanager
async def holding_spy(folder: Path, redis: RedisServer) -> AsyncIterator[System]:
    """50,000 dollars, of which 20,000 are SPY at 500 each; VTI is at 300."""
    world = small_world()
    vti = Listing(VTI, "VTI", Decimal(300))
    holder = AccountSpec(
        "DU1000001",
        cash={"USD": Decimal(30_000)},
        holdings=(Holding(SPY, Decimal(40), Decimal(400)),),
    )
    world = small_world(listings=(*world.listings, vti), accounts=(holder,))
    async with sim_gateway(world) as sim, AsyncQueue(redis.url, timeout=2.0) as queue:
        system = System(folder, redis, sim, queue)
        system.accounts = following("{SPY: 60%, BND: 40%}", "replacement_set: ira")
        system.files().replacement_sets.write_text(SET)
        yield system


async def test_replaced_holdings_are_kept_and_count(tmp_path: Path, redis: RedisServer) -> None:
    async with holding_spy(tmp_path, redis) as system, system.processor():
        result = await system.result(await system.enqueue())
        again = await system.result(await system.enqueue())
        [link, _] = await system.queue.run(history.oldest(limit=10))
    bought = system.bought()
    assert "SPY" not in bought
    # 60 percent of 50,000 are 30,000, of which SPY stands for 20,000 already.
    assert 31 <= bought["VTI"] <= 34
    assert 260 <= bought["BND"] <= 290
    assert again["orders"] == []
    assert Decimal(result["drift_reached"]) < Decimal("0.01")
    assert link.record is not None
    assert link.record["target"]["weights"] == {"VTI": "0.6", "BND": "0.4"}
    # And the record is enough to plan the same again.
    assert replay.planned_again(link.record) == link.record["plan"]["hash"]


# Memory ------------------------------------------------------------------------------------


def test_a_processor_without_urls_knows_no_http() -> None:
    code = (
        "import sys; import rebalancer.processor.start, rebalancer.settings.loading; "
        "print([m for m in ('httpx', 'jsonpath') if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout.strip() == "[]"
