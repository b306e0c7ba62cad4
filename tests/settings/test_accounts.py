from __future__ import annotations

from datetime import time
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from rebalancer.core.policy import Bounds, Policy
from rebalancer.errors import PermanentError
from tests.settings.conftest import Etc

#: What an operator of the first-generation system has: only these six keys.
EXISTING = """\
accounts:
  - account_id: "U123456"
    type: "live"
    enabled: true
    strategy_name: "strategy-name-here"
    cash_reserve_percent: 1.0
    replacement_set: "etf_to_ira"
  - account_id: "DU789012"
    type: "paper"
    enabled: yes
    strategy_name: "another-strategy"
    cash_reserve_percent: 2
"""


def test_an_existing_file_loads_unchanged(etc: Etc) -> None:
    settings = etc.write(accounts=EXISTING).load()
    live, paper = settings.accounts.values()
    assert (live.account_id, live.type, live.enabled) == ("U123456", "live", True)
    assert (live.strategy_name, live.replacement_set) == ("strategy-name-here", "etf_to_ira")
    assert live.policy() == Policy(cash_reserve=Decimal("0.01"))
    assert paper.policy().cash_reserve == Decimal("0.02")
    assert [account.account_id for account in settings.traded()] == ["DU789012"]


def test_empty_names_are_no_names(etc: Etc) -> None:
    blank = EXISTING.replace('"etf_to_ira"', '""').replace('"another-strategy"', "")
    live, paper = etc.write(accounts=blank).load().accounts.values()
    assert (live.replacement_set, paper.strategy_name) == ("", "")


def test_an_existing_file_may_be_just_the_list(etc: Etc) -> None:
    as_list = EXISTING.removeprefix("accounts:\n")
    assert list(etc.write(accounts=as_list).load().accounts) == ["U123456", "DU789012"]


def test_without_a_target_the_remedy_is_said_and_check_warns(etc: Etc) -> None:
    settings = etc.write(accounts=EXISTING).load()
    with pytest.raises(PermanentError, match=r"DU789012 has no target: add `targets` to it"):
        settings.accounts["DU789012"].target()
    [warning] = settings.warnings
    assert (warning.line, warning.key) == (8, "accounts[1]")


def test_only_enabled_accounts_of_the_mode_are_traded(etc: Etc) -> None:
    etc.write(
        config="trading_mode: live",
        accounts="""\
            accounts:
              - {account_id: U1, type: live, targets: {SPY: 1}}
              - {account_id: U2, type: live, enabled: false}
              - {account_id: DU3, type: paper}
            """,
    )
    settings = etc.load()
    assert settings.why_not_traded("U1") == ""
    assert "`enabled: false`" in settings.why_not_traded("U2")
    assert "trading_mode is live" in settings.why_not_traded("DU3")
    assert "U9 is not in accounts.yaml" in settings.why_not_traded("U9")
    assert [account.account_id for account in settings.traded()] == ["U1"]


def test_numbers_are_exact_and_percent_is_understood(etc: Etc) -> None:
    etc.write(accounts=_with_targets("{SPY: 0.1, BND: 20%, GLD: 12.5 %, TLT: .3, ON: '0.1'}"))
    assert etc.load().accounts["DU1"].target().weights == {
        "SPY": Decimal("0.1"),
        "BND": Decimal("0.2"),
        "GLD": Decimal("0.125"),
        "TLT": Decimal("0.3"),
        "ON": Decimal("0.1"),
    }


def test_symbols_that_yaml_takes_for_something_else_stay_symbols(etc: Etc) -> None:
    etc.write(accounts=_with_targets("{ON: 0.1, NO: 0.1, Y: 0.1, 0700: 0.1, 1E5: 0.1}"))
    weights = etc.load().accounts["DU1"].target().weights
    assert list(weights) == ["ON", "NO", "Y", "0700", "1E5"]


