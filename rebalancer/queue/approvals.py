"""Plans that wait for a person, and their answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rebalancer.core.approval import Proposal, ProposedLine
from rebalancer.core.event import Event
from rebalancer.core.request import Aim
from rebalancer.queue import codec, keys
from rebalancer.queue.codec import stamp
from rebalancer.queue.move import Move, command, new_request, proof
from rebalancer.queue.values import Lease


@dataclass(frozen=True, slots=True)
class Pending:
    """A proposal, the plan as it was shown, and who has agreed to it, if anybody has."""

    proposal: Proposal
    #: As reports have it.
    plan: Mapping[str, Any]
    approved_by: str = ""
    #: Unix seconds.
    approved_at: float | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a plan: ``approved``, ``rejected``, ``unknown``, ``other``, ``expired``."""

    status: str
    #: The plan that waits now, if it is another one.
    plan_hash: str = ""


def propose(
    lease: Lease, proposal: Proposal, plan: Mapping[str, Any], *, now: float
) -> Move[None]:
    """Put a plan before a person, in place of an earlier one of the account.

    Raises (when run):
        LeaseLostError: the lease was taken over.
    """
    stored = codec.dumps({"proposal": proposal, "plan": plan})
    args = (stamp(now), *proof(lease), stored, proposal.plan_hash, str(proposal.expires_at))
    return Move("propose", (), args, lambda _reply: None)


def pending() -> Move[Mapping[str, Pending]]:
    """Every account's proposal; unreadable ones are left out: they are asked about again."""
    return command("HGETALL", keys.APPROVALS, parse=_pending)


def _pending(reply: list[bytes]) -> Mapping[str, Pending]:
    rows = dict(zip(reply[::2], reply[1::2], strict=True))
    found: dict[str, Pending] = {}
    for name, raw in rows.items():
        if name.startswith(b"ok "):
            continue
        try:
            found[name.decode()] = _read(raw, rows.get(b"ok " + name))
        except (ValueError, KeyError, TypeError, ArithmeticError):
            continue
    return found


def _read(raw: bytes, mark: bytes | None) -> Pending:
    stored = codec.loads(raw)
    found = dict(stored["proposal"])
    lines = tuple(
        ProposedLine(
            symbol=str(line["symbol"]),
            con_id=int(line["con_id"]),
            held=Decimal(line["held"]),
            trade=int(line["trade"]),
            price=Decimal(line["price"]),
            commission=Decimal(line["commission"]),
        )
        for line in found["lines"]
    )
    proposal = Proposal(
        account_id=str(found["account_id"]),
        event_id=str(found["event_id"]),
        plan_hash=str(found["plan_hash"]),
        target_hash=str(found["target_hash"]),
        net_liquidation=Decimal(found["net_liquidation"]),
        cash=Decimal(found["cash"]),
        lines=lines,
        proposed_at=float(found["proposed_at"]),
        expires_at=float(found["expires_at"]),
        asked=str(found.get("asked", Aim())),
    )
    said = codec.loads(mark) if mark is not None else {}
    if said.get("plan_hash") != proposal.plan_hash:
        return Pending(proposal, stored["plan"])
    return Pending(proposal, stored["plan"], str(said["by"]), float(said["at"]))


def approve(account_id: str, plan_hash: str, *, by: str, now: float) -> Move[Answered]:
    """Agree to the plan of this hash; the event that waits for it is put into the queue.

    Nothing is agreed to unless exactly this plan waits and has not expired.
    """
    event = Event(
        event_id=f"approve.{plan_hash}.{now:.0f}",
        account_id=account_id,
        exec_command="rebalance",
        received_at=now,
        priority="high",
        source="approval",
        # It calls up what waits and asks for nothing itself.
        data={"asks": {}},
    )
    mark = codec.dumps({"plan_hash": plan_hash, "by": by, "at": now})

    def parse(reply: bytes) -> Answered:
        status, _, other = reply.decode().partition(" ")
        return Answered(status, other)

    args = (stamp(now), account_id, plan_hash, mark, codec.encode(event))
    return Move("approve", (keys.answer(new_request()),), args, parse)


def reject(account_id: str, plan_hash: str, *, now: float) -> Move[Answered]:
    """Drop the plan of this hash, and the event that waits for it, wherever it is."""

    def parse(reply: bytes) -> Answered:
        status, _, other = reply.decode().partition(" ")
        return Answered(status, other)

    args = (stamp(now), account_id, plan_hash)
    return Move("reject", (keys.answer(new_request()),), args, parse)


def withdraw(account_id: str) -> Move[None]:
    """Forget the account's proposal and what was said about it."""
    return command(
        "HDEL", keys.APPROVALS, account_id, f"ok {account_id}", parse=lambda _reply: None
    )
