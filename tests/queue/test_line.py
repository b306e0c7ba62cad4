"""Replies of Redis, however the network cuts them up."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from rebalancer.queue.line import Line

replies = st.recursive(
    st.none() | st.integers(-(2**62), 2**62) | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=8,
)


class Plug:
    """Stands where redis-py's connection would: one end of a pair of sockets."""

    def __init__(self) -> None:
        self._sock, self.far = socket.socketpair()
        self._sock.settimeout(2)

    def connect(self) -> None:
        """It is connected from the start."""

    def disconnect(self) -> None:
        self._sock.close()
        self.far.close()


def _wire(reply: Any) -> bytes:
    if reply is None:
        return b"$-1\r\n"
    if isinstance(reply, int):
        return b":%d\r\n" % reply
    if isinstance(reply, bytes):
        return b"$%d\r\n%b\r\n" % (len(reply), reply)
    return b"*%d\r\n" % len(reply) + b"".join(map(_wire, reply))


@settings(deadline=None)
@given(found=st.lists(replies, min_size=1, max_size=3), data=st.data())
def test_replies_are_read_however_they_arrive(found: list[Any], data: st.DataObject) -> None:
    plug = Plug()
    line = Line(plug, 2)
    try:
        for reply in found:
            raw = _wire(reply)
            cuts = data.draw(st.lists(st.integers(1, len(raw)), max_size=4).map(sorted))
            pieces = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]

            def answer(pieces: list[bytes] = pieces) -> None:
                plug.far.recv(100)
                for piece in pieces:
                    plug.far.sendall(piece)

            far = threading.Thread(target=answer)
            far.start()
            assert line.exchange(b"ask") == reply
            far.join()
    finally:
        line.close()


def _answered(raw: bytes) -> Any:
    plug = Plug()
    line = Line(plug, 2)
    try:
        plug.far.sendall(raw)
        if not raw:
            plug.far.shutdown(socket.SHUT_WR)
        return line.exchange(b"ask")
    finally:
        line.close()


def test_a_status_is_read() -> None:
    assert _answered(b"+OK\r\n") == b"OK"


def test_an_error_is_raised_and_the_line_stays_fit() -> None:
    plug = Plug()
    line = Line(plug, 2)
    plug.far.sendall(b"-ERR no\r\n")
    with pytest.raises(ResponseError, match="ERR no"):
        line.exchange(b"ask")
    plug.far.sendall(b":1\r\n")
    assert line.exchange(b"ask") == 1
    line.close()


@pytest.mark.parametrize("raw", [b"", b"nonsense\r\n"])
def test_what_is_no_reply_is_a_lost_connection(raw: bytes) -> None:
    with pytest.raises(RedisConnectionError):
        _answered(raw)


def test_silence_times_out() -> None:
    plug = Plug()
    plug._sock.settimeout(0.01)
    line = Line(plug, 0.01)
    with pytest.raises(TimeoutError):
        line.exchange(b"ask")
    with pytest.raises(TimeoutError):
        line.exchange(b"ask", 0.01)
    line.close()
