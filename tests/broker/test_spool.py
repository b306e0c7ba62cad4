"""A directory whose files become signals: taken in, put away, refused; and nothing twice."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from rebalancer.broker.documents import parse
from rebalancer.broker.drawer import LARGEST, Drawer
from rebalancer.broker.spool import Spool
from rebalancer.errors import PermanentError
from rebalancer.ingest import Audience
from rebalancer.queue import moves
from rebalancer.queue.move import command
from rebalancer.queue.store import AsyncQueue
from tests.broker.stage import Stage, eventually, running
from tests.support.redis_server import RedisServer, redis_server

pytestmark = pytest.mark.redis_server

TRADED = {"U1000001": "core", "U1000002": "core", "U1000003": ""}
REBALANCE = {"account_id": "U1000001", "exec_command": "rebalance"}
DAY = 86_400.0


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


def spool_of(folder: Path, *, keep: float = 0.0) -> Spool:
    audience = Audience(TRADED, lambda account: "" if account in TRADED else f"no {account}")
    return Spool(folder / "spool", audience, keep, look=0.02)


@pytest.fixture
async def stage(shared: RedisServer, tmp_path: Path) -> AsyncIterator[Stage]:
    """A broker that watches an empty spool beside an empty Redis."""
    async with AsyncQueue(shared.url) as queue:
        await queue.run(command("FLUSHALL", parse=bool))
    async with running(shared, spool_of(tmp_path)) as stage:
        await present(tmp_path / "spool" / "rejected")
        yield stage


def drop(folder: Path, name: str, content: Any) -> Path:
    """As one should: written beside, then renamed."""
    spool = folder / "spool"
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    beside = spool / f"{name}.tmp"
    beside.write_bytes(raw)
    return beside.rename(spool / name)


async def present(path: Path) -> Path:
    await eventually(lambda: asyncio.to_thread(os.path.lexists, path), bool)
    return path


async def reason(folder: Path, name: str) -> str:
    """Why a file was rejected; it lies beside the reason."""
    await present(folder / "spool" / "rejected" / name)
    return (folder / "spool" / "rejected" / f"{name}.reason").read_text().strip()


def lying(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "spool").iterdir() if path.name[0] != ".")


async def test_a_file_becomes_a_signal(stage: Stage, tmp_path: Path) -> None:
    drop(tmp_path, "now.json", {**REBALANCE, "priority": "high", "data": {"note": "ä"}})
    await present(tmp_path / "spool" / "done" / "now.json")
    page = await stage.queue.run(moves.list_events("queued"))
    [event] = [item.event for item in page.items]
    assert event is not None
    assert event.event_id.startswith("spool.")
    assert (event.source, event.priority, event.data) == ("spool", "high", {"note": "ä"})
    assert await stage.counts("spool") == {"accepted": 1}
    assert lying(tmp_path) == ["done", "rejected"]


async def test_yaml_and_a_strategy_and_a_list(stage: Stage, tmp_path: Path) -> None:
    drop(
        tmp_path,
        "two.yaml",
        b"- {strategy: core, exec_command: print-equity}\n"
        b"- account_id: U1000003\n  exec_command: rebalance\n  event_id: mine\n",
    )
    found = await stage.queued(3)
    assert "mine" in found
    assert {name.rpartition(".")[2] for name in found} == {"U1000001", "U1000002", "mine"}


async def test_the_same_words_tomorrow_are_another_signal(stage: Stage, tmp_path: Path) -> None:
    for _ in range(2):
        drop(tmp_path, "daily.json", REBALANCE)
        await eventually(lambda: asyncio.to_thread(lying, tmp_path), lambda n: len(n) == 2)
    assert await stage.counts("spool") == {"accepted": 1, "merged": 1}
    done = tmp_path / "spool" / "done"
    assert sorted(path.name for path in done.iterdir()) == ["daily.json", "daily.json.2"]


async def test_the_older_file_comes_first(stage: Stage, tmp_path: Path) -> None:
    young = drop(tmp_path, "a.json.tmp", {**REBALANCE, "event_id": "young"})
    old = drop(
        tmp_path, "b.json.tmp", {**REBALANCE, "account_id": "U1000002", "event_id": "old"}
    )
    os.utime(old, (1.0, 1.0))
    for path in (young, old):
        path.rename(path.with_suffix(""))
    await stage.queued(2)
    entries = await stage.told("queued", 2)
    assert [entry.event_id for entry in entries] == ["old", "young"]


async def test_what_is_being_written_is_left_alone(stage: Stage, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    for name in (".hidden.json", "a.json.tmp", "a.json.part", "a.json~"):
        (spool / name).write_text(json.dumps(REBALANCE))
    (spool / "folder.json").mkdir()
    with (spool / "slow.json").open("w") as slow:
        # Never still for two looks until it is whole.
        for part in json.dumps(REBALANCE):
            slow.write(part)
            slow.flush()
            await asyncio.sleep(0.005)
    await present(spool / "done" / "slow.json")
    assert await stage.counts("spool") == {"accepted": 1}
    assert len(lying(tmp_path)) == 2 + 4


BAD: dict[str, tuple[str, bytes, str]] = {
    "unknown account": (
        "a.json",
        b'{"account_id": "U9", "exec_command": "rebalance"}',
        "no U9",
    ),
    "no object": ("a.json", b'"rebalance"', "a signal is an object, not str"),
    "not json": ("a.json", b"{", "unreadable: Expecting property name"),
    "not utf-8": ("a.json", b'{"a": "\xff"}', "not UTF-8: byte 0xff"),
    "empty": ("a.yaml", b"", "a signal is an object, not NoneType"),
    "another ending": ("a.txt", b"rebalance", "ends in .json, .yaml or .yml"),
    "too large": ("a.json", b" " * (LARGEST + 1), "65537 bytes are more than 65536"),
    "one bad of two": (
        "a.json",
        json.dumps([REBALANCE, {"exec_command": "rebalance"}]).encode(),
        "signal 2: a signal names either",
    ),
    "what JSON has no words for": (
        "a.yaml",
        b"{account_id: U1000001, exec_command: rebalance, data: {note: 2026-01-01}}",
        "cannot be written",
    ),
    "half a character": (
        "a.json",
        rb'{"account_id": "U1000001", "exec_command": "rebalance", "data": {"note": "\ud800"}}',
        "cannot be written",
    ),
}


@pytest.mark.parametrize("name", BAD)
async def test_what_can_never_run_is_put_aside(stage: Stage, tmp_path: Path, name: str) -> None:
    file, raw, said = BAD[name]
    drop(tmp_path, file, raw)
    why = await reason(tmp_path, file)
    assert said in why
    assert (tmp_path / "spool" / "rejected" / file).read_bytes() == raw
    [entry] = await stage.told("rejected")
    assert entry.data["source"] == "spool"
    assert entry.data["reason"] == why
    assert len(entry.data["signal"]) <= 500
    assert await stage.counts("spool") == {"rejected": 1}
    assert await stage.queued(0) == []


async def test_links_and_devices_are_refused(stage: Stage, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps(REBALANCE))
    (tmp_path / "spool" / "link.json").symlink_to(secret)
    os.mkfifo(tmp_path / "spool" / "pipe.json")
    assert await reason(tmp_path, "link.json") == "it is a link; only plain files are read"
    assert (
        await reason(tmp_path, "pipe.json") == "it is no plain file; only plain files are read"
    )
    assert secret.exists()


async def test_any_name_can_be_put_away(stage: Stage, tmp_path: Path) -> None:
    strange = os.fsdecode(b"caf\xe9 %s\n.json")
    for name in (strange, "x" * 240 + ".json"):
        drop(tmp_path, name, b"{")
    entries = await stage.told("rejected", 2)
    assert any("caf?" in entry.data["signal"] for entry in entries)
    await eventually(lambda: asyncio.to_thread(lying, tmp_path), lambda n: len(n) == 2)


async def test_a_directory_that_everybody_may_write_to_is_refused(
    stage: Stage, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    spool.chmod(0o777)
    drop(tmp_path, "a.json", REBALANCE)
    [alert] = await stage.told("alert")
    assert "everybody may write to it" in alert.data["text"]
    assert (spool / "a.json").exists()
    spool.chmod(0o750)
    await stage.queued(1)


async def test_a_directory_that_cannot_be_is_told_and_waited_for(
    redis: RedisServer, tmp_path: Path
) -> None:
    (tmp_path / "spool").write_text("a file")
    async with running(redis, spool_of(tmp_path)) as stage:
        [alert] = await stage.told("alert")
        assert alert.data["title"] == "No files are taken in"
        (tmp_path / "spool").unlink()
        await present(tmp_path / "spool" / "done")
        drop(tmp_path, "a.json", REBALANCE)
        await stage.queued(1)


async def test_redis_down_leaves_files_where_they_are(
    redis: RedisServer, tmp_path: Path
) -> None:
    async with running(redis, spool_of(tmp_path)) as stage:
        await present(tmp_path / "spool" / "rejected")
        redis.kill()
        path = drop(tmp_path, "a.json", REBALANCE)
        drop(tmp_path, "b.json", b"{")

        async def waiting() -> bool:
            return stage.broker.intake.waiting_since is not None

        await eventually(waiting, bool)
        assert path.exists()
        await asyncio.to_thread(redis.start)
        await present(tmp_path / "spool" / "done" / "a.json")
        assert await reason(tmp_path, "b.json")
        assert await stage.counts("spool") == {"accepted": 1, "rejected": 1}


@contextlib.contextmanager
def as_somebody_else() -> Iterator[None]:
    """What root may do says nothing about what a daemon may."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65_534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_what_the_broker_may_not_read_or_move() -> None:
    # Others may not even pass through pytest's own folders.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        drawer = Drawer(Path(folder) / "spool")
        drawer.prepare()
        drop(Path(folder), "a.json", REBALANCE).chmod(0)
        (Path(folder) / "spool").chmod(0o555)
        with as_somebody_else():
            [found] = drawer.waiting()
            with pytest.raises(PermanentError, match="this program may not read it"):
                drawer.read(found)
            with pytest.raises(PermissionError, match="this program may not write to it"):
                drawer.prepare()
        (Path(folder) / "spool").chmod(0o755)


