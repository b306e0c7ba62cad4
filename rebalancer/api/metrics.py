"""Figures for Prometheus, made at the moment they are asked for: all of them stand in Redis.

``STATE`` is what is so now, read from the queue's own structures; ``core.metrics.MEASURED`` is
what programs have written down. docs/reference/metrics.md is made of both tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from rebalancer.core.metrics import MEASURED, Kind, Metric, read
from rebalancer.queue import board, followers, measures, moves
from rebalancer.queue.followers import Follower
from rebalancer.queue.store import Queue
from rebalancer.queue.values import Daemon, Halt, Stats

__all__ = ["CONTENT_TYPE_PLAIN_0_0_4", "EVERY", "STATE", "exposition"]

#: Readers of the journal that are services of the notifier.
_SERVICES = "notify:"


@dataclass(frozen=True, slots=True)
class Look:
    """Everything that one exposition is made of."""

    now: float
    stats: Stats
    counts: Mapping[str, float]
    measured: Mapping[str, float]
    daemons: Mapping[str, Daemon]
    snapshots: Mapping[str, Mapping[str, Any]]
    halts: Mapping[str, Halt]
    services: tuple[Follower, ...]

    def said(self, daemon: str, name: str) -> Any:
        """What a program left to be seen, if it did."""
        found = self.daemons.get(daemon)
        return None if found is None else found.info.get(name)


def exposition(queue: Queue, *, now: float) -> bytes:
    """Return every figure in Prometheus' text format.

    Raises:
        QueueError: as ``Queue.run``.
    """
    registry = CollectorRegistry()
    registry.register(_Shown(look(queue, now)))
    return generate_latest(registry)


def look(queue: Queue, now: float) -> Look:
    """Read everything, the counts brought up to date first. Raises as ``Queue.run``."""
    while queue.run(measures.count(now=now)):
        pass
    return Look(
        now=now,
        stats=queue.run(moves.stats(now=now)),
        counts=queue.run(measures.counts()),
        measured=queue.run(measures.measured()),
        daemons=queue.run(moves.daemons()),
        snapshots=queue.run(board.snapshots()),
        halts=queue.run(moves.halts()),
        services=queue.run(followers.followers(_SERVICES)),
    )


class _Shown(Collector):
    def __init__(self, found: Look) -> None:
        self._look = found

    def collect(self) -> Iterator[Any]:
        """Every family; those without a sample are there with their help all the same."""
        for state in STATE:
            family = _family(state.metric)
            for labels, value in state.rows(self._look):
                family.add_metric(labels, value)
            yield family
        yield from _written_down(self._look.measured)


def _written_down(fields: Mapping[str, float]) -> Iterator[Any]:
    sorted_out: dict[str, dict[tuple[str, ...], float]] = {}
    for field, number in sorted(fields.items()):
        for metric, labels in read(field):
            sorted_out.setdefault(metric.name, {})[labels] = number
    for metric in MEASURED:
        rows = sorted_out.get(metric.name, {})
        family = _family(metric)
        if metric.kind == "histogram":
            for labels in dict.fromkeys(labels[:-1] for labels in rows):
                family.add_metric(labels, *_cumulated(metric, labels, rows))
        else:
            for labels, number in rows.items():
                family.add_metric(labels, number)
        yield family


def _cumulated(
    metric: Metric, labels: tuple[str, ...], rows: Mapping[tuple[str, ...], float]
) -> tuple[list[tuple[str, float]], float]:
    buckets, so_far = [], 0.0
    for bound in [*(f"{bound:g}" for bound in metric.buckets), "+Inf"]:
        so_far += rows.get((*labels, bound), 0.0)
        buckets.append((bound, so_far))
    return buckets, rows.get((*labels, "sum"), 0.0)


def _family(metric: Metric) -> Any:
    kind: Any = {
        "counter": CounterMetricFamily,
        "gauge": GaugeMetricFamily,
        "histogram": HistogramMetricFamily,
    }[metric.kind]
    return kind(metric.name, " ".join(metric.help.split()), labels=metric.labels)


# What is so now ---------------------------------------------------------------------------

Rows = Iterable[tuple[tuple[str, ...], float]]


class State(NamedTuple):
    """A metric, and how its rows are read off a look."""

    metric: Metric
    rows: Callable[[Look], Rows]


def _events(found: Look) -> Rows:
    states = ("queued", "parked", "leased", "retrying", "delayed", "dead")
    return [((state,), getattr(found.stats, state)) for state in states]


def _age(at: float | None, now: float) -> float:
    return 0.0 if at is None else max(now - at, 0.0)


def _overdue(found: Look) -> Rows:
    stats = found.stats
    return [
        (("retry",), _age(stats.next_retry_at, found.now)),
        (("delayed",), _age(stats.next_delayed_at, found.now)),
    ]


def _transitions(found: Look) -> Rows:
    kinds = {name: n for name, n in found.counts.items() if name and name[0] != "."}
    return [((kind,), n) for kind, n in sorted(kinds.items()) if " " not in kind]


def _signals(found: Look) -> Rows:
    for name, number in sorted(found.counts.items()):
        outcome, _, source = name.partition(" ")
        if outcome in {"queued", "merged", "rerun", "rejected", "missed"} and source:
            yield (source, outcome), number


def _uncounted(found: Look) -> Rows:
    yield (), found.counts.get(".lost", 0.0)


def _halted(found: Look) -> Rows:
    kinds = [scope.partition(":")[0] for scope in found.halts]
    return [((kind,), kinds.count(kind)) for kind in ("all", "account", "symbol", "hold")]


def _ages(found: Look) -> Rows:
    return [((name,), _age(d.at, found.now)) for name, d in sorted(found.daemons.items())]


def _said(daemon: str, name: str) -> Callable[[Look], Rows]:
    def rows(found: Look) -> Rows:
        value = found.said(daemon, name)
        if isinstance(value, int | float):
            yield (), float(value)

    return rows


def _expected_down(found: Look) -> Rows:
    until = found.said("processor", "gateway_expected_down_until")
    yield (), float(isinstance(until, int | float) and found.now < until)


def _worth(name: str) -> Callable[[Look], Rows]:
    def rows(found: Look) -> Rows:
        for account, shown in sorted(found.snapshots.items()):
            try:
                yield (account, str(shown["currency"])), float(shown[name])
            except (KeyError, TypeError, ValueError):
                continue

    return rows


def _seen_at(found: Look) -> Rows:
    for account, shown in sorted(found.snapshots.items()):
        if isinstance(saved := shown.get("saved_at"), int | float):
            yield (account,), float(saved)


def _of_services(value: Callable[[Follower, float], float | None]) -> Callable[[Look], Rows]:
    def rows(found: Look) -> Rows:
        for service in found.services:
            number = value(service, found.now)
            if number is not None:
                yield (service.name.removeprefix(_SERVICES),), number

    return rows


def _oldest(service: Follower, now: float) -> float:
    return max(now - followers.seconds(service.oldest), 0.0) if service.oldest else 0.0


def _failing(found: Look) -> Rows:
    services = found.said("notify", "services")
    if isinstance(services, Mapping):
        for name, shown in sorted(services.items()):
            yield (str(name),), float(bool(isinstance(shown, Mapping) and shown.get("failing")))


def _state(
    name: str, about: str, rows: Callable[[Look], Rows], *labels: str, kind: Kind = "gauge"
) -> State:
    return State(Metric(f"rebalancer_{name}", kind, about, labels), rows)


STATE: tuple[State, ...] = (
    _state("events", "Events by state.", _events, "state"),
    _state(
        "queue_oldest_seconds",
        "How long the event at the dequeue end has waited.",
        lambda found: [((), _age(found.stats.next_received_at, found.now))],
    ),
    _state(
        "overdue_seconds",
        "By how much the next retry or delayed event is late; sweeps move them.",
        _overdue,
        "what",
    ),
    _state(
        "journal_entries",
        "Entries that the journal holds.",
        lambda found: [((), found.stats.journal)],
    ),
    _state(
        "transitions_total",
        "Entries put into the journal, by kind: every move of an event is one.",
        _transitions,
        "kind",
        kind="counter",
    ),
    _state(
        "signals_total",
        "Signals by source and what became of them: queued, merged, rerun, rejected, missed.",
        _signals,
        "source",
        "outcome",
        kind="counter",
    ),
    _state(
        "uncounted_total",
        "Entries that the journal forgot before they were counted.",
        _uncounted,
        kind="counter",
    ),
    _state("halts", "Scopes that are halted, and accounts that are held.", _halted, "kind"),
    _state("daemon_age_seconds", "Since a program's last sign of life.", _ages, "daemon"),
    _state(
        "gateway_up",
        "1 while orders may be sent to IB Gateway, as of the processor's last sign of life.",
        _said("processor", "gateway_ready"),
    ),
    _state(
        "gateway_expected_down", "1 in a window in which it is expected away.", _expected_down
    ),
    _state(
        "pacing_waits_total",
        "Times orders waited for the gateway's pace, since the processor's start.",
        _said("processor", "pacing_waits"),
        kind="counter",
    ),
    _state(
        "pacing_wait_seconds_total",
        "Seconds of these waits.",
        _said("processor", "pacing_seconds"),
        kind="counter",
    ),
    _state(
        "account_value",
        "Net liquidation, as last seen.",
        _worth("net_liquidation"),
        "account",
        "currency",
    ),
    _state("account_cash", "Cash, as last seen.", _worth("total_cash"), "account", "currency"),
    _state(
        "account_seen_timestamp_seconds", "When that was, Unix seconds.", _seen_at, "account"
    ),
    _state(
        "notify_behind",
        "Entries of the journal that a service's reader was not given yet.",
        _of_services(lambda service, _: service.behind),
        "service",
    ),
    _state(
        "notify_waiting",
        "Entries given to it that are not told yet.",
        _of_services(lambda service, _: service.pending),
        "service",
    ),
    _state(
        "notify_oldest_seconds",
        "How long the oldest of these has waited.",
        _of_services(_oldest),
        "service",
    ),
    _state(
        "notify_failing",
        "1 while the service did not take the last message.",
        _failing,
        "service",
    ),
)

#: All that an exposition holds.
EVERY: tuple[Metric, ...] = (*(state.metric for state in STATE), *MEASURED)
