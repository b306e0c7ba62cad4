"""Weights from a real HTTP server that is not always kind."""

from __future__ import annotations

import dataclasses
import gzip
import json
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rebalancer.errors import PermanentError, RebalancerError, RetryableError
from rebalancer.settings.models import Fetched, Wanted
from rebalancer.settings.sources import Api, Json
from rebalancer.targets import http
from rebalancer.targets.resolve import Fetcher
from tests.support.weights_server import Answer, WeightsServer, allocations, deaf_port

GOOD = {"VTI": 0.25, "BND": 0.5}
EXACT = {"VTI": Decimal("0.25"), "BND": Decimal("0.5")}


def api(server: WeightsServer, **more: Any) -> Wanted:
    return Wanted(Api(url=f"{server.url}/v1", **more), "global 60/40")


def by_path(server: WeightsServer, **more: Any) -> Wanted:
    named = {"items": "$.positions[*]", "symbol": "$.ticker", "weight": "$.w", **more}
    return Wanted(Json(url=f"{server.url}/x?model={{strategy_name}}", **named), "global 60/40")


async def test_the_agreed_request_and_body(server: WeightsServer) -> None:
    server.says(allocations(GOOD, ETag='"7"'))
    found = await http.fetch(api(server), "s3cret", None)
    assert found.weights == EXACT
    assert (found.status, found.etag, len(found.hash)) == ("200", '"7"', 12)
    [asked] = server.asked
    assert asked.path == "/v1/global%2060%2F40/allocations"
    assert asked.headers["x-api-key"] == "s3cret"
    assert "if-none-match" not in asked.headers


async def test_numbers_are_read_exactly(server: WeightsServer) -> None:
    server.says(allocations({"VTI": 0.1, "BND": "0.2", "GLD": 0}))
    found = await http.fetch(api(server), "", None)
    assert found.weights == {"VTI": Decimal("0.1"), "BND": Decimal("0.2"), "GLD": Decimal(0)}


async def test_other_shapes_by_json_path(server: WeightsServer) -> None:
    positions = [{"ticker": "VTI", "w": 25}, {"ticker": "VWCE@IBIS2/EUR", "w": 75.0}]
    server.says(Answer(body=json.dumps({"positions": positions}).encode()))
    wanted = by_path(
        server,
        percent=True,
        credential="key",
        headers=(("Authorization", "Bearer {credential}"), ("X-Plain", "a")),
    )
    found = await http.fetch(wanted, "s3cret", None)
    assert found.weights == {"VTI": Decimal("0.25"), "VWCE@IBIS2/EUR": Decimal("0.75")}
    [asked] = server.asked
    assert asked.path == "/x?model=global%2060%2F40"
    assert asked.headers["authorization"] == "Bearer s3cret"
    assert asked.headers["x-plain"] == "a"