def test_what_was_put_away_long_ago_is_removed(tmp_path: Path) -> None:
    drawer = Drawer(tmp_path / "spool")
    drawer.prepare()
    for name in ("a.json", "b.json"):
        drop(tmp_path, name, REBALANCE)
    for found in drawer.waiting():
        drawer.put_away(found, "rejected", reason="r")
    drawer.tidy(older_than=time.time() - DAY)
    assert len(list((tmp_path / "spool" / "rejected").iterdir())) == 4
    drawer.tidy(older_than=time.time() + 1)
    assert list((tmp_path / "spool" / "rejected").iterdir()) == []


async def test_a_broker_tidies(redis: RedisServer, tmp_path: Path) -> None:
    old = tmp_path / "spool" / "done" / "old.json"
    old.parent.mkdir(parents=True)
    old.write_text("{}")
    ahead = time.time() + 31 * DAY
    async with running(redis, spool_of(tmp_path, keep=30 * DAY), clock=lambda: ahead):

        async def gone() -> bool:
            return not old.exists()

        await eventually(gone, bool)


@pytest.mark.parametrize(
    ("name", "raw", "said"),
    [
        ("a.json", b'{"a": 1, "a": 2}', "a key stands twice in one object"),
        ("a.json", b'{"a": NaN}', "NaN is not JSON"),
        ("a.json", b"[" * 20_000, "nested too deeply"),
        ("a.yaml", b"{a: 1, b: {c: 1, c: 2}}", "a key stands twice on line 1"),
        ("a.yml", b"a: &x [1]\nb: [*x, *x]", "aliases are not read"),
        ("a.yaml", b"a: !!python/object:os.system {}", "could not determine a constructor"),
        ("a.yaml", b"a: 1\n--- \nb: 2", "expected a single document"),
        ("a.yaml", b"a: [", "unreadable"),
    ],
)
def test_documents_that_are_not_read(name: str, raw: bytes, said: str) -> None:
    with pytest.raises(PermanentError, match=said):
        parse(name, raw)


def test_documents_that_are_read() -> None:
    assert parse("a.json", b'\xef\xbb\xbf{"a": [1, "x", true]}') == {"a": [1, "x", True]}
    assert parse("a.yml", b"a: [1, x, true]\n") == {"a": [1, "x", True]}
