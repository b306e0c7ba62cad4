"""The exposition of a queue whose state the test made, and the files that go by its names."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from rebalancer.api.metrics import EVERY, exposition
from rebalancer.core.event import Event
from rebalancer.core.metrics import count, observe
from rebalancer.queue import followers, journal, keys, measures, moves
from rebalancer.queue.move import command
from rebalancer.queue.store import Queue
from tests.support.redis_server import redis_server

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "packaging" / "monitoring"
NOW = 1_770_000_000.0


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Queue]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server, Queue(server.url) as found:
        yield found


@pytest.fixture
def empty(queue: Queue) -> Queue:
    queue.run(command("FLUSHALL", parse=bool))
    return queue


def _scraped(queue: Queue, now: float = NOW) -> Mapping[tuple[str, ...], float]:
    text = exposition(queue, now=now).decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _enqueue(queue: Queue, account: str, source: str, at: float = NOW) -> None:
    event = Event(f"{account}-{at}", account, "rebalance", at, source=source)
    queue.run(moves.enqueue(event, now=at))


@pytest.mark.redis_server
def test_every_metric_is_there_even_when_nothing_ever_happened(empty: Queue) -> None:
    text = exposition(empty, now=NOW).decode()
    for metric in EVERY:
        name = metric.name.removesuffix("_total") if metric.kind == "counter" else metric.name
        assert re.search(rf"^# HELP {name}(_total)? \S", text, re.MULTILINE), metric.name


@pytest.mark.redis_server
def test_what_stands_in_the_queue_is_shown(empty: Queue) -> None:
    _enqueue(empty, "U1", "schedule", NOW - 90)
    _enqueue(empty, "U1", "api", NOW - 80)
    _enqueue(empty, "U2", "odd source", NOW - 70)
    empty.run(moves.halt("symbol:SPY", now=NOW, reason="r"))
    info = {
        "gateway_ready": True,
        "pacing_waits": 3,
        "pacing_seconds": 1.5,
        "gateway_expected_down_until": NOW + 60,
    }
    empty.run(moves.heartbeat_daemon("processor", info, now=NOW - 4))
    empty.run(
        moves.save_snapshot(
            "U1", {"currency": "USD", "net_liquidation": "1234.5", "total_cash": "x"}, now=NOW
        )
    )
    found = _scraped(empty)
    assert found["rebalancer_events", "queued"] == 2
    assert found["rebalancer_queue_oldest_seconds",] == 90
    assert found["rebalancer_signals_total", "queued", "schedule"] == 1
    assert found["rebalancer_signals_total", "merged", "api"] == 1
    assert found["rebalancer_signals_total", "queued", "unknown"] == 1
    assert found["rebalancer_halts", "symbol"] == 1
    assert found["rebalancer_halts", "all"] == 0
    assert found["rebalancer_daemon_age_seconds", "processor"] == 4
    assert found["rebalancer_gateway_up",] == 1
    assert found["rebalancer_gateway_expected_down",] == 1
    assert found["rebalancer_pacing_waits_total",] == 3
    assert found["rebalancer_account_value", "U1", "USD"] == 1234.5
    assert ("rebalancer_account_cash", "U1", "USD") not in found
    assert _scraped(empty, NOW + 61)["rebalancer_gateway_expected_down",] == 0


@pytest.mark.redis_server
def test_transitions_are_counted_once_however_often_they_are_looked_at(empty: Queue) -> None:
    for n in range(2500):
        empty.run(moves.note("kind", {"n": n}, now=NOW))
    assert _scraped(empty)["rebalancer_transitions_total", "kind"] == 2500
    empty.run(moves.note("kind", {}, now=NOW))
    assert _scraped(empty)["rebalancer_transitions_total", "kind"] == 2501
    for _ in range(3):
        empty.run(moves.note("late", {}, now=NOW))
    empty.run(command("XTRIM", keys.JOURNAL, "MAXLEN", "1", parse=int))
    found = _scraped(empty)
    assert found["rebalancer_transitions_total", "late"] == 1
    assert found["rebalancer_uncounted_total",] == 2


@pytest.mark.redis_server
def test_histograms_add_up(empty: Queue) -> None:
    name = "rebalancer_order_slippage_points"
    for value in (-100.0, 0.0, 1.5, 1e9):
        empty.run(measures.measure(observe(name, "BUY", value=value), now=NOW))
    found = _scraped(empty)
    assert found[f"{name}_bucket", "BUY", "-50"] == 1
    assert found[f"{name}_bucket", "BUY", "0"] == 2
    assert found[f"{name}_bucket", "BUY", "2"] == 3
    assert found[f"{name}_bucket", "BUY", "+Inf"] == 4
    by = count("rebalancer_runs_total", "rebalance", "completed")
    for _ in range(2):
        empty.run(measures.measure([by], now=NOW))
    empty.run(
        command("HSET", keys.MEASURES, "strange", "1", "rebalancer_runs_total", "x", parse=int)
    )
    assert _scraped(empty)["rebalancer_runs_total", "rebalance", "completed"] == 2


@pytest.mark.redis_server
def test_services_of_the_notifier_show_how_far_behind_they_are(empty: Queue) -> None:
    empty.run(followers.follow("notify:phone", now=NOW))
    for _ in range(3):
        empty.run(moves.note("kind", {}, now=NOW))
    empty.run(
        moves.heartbeat_daemon(
            "notify", {"services": {"phone": {"failing": "error=503"}}}, now=NOW
        )
    )
    found = _scraped(empty)
    assert found["rebalancer_notify_behind", "phone"] == 3
    assert found["rebalancer_notify_waiting", "phone"] == 0
    assert found["rebalancer_notify_oldest_seconds", "phone"] == 0
    assert found["rebalancer_notify_failing", "phone"] == 1
    read = ("GROUP", "notify:phone", "reader", "COUNT", "2", "STREAMS", keys.JOURNAL, ">")
    empty.run(command("XREADGROUP", *read, parse=lambda reply: reply))
    at = followers.seconds(empty.run(journal.read())[0].id)
    later = _scraped(empty, at + 30)
    assert later["rebalancer_notify_behind", "phone"] == 1
    assert later["rebalancer_notify_waiting", "phone"] == 2
    assert later["rebalancer_notify_oldest_seconds", "phone"] == pytest.approx(30)


# The files that go by these names --------------------------------------------------------

_NAME = re.compile(r"\brebalancer_[a-z_]+")
_KNOWN = {
    name
    for metric in EVERY
    for name in (
        [metric.name + end for end in ("_bucket", "_count", "_sum")][
            : 1 if metric.buckets[0] < 0 else 3
        ]
        if metric.kind == "histogram"
        else [metric.name]
    )
}


def _expressions(found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        for key, value in found.items():
            if key == "expr" and isinstance(value, str):
                yield value
            else:
                yield from _expressions(value)
    elif isinstance(found, list):
        for each in found:
            yield from _expressions(each)


@pytest.mark.parametrize("file", ["grafana-dashboard.json", "prometheus-rules.yml"])
def test_the_files_name_only_what_is_there(file: str) -> None:
    text = (MONITORING / file).read_text()
    found = json.loads(text) if file.endswith("json") else yaml.safe_load(text)
    expressions = list(_expressions(found))
    assert len(expressions) >= 10
    for expression in expressions:
        names = set(_NAME.findall(expression))
        assert names, expression
        assert names <= _KNOWN, expression


def test_every_rule_says_what_to_do() -> None:
    rules = yaml.safe_load((MONITORING / "prometheus-rules.yml").read_text())
    [group] = rules["groups"]
    names = [rule["alert"] for rule in group["rules"]]
    assert len(names) == len(set(names))
    for rule in group["rules"]:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}, rule
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert set(rule["annotations"]) == {"summary", "remedy"}
        balanced = [rule["expr"].count(one) for one in "(){}[]"]
        assert balanced[::2] == balanced[1::2]


def test_the_dashboard_has_no_panel_twice_and_none_outside() -> None:
    board = json.loads((MONITORING / "grafana-dashboard.json").read_text())
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    places = [panel["gridPos"] for panel in board["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)


def test_the_snippet_reads_and_promtool_where_there_is_one_accepts_both_files() -> None:
    snippet = MONITORING / "prometheus-scrape.yml"
    [job] = yaml.safe_load(snippet.read_text())["scrape_configs"]
    assert job["static_configs"][0]["targets"] == ["127.0.0.1:8000"]
    if promtool := shutil.which("promtool"):
        rules = str(MONITORING / "prometheus-rules.yml")
        subprocess.run([promtool, "check", "rules", "--lint=all", rules], check=True)
        checked = [promtool, "check", "config", "--syntax-only", str(snippet)]
        subprocess.run(checked, check=True)


def table() -> str:
    lines = ["| metric | kind | labels | meaning |", "|---|---|---|---|"]
    for metric in EVERY:
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "-"
        about = " ".join(metric.help.split())
        lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {about} |")
    return "\n".join(lines)


def test_the_reference_has_the_table() -> None:
    assert table() in (ROOT / "docs" / "reference" / "metrics.md").read_text()
