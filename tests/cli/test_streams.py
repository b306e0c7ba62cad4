"""What the doctor says of channels."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from rebalancer.cli.findings import Finding
from rebalancer.cli.streams import channels
from rebalancer.queue.values import Daemon
from rebalancer.settings import locate
from tests.settings.conftest import Etc
from tests.support.redis_server import free_port

NOW = 1_000_000.0


def found(folder: Path, port: int, info: dict[str, object], at: float = NOW) -> list[Finding]:
    url = f"http://127.0.0.1:{port}/s"
    etc = Etc(folder).write(
        config=f"broker: {{channels: [{{name: c, preset: generic, url: '{url}'}}]}}"
    )
    files = locate({}, config=folder / "rebalancer.yaml")
    daemons = {"broker": Daemon("broker", at, info)}
    return list(channels(etc.load(), files, daemons, NOW))


def test_a_channel_that_is_heard(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        reached, heard = found(tmp_path, port, {"channel:c": {"connected": True}})
    assert (reached.level, heard.level) == ("ok", "ok")
    assert reached.text == f"127.0.0.1:{port} can be reached"


@pytest.mark.parametrize("info", [{}, {"channel:c": None}, {"channel:c": {"connected": False}}])
def test_a_channel_that_is_not(tmp_path: Path, info: dict[str, object]) -> None:
    reached, heard = found(tmp_path, free_port(), info)
    assert (reached.level, heard.level) == ("fail", "fail")
    assert os.strerror(111) in reached.text
    assert heard.text == "the broker does not hear it"


def test_a_broker_that_is_gone_is_a_finding_of_its_own(tmp_path: Path) -> None:
    assert len(found(tmp_path, free_port(), {}, at=NOW - 60)) == 1


def test_an_ably_channel_for_nobody(tmp_path: Path) -> None:
    etc = Etc(tmp_path).write(
        config="broker: {channels: [{name: a, preset: ably, credential: k, "
        f"url: 'http://127.0.0.1:{free_port()}/'}}]}}"
    )
    files = locate({}, config=tmp_path / "rebalancer.yaml")
    _, nobody = channels(etc.load(), files, {}, NOW)
    assert nobody.text == "no traded account follows a strategy that it may signal"