def test_a_sum_that_rounding_pushed_over_one_is_scaled_to_one(etc: Etc) -> None:
    etc.write(accounts=_with_targets("{A: 0.5000000001, B: 0.5000000001}"))
    assert sum(etc.load().accounts["DU1"].target().weights.values()) <= 1


def _with_targets(targets: str) -> str:
    return f"accounts:\n  - account_id: DU1\n    type: paper\n    targets: {targets}\n"


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        ("{SPY: 1.1}", "SPY: found '1.1'; expected a weight from 0 to 1, such as 0.25 or 25%"),
        ("{SPY: 60}", "SPY: found '60'; expected a weight from 0 to 1, such as 0.25 or 25% (d"),
        ("{SPY: 101%}", "SPY: found '101%'; expected a weight from 0 to 1"),
        ("{SPY: -0.1}", "SPY: found '-0.1'; expected a weight from 0 to 1"),
        ("{SPY: .nan}", "SPY: found '.nan'; expected a weight"),
        ("{SPY: .inf}", "SPY: found '.inf'; expected a weight"),
        ("{SPY: true}", "SPY: found 'true'; expected a weight"),
        ("{SPY: [1]}", "SPY: found a list; expected a weight"),
        ("{SPY: }", "SPY: found nothing; expected a weight"),
        (
            "{spy: 1}",
            "spy: found the symbol 'spy'; expected a symbol such as SPY, BRK B, VWCE@",
        ),
        ("{S PY/E: 1}", "S PY/E: found the symbol 'S PY/E'; expected a symbol"),
        ("{conid:0: 1}", "conid:0: found the symbol 'conid:0'; expected a symbol"),
        ("{BRK B: .1, BRK.B: .1}", "BRK.B: found BRK B in other words; expected each instrum"),
        ("{SPY: .1, SPY/USD: .1}", "SPY/USD: found SPY in other words; expected each instru"),
        ("{SPY@ARCA: .1, SPY: .1}", "SPY: found SPY@ARCA in other words; expected each"),
        ("{SPY: .1, SPY: .1}", "SPY: found it again (first on line 4); expected each key once"),
    ],
)
def test_weights_refused(etc: Etc, targets: str, said: str) -> None:
    [problem] = etc.write(accounts=_with_targets(targets)).said()
    assert problem.startswith(f"accounts.yaml:4: accounts[0].targets.{said}")


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        (
            "{SPY: 0.6, BND: 0.41}",
            "found a sum of 1.01; expected weights that sum to at most 1",
        ),
        ("{}", "found an empty mapping; expected at least one symbol with its weight"),
        ("[SPY]", "found a list; expected a mapping from symbols to weights"),
        ("SPY", "found 'SPY'; expected a mapping from symbols to weights"),
    ],
)
def test_targets_refused(etc: Etc, targets: str, said: str) -> None:
    assert etc.write(accounts=_with_targets(targets)).said() == [
        f"accounts.yaml:4: accounts[0].targets: {said}"
    ]


