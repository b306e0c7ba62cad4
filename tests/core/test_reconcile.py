from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from rebalancer.core.order import Intent, Order, order_ref
from rebalancer.core.reconcile import (
    Remembered,
    Shown,
    by_account,
    differences,
    remembered,
)

REF = order_ref("e", 1, "SPY")
ORDER = Order(REF, "U1", "SPY", 756733, "BUY", 10, "LMT", Decimal("512.30"))
OPEN = Remembered(ORDER, "e")
FILLED = replace(OPEN, status="filled", filled=Decimal(10))
PARTLY = replace(OPEN, status="cancelled", filled=Decimal(4))
NEVER = replace(OPEN, status="cancelled")
ENDED = Shown(9, REF, "U1", 10, "SPY", 756733, "BUY", Decimal(10), Decimal(10), working=False)
WORKING = replace(ENDED, filled=Decimal(0), working=True)
OTHER = {"perm_id": 10}

EXPLAINED = {
    "nothing shown of what was filled": (FILLED, ()),
    "nothing shown of what is open": (OPEN, ()),
    "an open intent has filled": (OPEN, (ENDED,)),
    "an open intent works": (OPEN, (WORKING,)),
    "filled as remembered": (FILLED, (ENDED,)),
    "less than remembered": (FILLED, (replace(ENDED, filled=Decimal(3)),)),
    "ended without a fill": (NEVER, (replace(WORKING, working=False),)),
    "it does not say of what": (FILLED, (replace(ENDED, con_id=0, action=None),)),
    "an order of somebody": (None, (replace(ENDED, order_ref=""),)),
    "of another program": (None, (replace(ENDED, order_ref="grid-7"),)),
    "sent again, the first never lived": (
        FILLED,
        (ENDED, replace(WORKING, working=False, **OTHER)),  # type: ignore[arg-type]
    ),
}
UNEXPLAINED = {
    "unknown": (None, (ENDED,)),
    "unknown, unfilled": (None, (replace(WORKING, working=False),)),
    "unknown, working": (None, (WORKING,)),
    "elsewhere": (OPEN, (replace(ENDED, account_id="U2"),)),
    "altered, side": (OPEN, (replace(ENDED, action="SELL"),)),
    "altered, contract": (FILLED, (replace(ENDED, con_id=1),)),
    "twice": (OPEN, (replace(ENDED, filled=Decimal(5)), replace(ENDED, perm_id=10))),
    "twice, one works": (OPEN, (ENDED, replace(WORKING, perm_id=10))),
    "too much": (OPEN, (replace(ENDED, filled=Decimal(11)),)),
    "late fill": (PARTLY, (ENDED,)),
    "late fill, never sent": (NEVER, (ENDED,)),
    "alive": (NEVER, (WORKING,)),
}


@pytest.mark.parametrize("case", EXPLAINED)
def test_explained(case: str) -> None:
    ours, theirs = EXPLAINED[case]
    assert differences([ours] if ours else [], theirs) == ()


@pytest.mark.parametrize("case", UNEXPLAINED)
def test_unexplained(case: str) -> None:
    ours, theirs = UNEXPLAINED[case]
    (found,) = differences([ours] if ours else [], theirs)
    assert found.kind == case.partition(",")[0]
    assert (found.order_ref, found.ours, found.theirs) == (REF, ours, theirs)


def test_a_difference_between_two_accounts_stands_with_both() -> None:
    found = differences([OPEN], [replace(ENDED, account_id="U2")])
    assert by_account(found) == {"U1": found, "U2": found}


def test_one_share_more_is_another_difference() -> None:
    def fingerprint(shown: Shown) -> str:
        (found,) = differences([NEVER], [shown])
        return found.fingerprint

    first = fingerprint(replace(ENDED, filled=Decimal(3)))
    assert fingerprint(replace(ENDED, filled=Decimal("3.0"), exec_ids=("x",))) == first
    assert fingerprint(replace(ENDED, filled=Decimal(4))) != first


def test_an_outcome_is_newer_than_its_intent() -> None:
    intent = Intent(ORDER, "e", 1, 5.0)
    assert remembered([intent], []) == [replace(OPEN, at=5.0)]
    assert remembered([intent], [FILLED]) == [FILLED]
