"""What a run adds to the figures: how it ended, how long it took, what its orders did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rebalancer.core.metrics import Sample, count, gauge, observe
from rebalancer.core.rails import Check, breaches
from rebalancer.gateway.trading import Ticket
from rebalancer.processor.record import Ending, planned_price

#: Endings of a run that was at work, and did not only find that it is not its time.
_AT_WORK = frozenset({"completed", "retrying", "dead"})


def figures(ending: Ending, checks: Iterable[Check]) -> tuple[Sample, ...]:
    """Return the samples of a run that is over; ``checks`` are what its rails found."""
    event, outcome, facts = ending.lease.event, ending.outcome, ending.facts
    found = [count("rebalancer_runs_total", event.exec_command, outcome.status)]
    if event.exec_command == "rebalance" and outcome.status in _AT_WORK:
        found += _phases(ending)
    for ref in facts.intents:
        found += _order(ending, ref)
    found += [
        count("rebalancer_rails_tripped_total", name)
        for name in dict.fromkeys(check.name for check in breaches(checks))
    ]
    if facts.reached is not None and outcome.status == "completed":
        account, drift = event.account_id, float(facts.reached.drift_before)
        found += [
            gauge("rebalancer_account_drift", account, value=drift),
            gauge("rebalancer_account_rebalanced_timestamp_seconds", account, value=outcome.at),
        ]
    return tuple(found)


def _phases(ending: Ending) -> Iterator[Sample]:
    event, facts, over = ending.lease.event, ending.facts, ending.outcome.at
    name, began = "rebalancer_run_phase_seconds", facts.began_at
    if not (event.attempt or event.reclaims):
        yield from observe(name, "wait", value=max(began - event.received_at, 0.0))
    sent = min((i.recorded_at for i in facts.intents.values()), default=over)
    yield from observe(name, "prepare", value=max(sent - began, 0.0))
    if not facts.intents:
        return
    ended = max(
        _ended(intent.recorded_at, ending.tickets.get(ref), over)
        for ref, intent in facts.intents.items()
    )
    yield from observe(name, "orders", value=max(ended - sent, 0.0))
    yield from observe(name, "finish", value=max(over - ended, 0.0))


def _ended(recorded_at: float, ticket: Ticket | None, over: float) -> float:
    if ticket is None or ticket.ended_after is None:
        return over
    return min(recorded_at + ticket.ended_after, over)


def _order(ending: Ending, ref: str) -> Iterator[Sample]:
    ticket = ending.tickets.get(ref)
    if ticket is None:
        yield count("rebalancer_orders_total", "unsettled")
        return
    report = ticket.report()
    status = "unsettled" if report.status == "working" else report.status
    yield count("rebalancer_orders_total", status)
    if ticket.heard_after is not None:
        yield from observe("rebalancer_order_ack_seconds", value=ticket.heard_after)
    if ticket.filled_after is not None:
        yield from observe("rebalancer_order_fill_seconds", value=ticket.filled_after)
    planned = planned_price(ending.facts, ending.facts.intents[ref])
    if planned and report.filled and report.avg_price:
        sign = 1 if ticket.order.action == "BUY" else -1
        points = float((report.avg_price - planned) / planned) * 10_000 * sign
        action, name = ticket.order.action, "rebalancer_order_slippage_points"
        yield from observe(name, action, value=points)
        yield count(f"{name}_added_up", action, by=points)