@pytest.mark.parametrize("targets", ["{SPY: .1, SPY/CAD: .1}", "{A@X/EUR: .1, A@Y/EUR: .1}"])
def test_the_same_symbol_elsewhere_is_another_instrument(etc: Etc, targets: str) -> None:
    assert len(etc.write(accounts=_with_targets(targets)).load().accounts) == 1


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("account_id: U 1", "2: accounts[0].account_id: found 'U 1'; expected an IBKR account"),
        ("account_id: 123", "2: accounts[0].account_id: found '123'; expected an IBKR account"),
        ("account_id: DU1", "2: accounts[0].type: found no such key; expected it to be there"),
        (
            "type: paper",
            "2: accounts[0].account_id: found no such key; expected it to be there",
        ),
        (
            "account_id: DU1\ntype: cash",
            "3: accounts[0].type: found 'cash'; expected paper or l",
        ),
        (
            "account_id: DU1\ntype:",
            "3: accounts[0].type: found nothing; expected paper or live",
        ),
        ("enabled:", "2: accounts[0].enabled: found nothing; expected true or false"),
        ("targets:", "2: accounts[0].targets: found nothing; expected a mapping"),
        ("account_id: DU٣", "2: accounts[0].account_id: found 'DU٣'; expected an IBKR account"),
        ("enabled: 2", "2: accounts[0].enabled: found '2'; expected true or false"),
        ("strategy_name: [a]", "2: accounts[0].strategy_name: found a list; expected a text"),
        (
            "strategy_nam: a",
            "2: accounts[0].strategy_nam: found an unknown key; expected a kno",
        ),
        ("cash_reserve_percent: -1", "2: accounts[0].cash_reserve_percent: found '-1'; expect"),
        ("cash_reserve_percent: a", "2: accounts[0].cash_reserve_percent: found 'a'; expected"),
        (
            "slippage_percent: 21",
            "2: accounts[0].slippage_percent: found '21'; expected a perc",
        ),
        ("unlisted: sell", "2: accounts[0].unlisted: found 'sell'; expected keep or liquidate"),
        ("open_orders: ignore", "2: accounts[0].open_orders: found 'ignore'; expected cancel,"),
        (
            "min_order_value: 1k",
            "2: accounts[0].min_order_value: found '1k'; expected an amoun",
        ),
        ("bounds: {SPY: no_buy}", "2: accounts[0].bounds.SPY: found 'no_buy'; expected a mapp"),
        (
            "bounds: {SPY: {nobuy: yes}}",
            "2: accounts[0].bounds.SPY.nobuy: found an unknown key",
        ),
        ("bounds: {s: {no_buy: yes}}", "2: accounts[0].bounds.s: found the symbol 's'; expec"),
        ("bounds: {SPY: {no_buy: 3}}", "2: accounts[0].bounds.SPY.no_buy: found '3'; expected"),
        ("schedule: 15:30", "2: accounts[0].schedule: found '15:30'; expected a mapping with"),
        ("schedule: {at: 25:00}", "2: accounts[0].schedule.at: found '25:00'; expected a time"),
        (
            "schedule: {at: 9:30}",
            "2: accounts[0].schedule.at: found '9:30'; expected a time of",
        ),
        ("schedule: {}", "2: accounts[0].schedule.at: found no such key; expected it to be"),
        (
            "schedule: {at: '15:30', time_zone: America/NewYork}",
            (
                "2: accounts[0].schedule.time_zone: found 'America/NewYork'; expected a "
                "time zone such as America/New_York (did you mean America/New_York?)"
            ),
        ),
        (
            "schedule: {at: '15:30', time_zone: ../../etc/passwd}",
            "2: accounts[0].schedule.time_zone: found '../../etc/passwd'; expected a time zone",
        ),
        (
            "schedule: {at: '15:30', days: [mon, tues]}",
            "2: accounts[0].schedule.days[1]: found 'tues'; expected mon, tue, wed, thu",
        ),
        ("schedule: {at: '15:30', days: []}", "2: accounts[0].schedule.days: found an empty l"),
        (
            "schedule: [{at: '15:30'}, {at: '15:31', exec_command: sell}]",
            "2: accounts[0].schedule[1].exec_command: found 'sell'; expected rebalance, print-",
        ),
        (
            "schedule: {at: '15:30', when: {}}",
            "2: accounts[0].schedule: found when is empty; it has one or more of drift_exceeds",
        ),
        (
            "schedule: {at: '15:30', when: {drift_exceeds: 5}}",
            "2: accounts[0].schedule.when.drift_exceeds: found an unknown key; expected a know",
        ),
        (
            "schedule: {at: '15:30', raise_cash: 5, mode: buy-only}",
            "2: accounts[0].schedule: found raise_cash goes without mode: it sells what is lac",
        ),
        (
            "schedule: {at: '15:30', raise_cash: 5, exec_command: print-orders}",
            "2: accounts[0].schedule: found print-orders takes no raise_cash; only print-rebal",
        ),
        (
            "schedule: {at: '15:30', raise_cash: 0}",
            "2: accounts[0].schedule.raise_cash: found '0'; expected an amount above 0",
        ),
    ],
)
def test_account_refused(etc: Etc, entry: str, said: str) -> None:
    required = {"account_id": "DU1", "type": "paper"}
    lines = entry.split("\n")
    if not entry.startswith(tuple(required)):
        lines += [f"{name}: {value}" for name, value in required.items()]
    etc.write(accounts="accounts:\n  - " + "\n    ".join(lines) + "\n")
    problems = etc.said()
    assert any(problem.startswith(f"accounts.yaml:{said}") for problem in problems), problems


