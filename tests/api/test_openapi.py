"""The description is true: schemathesis asks everything it can think of, and finds nothing.

``API_EXAMPLES=500`` in the environment asks for more of each.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rebalancer.queue import moves
from rebalancer.sweeper import sweeps
from tests.api.server import OPERATOR, Api

pytestmark = pytest.mark.redis_server

#: Examples for each operation; more by the variable.
EXAMPLES = os.environ.get("API_EXAMPLES", "3")

#: A key names one request and an eventId one event: each gets its own. Otherwise the second
#: request would rightly be refused, and a signal for an event that was removed meanwhile would
#: rightly be answered as before.
HOOKS = """\
import uuid
import schemathesis

@schemathesis.hook
def before_call(context, case, kwargs):
    given = case.headers and case.headers.get("Idempotency-Key")
    if given and len(given) < 90:
        case.headers["Idempotency-Key"] = f"{given}-{uuid.uuid4().hex}"
    name = case.body.get("eventId") if isinstance(case.body, dict) else None
    if isinstance(name, str) and name and len(name) < 30:
        case.body["eventId"] = f"{name}{uuid.uuid4().hex}"
"""


@pytest.fixture
def description(api: Api) -> dict[str, Any]:
    found: dict[str, Any] = api.nobody.get("/openapi.json").json()
    return found


def test_schemathesis_finds_nothing(api: Api, tmp_path: Path) -> None:
    _all_is_well(api)
    (tmp_path / "hooks.py").write_text(HOOKS)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{api.server.url}/openapi.json"),
        *("-H", f"Authorization: Bearer {OPERATOR}", "--checks", "all"),
        *("--max-examples", EXAMPLES, "--exclude-path", "/events", "--no-color"),
        *("--generation-database", "none"),
    ]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def _all_is_well(api: Api) -> None:
    """The daemons' signs of life, good for the whole run: 503 would count as a failure."""
    later = time.time() + 3600
    info = {"gateway_ready": True, "gateway_state": "connected"}
    for name in ("broker", "processor"):
        api.run(moves.heartbeat_daemon(name, info, now=later))
    sweeps.run(api.queue, ["all"], later)


def test_every_path_is_described(description: dict[str, Any]) -> None:
    paths = description["paths"]
    assert set(paths["/queue/events"]) == {"get", "post", "delete"}
    for path, methods in paths.items():
        for method, one in methods.items():
            assert one["summary"], (path, method)
            writes = method != "get" and path not in {"/session", "/webhooks/{kind}"}
            assert ("403" in one["responses"]) or not writes
            named = {p["name"] for p in one["parameters"]}
            assert ("Idempotency-Key" in named) == (method == "post" and writes)


def test_members_are_described(description: dict[str, Any]) -> None:
    models = description["components"]["schemas"]
    assert models["Signal"]["properties"]["eventId"]["description"].startswith("The sender's")
    assert "oldest" not in models["QueueStatus"].get("description", "")


def test_people_have_a_page_without_outside_hosts(api: Api) -> None:
    page = api.nobody.get("/docs")
    assert page.headers["Content-Type"].startswith("text/html")
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "<script" not in page.text
    assert "style=" not in page.text
    assert 'id="problem-no-token"' in page.text
    assert api.nobody.get("/static/docs.css").status_code == 200