PASSING = [
    (Answer(500), "500 Internal Server Error"),
    (Answer(503, headers={"Retry-After": "120"}), "503 Service Unavailable, retry after 120"),
    (Answer(429, headers={"Retry-After": "30"}), "429 Too Many Requests, retry after 30"),
    (Answer(408), "408 Request Timeout"),
    (dataclasses.replace(allocations(GOOD), stop_after=20), "RemoteProtocolError"),
]
FINAL = [
    (Answer(401), "401 Unauthorized"),
    (Answer(403), "403 Forbidden"),
    (Answer(404), "404 Not Found"),
    (Answer(204), "204 No Content"),
    (Answer(304), "304, though no version was asked about"),
    (
        Answer(302, headers={"Location": "http://127.0.0.2:1/"}),
        "another place (http://127.0.0.",
    ),
    (Answer(302, headers={"Location": "https://127.0.0.1/"}), "another place (https://127.0.0"),
    (Answer(302), "another place"),
    (Answer(302, headers={"Location": "http://[x/"}), "another place, which is no URL"),
    (Answer(302, headers={"Location": "/v1/again"}), "more than 3 redirects"),
    (Answer(body=b"x" * (http.LARGEST + 1)), "a body of more than 1048576 bytes"),
    (
        Answer(body=gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"}),
        "a compressed body",
    ),
    (Answer(body=b"<html>moved</html>"), "200, but the body is no JSON"),
    (Answer(body=b"\xff"), "200, but the body is not UTF-8"),
    (Answer(body=b"[" * 100_000), "200, but the body is no JSON"),
    (Answer(body=b'{"status": "success", "status": 1}'), "an object has a key twice"),
    (Answer(body=b'{"status": "error"}'), "status: found 'error'; expected 'success'"),
    (Answer(body=b"[]"), "status: found a list; expected 'success'"),
    (Answer(body=b'{"status": "success"}'), "data.allocations: found nothing; expected a list"),
    (allocations({}), "no positions; expected at least one"),
    (allocations({"VTI": -0.1}), "data.allocations[0]: found '-0.1'; expected a weight from"),
    (
        allocations({"VTI": 25}),
        "data.allocations[0]: found '25'; expected a weight from 0 to 1",
    ),
    (allocations({"VTI": True}), "found 'True'; expected a weight"),
    (allocations({"VTI": None}), "found nothing; expected a weight"),
    (allocations({"VTI": "NaN"}), "found 'NaN'; expected a weight"),
    (allocations({"vti": 1}), "found 'vti'; expected a symbol"),
    (allocations({"BRK B": 0.1, "BRK.B": 0.1}), "BRK.B is there already, as BRK B"),
]


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [(answer, RetryableError, said) for answer, said in PASSING]
    + [(answer, PermanentError, said) for answer, said in FINAL],
)
async def test_what_is_wrong_is_said_and_what_is_next_decided(
    server: WeightsServer, answer: Answer, kind: type[RebalancerError], said: str
) -> None:
    server.says(answer)
    with pytest.raises(kind) as refused:
        await http.fetch(api(server), "s3cret", None)
    text = str(refused.value)
    assert text.startswith(f"{server.url}/v1/global%2060%2F40/allocations: ")
    assert said in text
    assert "s3cret" not in text


async def test_nobody_listens(server: WeightsServer) -> None:
    with deaf_port() as port, pytest.raises(RetryableError, match="ConnectError"):
        await http.fetch(Wanted(Api(url=f"http://127.0.0.1:{port}"), "m"), "", None)


async def test_an_answer_that_does_not_come(server: WeightsServer) -> None:
    never = threading.Event()
    server.says(dataclasses.replace(allocations(GOOD), wait=never))
    with pytest.raises(RetryableError, match=r"no whole answer within 0\.1 s"):
        await http.fetch(api(server, timeout_seconds=0.1), "", None)
    never.set()


async def test_a_redirect_within_the_host_is_followed(server: WeightsServer) -> None:
    server.says(Answer(307, headers={"Location": "/v2/m"}), allocations(GOOD))
    assert (await http.fetch(api(server), "s3cret", None)).weights == EXACT
    assert [asked.path for asked in server.asked][1:] == ["/v2/m"]
    assert server.asked[1].headers["x-api-key"] == "s3cret"


@pytest.mark.parametrize(
    ("positions", "said"),
    [
        ([{"ticker": "VTI"}], "$.w: found 0 values; expected one"),
        ([1], "found 0 values; expected one"),
        ([{"ticker": 5, "w": 1}], "found '5'; expected a symbol"),
        ([], "no positions"),
        ([{"ticker": "VTI", "w": 100.5}], "expected a weight from 0 to 1"),
    ],
)
async def test_positions_that_are_none(
    server: WeightsServer, positions: list[Any], said: str
) -> None:
    server.says(Answer(body=json.dumps({"positions": positions}).encode()))
    with pytest.raises(PermanentError) as refused:
        await http.fetch(by_path(server), "", None)
    assert said in str(refused.value)
    assert "?***" in str(refused.value)


# Versions ----------------------------------------------------------------------------------


async def test_304_goes_on_with_that_version(server: WeightsServer, tmp_path: Path) -> None:
    server.says(allocations(GOOD, ETag='"7"'), Answer(304))
    fetcher = Fetcher({})
    first = await fetcher.fetch(api(server), tmp_path)
    again = await fetcher.fetch(api(server), tmp_path)
    assert isinstance(first, Fetched)
    assert again == dataclasses.replace(first, status="304, as fetched before")
    assert server.asked[1].headers["if-none-match"] == '"7"'


