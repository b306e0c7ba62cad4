"""docs/reference/cli-json.md: each command is typed, and answers these members."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rebalancer.core.approval import Proposal
from rebalancer.core.event import Event
from rebalancer.core.reconcile import Difference, Shown
from rebalancer.processor.record import Outcome
from rebalancer.processor.record_json import seen_json
from rebalancer.queue import approvals, moves
from rebalancer.queue.store import Queue
from tests.cli.conftest import Answer, Rebalancer
from tests.cli.test_history import bought, ended, leased
from tests.core.accounts import account
from tests.support.http_service import http_service

pytestmark = pytest.mark.redis_server

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli-json.md"

ACCOUNTS = """\
accounts:
  - account_id: DU1000001
    type: paper
    targets: {SPY: 60%, BND: 40%}
    schedule: {cron: "0 12 * * *", time_zone: UTC}
  - {account_id: DU1000002, type: paper, targets: {SPY: 1}}
  - {account_id: DU1000003, type: paper, targets: {SPY: 1}}
"""
HASH = "0123456789ab"


def rows() -> dict[str, tuple[str, frozenset[str]]]:
    """Command -> the kind of its value, and the members that the page names."""
    found = {}
    for line in PAGE.read_text().splitlines():
        if line.startswith("| `"):
            name, value, members = (cell.strip() for cell in line.strip("|").split("|"))
            named = frozenset(part.strip(" `") for part in members.split(","))
            found[name.strip("`")] = value, named
    return found


def members(kind: str, text: str) -> frozenset[str]:
    """The members that an answer has, where the page says they are."""
    value: Any
    if kind == "objects, one a line":
        value = json.loads(text.splitlines()[0])
    else:
        value = json.loads(text)
    if kind == "list of objects":
        value = value[0]
    if kind.startswith("objects by"):
        value = next(iter(value.values()))
    assert isinstance(value, dict)
    return frozenset(value)


def proposed(queue: Queue, account_id: str, at: float) -> None:
    lease = leased(queue, f"asks-{account_id}", account_id, at)
    zero = Decimal(0)
    found = Proposal(account_id, lease.event.event_id, HASH, "t", zero, zero, (), at, at + 3600)
    queue.run(approvals.propose(lease, found, {"lines": []}, now=at))


def held(queue: Queue) -> None:
    """Hold DU1000001."""
    ref = "rb:0123456789ab:1:SPY"
    shown = Shown(
        7, ref, "DU1000001", 77, "SPY", 1, "BUY", Decimal(10), Decimal(4), working=False
    )
    found = Difference("unknown", ref, None, (shown,))
    queue.run(moves.hold("DU1000001", [found], reason="an order differs", now=time.time()))


@pytest.fixture
def busy(rebalancer: Rebalancer, redis: Queue) -> Queue:
    """Something of everything."""
    at = time.time()
    rebalancer.configure("notify: {services: [{name: phone}]}", ACCOUNTS)
    seen = seen_json(account("1000", {"SPY": "100", "BND": "70"}))
    redis.run(moves.save_snapshot("DU1000001", seen, now=at))
    run = leased(redis, "done", "DU1000001", at)
    ended(redis, run, bought(redis, run, at), Outcome("completed", at + 5))
    dead = leased(redis, "dead", "DU1000001", at)
    redis.run(moves.bury(dead, now=at, reason="permanent", error="no such thing"))
    for name in ("DU1000002", "DU1000003"):
        proposed(redis, name, at)
    redis.run(moves.enqueue(Event("spare", "DU1000001", "print-equity", at), now=at))
    held(redis)
    return redis


def test_every_answer_has_the_members_of_its_row(rebalancer: Rebalancer, busy: Queue) -> None:
    table = rows()
    answers: dict[str, Answer] = {}
    with http_service() as phone:
        (rebalancer.folder / "notify_phone").write_text(phone.ntfy_url("mine"))
        for name in table:
            answers[name] = rebalancer(*_typed(name), "--json")
    assert {name: answer.err for name, answer in answers.items() if not answer.out} == {}
    assert {
        name: found
        for name, (kind, named) in table.items()
        if (found := members(kind, answers[name].out)) != named
    } == {}


def _typed(name: str) -> list[str]:
    """A row's command, with a thing of the fixture for each of its capitals."""
    meant = {"ACCOUNT": "DU1000001", "WHY": "audit", "HASH": HASH}
    if name.startswith("approve"):
        meant["ACCOUNT"] = "DU1000003" if "--reject" in name else "DU1000002"
    meant["EVENT"] = {"queue requeue EVENT": "dead", "queue remove EVENT": "spare"}.get(
        name, "done"
    )
    return [meant.get(word, word) for word in name.split()]
