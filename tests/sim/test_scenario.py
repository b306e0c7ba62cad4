"""Scenario files: what they say becomes a world, what they say wrong is told exactly."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from rebalancer.errors import ConfigError
from rebalancer.sim.exchange import Exchange
from rebalancer.sim.faults import FAULTS
from rebalancer.sim.scenario import default_world, load_world, parse, shipped
from rebalancer.sim.vocabulary import ContractSpec, Fault
from rebalancer.sim.world import Listing, PricePoint, World
from tests.support.exchange_play import new_york


def listing(world: World, symbol: str) -> Listing:
    return next(each for each in world.listings if each.symbol == symbol)


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, "s.yaml")
    return str(caught.value).splitlines()


# The world that comes along -----------------------------------------------------------------


def test_the_default_world_is_liquid_etfs_and_two_paper_accounts() -> None:
    world = default_world()
    assert len([each for each in world.listings if each.stock_type == "ETF"]) >= 25
    assert {each.primary_exchange for each in world.listings} == {"ARCA", "NASDAQ", "BATS"}
    assert [account.account_id for account in world.accounts] == ["DU1000001", "DU1000002"]
    apple = listing(world, "AAPL")
    assert (apple.con_id, apple.primary_exchange, apple.trading_class) == (
        265598,
        "NASDAQ",
        "NMS",
    )
    published = {"SPY": 756733, "QQQ": 320227571, "IWM": 9579970, "GLD": 51529211}
    assert {symbol: listing(world, symbol).con_id for symbol in published} == published
    assert default_world() == world


def test_the_default_accounts_are_worth_what_they_should_be() -> None:
    exchange = Exchange(default_world(), new_york("2026-04-15 10:00"))
    values = {
        account: {row.tag: Decimal(row.value) for row in rows}
        for account in exchange.accounts
        if (rows := exchange.account_summary(account, ["NetLiquidation", "TotalCashValue"]))
    }
    assert values["DU1000001"]["TotalCashValue"] == 100_000
    assert 240_000 < values["DU1000002"]["NetLiquidation"] < 260_000
    assert values["DU1000002"]["TotalCashValue"] < 10_000


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_scenario_loads_and_runs(name: str) -> None:
    world = load_world(name)
    exchange = Exchange(world, world.clock.start or new_york("2026-04-15 10:00"))
    for spec in world.listings:
        assert bool(exchange.find(ContractSpec(con_id=spec.con_id))) is not spec.delisted
    for account in exchange.accounts:
        assert exchange.account_values(account)
    exchange.advance(exchange.now + 120)


def test_the_unusual_world_has_what_must_be_left_alone() -> None:
    world = load_world("unusual")
    by_id = {each.con_id: each for each in world.listings}
    euro, cash, read_only = world.accounts
    kinds = {by_id[h.con_id].sec_type for h in euro.holdings}
    assert kinds == {"STK", "OPT", "FUT"}
    assert any(h.quantity < 0 and by_id[h.con_id].sec_type == "STK" for h in euro.holdings)
    assert any(h.quantity % 1 for h in euro.holdings)
    assert (cash.kind, read_only.read_only) == ("cash", True)


# What files say -----------------------------------------------------------------------------


def test_a_file_states_what_differs_from_the_default() -> None:
    world = parse(
        """
clock: {start: 2026-04-15 10:00 US/Eastern, rate: 10, always_open: true}
habits: {pending_cancel: false}
fill_after: 0.25
latencies: {placeOrder: 0.02, "*": 0.1}
instruments:
  SPY: {price: 500, liquidity: 100, path: {"+60": 510.5, "+30": 505}}
  NEW: {price: 12.5, data: delayed}
accounts:
  DU7: {cash: 1_000, positions: {NEW: 5, SPY: {quantity: 2, avg_cost: 400}}}
faults:
  - {kind: reject, when: placeOrder, count: 2, symbol: SPY}
  - {kind: disconnect, when: "+1.5"}
  - {kind: price_nan, seconds: 3}