async def test_a_failure_never_falls_back_to_what_was_fetched_before(
    server: WeightsServer, tmp_path: Path
) -> None:
    server.says(allocations(GOOD, ETag='"7"'), Answer(500), Answer(304))
    fetcher = Fetcher({})
    await fetcher.fetch(api(server), tmp_path)
    assert isinstance(await fetcher.fetch(api(server), tmp_path), RetryableError)
    # The server itself may still say that it is true.
    assert isinstance(await fetcher.fetch(api(server), tmp_path), Fetched)


async def test_another_process_asks_for_all_of_it(
    server: WeightsServer, tmp_path: Path
) -> None:
    server.says(allocations(GOOD, ETag='"7"'))
    for _ in range(2):
        await Fetcher({}).fetch(api(server), tmp_path)
    assert ["if-none-match" in asked.headers for asked in server.asked] == [False, False]


async def test_a_new_version_without_a_name_is_not_compared_with_the_old_one(
    server: WeightsServer, tmp_path: Path
) -> None:
    server.says(allocations(GOOD, ETag='"7"'), allocations({"VTI": 1}))
    fetcher = Fetcher({})
    for _ in range(3):
        await fetcher.fetch(api(server), tmp_path)
    assert "if-none-match" not in server.asked[2].headers


@pytest.mark.parametrize("etag", ["\xfc", "x" * 257])
async def test_a_name_that_could_not_be_sent_back_is_none(
    server: WeightsServer, tmp_path: Path, etag: str
) -> None:
    server.says(allocations(GOOD, ETag=etag))
    fetcher = Fetcher({})
    found = [await fetcher.fetch(api(server), tmp_path) for _ in range(2)]
    assert [isinstance(one, Fetched) and one.etag for one in found] == ["", ""]
    assert "if-none-match" not in server.asked[1].headers


# Secrets -----------------------------------------------------------------------------------


async def test_a_credential_is_read_when_it_is_needed(
    server: WeightsServer, tmp_path: Path
) -> None:
    server.says(allocations(GOOD))
    fetcher, wanted = Fetcher({}), api(server, credential="model_key")
    missing = await fetcher.fetch(wanted, tmp_path)
    assert isinstance(missing, PermanentError)
    assert "credential model_key" in str(missing)
    for secret in ("one", "two"):
        (tmp_path / "model_key").write_text(f"{secret}\n")
        await fetcher.fetch(wanted, tmp_path)
    assert [asked.headers["x-api-key"] for asked in server.asked] == ["one", "two"]


async def test_systemds_credential_comes_first(server: WeightsServer, tmp_path: Path) -> None:
    server.says(allocations(GOOD))
    (tmp_path / "held").mkdir()
    (tmp_path / "held" / "k").write_text("systemd\n")
    (tmp_path / "k").write_text("file\n")
    fetcher = Fetcher({"CREDENTIALS_DIRECTORY": str(tmp_path / "held")})
    await fetcher.fetch(api(server, credential="k"), tmp_path)
    assert server.asked[0].headers["x-api-key"] == "systemd"


def test_no_log_shows_a_secret_at_any_level(server: WeightsServer, tmp_path: Path) -> None:
    server.says(allocations(GOOD))
    (tmp_path / "k").write_text("s3cret-key\n")
    program = f"""
import asyncio, logging, pathlib
from rebalancer import logs
from rebalancer.settings.models import Wanted
from rebalancer.settings.sources import Json
from rebalancer.targets.resolve import Fetcher
logs.setup("debug", "text")
logging.getLogger("a").debug("it logs")
url = "{server.url}/?key=s3cret-in-url"
source = Json(url, "$.data.allocations[*]", "$.symbol", "$.allocation", False,
              (("A", "{{credential}}"),), "k")
found = asyncio.run(Fetcher({{}}).fetch(Wanted(source, "m"), pathlib.Path("{tmp_path}")))
print(found.weights)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert "VTI" in ran.stdout
    assert "it logs" in ran.stderr
    assert "s3cret" not in ran.stderr
    assert server.asked[0].headers["a"] == "s3cret-key"


@pytest.mark.parametrize("content", ["", "\n", "a\nb\n", "schlüssel\n", "a\tb\n"])
async def test_a_credential_that_is_no_line(
    server: WeightsServer, tmp_path: Path, content: str
) -> None:
    (tmp_path / "k").write_text(content, encoding="utf-8")
    refused = await Fetcher({}).fetch(api(server, credential="k"), tmp_path)
    assert isinstance(refused, PermanentError)
    assert not server.asked