@pytest.mark.parametrize(
    ("accounts", "said"),
    [
        ("", ": found nothing; expected a mapping with keys such as accounts"),
        ("accounts:", ":1: accounts: found nothing; expected a list of accounts"),
        ("accounts: {}", ":1: accounts: found a mapping; expected a list of accounts"),
        (
            "accounts: [7]",
            ":1: accounts[0]: found '7'; expected a mapping with keys such as max",
        ),
        (
            "acounts: []",
            ":1: acounts: found an unknown key; expected a known key (did you mean ac",
        ),
        (
            "accounts: []\nstrategies: [a]",
            ":2: strategies: found a list; expected a mapping fro",
        ),
        (
            "accounts: []\nstrategies:\n  a:\n    targets: {SPY: 2}",
            ":4: strategies.a.targets.SPY: found '2'; expected a weight",
        ),
    ],
)
def test_file_refused(etc: Etc, accounts: str, said: str) -> None:
    assert any(
        p.startswith(f"accounts.yaml{said}") for p in etc.write(accounts=accounts).said()
    )


def test_an_account_twice_is_refused_beside_other_mistakes(etc: Etc) -> None:
    etc.write(
        accounts="""\
            accounts:
              - account_id: DU1
                type: paper
              - account_id: DU1
                type: papers
            """
    )
    first, second = etc.said()
    assert first == (
        "accounts.yaml:4: accounts[1].account_id: found 'DU1' again (first on line 2); "
        "expected each account once"
    )
    assert second.startswith("accounts.yaml:5: accounts[1].type: found 'papers'")


def test_an_empty_list_loads_with_a_warning(etc: Etc) -> None:
    settings = etc.write(accounts="accounts: []").load()
    assert settings.accounts == {}
    assert "nothing is traded" in str(settings.warnings[0])


# Policies, strategies, bounds, schedules --------------------------------------------------


def test_policy_is_account_over_defaults_over_built_in(etc: Etc) -> None:
    etc.write(
        config="""\
            defaults:
              slippage_percent: 0.25
              order_type: MKT
              open_orders: respect
            """,
        accounts="""\
            accounts:
              - account_id: DU1
                type: paper
                cash_reserve_percent: 2.5
                order_type: LMT
                unlisted: liquidate
                min_order_value: 100
                max_turnover_percent: 50
                drift_band_percent: 0.5
                extended_hours: true
                allow_delayed_prices: true
                bounds:
                  SPY: {no_sell: true}
                  BND: {no_buy: true, drift_band_percent: 2}
            """,
    )
    assert etc.load().accounts["DU1"].policy() == Policy(
        cash_reserve=Decimal("0.025"),
        slippage=Decimal("0.0025"),
        order_type="LMT",
        unlisted="liquidate",
        min_order_value=Decimal(100),
        max_turnover=Decimal("0.5"),
        drift_band=Decimal("0.005"),
        bounds={
            "SPY": Bounds(no_sell=True),
            "BND": Bounds(no_buy=True, drift_band=Decimal("0.02")),
        },
        extended_hours=True,
        open_orders="respect",
        allow_delayed_prices=True,
    )


