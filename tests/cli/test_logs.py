from __future__ import annotations

import io
import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import redirect_stderr
from pathlib import Path

import pytest

from rebalancer import logs, sdnotify

log = logging.getLogger("rebalancer.processor")


@pytest.fixture(autouse=True)
def _root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers[:]:
        root.removeHandler(handler)
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_text_names_the_event_and_the_account(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("info", "text")
    with logs.event_context("e1", "U1"):
        log.info("begins")
    log.debug("unheard")
    log.warning("outside")
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("Z info    processor: begins event_id=e1 account=U1")
    assert second.endswith("warning processor: outside")


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("info", "json")
    try:
        raise ValueError("boom")  # noqa: TRY301
    except ValueError:
        with logs.event_context("e1", "U1", run="2"):
            log.exception("failed\nbadly")
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["message"]) == ("error", "failed\nbadly")
    assert (line["event_id"], line["account"], line["run"]) == ("e1", "U1", "2")
    assert "ValueError: boom" in line["traceback"]


def test_setting_up_again_replaces(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("info", "text")
    logs.setup("error", "text")
    log.warning("unheard")
    log.error("heard once")
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.fixture
def journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[socket.socket, io.TextIOWrapper]]:
    """A journald that listens, and a stderr that systemd connected to it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "journal"))
        listening.settimeout(5)
        monkeypatch.setattr(logs, "_JOURNAL", str(tmp_path / "journal"))
        with (tmp_path / "stderr").open("w+") as stream:
            stat = os.fstat(stream.fileno())
            monkeypatch.setenv("JOURNAL_STREAM", f"{stat.st_dev}:{stat.st_ino}")
            yield listening, stream


def test_under_systemd_fields_go_to_the_journal(
    journal: tuple[socket.socket, io.TextIOWrapper],
) -> None:
    listening, stream = journal
    with redirect_stderr(stream), logs.event_context("e1", "U1"):
        logs.setup()
        log.error("two\nlines")
    entry = listening.recv(65536)
    assert b"EVENT_ID\n\x02\0\0\0\0\0\0\0e1\n" in entry
    assert b"ACCOUNT\n\x02\0\0\0\0\0\0\0U1\n" in entry
    assert b"PRIORITY\n\x01\0\0\0\0\0\0\x003\n" in entry
    assert b"processor: two\nlines\n" in entry


def test_without_the_journals_socket_lines_carry_their_severity(
    journal: tuple[socket.socket, io.TextIOWrapper], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, stream = journal
    monkeypatch.setattr(logs, "_JOURNAL", "/nonexistent")
    with redirect_stderr(stream):
        logs.setup()
        log.warning("two\nlines")
    stream.flush()
    stream.seek(0)
    assert stream.read() == "<4>processor: two\n<4>lines\n"


def test_an_entry_too_large_for_the_journal_is_not_lost(
    journal: tuple[socket.socket, io.TextIOWrapper],
) -> None:
    _, stream = journal
    with redirect_stderr(stream):
        logs.setup()
        log.error("x" * 1_000_000)
    stream.flush()
    assert stream.tell() > 1_000_000


# sd_notify --------------------------------------------------------------------------------


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool
) -> None:
    name = f"rebalancer-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}" if abstract else name)
        listening.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}" if abstract else name)
        sdnotify.ready()
        sdnotify.status("2 events\nrunning")
        sdnotify.watchdog()
        sdnotify.stopping()
        heard = [listening.recv(4096) for _ in range(4)]
    assert heard == [b"READY=1", b"STATUS=2 events running", b"WATCHDOG=1", b"STOPPING=1"]


@pytest.mark.parametrize("address", ["", "/nonexistent/socket", "unix:wrong", "@" + "x" * 200])
def test_nobody_to_tell_is_no_error(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    sdnotify.ready()
