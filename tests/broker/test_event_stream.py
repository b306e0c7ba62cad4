"""Bytes to blocks, by the standard's own examples, cut anywhere, and within bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalancer.broker.event_stream import LONGEST, LONGEST_ID, Block, Reader


@pytest.mark.parametrize(
    ("raw", "blocks"),
    [
        (b"data: a\ndata: b\ndata: 10\n\n", [Block("message", "a\nb\n10")]),
        (
            b": test\n\ndata: x\nid: 1\n\ndata:y\nid\n\n",
            [Block("message", "x", "1"), Block("message", "y", "")],
        ),
        (b"data\n\ndata\ndata\n\ndata:", [Block("message", ""), Block("message", "\n")]),
        (b"data:test\n\ndata: test\n\n", [Block("message", "test")] * 2),
        (b"data:  two\n\n", [Block("message", " two")]),
        (b"event: add\ndata: 7\n\n", [Block("add", "7")]),
        (b"event: add\n\ndata: 7\n\n", [Block("message", "7")]),
        (b"id: 5\n\n", [Block("message", "", "5")]),
        (b"id: a\0b\ndata: 1\n\n", [Block("message", "1")]),
        (b"data: a\r\rdata: b\r\n\r\ndata: c\n\n", [Block("message", t) for t in "abc"]),
        (b"\xef\xbb\xbfdata: a\n\n", [Block("message", "a")]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", []),
        (b"DATA: a\nwhat: b\n:\n\n", []),
        (b"data: \xff\n\n", [Block("message", "\N{REPLACEMENT CHARACTER}")]),
        (b"data: not ended\n", []),
    ],
)
def test_what_a_stream_means(raw: bytes, blocks: list[Block]) -> None:
    assert Reader().feed(raw) == blocks


@given(
    st.lists(
        st.sampled_from(
            ["data: a", "data:", "data", "id: 7", "event: e", ": c", "\n", "\r", "\r\n"]
        )
    ),
    st.data(),
)
def test_cut_anywhere_it_means_the_same(pieces: list[str], data: st.DataObject) -> None:
    raw = "".join(["\ufeff", *pieces, "ü\n\n"]).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    reader = Reader()
    found = [
        block
        for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)
        for block in reader.feed(raw[start:end])
    ]
    assert found == Reader().feed(raw)


@given(st.binary(max_size=300))
def test_nothing_that_comes_is_too_strange(raw: bytes) -> None:
    for block in Reader().feed(raw + b"\n\n"):
        assert block.event


def test_the_server_says_when_to_come_back() -> None:
    reader = Reader()
    reader.feed(b"retry: 2500\n\n")
    assert reader.retry == 2.5
    reader.feed("retry: soon\nretry: -1\nretry: ٣\n\n".encode())
    assert reader.retry == 2.5


def test_what_is_too_long_is_cut_and_marked_with_its_id() -> None:
    line = b"id: 1\ndata: " + b"x" * (2 * LONGEST) + b"\n\n"
    lines = b"data: " + b"y" * 999 + b"\n"
    raw = line + lines * 200 + b"id: 2\n\ndata: z\n\n"
    reader = Reader()
    first, second, third = [
        block
        for start in range(0, len(raw), 1000)
        for block in reader.feed(raw[start : start + 1000])
    ]
    assert (first.id, first.too_long, len(first.data)) == ("1", True, LONGEST - len("data: "))
    assert (second.id, second.too_long) == ("2", True)
    assert len(second.data) <= LONGEST
    assert third == Block("message", "z")


def test_an_id_that_is_too_long_is_none() -> None:
    [block] = Reader().feed(b"id: " + b"i" * (LONGEST_ID + 1) + b"\ndata: a\n\n")
    assert block == Block("message", "a")
