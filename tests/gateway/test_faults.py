"""The table of codes: what follows from each."""

from __future__ import annotations

import pytest

from rebalancer.gateway.faults import FAULTS, Then, describe, lookup


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
