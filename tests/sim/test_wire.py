"""Framing: whatever way bytes are cut, the same frames come out."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalancer.sim.protocol.wire import (
    MAX_PAYLOAD,
    FrameReader,
    Hello,
    WireError,
    frame,
    split,
    text,
)

_FIELD = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
_ROW = st.lists(_FIELD, min_size=1, max_size=6).filter(
    lambda row: row[-1] != "" or len(row) > 1
)


def _read(data: bytes, cuts: list[int]) -> list[list[str]]:
    reader, rows, start = FrameReader(), [], 0
    for cut in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
        reader.feed(data[start:cut])
        rows += [split(payload) for payload in reader.payloads()]
        start = cut
    return rows


@given(st.lists(_ROW, max_size=4), st.lists(st.integers(0, 500), max_size=6))
def test_frames_survive_any_cutting(rows: list[list[str]], cuts: list[int]) -> None:
    data = b"".join(frame(row) for row in rows)
    assert _read(data, cuts) == rows


def test_a_frame_is_length_then_nul_ended_fields() -> None:
    assert frame([49, 1]) == b"\0\0\0\x05" + b"49\0" + b"1\0"


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        (None, ""),
        (True, "1"),
        (False, "0"),
        (7, "7"),
        ("a\0b", "ab"),
        (Decimal("1E+3"), "1000"),
        (Decimal("265.350"), "265.35"),
        (Decimal("0.00"), "0"),
        (Decimal(-1), "-1"),
        (Decimal(1) / Decimal(3), "0.33333333"),
        (Decimal("NaN"), "NaN"),
        (Decimal("1E+20"), "100000000000000000000"),
    ],
)
def test_values_are_spelled_as_the_wire_wants_them(value: object, spelled: str) -> None:
    assert text(value) == spelled  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "hello"),
    [
        ("v157..178", Hello(157, 178)),
        ("v100..226", Hello(100, 226)),
        ("v100..226 +PACEAPI", Hello(100, 226, "+PACEAPI")),
        ("v178", Hello(178, 178)),
    ],
)
def test_hello_in_its_variants_and_in_any_pieces(said: str, hello: Hello) -> None:
    data = b"API\0" + len(said).to_bytes(4, "big") + said.encode()
    reader = FrameReader()
    for place in range(len(data) - 1):
        reader.feed(data[place : place + 1])
        assert reader.hello() is None
    reader.feed(data[-1:])
    assert reader.hello() == hello


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"AP\0I",
        b"API\0\xff\xff\xff\xff",
        b"API\0\0\0\0\x05hello",
        b"API\0\0\0\0\x00",
        b"71\0" + b"2\0" * 4,
    ],
)
def test_what_is_no_hello_is_refused(data: bytes) -> None:
    reader = FrameReader()
    reader.feed(data)
    with pytest.raises(WireError):
        reader.hello()


def test_a_length_beyond_reason_is_refused_before_the_bytes_come() -> None:
    reader = FrameReader()
    reader.feed((MAX_PAYLOAD + 1).to_bytes(4, "big"))
    with pytest.raises(WireError, match="more than"):
        next(reader.payloads())


def test_bytes_after_the_hello_are_kept_for_the_frames() -> None:
    reader = FrameReader()
    reader.feed(b"API\0\0\0\0\x09v157..178" + frame([71, 2, 5, ""]))
    assert reader.hello() == Hello(157, 178)
    assert [split(payload) for payload in reader.payloads()] == [["71", "2", "5", ""]]
