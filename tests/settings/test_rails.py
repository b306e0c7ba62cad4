"""The keys of the rails, the what-if and the taxes: read, refused, put over one another."""

from __future__ import annotations

from dataclasses import fields, replace
from decimal import Decimal

import pytest

from rebalancer.core.limits import Limits
from rebalancer.core.policy import Bounds, Policy
from rebalancer.core.target import Substitute
from rebalancer.settings.rails import RAIL_KEYS
from tests.settings.conftest import Etc


def limits(etc: Etc, account_id: str = "DU1") -> Limits:
    return etc.load().accounts[account_id].policy().limits


def one(*lines: str) -> str:
    return "accounts:\n  - account_id: DU1\n    type: paper\n" + "".join(
        f"    {line}\n" for line in lines
    )


EVERY = (
    "max_order_value: 50000",
    "max_order_percent: 25",
    "max_orders: 30",
    "turnover_limit_per_run_percent: 50",
    "turnover_limit_per_day_percent: 75.5",
    "turnover_day_time_zone: Europe/Berlin",
    "max_price_deviation_percent: 1.5",
    "max_close_deviation_percent: 8",
    "max_price_age_seconds: 2.5",
    "min_equity: 10000",
    "allowed_symbols: [SPY, BRK B]",
    "min_margin_cushion_percent: 30",
    "what_if: on",
)


def test_every_key_becomes_a_limit(etc: Etc) -> None:
    assert limits(etc.write(accounts=one(*EVERY))) == Limits(
        max_order_value=Decimal(50_000),
        max_order=Decimal("0.25"),
        max_orders=30,
        turnover_limit_per_run=Decimal("0.5"),
        turnover_limit_per_day=Decimal("0.755"),
        turnover_day_time_zone="Europe/Berlin",
        max_price_deviation=Decimal("0.015"),
        max_close_deviation=Decimal("0.08"),
        max_price_age_seconds=2.5,
        min_equity=Decimal(10_000),
        allowed_symbols=("SPY", "BRK B"),
        min_margin_cushion=Decimal("0.3"),
    )
    assert {line.partition(":")[0] for line in EVERY} == {*RAIL_KEYS, "what_if"}


def test_off_is_no_limit_and_not_the_default(etc: Etc) -> None:
    named = [k for k in RAIL_KEYS if k != "turnover_day_time_zone"]
    found = limits(etc.write(accounts=one(*(f"{name}: off" for name in named))))
    values = {f.name: getattr(found, f.name) for f in fields(found)}
    assert values.pop("turnover_day_time_zone") == "America/New_York"
    assert set(values.values()) == {None}


def test_an_account_goes_over_the_defaults_and_those_over_what_is_built_in(etc: Etc) -> None:
    config = "defaults:\n  max_orders: off\n  max_order_value: 1000\n  min_equity: 5\n"
    accounts = one("max_orders: 7", "max_order_value: off") + (
        "  - {account_id: DU2, type: paper}\n"
    )
    etc.write(config=config, accounts=accounts)
    assert limits(etc) == replace(Limits(), max_orders=7, min_equity=Decimal(5))
    second = replace(
        Limits(), max_orders=None, max_order_value=Decimal(1000), min_equity=Decimal(5)
    )
    assert limits(etc, "DU2") == second


def test_variables_go_over_the_defaults(etc: Etc) -> None:
    etc.environ = {
        "REBALANCER_DEFAULTS_MAX_ORDERS": "off",
        "REBALANCER_DEFAULTS_ALLOWED_SYMBOLS": "SPY, BRK B,VWCE@IBIS2/EUR",
    }
    found = limits(etc.write(accounts=one()))
    assert found.max_orders is None
    assert found.allowed_symbols == ("SPY", "BRK B", "VWCE@IBIS2/EUR")


def test_what_if_and_taxes_are_off_unless_asked_for(etc: Etc) -> None:
    etc.write(accounts=one())
    assert etc.load().accounts["DU1"].policy() == Policy()
    keys = ("what_if: on", "wash_sale_guard: yes", "avoid_short_term_gains: true")
    policy = etc.write(accounts=one(*keys)).load().accounts["DU1"].policy()
    assert policy == Policy(what_if=True, wash_sale_guard=True, avoid_short_term_gains=True)


