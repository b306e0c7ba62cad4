"""What is measured: one table, and how an observation becomes numbers that add up.

Pure. The processor turns what it saw into samples, Redis adds them up, and the exposition
reads them back. A field of the sum is the metric's name and its labels, with blanks between;
a histogram has one field per bucket and one for the sum.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

Kind = Literal["counter", "gauge", "histogram"]

#: Upper bounds of buckets: seconds that people wait, seconds on the wire, hundredths of a
#: percent of a price.
_WAITS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)
_WIRE = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 600.0)
_POINTS = (-50.0, -20.0, -10.0, -5.0, -2.0, 0.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)


class Metric(NamedTuple):
    """One family: ``name`` is what Prometheus calls it."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


class Sample(NamedTuple):
    """A number for a field: to be added, or, if ``latest``, to be put in place of it."""

    field: str
    number: float
    latest: bool = False


#: What the processor and the notifier write down; all else is read from where it is anyway.
MEASURED: tuple[Metric, ...] = (
    Metric(
        "rebalancer_runs_total",
        "counter",
        "Runs by command and how they ended.",
        ("command", "outcome"),
    ),
    Metric(
        "rebalancer_run_phase_seconds",
        "histogram",
        """Seconds of a run by phase: wait (signal to begin, first attempts only), prepare (to
        the first order), orders (to the last order's end), finish (to the end of the run).""",
        ("phase",),
        _WAITS,
    ),
    Metric(
        "rebalancer_orders_total",
        "counter",
        "Orders sent, by their final status; unsettled: a later run finds out.",
        ("status",),
    ),
    Metric(
        "rebalancer_order_ack_seconds",
        "histogram",
        "Seconds from sending an order to the gateway's first word about it.",
        (),
        _WIRE,
    ),
    Metric(
        "rebalancer_order_fill_seconds",
        "histogram",
        "Seconds from sending an order to its last fill, of orders that filled.",
        (),
        _WIRE,
    ),
    Metric(
        "rebalancer_order_slippage_points",
        "histogram",
        """Hundredths of a percent by which fills were worse than the price planned with;
        below zero: better. Without a sum, as Prometheus has it where values are below zero.""",
        ("action",),
        _POINTS,
    ),
    Metric(
        "rebalancer_order_slippage_points_added_up",
        "gauge",
        "The sum of these.",
        ("action",),
    ),
    Metric(
        "rebalancer_rails_tripped_total",
        "counter",
        "Times a safety rail refused orders.",
        ("rail",),
    ),
    Metric(
        "rebalancer_account_drift",
        "gauge",
        "Drift from the target that the last rebalance left, as a share of the account.",
        ("account",),
    ),
    Metric(
        "rebalancer_account_rebalanced_timestamp_seconds",
        "gauge",
        "When the last rebalance of the account was complete, Unix seconds.",
        ("account",),
    ),
    Metric(
        "rebalancer_notifications_total",
        "counter",
        "Notices by service and what became of them: sent, failed (tried again), dropped.",
        ("service", "result"),
    ),
)

_BY_NAME = {metric.name: metric for metric in MEASURED}


def count(name: str, *labels: str, by: float = 1.0) -> Sample:
    """A counter goes up, or a gauge that is a sum changes."""
    return Sample(_field(name, labels), by)


def gauge(name: str, *labels: str, value: float) -> Sample:
    """A gauge has a new value."""
    return Sample(_field(name, labels), value, latest=True)


def observe(name: str, *labels: str, value: float) -> tuple[Sample, Sample]:
    """A histogram takes a value in: the bucket it falls into, and the sum."""
    buckets = _BY_NAME[name].buckets
    bound = next((f"{bound:g}" for bound in buckets if value <= bound), "+Inf")
    return (
        Sample(_field(name, (*labels, bound)), 1.0),
        Sample(_field(name, (*labels, "sum")), value),
    )


def _field(name: str, labels: tuple[str, ...]) -> str:
    # Labels are ours or keep to the rule for account ids; a blank would tear the field apart.
    return " ".join((name, *("_".join(label.split()) for label in labels)))


def read(field: str) -> Iterator[tuple[Metric, tuple[str, ...]]]:
    """The metric and labels of a field, or nothing if it is none of ours.

    Of a histogram the last label is the bucket's bound, or ``sum``.
    """
    name, *labels = field.split(" ")
    metric = _BY_NAME.get(name)
    if metric is None:
        return
    if len(labels) == len(metric.labels) + (metric.kind == "histogram"):
        yield metric, tuple(labels)
