"""What the tables of answers hold, and what several of them need."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rebalancer.sim.protocol.messages_out import error
from rebalancer.sim.vocabulary import ContractSpec, ContractView

if TYPE_CHECKING:
    from rebalancer.sim.session import Session

#: Answers one request: the session that asked, its fields (the number first), the time.
#: May raise BadFieldError and UnsupportedError; the session answers those.
Handler = Callable[["Session", list[str], float], None]


def refuse(session: Session, req_id: int, code: int, text: str, now: float) -> None:
    """Answer a request with an error."""
    session.send(error(req_id, code, text), now)


def invalid(session: Session, req_id: int, cause: str, now: float) -> None:
    """Answer a request that makes no sense: error 321 with its cause."""
    refuse(session, req_id, 321, f"Error validating request.-'sim' : cause - {cause}", now)


def one_contract(
    session: Session, req_id: int, spec: ContractSpec, now: float
) -> ContractView | None:
    """The only contract that matches; if there is none or several, error 200 is the answer."""
    found = session.hub.exchange.find(spec)
    if len(found) == 1:
        return found[0]
    if found:
        text = f"The contract description specified for {spec.symbol} is ambiguous."
    else:
        text = "No security definition has been found for the request"
    refuse(session, req_id, 200, text, now)
    return None
