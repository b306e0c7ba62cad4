"""What runs leave behind for whoever watches: read back as Prometheus would."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rebalancer.api.metrics import EVERY, exposition
from rebalancer.queue.store import Queue
from tests.processor.system import System, eventually

pytestmark = pytest.mark.redis_server


def scraped(url: str) -> Mapping[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels."""
    with Queue(url) as queue:
        text = exposition(queue, now=time.time()).decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_a_rebalance_is_in_the_figures(system: System) -> None:
    async with system.processor():
        await system.result(await system.enqueue())
        await system.result(await system.enqueue(command="print-equity"))
        looked = ("rebalancer_runs_total", "print-equity", "completed")
        await eventually(lambda: looked in scraped(system.redis.url))
        found = scraped(system.redis.url)
    assert found["rebalancer_runs_total", "rebalance", "completed"] == 1
    # The first sign of life is given before the gateway has answered.
    assert found["rebalancer_gateway_up",] == 0
    assert found["rebalancer_pacing_waits_total",] == 0
    assert found["rebalancer_daemon_age_seconds", "processor"] < 10
    orders = found["rebalancer_orders_total", "filled"]
    assert orders >= 2
    for name in ("ack", "fill"):
        assert found[f"rebalancer_order_{name}_seconds_count",] == orders
        assert 0 < found[f"rebalancer_order_{name}_seconds_sum",] < 20
    assert found["rebalancer_order_slippage_points_bucket", "BUY", "+Inf"] >= 2
    assert abs(found["rebalancer_order_slippage_points_added_up", "BUY"]) < 200
    for phase in ("wait", "prepare", "orders", "finish"):
        assert found["rebalancer_run_phase_seconds_count", phase] == 1
        assert found["rebalancer_run_phase_seconds_bucket", "+Inf", phase] == 1
    assert 0 <= found["rebalancer_account_drift", "DU1000001"] < 0.02
    assert found["rebalancer_account_value", "DU1000001", "USD"] > 10_000
    assert found["rebalancer_signals_total", "queued", "test"] == 2
    assert found["rebalancer_transitions_total", "completed"] == 2
    assert found["rebalancer_uncounted_total",] == 0
    assert found["rebalancer_events", "queued"] == 0


async def test_a_rail_that_refuses_is_in_the_figures(system: System) -> None:
    system.accounts = system.accounts.replace(
        "    unlisted: liquidate\n", "    unlisted: liquidate\n    max_order_value: 1\n"
    )
    async with system.processor():
        await system.until("dead", await system.enqueue())
        refused = ("rebalancer_rails_tripped_total", "order_value")
        await eventually(lambda: refused in scraped(system.redis.url))
    found = scraped(system.redis.url)
    assert found["rebalancer_rails_tripped_total", "order_value"] == 1
    assert found["rebalancer_runs_total", "rebalance", "dead"] == 1
    assert found["rebalancer_events", "dead"] == 1
    assert ("rebalancer_order_fill_seconds_count",) not in found


async def test_no_figure_goes_by_a_name_that_is_in_no_table(system: System) -> None:
    async with system.processor():
        await system.result(await system.enqueue())
    known = {metric.name for metric in EVERY}
    shown = {name[0] for name in scraped(system.redis.url)}
    ends = ("_bucket", "_count", "_sum")
    for name in shown:
        base = next((name.removesuffix(end) for end in ends if name.endswith(end)), name)
        assert {name, base} & known, name
