"""The table of codes: what follows from each."""

from __future__ import annotations

from pathlib import Path

import pytest

from rebalancer.gateway.failure_modes import FAILURE_MODES
from rebalancer.gateway.faults import DOES, FAULTS, Then, describe, from_rival, lookup
from rebalancer.gateway.reference import page
from rebalancer.sim.scenario import shipped


@pytest.mark.parametrize("code", [2100, 2103, 2104, 2106, 2108, 2109, 2119, 2137, 2157, 2158])
def test_notices_never_lead_to_a_reconnect(code: int) -> None:
    fault = lookup(code)
    assert fault is not None
    assert fault.then is Then.NOTICE


@pytest.mark.parametrize(
    ("code", "then"),
    [
        (1100, Then.PAUSE),
        (2110, Then.PAUSE),
        (1101, Then.RESTORED),
        (1102, Then.RESTORED),
        (326, Then.RECONNECT),
        (1300, Then.RECONNECT),
        (10349, Then.NOTICE),
        (399, Then.NOTICE),
        (404, Then.NOTICE),
        (201, Then.REFUSED),
        (321, Then.REFUSED),
        (103, Then.REFUSED),
        (202, Then.CANCELLED),
        (161, Then.ASK),
        (10147, Then.ASK),
        (10148, Then.ASK),
        (354, Then.NO_DATA),
        (10168, Then.NO_DATA),
        (10197, Then.STAND_BACK),
        (10167, Then.DELAYED),
        (10089, Then.ASK),
        (10090, Then.NOTICE),
        (10091, Then.NOTICE),
    ],
)
def test_known_codes(code: int, then: Then) -> None:
    fault = lookup(code)
    assert fault is not None
    assert fault.then is then


@pytest.mark.parametrize("code", [10000, 99999, 0])
def test_codes_whose_meaning_is_open_are_not_in_the_table(code: int) -> None:
    assert lookup(code) is None


def test_a_description_is_one_line_with_the_remedy() -> None:
    said = describe(354, "Requested market data is not subscribed.\nSee the guide.")
    assert said.startswith("354: Requested market data is not subscribed. See the guide. (")
    assert FAULTS[354].remedy in said
    assert describe(4711, "new") == "4711: new"


@pytest.mark.parametrize(
    ("code", "text", "rival"),
    [
        (10197, "No market data during competing live session", True),
        (162, "… Trading TWS session is connected from a different IP address", True),
        (420, "Trading TWS session is connected from a different IP address", True),
        (162, "Historical data request pacing violation", False),
        (1100, "Connectivity between IBKR and Trader Workstation has been lost.", False),
        (4711, "new", False),
    ],
)
def test_another_session_is_known_by_code_or_words(code: int, text: str, rival: bool) -> None:
    assert from_rival(code, text) is rival


def test_for_every_consequence_it_is_said_what_we_do() -> None:
    assert set(DOES) == set(Then) == {fault.then for fault in FAULTS.values()}


# The page -----------------------------------------------------------------------------------


def test_every_failure_mode_has_a_scenario_and_every_scenario_a_failure_mode() -> None:
    named = [f"failures/{mode.name}" for mode in FAILURE_MODES]
    assert len(set(named)) == len(named) == 33
    assert sorted(named) == [name for name in shipped() if name.startswith("failures/")]


def test_the_page_is_what_the_tables_say() -> None:
    file = Path(__file__).parents[2] / "docs" / "reference" / "gateway-faults.md"
    remedy = "python -m rebalancer.gateway.reference > docs/reference/gateway-faults.md"
    assert file.read_text(encoding="utf-8") == page(), f"stale; run: {remedy}"


def test_the_page_has_a_row_for_each_code_and_each_mode() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| ")]
    assert len(rows) == len(FAULTS) + len(FAILURE_MODES) + 2
    assert all(len(row.split(" | ")) in {3, 4} for row in rows)