STRATEGIES = """\
accounts:
  - {account_id: DU1, type: paper, strategy_name: 60-40}
  - {account_id: DU2, type: paper, strategy_name: 60-40, targets: {GLD: 1}}
  - {account_id: DU3, type: paper, strategy_name: 60-40, replacement_set: ira}
strategies:
  60-40:
    targets: {SPY: 60%, BND: 40%}
"""


def test_own_targets_win_over_the_strategys(etc: Etc) -> None:
    accounts = etc.write(accounts=STRATEGIES).load().accounts
    assert accounts["DU1"].target().weights == {"SPY": Decimal("0.6"), "BND": Decimal("0.4")}
    assert accounts["DU1"].target().source == "accounts.yaml, strategy 60-40"
    assert accounts["DU2"].target().weights == {"GLD": Decimal(1)}
    assert accounts["DU2"].target().source == "accounts.yaml, account DU2"


def test_a_bound_that_spells_a_target_otherwise_is_refused(etc: Etc) -> None:
    etc.write(
        accounts="""\
            accounts:
              - account_id: DU1
                type: paper
                targets: {BRK B: 1}
                bounds:
                  BRK.B: {no_buy: true}
            """
    )
    assert etc.said() == [
        (
            "accounts.yaml:6: accounts[0].bounds.BRK.B: found BRK.B for BRK B; "
            "expected the target's BRK B"
        )
    ]


def test_schedules(etc: Etc) -> None:
    etc.write(
        accounts="""\
            accounts:
              - account_id: DU1
                type: paper
                schedule: {at: 15:30}
              - account_id: DU2
                type: paper
                schedule:
                  - {at: "09:35", time_zone: Europe/Berlin, days: [mon, fri]}
                  - {at: 22:00, days: [sun], exec_command: print-equity}
            """
    )
    accounts = etc.load().accounts
    [daily] = accounts["DU1"].schedules
    assert (daily.at, daily.time_zone) == (time(15, 30), ZoneInfo("America/New_York"))
    assert (daily.days, daily.exec_command) == (frozenset(range(5)), "rebalance")
    first, second = accounts["DU2"].schedules
    assert (first.days, first.time_zone) == (frozenset({0, 4}), ZoneInfo("Europe/Berlin"))
    assert (second.days, second.exec_command) == (frozenset({6}), "print-equity")


def test_what_a_schedule_asks_for(etc: Etc) -> None:
    etc.write(
        accounts="""\
            accounts:
              - account_id: DU1
                type: paper
                schedule:
                  - {at: "10:00"}
                  - {at: "10:00", when: {drift_exceeds_percent: 5}}
                  - at: "10:00"
                    mode: buy-only
                    when: {uninvested_cash_exceeds_percent: 2.50}
                  - {at: "10:00", raise_cash: 5000}
            """
    )
    assert [one.data() for one in etc.load().accounts["DU1"].schedules] == [
        {},
        {"when": {"drift_exceeds_percent": "5"}},
        {"mode": "buy-only", "when": {"uninvested_cash_exceeds_percent": "2.50"}},
        {"raise_cash": "5000"},
    ]


def test_a_type_that_the_accounts_name_contradicts_is_warned_of(etc: Etc) -> None:
    etc.write(accounts="accounts: [{account_id: U1, type: paper, targets: {SPY: 1}}]")
    [warning] = etc.load().warnings
    assert warning.key == "accounts[0].type"


# Replacement sets -------------------------------------------------------------------------


def test_a_replacement_set_is_applied(etc: Etc) -> None:
    etc.write(
        accounts=STRATEGIES,
        replacements="""\
            replacement_sets:
              ira:
                - {source: SPY, target: SSO, scale: 0.5}
                - source: BND
                  target: AGG
            """,
    )
    target = etc.load().accounts["DU3"].target()
    assert target.weights == {"SSO": Decimal("0.30"), "AGG": Decimal("0.4")}
    assert target.source == "accounts.yaml, strategy 60-40, replacement set ira"


