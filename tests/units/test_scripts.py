from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.redis_server import free_port
from tests.units import LIBEXEC


def run(name: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LIBEXEC / name, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environ},
    )


@pytest.mark.parametrize(("mode", "port"), [("live", "4001"), ("paper", "4002")])
def test_the_gateway_is_told_what_the_units_rely_on(
    tmp_path: Path, mode: str, port: str
) -> None:
    (tmp_path / "username").write_text("somebody\n")
    (tmp_path / "password").write_text("pass=word #1\n")
    (tmp_path / "config").write_text(
        "IbLoginId=left over\nReadOnlyApi=no\nBindAddress=\n tradingmode=live\n"
        "SecondFactorDevice=x\n"
    )
    place = {"CREDENTIALS_DIRECTORY": str(tmp_path), "RUNTIME_DIRECTORY": str(tmp_path)}
    assert run("gateway-config", mode, **place).returncode == 0
    written = tmp_path / "config.ini"
    assert written.read_text().splitlines() == [
        "ReadOnlyApi=no",
        "SecondFactorDevice=x",
        "IbLoginId=somebody",
        "IbPassword=pass=word #1",
        f"TradingMode={mode}",
        f"OverrideTwsApiPort={port}",
        "BindAddress=127.0.0.1",
    ]
    assert written.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["gateway-config", "gateway-network"])
def test_another_mode_is_refused(tmp_path: Path, name: str) -> None:
    arguments = ("test",) if name == "gateway-config" else ("inside", "test")
    done = run(name, *arguments)
    assert done.returncode == 2
    assert "live or paper, not test" in done.stderr


@contextmanager
def api_that_says(status: str, body: str) -> Iterator[int]:
    """A server that answers one request for /health/ready."""
    asked = b"GET /health/ready HTTP/1.0\r\nHost: 127.0.0.1\r\n"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                said = status if connection.recv(4096).startswith(asked) else "400 Bad"
                connection.sendall(f"HTTP/1.1 {said}\r\n\r\n{body}".encode())

        thread = threading.Thread(target=answer)
        thread.start()
        yield server.getsockname()[1]
        thread.join(10.0)


def test_good_health_is_no_news() -> None:
    with api_that_says("200 OK", '{"status": "ok"}') as port:
        done = run("health", str(port))
    assert (done.returncode, done.stdout) == (0, "")


def test_bad_health_is_told_in_one_line() -> None:
    with api_that_says("503 Service Unavailable", '{"processor":\n "down"}') as port:
        done = run("health", str(port))
    assert (done.returncode, done.stdout) == (1, '<4>not well: {"processor": "down"}\n')


def test_an_api_that_is_away_is_bad_health() -> None:
    done = run("health", str(free_port()))
    assert done.returncode == 1
    assert done.stdout.startswith("<4>not well: the API does not answer")


def test_waiting_for_a_socket_ends_when_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "X1"
    with (
        subprocess.Popen([LIBEXEC / "wait-for-socket", path]) as waiting,
        socket.socket(socket.AF_UNIX) as sock,
    ):
        assert waiting.poll() is None
        sock.bind(str(path))
        assert waiting.wait(10.0) == 0
