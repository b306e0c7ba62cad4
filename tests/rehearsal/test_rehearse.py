"""``rebalancer rehearse``, typed by a user: private wires only, and nothing real is changed."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

from rebalancer.cli.main import main
from rebalancer.queue import history, moves
from rebalancer.queue.store import AsyncQueue
from rebalancer.sim.venue.pairs import pairs
from rebalancer.sim.vocabulary import Fault
from rebalancer.sim.world import AccountSpec
from tests.processor.system import ACCOUNTS, System
from tests.support.redis_server import RedisServer, free_port
from tests.support.sim_gateway import sim_gateway, small_world

pytestmark = pytest.mark.redis_server


@dataclass
class Trespass:
    """Where the settings say the real gateway is; nobody may ever call."""

    port: int
    calls: list[Any] = field(default_factory=list)


@pytest.fixture
def gateway() -> Iterator[Trespass]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = Trespass(listener.getsockname()[1])

        def watch() -> None:
            try:
                while True:
                    found.calls.append(listener.accept())
            except OSError:
                return

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        yield found
        listener.shutdown(socket.SHUT_RDWR)
    watcher.join(5)
    assert found.calls == []


@dataclass(frozen=True)
class Told:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.out, self.err
        return json.loads(self.out)


Rehearse = Callable[..., Any]


@pytest.fixture
def rehearse(
    tmp_path: Path,
    redis: RedisServer,
    gateway: Trespass,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Rehearse:
    """Types the command; all that Redis holds is the same before and after, to the byte."""
    config = tmp_path / "rebalancer.yaml"
    if not config.exists():
        config.write_text("")
        (tmp_path / "accounts.yaml").write_text(ACCOUNTS)
    monkeypatch.setenv("REBALANCER_REDIS_URL", redis.url)
    monkeypatch.setenv("REBALANCER_GATEWAY_PORT", str(gateway.port))
    monkeypatch.setenv("COLUMNS", "200")

    async def typed(*arguments: str) -> Told:
        capsys.readouterr()
        before = everything(redis.url)
        words = ["--config", str(config), "rehearse", *arguments]
        code = await asyncio.to_thread(main, words)
        assert everything(redis.url) == before
        printed = capsys.readouterr()
        return Told(code, printed.out, printed.err)

    return typed


def everything(url: str) -> dict[bytes, tuple[bytes | None, bool]]:
    with redis_py.Redis.from_url(url) as client:
        keys: list[Any] = list(client.scan_iter())
        return {key: (client.dump(key), client.pttl(key) > 0) for key in sorted(keys)}


async def rebalanced(system: System, *accounts: str) -> None:
    """A real day: the accounts are rebalanced, and leave snapshots and records."""
    async with system.processor():
        for account in accounts:
            await system.result(await system.enqueue(account))


def configured(system: System, targets: str) -> Path:
    """Give the first account other targets; return its file."""
    system.accounts = ACCOUNTS.replace("SPY: 60%, BND: 40%", targets)
    return system.files().accounts


PRICES = ("--price", "SPY=500", "--price", "BND=75", "--price", "AAPL=200")


async def test_from_cash(rehearse: Rehearse) -> None:
    found = (await rehearse("--from-cash", "--cash", "50000", *PRICES, "--json")).json
    assert found["ok"]
    one, two = found["accounts"]
    assert (one["account_id"], one["verdict"]) == ("DU1000001", "on target")
    assert one["start"]["kind"] == "cash"
    assert one["plan"]["net_liquidation"] == "50000.00"
    bought = {order["symbol"]: int(order["filled"]) for order in one["orders"]}
    assert 58 <= bought["SPY"] <= 60
    assert 255 <= bought["BND"] <= 267
    assert float(one["costs"]["commission"]["USD"]) > 0
    assert float(one["drift"]["after"]) < 0.02 < float(one["drift"]["before"])
    assert {order["symbol"] for order in two["orders"]} == {"SPY", "AAPL"}


async def test_what_a_person_reads(rehearse: Rehearse) -> None:
    told = await rehearse("DU1000001", "--from-cash", *PRICES)
    assert told.code == 0
    for words in (
        "DU1000001, from 100,000.00 USD in cash",
        "2 orders would bring the drift from",
        "BUY 118 SPY",
        "Commissions of",
        "DU1000001  ON TARGET",
        "Nothing real was touched.",
    ):
        assert words in told.out, words
    assert "DU1000002" not in told.out


async def test_from_the_last_snapshots(system: System, rehearse: Rehearse) -> None:
    await rebalanced(system, "DU1000001", "DU1000002")
    configured(system, "SPY: 20%, BND: 80%")
    fills = len(system.sim.exchange.fills)
    found = (await rehearse("--from-snapshot", "--json")).json
    one, two = found["accounts"]
    assert one["start"]["kind"] == two["start"]["kind"] == "snapshot"
    snapshot = await system.queue.run(moves.load_snapshot("DU1000001"))
    assert snapshot is not None
    assert one["plan"]["net_liquidation"] == snapshot["net_liquidation"]
    assert one["plan"]["cash_before"] == snapshot["total_cash"]
    assert {o["symbol"]: o["action"] for o in one["orders"]} == {"SPY": "SELL", "BND": "BUY"}
    assert two["orders"] == []  # it is where it should be
    assert found["ok"]
    assert len(system.sim.exchange.fills) == fills


async def test_a_symbol_without_a_price_is_named(system: System, rehearse: Rehearse) -> None:
    await rebalanced(system, "DU1000001")
    configured(system, "SPY: 60%, NEWX: 40%")
    told = await rehearse("DU1000001", "--from-snapshot")
    assert told.code == 1
    assert "no price is known for NEWX: give one (--price 'NEWX=…')" in told.err
    told = await rehearse("DU1000001", "--from-snapshot", "--price", "NEWX=12.50", "--json")
    symbols = {o["symbol"]: o["action"] for o in told.json["accounts"][0]["orders"]}
    assert symbols["NEWX"] == "BUY"
    assert symbols["BND"] == "SELL"


async def test_a_bad_day(system: System, rehearse: Rehearse) -> None:
    await rebalanced(system, "DU1000001")
    configured(system, "SPY: 20%, BND: 80%")
    told = await rehearse("DU1000001", "--scenario", "bad-day", "--json")
    [one] = told.json["accounts"]
    assert one["attempts"] > 1
    assert any("did not fill" in mishap for mishap in one["mishaps"])
    assert {"rejected", "filled"} <= {order["status"] for order in one["orders"]}
    assert one["verdict"] == "on target"
    assert told.json["scenario"] == "bad-day"


async def test_a_scenario_of_ones_own_that_ends_badly(
    rehearse: Rehearse, tmp_path: Path
) -> None:
    scenario = tmp_path / "refused.yaml"
    scenario.write_text("faults: [{kind: reject, when: placeOrder, count: 0, symbol: BND}]\n")
    told = await rehearse(
        "DU1000001", "--from-cash", *PRICES, "--scenario", str(scenario), "--json"
    )
    [one] = told.json["accounts"]
    assert told.code == 1
    assert one["verdict"] == "failed"
    assert "attempts exhausted" in one["reason"]
    assert "BND rejected" in one["reason"]
    assert len(one["records"]) == one["attempts"] == 5


async def test_closed_markets_make_it_wait(rehearse: Rehearse) -> None:
    told = await rehearse("DU1000001", "--from-cash", *PRICES, "--scenario", "weekend")
    assert told.code == 1
    assert "DU1000001  WAITS: outside the liquid hours of" in told.out


async def test_what_does_not_end_in_time(rehearse: Rehearse, tmp_path: Path) -> None:
    scenario = tmp_path / "slow.yaml"
    scenario.write_text(
        "faults: [{kind: late_fill, when: placeOrder, count: 0, seconds: 60}]\n"
    )
    told = await rehearse(
        *("DU1000001", "--from-cash", *PRICES, "--scenario", str(scenario)),
        *("--timeout", "1", "--json"),
    )
    [one] = told.json["accounts"]
    assert one["verdict"] == "unfinished"


async def test_a_live_account_is_checked_as_a_live_one(
    rehearse: Rehearse, tmp_path: Path
) -> None:
    (tmp_path / "rebalancer.yaml").write_text("trading_mode: live\n")
    (tmp_path / "accounts.yaml").write_text(
        "accounts:\n"
        "  - {account_id: U7654321, type: live, targets: {SPY: 1}}\n"
        "  - {account_id: DU1000001, type: paper, targets: {SPY: 1}}\n"
        "  - {account_id: DU7000000, type: live, targets: {SPY: 1}}\n"
    )
    told = await rehearse("--from-cash", *PRICES, "--json")
    assert told.code == 1
    live, wrong = told.json["accounts"]
    assert (live["account_id"], live["verdict"]) == ("U7654321", "on target")
    assert wrong["verdict"] == "failed"
    assert "is a paper account by its name" in wrong["reason"]


async def test_the_settings_of_redis_and_gateway_do_not_matter(
    rehearse: Rehearse, tmp_path: Path
) -> None:
    (tmp_path / "rebalancer.yaml").write_text(
        "gateway: {host: gateway.example.org, client_id: 77}\n"
        "retry: {retry_delay_seconds: 3600, max_attempts: 0}\n"
        "processor: {worker: the-real-one}\n"
    )
    told = await rehearse("DU1000001", "--from-cash", *PRICES, "--json")
    [one] = told.json["accounts"]
    assert one["verdict"] == "on target"
    assert one["records"][0]["run"]["worker"] == "rehearsal"


# Refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["DU9999999"], 1, "account DU9999999 is not in accounts.yaml"),
        (["--from-snapshot"], 1, "no snapshot of DU1000001: take one with"),
        (["--from-cash"], 1, "no price is known for SPY, BND, AAPL"),
        (["--price", "SPY=dear"], 2, "'SPY=dear' is no price; write SPY=512.30"),
        (["--price", "SPY=-1"], 2, "'SPY=-1' is no price"),
        (["--price", "512"], 2, "'512' is no price"),
        (["--scenario", "worst-day", "--from-cash"], 2, "no such scenario"),
        (["--replay", "nope"], 1, "no record of nope"),
        (["--replay", "nope", "DU1000001"], 2, "name nothing else"),
        (["--cash", "0"], 2, "--cash"),
    ],
)
async def test_refused(rehearse: Rehearse, arguments: list[str], code: int, words: str) -> None:
    told = await rehearse(*arguments)
    assert told.code == code
    assert words in told.err
    assert told.out == ""


async def test_without_redis_only_cash_will_do(
    rehearse: Rehearse, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REBALANCER_REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    told = await rehearse()
    assert told.code == 3
    assert "rebalancer rehearse --from-cash" in told.err
    assert (await rehearse("DU1000001", "--from-cash", *PRICES)).code == 0


async def test_an_account_without_a_target_fails_as_it_would(
    rehearse: Rehearse, tmp_path: Path
) -> None:
    (tmp_path / "accounts.yaml").write_text(
        "accounts: [{account_id: DU1000001, type: paper}]\n"
    )
    told = await rehearse("--from-cash", "--json")
    [one] = told.json["accounts"]
    assert (told.code, one["verdict"]) == (1, "failed")
    assert "has no target" in one["reason"]


# Replays ----------------------------------------------------------------------------------


async def test_a_recorded_run_is_planned_and_traded_the_same(
    system: System, rehearse: Rehearse
) -> None:
    await rebalanced(system, "DU1000001")
    [link] = await system.queue.run(history.oldest())
    record = link.record
    assert record is not None
    # The settings have changed since; the replay is of what was.
    configured(system, "SPY: 10%, BND: 40%")
    told = await rehearse("--replay", link.event_id, "--json")
    found = told.json
    assert told.code == 0
    assert found["replay"]["same_plan"]
    assert found["replay"]["same_trades"]
    assert found["replay"]["plan_played"] == record["plan"]["hash"]
    assert found["replay"]["plan_made_again"] == record["plan"]["hash"]
    assert found["replay"]["trades"] == {}

    def sent(orders: Any) -> set[tuple[str, str, str]]:
        return {(o["action"], o["quantity"], o["symbol"]) for o in orders}

    assert sent(found["accounts"][0]["orders"]) == sent(record["orders"])
    shown = await rehearse("--replay", "1")
    assert "Replayed record 1" in shown.out
    assert "The plan is the same" in shown.out
    assert "today's planner makes the same plan" in shown.out


async def test_a_replay_with_todays_settings(system: System, rehearse: Rehearse) -> None:
    await rebalanced(system, "DU1000001")
    [link] = await system.queue.run(history.oldest())
    accounts = configured(system, "SPY: 10%, BND: 90%")
    told = await rehearse("--replay", link.event_id, "--accounts", str(accounts))
    assert told.code == 0
    assert "Other trades were planned: BND +" in told.out
    assert "today's planner makes the same plan" in told.out


async def test_a_replay_on_a_bad_day(system: System, rehearse: Rehearse) -> None:
    await rebalanced(system, "DU1000001")
    [link] = await system.queue.run(history.oldest())
    told = await rehearse("--replay", link.event_id, "--scenario", "bad-day", "--json")
    assert told.json["replay"]["same_plan"]
    assert told.json["accounts"][0]["attempts"] > 1


async def test_a_later_attempt_is_replayed_as_one(system: System, rehearse: Rehearse) -> None:
    system.sim.inject(Fault("reject", "placeOrder", 1, (("symbol", "BND"),)))
    async with system.processor():
        event = await system.enqueue()
        done = asyncio.create_task(system.until("completed", event))
        while not done.done():
            await system.sweep()
            await asyncio.wait({done}, timeout=0.05)
    _, second = await system.queue.run(history.oldest())
    assert second.record is not None
    assert Decimal(second.record["spent"]) > 0
    told = await rehearse("--replay", str(second.seq), "--json")
    assert told.json["replay"]["record"] == second.seq
    assert told.json["replay"]["same_plan"]


async def test_a_run_without_a_plan_is_not_replayed(system: System, rehearse: Rehearse) -> None:
    async with system.processor():
        event = await system.enqueue("DU7777777")
        await system.until("dead", event)
    told = await rehearse("--replay", event.event_id)
    assert told.code == 1
    assert "came to no plan, it is dead" in told.err


@pytest.mark.parametrize("fx", ["margin", "auto-convert"])
async def test_prices_of_a_real_market_are_replayed_to_the_share(
    tmp_path: Path, redis: RedisServer, rehearse: Rehearse, fx: str
) -> None:
    """Wide markets, fractions of a share, another currency: the trades stay the same."""
    world = small_world()
    spy, aapl, bnd = world.listings
    rates = {"EUR": Decimal("1.1111")}
    listings = (
        replace(spy, spread=7),
        replace(aapl, spread=4),
        replace(bnd, currency="EUR", primary_exchange="IBIS2"),
        *pairs(rates),
    )
    [held] = world.accounts[0].holdings
    account = AccountSpec(
        "DU1000001",
        cash={"USD": Decimal("50000.37"), "EUR": Decimal("20000.11")},
        holdings=(replace(held, quantity=Decimal("10.25")),),
    )
    world = replace(world, listings=listings, accounts=(account,), rates=rates)
    async with sim_gateway(world) as sim, AsyncQueue(redis.url) as queue:
        system = System(tmp_path, redis, sim, queue)
        system.accounts = (
            "accounts:\n  - {account_id: DU1000001, type: paper, unlisted: liquidate, "
            f"fx: {fx}, targets: {{SPY: 60%, BND@IBIS2/EUR: 40%}}}}\n"
        )
        await rebalanced(system, "DU1000001")
        [link] = await queue.run(history.oldest())
        told = await rehearse("--replay", link.event_id, "--json")
        assert told.json["replay"]["same_trades"], told.json["replay"]
        assert told.json["replay"]["plan_made_again"] == told.json["replay"]["plan_recorded"]


async def test_where_no_redis_is_installed(
    rehearse: Rehearse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    began = time.monotonic()
    assert (await rehearse("DU1000001", "--from-cash", *PRICES)).code == 0
    assert time.monotonic() - began < 30