def test_sources_on_one_target_add_up_and_never_exceed_one(etc: Etc) -> None:
    etc.write(
        accounts=STRATEGIES,
        replacements="""\
            replacement_sets:
              ira:
                - {source: SPY, target: VT, scale: 2}
                - {source: BND, target: VT, scale: 1}
            """,
    )
    assert etc.load().accounts["DU3"].target().weights == {"VT": Decimal(1)}


def test_a_scale_above_one_scales_everything_down_alike(etc: Etc) -> None:
    etc.write(
        accounts=STRATEGIES,
        replacements="replacement_sets: {ira: [{source: SPY, target: VTI, scale: 2}]}",
    )
    weights = etc.load().accounts["DU3"].target().weights
    assert weights == {"VTI": Decimal("0.75"), "BND": Decimal("0.25")}


def test_a_source_is_found_however_it_is_spelled(etc: Etc) -> None:
    etc.write(
        accounts=_with_targets("{BRK B: 0.5, VT: 0.5}\n    replacement_set: r"),
        replacements="replacement_sets: {r: [{source: BRK.B, target: VT/USD}]}",
    )
    assert etc.load().accounts["DU1"].target().weights == {"VT/USD": Decimal(1)}


def test_a_missing_replacement_set_refuses_to_trade_rather_than_trade_wrongly(etc: Etc) -> None:
    settings = etc.write(accounts=STRATEGIES).load()
    with pytest.raises(PermanentError, match=r"replacement-sets.yaml with the set ira"):
        settings.accounts["DU3"].target()


@pytest.mark.parametrize(
    ("replacements", "said"),
    [
        (
            "replacement_sets: {iras: []}",
            (
                "accounts.yaml:4: accounts[2].replacement_set: found 'ira'; "
                "expected a set of replacement-sets.yaml (did you mean iras?)"
            ),
        ),
        (
            "replacement_sets:\n  ira:\n    - source: SPY",
            (
                "replacement-sets.yaml:3: replacement_sets.ira[0].target: found no such key; "
                "expected it to be there"
            ),
        ),
        (
            "replacement_sets: {ira: [{source: SPY, target: A, scale: 0}]}",
            (
                "replacement-sets.yaml:1: replacement_sets.ira[0].scale: found '0'; "
                "expected a factor above 0 and at most 10"
            ),
        ),
        (
            "replacement_sets: {ira: [{source: A, target: B}, {source: A, target: C}]}",
            (
                "replacement-sets.yaml:1: replacement_sets.ira[1]: found A again; "
                "expected each source once"
            ),
        ),
        (
            "replacement_sets: {ira: [{source: a, target: B}]}",
            (
                "replacement-sets.yaml:1: replacement_sets.ira[0].source: found 'a'; "
                "expected a symbol such as SPY, BRK B, VWCE@IBIS2/EUR or conid:756733 "
                "(did you mean A?)"
            ),
        ),
        (
            "replacement_sets: [ira]",
            (
                "replacement-sets.yaml:1: replacement_sets: found a list; "
                "expected a mapping from names to replacement sets"
            ),
        ),
    ],
)
def test_replacement_sets_refused(etc: Etc, replacements: str, said: str) -> None:
    assert etc.write(accounts=STRATEGIES, replacements=replacements).said() == [said]


def test_market_orders_outside_regular_hours_are_refused(etc: Etc) -> None:
    entry = "{account_id: DU1, type: paper, extended_hours: yes, order_type: MKT}"
    said = "\n".join(etc.write(accounts=f"accounts:\n  - {entry}\n").said())
    assert "2: accounts[0].extended_hours: found extended_hours with order_type MKT" in said
    assert "order_type LMT" in said
