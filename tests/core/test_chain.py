"""The chain: whatever is done to it, the first record that is not as it was is named."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalancer.core import chain
from rebalancer.core.chain import GENESIS, Head, Link, Verifier

numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def links(count: int, **content: Any) -> list[Link]:
    found: list[Link] = []
    head = Head()
    for number in range(1, count + 1):
        event = {"event_id": f"e{number}", "account_id": "U1"}
        record = chain.seal({"event": event, "n": number, **content}, head)
        head = Head(record["seq"], record["hash"])
        found.append(Link(head.seq, head.hash, f"e{number}", "U1", record))
    return found


def first_fault(found: Iterable[Link], head: Head, start: Head | None = None) -> str:
    verifier = Verifier(start or Head())
    for link in found:
        if fault := verifier.fault(link):
            return fault
    return verifier.end(head)


def head_of(found: list[Link]) -> Head:
    return Head(found[-1].seq, found[-1].hash)


def changed(link: Link, **changes: Any) -> Link:
    record = {**copy.deepcopy(dict(link.record or {})), **changes}
    return Link(link.seq, link.hash, link.event_id, link.account_id, record)


@given(st.dictionaries(st.text("abc", min_size=1), values, max_size=4))
def test_what_was_sealed_holds(content: dict[str, Any]) -> None:
    made = links(3, content=content)
    assert made[0].record is not None
    assert made[0].record["prev"] == GENESIS
    assert first_fault(made, head_of(made)) == ""


@given(values, values)
def test_any_other_content_is_noticed(before: Any, after: Any) -> None:
    made = links(2, content=before)
    other = changed(made[0], content=after)
    fault = first_fault([other, made[1]], head_of(made))
    same = chain.canonical({"x": before}) == chain.canonical({"x": after})
    assert (fault == "") == same
    assert same or fault.startswith("record 1 was changed")


def test_an_edit_with_its_own_hash_made_anew_is_noticed_at_the_next_record() -> None:
    made = links(3)
    edited = changed(made[1], n=99)
    assert edited.record is not None
    redone = {**edited.record, "hash": chain.digest(edited.record)}
    forged = Link(2, redone["hash"], "e2", "U1", redone)
    fault = first_fault([made[0], forged, made[2]], head_of(made))
    assert fault.startswith("record 3 does not follow record 2")


def test_a_removal_is_noticed_wherever_it_is() -> None:
    made = links(4)
    head = head_of(made)
    assert first_fault(made[1:], head) == "record 1 is missing before record 2"
    assert first_fault([made[0], made[3]], head) == "record 2-3 is missing before record 4"
    assert first_fault(made[:2], head) == "the records after 2 are missing; the last was 4"
    assert first_fault([], head) == "the records after 0 are missing; the last was 4"


def test_a_reordering_is_noticed() -> None:
    made = links(3)
    swapped = [
        made[0],
        Link(2, made[2].hash, "e3", "U1", made[2].record),
        Link(3, made[1].hash, "e2", "U1", made[1].record),
    ]
    assert first_fault(swapped, head_of(made)) == "record 2 calls itself 3: it was moved"


def test_a_record_twice_is_noticed() -> None:
    made = links(2)
    fault = first_fault([made[0], made[0], made[1]], head_of(made))
    assert fault == "record 1 stands there once more, after record 1"


@pytest.mark.parametrize(("field", "value"), [("event_id", "x"), ("account_id", "U2")])
def test_what_it_is_filed_under_counts(field: str, value: str) -> None:
    [one] = links(1)
    filed = {"event_id": one.event_id, "account_id": one.account_id, field: value}
    moved = Link(1, one.hash, filed["event_id"], filed["account_id"], one.record)
    assert "filed under another" in first_fault([moved], head_of([one]))


def test_what_is_unreadable_is_named() -> None:
    made = links(2)
    torn = Link(2, made[1].hash, "e2", "U1", None)
    assert first_fault([made[0], torn], head_of(made)) == "record 2 is unreadable"


def test_a_chain_whose_old_records_were_forgotten_is_whole() -> None:
    made = links(5)
    start = head_of(made[:2])
    assert first_fault(made[2:], head_of(made), start) == ""
    assert "missing" in first_fault(made[3:], head_of(made), start)
