"""Events as JSON, in Python and in Lua: what goes in comes out, to the byte."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from importlib import resources
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rebalancer.core.event import Event
from rebalancer.errors import PermanentError
from rebalancer.queue import codec
from rebalancer.queue.values import Unreadable

names = st.text("abcXYZ019._-", min_size=1, max_size=12)
ids = st.text("abcXYZ019._:@+-", min_size=1, max_size=20)
times = st.floats(0, 4e9, allow_nan=False)
#: Fewer than 2**63: what Lua's JSON reader is asked to read only to look beside it.
numbers = st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(st.text(), values, max_size=5)
events = st.builds(
    Event,
    event_id=ids,
    account_id=names,
    exec_command=names,
    received_at=times,
    data=objects,
    priority=st.sampled_from(["normal", "high"]),
    source=st.text(),
    attempt=st.integers(0, 10**6),
    last_error=st.text(),
    merged=st.integers(0, 10**6),
)


@given(events)
def test_an_event_comes_back_as_it_went(one: Event) -> None:
    raw = codec.encode(one)
    assert codec.decode(raw) == one
    assert list(json.loads(raw)) == [
        "event_id",
        "account_id",
        "exec_command",
        "received_at",
        "priority",
        "source",
        "attempt",
        "last_error",
        "merged",
        "data",
    ]


@given(st.binary() | objects.map(lambda found: json.dumps(found).encode()))
def test_decoding_never_raises(raw: bytes) -> None:
    assert isinstance(codec.decode(raw), Event | Unreadable)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("event_id", None),
        ("event_id", "a b"),
        ("account_id", 7),
        ("exec_command", ""),
        ("received_at", None),
        ("received_at", True),
        ("received_at", math.inf),
        ("priority", "urgent"),
        ("priority", ["high"]),
        ("source", 1),
        ("attempt", True),
        ("attempt", 1.5),
        ("attempt", -1),
        ("merged", "1"),
        ("last_error", None),
        ("data", []),
        ("data", None),
    ],
)
def test_a_wrong_value_is_named(key: str, value: object) -> None:
    good = json.loads(codec.encode(Event("e", "U1", "rebalance", 1.0)))
    found = codec.decode(json.dumps({**good, key: value}).encode())
    assert isinstance(found, Unreadable)
    assert key in found.reason


def test_optional_keys_have_defaults_and_unknown_ones_do_not_matter() -> None:
    raw = (
        b' {"x":[],"event_id":"e","account_id":"U1","exec_command":"rebalance",'
        b'"received_at":1}\n'
    )
    assert codec.decode(raw) == Event("e", "U1", "rebalance", 1.0)


@pytest.mark.parametrize("value", [math.nan, math.inf, {1: object()}, "\ud800", {"a": b"x"}])
def test_what_is_no_json_is_refused(value: object) -> None:
    with pytest.raises(PermanentError):
        codec.dumps({"value": value})


def test_a_loop_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(PermanentError):
        codec.dumps(loop)


def test_what_json_lacks_has_a_form() -> None:
    found = codec.dumps(
        {"d": Decimal("1.10"), "s": {"b", "a"}, "e": Event("e", "U1", "rebalance", 1.0)}
    )
    assert json.loads(found)["d"] == "1.10"
    assert json.loads(found)["s"] == ["a", "b"]
    assert json.loads(found)["e"]["account_id"] == "U1"


# -- the same in Lua -----------------------------------------------------------------------


def _lua(name: str) -> str:
    path = resources.files("rebalancer.queue") / "lua" / "lib" / f"{name}.lua"
    return path.read_text()


PATCH = _lua("edit") + "\nreturn patch(ARGV[1], ARGV[2], ARGV[3])"
QUOTE = _lua("keys") + _lua("note") + "\nreturn quote(ARGV[1])"

on_the_same_server = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200
)


@pytest.mark.redis_server
@on_the_same_server
@given(found=objects, indent=st.sampled_from([None, 0, 2]), name=st.sampled_from("ab"))
def test_lua_replaces_one_value_and_keeps_the_rest_to_the_byte(
    real_url: str, found: dict[str, Any], indent: int | None, name: str
) -> None:
    found.pop(name, None)
    with redis.Redis.from_url(real_url) as client:
        raw = json.dumps({**found, name: {"old": [1]}}, indent=indent, ensure_ascii=False)
        patched: Any = client.eval(PATCH, 0, raw.encode(), name, '"new"')
        assert json.loads(patched) == {**found, name: "new"}
        # Once more changes nothing at all: what was not written by Lua is not touched.
        assert client.eval(PATCH, 0, patched, name, '"new"') == patched


@pytest.mark.redis_server
@on_the_same_server
@given(raw=st.binary() | st.text().map(str.encode))
def test_lua_quotes_whatever_was_found(real_url: str, raw: bytes) -> None:
    with redis.Redis.from_url(real_url) as client:
        quoted = client.eval(QUOTE, 0, raw)
    assert isinstance(quoted, bytes)
    text = json.loads(quoted.decode())
    try:
        assert text == raw.decode()
    except UnicodeDecodeError:
        assert text.encode("latin-1") == raw
