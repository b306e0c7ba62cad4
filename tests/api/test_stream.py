"""What happens, as it happens: live, resumed without loss, filtered, for many at once."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from rebalancer.api.follower import MOST_WATCHERS, Follower
from rebalancer.queue import journal, keys
from rebalancer.queue.move import command
from rebalancer.queue.store import Queue
from tests.api.server import Api, problem
from tests.support.redis_server import DURABLE, redis_server

pytestmark = pytest.mark.redis_server


class Stream:
    """One open stream, read as a browser does."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.iter_lines()
        self.last_id = ""
        self.gaps: list[dict[str, str]] = []

    def next(self) -> dict[str, Any]:
        """The next event's data; comments are passed over."""
        kind = ""
        for line in self._lines:
            name, _, text = line.partition(": ")
            if name == "event":
                kind = text
            elif name == "id":
                self.last_id = text
            elif name == "data" and kind == "gap":
                self.gaps.append(json.loads(text))
                kind = ""
            elif name == "data":
                found: dict[str, Any] = json.loads(text)
                return found
        raise AssertionError("the stream has ended")

    def opened(self) -> None:
        """Return once the server has begun to tell: from here on nothing is missed."""
        assert next(self._lines).startswith("retry")


@contextmanager
def _watching(api: Api, query: str = "", **headers: str) -> Iterator[Stream]:
    with api.reader.stream("GET", f"/events?{query}", headers=headers) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["Content-Type"].startswith("text/event-stream")
        stream = Stream(response)
        stream.opened()
        yield stream


def _note(api: Api, kind: str, account: str = "") -> None:
    api.run(journal.note(kind, {"n": 1}, now=time.time(), account_id=account))


def test_what_happens_is_told_at_once(api: Api) -> None:
    _note(api, "before")
    with _watching(api) as stream:
        _note(api, "one")
        _note(api, "two")
        found = [stream.next(), stream.next()]
    assert [entry["kind"] for entry in found] == ["one", "two"]
    assert found[1]["id"] == stream.last_id
    assert found[1]["data"] == {"n": 1}


@pytest.mark.parametrize("how", ["header", "query"])
def test_who_was_cut_off_misses_nothing(api: Api, how: str) -> None:
    with _watching(api) as stream:
        _note(api, "seen")
        stream.next()
    for number in range(3):
        _note(api, f"missed-{number}")
    given = {"Last-Event-ID": stream.last_id} if how == "header" else {}
    query = f"after={stream.last_id}" if how == "query" else ""
    with _watching(api, query, **given) as resumed:
        _note(api, "live")
        kinds = [resumed.next()["kind"] for _ in range(4)]
    assert kinds == ["missed-0", "missed-1", "missed-2", "live"]
    assert resumed.gaps == []


def test_nothing_is_told_twice_or_lost_while_catching_up(api: Api) -> None:
    for number in range(200):
        _note(api, f"{number}")
    first = api.run(journal.read(limit=1))[0].id

    def go_on() -> None:
        for number in range(200, 400):
            _note(api, f"{number}")

    busy = threading.Thread(target=go_on)
    busy.start()
    with _watching(api, **{"Last-Event-ID": first}) as stream:
        kinds = [stream.next()["kind"] for _ in range(399)]
    busy.join()
    assert kinds == [f"{number}" for number in range(1, 400)]


def test_what_the_journal_has_forgotten_is_told(api: Api) -> None:
    for number in range(5):
        _note(api, f"{number}")
    first = api.run(journal.read(limit=1))[0].id
    api.run(command("XTRIM", keys.JOURNAL, "MAXLEN", "=", "2", parse=int))
    with _watching(api, **{"Last-Event-ID": first}) as stream:
        assert stream.next()["kind"] == "3"
    assert [gap["after"] for gap in stream.gaps] == [first]


def test_an_account_is_watched_alone(api: Api) -> None:
    with _watching(api, "account=DU1000001") as stream:
        _note(api, "other", "DU1000002")
        _note(api, "ours", "DU1000001")
        assert stream.next()["kind"] == "ours"


def test_a_place_that_is_none_is_refused(api: Api) -> None:
    for value in ("yesterday", "1-", "1-2-3", "9" * 30 + "-0"):
        answer = api.reader.get("/events", headers={"Last-Event-ID": value})
        assert problem(answer) == (422, "invalid")
    assert problem(api.reader.get("/events?seconds=0")) == (422, "invalid")


def test_it_ends_when_asked_to(api: Api) -> None:
    assert api.reader.get("/events?seconds=0.05").text.startswith("retry: 1000")


def test_fifty_watch_and_nobody_waits(api: Api) -> None:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    with ExitStack() as stack:
        client = stack.enter_context(
            httpx.Client(
                base_url=api.server.url, headers=api.reader.headers, timeout=15, limits=limits
            )
        )
        streams = []
        for _ in range(50):
            response = stack.enter_context(client.stream("GET", "/events"))
            streams.append(Stream(response))
            streams[-1].opened()
        began = time.monotonic()
        for _ in range(20):
            assert api.operator.get("/queue/status").status_code == 200
        assert time.monotonic() - began < 5
        _note(api, "to all")
        assert {stream.next()["kind"] for stream in streams} == {"to all"}
        more = stack.enter_context(client.stream("GET", "/events"))
        for _ in range(MOST_WATCHERS):
            if more.status_code != 200:
                break
            more = stack.enter_context(client.stream("GET", "/events"))
        more.read()
        assert problem(more) == (503, "too-many-streams")
        assert more.headers["Retry-After"]
    # Whoever hangs up makes room, though nothing has happened since.
    api.server.until(lambda: api.reader.get("/events?seconds=0.01").status_code == 200)


def test_a_look_at_the_head_holds_no_place(api: Api) -> None:
    for _ in range(MOST_WATCHERS + 5):
        assert api.reader.head("/events").status_code == 200


def test_who_watches_while_redis_restarts_goes_on(tmp_path: Path) -> None:
    with redis_server(tmp_path / "redis", *DURABLE) as redis, Queue(redis.url) as queue:
        follower = Follower(queue)
        watcher = follower.watch()
        assert watcher is not None
        queue.run(journal.note("before", {}, now=1.0))
        first = watcher.next(10)
        redis.restart()
        queue.run(journal.note("after", {}, now=1.0))
        second = watcher.next(10)
        follower.leave(watcher)
    assert first is not None
    assert second is not None
    assert (first.kind, second.kind) == ("before", "after")
