"""The connection: it starts wrong, dies, stalls, loses IBKR, and is taken for somebody else."""

from __future__ import annotations

from rebalancer.processor.daemon import Processor
from tests.processor.chaos import Arena
from tests.processor.failure_modes.stage import (
    CLIENT,
    ONE,
    QUICK,
    TWO,
    entries,
    on_target,
    plays,
    rebalanced,
    sent,
    started,
)
from tests.processor.system import eventually


@plays("empty-start", service=QUICK)
async def empty_start(stage: Arena) -> None:
    async with stage.processor() as processor:
        event = await stage.enqueue(ONE)
        await eventually(lambda: processor.gateway.last_error)
        assert sent(stage) == []
        await stage.until("completed", event)
    retries = await entries(stage, "retrying", event)
    assert any("those it lists 0.00" in entry.data["error"] for entry in retries)
    # Nothing was bought before it was known what is held: sells come first.
    assert {action for action, _ in sent(stage)[:3]} == {"SELL"}
    assert on_target(stage, ONE, SPY=0.6, BND=0.4)


@plays("order-lost-with-socket")
async def order_lost_with_socket(stage: Arena) -> None:
    async with started(stage) as processor:
        await rebalanced(stage, ONE, TWO)
        assert processor.gateway.generation > 1
    assert on_target(stage, ONE, SPY=0.6, BND=0.4)
    assert on_target(stage, TWO, SPY=0.5, AAPL=0.5)
    ended = sorted(stage.exchange.completed_orders(), key=lambda view: view.perm_id)
    ids = [view.order_id for view in ended]
    assert ids != sorted(ids), "the ids were not rolled back"


@plays("fills-unseen")
async def fills_unseen(stage: Arena) -> None:
    async with started(stage) as processor:
        (end,) = await rebalanced(stage)
        assert processor.gateway.generation >= 3
    assert on_target(stage, ONE, SPY=0.6, BND=0.4)
    # What filled unseen was found by its orderRef, and not sold again.
    settled = await entries(stage, "settled")
    assert {entry.data["status"] for entry in settled} >= {"filled"}
    assert stage.bought(ONE)["AAPL"] == -40
    assert end.event_id in {entry.event_id for entry in await entries(stage, "retrying")}


@plays("silent-gateway", service=QUICK)
async def silent_gateway(stage: Arena) -> None:
    async with stage.processor() as processor:
        event = await stage.enqueue(ONE)
        await eventually(lambda: "does not answer within" in processor.gateway.last_error)
        assert await entries(stage, "leased", event) == []
        await stage.until("completed", event)
    retries = await entries(stage, "retrying", event)
    assert any("answer within" in entry.data["error"] for entry in retries)
    assert on_target(stage, ONE, SPY=0.6, BND=0.4)


@plays("ibkr-lost")
async def ibkr_lost(stage: Arena) -> None:
    async with started(stage) as processor:
        await eventually(lambda: not processor.gateway.is_ready)
        assert "1100" in processor.gateway.last_error
        event = await stage.enqueue(ONE)
        await stage.until("completed", event)
        # Back with 1102, with 1101, and from 2110; and 1101 out of nothing.
        await eventually(lambda: processor.gateway.generation >= 5)
    assert on_target(stage, ONE, SPY=0.6, BND=0.4)


@plays("farm-notices")
async def farm_notices(stage: Arena) -> None:
    async with started(stage) as processor:
        (end,) = await rebalanced(stage)
        assert _generation(processor) == 1
    assert await entries(stage, "retrying") == []
    assert end.data["orders"]
    assert on_target(stage, ONE, SPY=0.6, BND=0.4)


@plays("client-id-in-use")
async def client_id_in_use(stage: Arena) -> None:
    async with stage.processor() as processor:
        await eventually(lambda: "326" in processor.gateway.last_error)
        await rebalanced(stage)
    assert on_target(stage, ONE, SPY=0.6, BND=0.4)
    assert stage.sim.hub.client_ids == {CLIENT}
    assert stage.bought(ONE)["AAPL"] == -40


@plays("missing-end", service=QUICK)
async def missing_end(stage: Arena) -> None:
    async with started(stage):
        await rebalanced(stage)
    (compared,) = await entries(stage, "reconciled")
    (leased, *_) = await entries(stage, "leased")
    # Without all of the lists nothing is compared, and so nothing is begun.
    assert compared.at <= leased.at
    assert on_target(stage, ONE, SPY=0.6, BND=0.4)
    assert stage.bought(ONE)["AAPL"] == -40


@plays("unasked-completed")
async def unasked_completed(stage: Arena) -> None:
    async with started(stage) as processor:
        await rebalanced(stage, ONE, TWO)
        await rebalanced(stage, ONE)
        assert _generation(processor) == 1
    assert await entries(stage, "retrying") == []
    assert on_target(stage, ONE, SPY=0.6, BND=0.4)


def _generation(processor: Processor) -> int:
    return processor.gateway.generation