""",
        "s.yaml",
    )
    assert (world.clock.start, world.clock.rate) == (new_york("2026-04-15 10:00"), 10.0)
    assert world.clock.always_open
    assert not world.habits.pending_cancel
    assert world.habits.two_step_ack
    assert world.fill_after == 0.25
    assert world.latencies == {"placeOrder": 0.02, "*": 0.1}
    spy, new = listing(world, "SPY"), listing(world, "NEW")
    assert (spy.con_id, spy.price, spy.liquidity) == (756733, Decimal(500), Decimal(100))
    assert spy.path == (PricePoint(30, Decimal(505)), PricePoint(60, Decimal("510.5")))
    assert new.con_id >= 900_000_000
    assert new.data == "delayed"
    (account,) = world.accounts
    assert account.cash == {"USD": 1_000}
    assert [(h.con_id, h.quantity, h.avg_cost) for h in account.holdings] == [
        (new.con_id, 5, Decimal("12.5")),
        (756733, 2, 400),
    ]
    assert world.faults == (
        Fault("reject", "placeOrder", 2, (("symbol", "SPY"),)),
        Fault("disconnect", "+1.5"),
        Fault("price_nan", "+0", 1, (("seconds", "3"),)),
    )


def test_a_file_may_begin_from_nothing_or_from_another_scenario() -> None:
    alone = parse(
        "extends: empty\ninstruments: {X: {price: 1}}\naccounts: {DU1: {cash: 5}}", "s.yaml"
    )
    assert [each.symbol for each in alone.listings] == ["X"]
    assert parse("extends: thin", "s.yaml") == load_world("thin")
    assert parse("", "s.yaml") == default_world()


def test_calendars_can_be_made_up() -> None:
    world = parse(
        """
calendars:
  SHORT: {zone: Asia/Tokyo, regular: "09:00-11:30,12:30-15:00", closed: [2026-04-16]}
instruments: {SPY: {calendar: SHORT}}
""",
        "s.yaml",
    )
    exchange = Exchange(world, new_york("2026-04-15 10:00"))
    contract = exchange.contract(756733)
    assert contract.time_zone == "Asia/Tokyo"
    assert contract.liquid_hours.startswith(
        "20260415:0900-20260415:1130,20260415:1230-20260415:1500;20260416:CLOSED;"
    )


def test_a_scenario_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("clock: {always_open: true}", encoding="utf-8")
    assert load_world(file).clock.always_open
    with pytest.raises(
        ConfigError, match="found no such scenario; give a file or one of always-open"
    ):
        load_world("deflaut")
    with pytest.raises(ConfigError, match=r"gone\.yaml: cannot be read"):
        load_world(tmp_path / "gone.yaml")


# What is wrong ------------------------------------------------------------------------------


def test_every_mistake_is_told_at_once_in_the_order_of_lines() -> None:
    found = problems(
        """
accounts:
  DU1:
    cahs: 5
    cash: abc
    positions: {SPX: 5, SPY: {qty: 4}}
instruments:
  FOO: {tick: 0}
  SPY: {price: nan, calendar: XNYZ}
