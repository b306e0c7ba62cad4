"""A person at the API, a real processor, a simulated gateway: previewed, agreed to, traded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from rebalancer.queue import moves
from rebalancer.queue.store import AsyncQueue
from tests.api.server import Api
from tests.processor.system import System
from tests.support.redis_server import RedisServer
from tests.support.sim_gateway import sim_gateway

pytestmark = pytest.mark.redis_server

ACCOUNT = "DU1000001"


@pytest.fixture
async def system(api: Api, tmp_path: Path, redis: RedisServer) -> AsyncIterator[System]:
    async with sim_gateway() as sim, AsyncQueue(redis.url, timeout=2.0) as queue:
        found = System(tmp_path, redis, sim, queue)
        found.accounts = (
            f"accounts:\n  - {{account_id: {ACCOUNT}, type: paper, unlisted: liquidate, "
            f"approval: required, targets: {{SPY: 60%, BND: 40%}}}}\n"
        )
        yield found


async def _told(client: httpx.AsyncClient, kinds: list[str], ready: asyncio.Event) -> None:
    """Write down what the stream tells until the run has completed."""
    async with client.stream("GET", f"/events?account={ACCOUNT}") as response:
        async for line in response.aiter_lines():
            ready.set()
            if line.startswith("data: "):
                entry: dict[str, Any] = json.loads(line.removeprefix("data: "))
                kinds.append(entry["kind"])
                if entry["kind"] == "completed" and "settled" in kinds:
                    return


async def test_previewed_agreed_to_and_traded(api: Api, system: System) -> None:
    kinds: list[str] = []
    ready = asyncio.Event()
    headers = dict(api.operator.headers)
    async with (
        httpx.AsyncClient(base_url=api.server.url, headers=headers, timeout=15) as client,
        system.processor(),
    ):
        watching = asyncio.create_task(_told(client, kinds, ready))
        await ready.wait()
        asked = (await client.post(f"/accounts/{ACCOUNT}/preview")).json()
        await system.until("completed", asked["event_id"])
        preview = (await client.get(asked["location"])).json()
        assert preview["state"] == "completed"
        plan = preview["outcome"]["plan"]
        assert {line["symbol"] for line in plan["lines"]} >= {"SPY", "BND"}
        assert system.sim.exchange.fills == ()

        sent = await client.post(f"/accounts/{ACCOUNT}/rebalance", json={"priority": "high"})
        event_id = sent.json()["event_id"]
        await system.until("delayed", event_id)
        [waiting] = (await client.get("/approvals")).json()["items"]
        assert waiting["plan"]["hash"] == waiting["plan_hash"]
        other = {"plan_hash": "0123456789ab"}
        refused = await client.post(f"/accounts/{ACCOUNT}/approve", json=other)
        assert refused.status_code == 409
        assert waiting["plan_hash"] in refused.json()["detail"]
        agreed = {"plan_hash": waiting["plan_hash"], "by": "me"}
        answer = await client.post(f"/accounts/{ACCOUNT}/approve", json=agreed)
        assert answer.json()["status"] == "approved"
        await asyncio.wait_for(watching, 15)
        assert {"proposed", "approved", "planned", "intents", "settled"} <= set(kinds)
        assert set(system.bought()) == {"SPY", "BND", "AAPL"}

        runs = (await client.get("/runs", params={"account": ACCOUNT})).json()
        newest = runs["items"][0]
        assert (newest["event_id"], newest["status"]) == (event_id, "completed")
        assert newest["orders"] == newest["filled"] == 3
        story = (await client.get(f"/runs/{event_id}")).json()
        assert [record["outcome"]["status"] for record in story["records"]][-1] == "completed"
        assert {"queued", "leased", "completed"} <= {e["kind"] for e in story["journal"]}
        numbered = (await client.get(f"/runs/{newest['seq']}")).json()
        assert numbered["event_id"] == event_id
        page = (await client.get("/runs", params={"limit": 1})).json()
        rest = (await client.get("/runs", params={"before": page["before"]})).json()
        assert [item["seq"] for item in (*page["items"], *rest["items"])] == [
            item["seq"] for item in runs["items"]
        ]
        assert (await client.get("/runs/nothing")).status_code == 404
        shown = (await client.get(f"/accounts/{ACCOUNT}")).json()
        assert shown["snapshot"]["net_liquidation"]
        assert shown["last_run"] == newest
        parts = (await client.get("/health")).json()["components"]
        assert parts["processor"]["status"] == "ok"
        # The sign of life is of the start, when the gateway was not there yet.
        assert parts["gateway"]["status"] in {"ok", "down"}
        beats = await system.queue.run(moves.daemons())
        assert isinstance(beats["processor"].info["gateway_ready"], bool)


async def test_a_rejected_plan_is_gone_with_its_event(api: Api, system: System) -> None:
    headers = dict(api.operator.headers)
    async with (
        httpx.AsyncClient(base_url=api.server.url, headers=headers, timeout=15) as client,
        system.processor(),
    ):
        sent = (await client.post(f"/accounts/{ACCOUNT}/rebalance")).json()
        await system.until("delayed", sent["event_id"])
        [waiting] = (await client.get("/approvals")).json()["items"]
        dropped = {"plan_hash": waiting["plan_hash"]}
        answer = await client.post(f"/accounts/{ACCOUNT}/reject", json=dropped)
        assert answer.json()["status"] == "rejected"
        assert (await client.get("/approvals")).json()["items"] == []
        assert (await client.get(sent["location"])).status_code == 404
        lines = (await client.get("/journal", params={"event": sent["event_id"]})).json()
        assert [entry["kind"] for entry in lines["items"]][-2:] == ["declined", "removed"]
    assert system.sim.exchange.fills == ()