REFUSED = [
    ("max_order_value: 0", "found '0'; expected an amount above 0, or off"),
    ("max_order_value: lots", "found 'lots'; expected an amount above 0, or off"),
    ("max_order_percent: -1", "expected a percentage from 0 to 1000, such as 1.5, or off"),
    ("max_orders: 1.5", "expected a whole number from 1 to 10000, or off"),
    ("max_orders: none", "found 'none'; expected a whole number from 1 to 10000, or off"),
    ("turnover_limit_per_day_percent: x", "expected a percentage from 0 to 10000"),
    ("turnover_day_time_zone: New York", "expected a time zone such as America/New_York"),
    ("turnover_day_time_zone: off", "expected a time zone such as America/New_York"),
    ("max_price_age_seconds: 0", "expected seconds, above 0 and at most 3600, or off"),
    ("allowed_symbols: []", "found an empty list; expected at least one symbol, or off"),
    ("allowed_symbols: [SPY, spy]", "found the symbol 'spy'; expected a symbol such as SPY"),
    ("allowed_symbols: {SPY: 1}", "found a mapping; expected a list of symbols"),
    ("no_sell: [SPY, '?']", "found the symbol '?'; expected a symbol such as SPY"),
    ("what_if: maybe", "found 'maybe'; expected true or false"),
    ("wash_sale_guard: 30", "found '30'; expected true or false"),
    ("max_order_valu: 5", "found an unknown key; expected a known key (did you mean max_order"),
]


@pytest.mark.parametrize(("line", "said"), REFUSED, ids=[line for line, _ in REFUSED])
def test_what_is_no_limit_is_refused_where_it_stands(etc: Etc, line: str, said: str) -> None:
    (problem,) = etc.write(accounts=one(line)).said()
    key = line.partition(":")[0]
    assert problem.startswith(f"accounts.yaml:4: accounts[0].{key}")
    assert said in problem


def test_a_rail_that_every_order_would_break_is_a_contradiction(etc: Etc) -> None:
    accounts = one("slippage_percent: 4", "max_price_deviation_percent: 2")
    (problem,) = etc.write(accounts=accounts).said()
    assert "accounts.yaml:5: accounts[0].max_price_deviation_percent" in problem
    assert "expected off, or at least slippage_percent (4)" in problem
    etc.write(config="defaults:\n  slippage_percent: 4\n", accounts=one())
    assert "found 3 for DU1; expected off, or at least slippage" in " ".join(etc.said())
    loose = one("slippage_percent: 4", "max_price_deviation_percent: off")
    assert limits(etc.write(accounts=loose)).max_price_deviation is None


def test_a_cushion_that_nobody_would_measure_is_a_contradiction(etc: Etc) -> None:
    (problem,) = etc.write(accounts=one("min_margin_cushion_percent: 10")).said()
    assert "it without what_if for DU1; expected what_if: on" in problem


def test_no_sell_is_a_bound_on_each(etc: Etc) -> None:
    accounts = one("no_sell: [SPY, GLD]", "bounds: {SPY: {no_buy: true}, BND: {no_buy: true}}")
    assert etc.write(accounts=accounts).load().accounts["DU1"].policy().bounds == {
        "SPY": Bounds(no_buy=True, no_sell=True),
        "GLD": Bounds(no_sell=True),
        "BND": Bounds(no_buy=True),
    }


@pytest.mark.parametrize("key", ["no_sell", "allowed_symbols"])
def test_a_target_in_other_words_is_told(etc: Etc, key: str) -> None:
    accounts = one("targets: {BRK B: 1}", f"{key}: [BRK.B]")
    (problem,) = etc.write(accounts=accounts).said()
    assert f"accounts[0].{key}: found BRK.B for BRK B; expected the target's BRK B" in problem


SETS = """\
replacement_sets:
  ira: [{source: VTI, target: ITOT}, {source: ITOT, target: SCHB, scale: 0.5}]
  pairs: [{source: VTI, target: SCHB}, {source: BRK.B, target: SPY}]
"""


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (("wash_sale_set: pairs",), {"VTI": Substitute("SCHB"), "BRK B": Substitute("SPY")}),
        # What it holds already stands for another; the same set may say what stands for that.
        (("replacement_set: ira",), {"ITOT": Substitute("SCHB", Decimal("0.5"))}),
        (("replacement_set: ira", "wash_sale_set: pairs"), {"BRK B": Substitute("SPY")}),
        ((), {}),
    ],
)
def test_substitutes_are_those_of_the_accounts_targets(
    etc: Etc, lines: tuple[str, ...], found: dict[str, Substitute]
) -> None:
    accounts = one("targets: {VTI: 60%, BRK B: 40%}", *lines)
    etc.write(accounts=accounts, replacements=SETS)
    assert etc.load().accounts["DU1"].target().substitutes == found


@pytest.mark.parametrize("replacements", [SETS, None])
def test_an_unknown_set_is_told(etc: Etc, replacements: str | None) -> None:
    accounts = one("targets: {VTI: 1}", "wash_sale_set: pair")
    (problem,) = etc.write(accounts=accounts, replacements=replacements).said()
    assert "accounts[0].wash_sale_set: found 'pair'; expected a set of replacement" in problem