clock: {start: tomorrow, rate: 0}
bogus: 1
"""
    )
    at = "s.yaml:6: accounts.DU1.positions"
    assert found[:5] == [
        "s.yaml:4: accounts.DU1.cahs: found an unknown key; did you mean 'cash'?",
        "s.yaml:5: accounts.DU1.cash: found 'abc'; write a number",
        f"{at}.SPX: found an unknown instrument; add it to 'instruments'",
        f"{at}.SPY.qty: found an unknown key; known: quantity, avg_cost",
        f"{at}.SPY.quantity: found nothing; say how many are held",
    ]
    assert [line.split(" found")[0] for line in found[5:]] == [
        "s.yaml:8: instruments.FOO.price:",
        "s.yaml:8: instruments.FOO.tick:",
        "s.yaml:9: instruments.SPY.calendar:",
        "s.yaml:9: instruments.SPY.price:",
        "s.yaml:10: clock.rate:",
        "s.yaml:10: clock.start:",
        "s.yaml:11: bogus:",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [", "s.yaml:2: found no valid YAML"),
        ("- 1", "s.yaml:1: found a list; write a mapping, 'name: value'"),
        ("accounts: {}", "s.yaml:1: accounts: found none; name at least one"),
        ("accounts: [1]", "s.yaml:1: accounts: found a list; write a mapping"),
        ("accounts: {D: 5}", "s.yaml:1: accounts.D: found '5'; write a mapping"),
        ("accounts: {D: {cash: [1]}}", "s.yaml:1: accounts.D.cash: found a list"),
        ("accounts: {D: {cash: {JPY: 5}}}", "s.yaml:1: rates.JPY: found nothing; say how many"),
        ("accounts: {D: {kind: ira}}", "s.yaml:1: accounts.D.kind: found 'ira'; write one of"),
        ("accounts: {D: {read_only: maybe}}", "s.yaml:1: accounts.D.read_only: found 'maybe'"),
        ("extends: defualt", "s.yaml:1: extends: found 'defualt'; write one of always-open"),
        (
            "instruments: {SPY: {con_id: 265598}}",
            "s.yaml:1: instruments.AAPL.con_id: found 265",
        ),
        ("instruments: {SPY: {spread: 1.5}}", "s.yaml:1: instruments.SPY.spread: found '1.5'"),
        ("instruments: {SPY: {path: {soon: 5}}}", "s.yaml:1: instruments.SPY.path.soon: found"),
        ("instruments: {SPY: {price: }}", "s.yaml:1: instruments.SPY.price: found nothing"),
        ("clock: {rate: 1, rate: 2}", "s.yaml:1: clock.rate: found the key twice; keep one"),
        (
            "clock: {start: 2026-04-15}",
            "s.yaml:1: clock.start: found '2026-04-15'; write 'now'",
        ),
        ("habits: {yoga: true}", "s.yaml:1: habits.yoga: found an unknown key"),
        ("rates: {EUR: -1}", "s.yaml:1: rates.EUR: found '-1'; write a number greater than 0"),
        ("latencies: {placeOrder: -1}", "s.yaml:1: latencies.placeOrder: found '-1'"),
        ("fill_after: inf", "s.yaml:1: fill_after: found 'inf'; write a number"),
        ("calendars: {X: {zone: Mars/Base}}", "s.yaml:1: calendars.X.regular: found nothing"),
        ("calendars: {X: {zone: UTC, regular: 9-5}}", "s.yaml:1: calendars.X.regular: found"),
        ("faults: {kind: reject}", "s.yaml:1: faults: found a mapping; write a list"),
        ("faults: [{kind: rejekt}]", "s.yaml:1: faults[0].kind: found 'rejekt'; write one of"),
        ("faults: [{when: +5}]", "s.yaml:1: faults[0].kind: found nothing; write one of"),
        (
            "faults: [{kind: partial}]",
            "s.yaml:1: faults[0].shares: found nothing; it is needed",
        ),
        (
            "faults: [{kind: reject, when: reqPositions}]",
            "s.yaml:1: faults[0].when: found 'reqPositions'; write one of placeOrder",
        ),
        ("faults: [{kind: halt, symbol: SPY, when: now}]", "s.yaml:1: faults[0].when: found"),
        ("faults: [{kind: stall}]", "s.yaml:1: faults[0].when: found nothing; it is needed"),
        ("faults: [{kind: halt, symbol: SPX}]", "s.yaml:1: faults[0].symbol: found 'SPX'"),
        ("faults: [{kind: reject, acount: D}]", "s.yaml:1: faults[0].acount: found an unknown"),
    ],
)
def test_a_mistake_is_told_with_line_key_finding_and_remedy(text: str, problem: str) -> None:
    assert any(line.startswith(problem) for line in problems(text)), problems(text)


def test_every_fault_kind_can_be_written_with_all_its_arguments() -> None:
    samples = {
        "symbol": "SPY",
        "account": "DU1000001",
        "action": "BUY",
        "then": "cancel",
        "after": "done",
        "instead": '"yes"',
        "keep": '"yes"',
        "silent": '"yes"',
        "used": '"yes"',
        "end": "1101",
        "message": "execDetailsEnd",
        "order_ref": "rb",
        "text": "No.",
    }
    for name, kind in FAULTS.items():
        args = "".join(f", {arg}: {samples.get(arg, '7')}" for arg in kind.args)
        when = {"any": "reqPositions", "time": '"+5"'}.get(kind.when, kind.when)
        (fault,) = parse(f"faults: [{{kind: {name}, when: {when}{args}}}]", "s.yaml").faults
        assert (fault.kind, len(fault.args)) == (name, len(kind.args))


def test_every_fault_kind_is_in_the_reference() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "simulator.md"
    rows = [line for line in page.read_text(encoding="utf-8").splitlines() if line[:3] == "| `"]
    for name, kind in FAULTS.items():
        (row,) = [row for row in rows if row.startswith(f"| `{name}` |")]
        assert kind.meaning in row
        assert all(f"`{arg}` (needed)" in row for arg in kind.required)
