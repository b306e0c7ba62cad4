"""Another session of the login, and whether it still has the market data.

IBKR gives a login's market data to one session at a time, the one that a person started last.
It is not fought for. One price is asked for now and then; when that is not refused any more,
the other session has ended.
"""

from __future__ import annotations

import asyncio
import logging

from rebalancer.core.account import Instrument
from rebalancer.gateway.faults import from_rival
from rebalancer.gateway.lines import Line
from rebalancer.gateway.session import Session

log = logging.getLogger("rebalancer.gateway")


class Rival:
    """The other session, as far as is known; it outlives our connections."""

    def __init__(self) -> None:
        #: What was said of it; '' if there is none.
        self.said = ""
        #: Whose price tells whether it has ended, and whether a delayed one does.
        self._witness: tuple[Instrument, bool] | None = None

    def noticed(self, said: str, session: Session | None) -> None:
        """It has the market data, the gateway says."""
        if not self.said:
            log.warning("gateway said %s; standing back", said)
        self.said = said
        if session is not None:
            self._witness = session.lines.latest or self._witness

    async def gone(self, session: Session, *, within: float) -> bool:
        """Whether the price comes again, or is missing for another reason. If so, forget it.

        Where no price was ever asked for, whoever asks for the next one will find out.

        Raises:
            GatewayUnavailableError: the connection was lost.
        """
        witness = self._witness
        if witness is not None:
            instrument, delayed = witness
            if not await _comes(session, instrument, delayed=delayed, within=within):
                return False
        log.info("gateway: the other session has ended")
        self.said = ""
        return True


async def _comes(
    session: Session, instrument: Instrument, *, delayed: bool, within: float
) -> bool:
    session.lines.farm_broke()  # what stood there before proves nothing
    line = session.lines.acquire(instrument, delayed=delayed)
    if line is None:
        return False  # every line is in use by somebody who will be told the same
    loop = asyncio.get_running_loop()
    until = loop.time() + within
    try:
        while (answer := _answer(line)) is None and (left := until - loop.time()) > 0:
            await session.news(left)
    finally:
        session.lines.release(line)
    return answer is True


def _answer(line: Line) -> bool | None:
    said = line.refusal or line.advice
    if said is not None:
        return not from_rival(*said)
    return True if line.ticked_at is not None or line.close is not None else None
