"""Looks at the gateway all the time, and tells a person what ``core/vigil.py`` says."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rebalancer.core.vigil import Sight, Vigil, look
from rebalancer.core.windows import login_due
from rebalancer.errors import QueueError
from rebalancer.gateway.connection import Connection
from rebalancer.queue import moves
from rebalancer.queue.move import Move
from rebalancer.queue.store import AsyncQueue

if TYPE_CHECKING:
    from rebalancer.processor.daemon import Processor

log = logging.getLogger("rebalancer.processor")

#: Seconds between two looks, at most.
LOOK_EVERY = 1.0


async def keep_vigil(
    processor: Processor,
    queue: AsyncQueue,
    grace: float,
) -> None:
    """Tell what happens to the gateway; what is to be told is kept until Redis takes it."""
    vigil, untold = Vigil(), deque[Move[None]]()
    while True:
        vigil, alerts = look(vigil, _sight(processor.gateway), grace)
        for each in alerts:
            log.warning("%s: %s", each.title, each.text)
            told = moves.alert(each.title, each.text, remedy=each.remedy, now=processor.clock())
            untold.append(told)
        with contextlib.suppress(QueueError):
            while untold:
                # The same move until it is answered: the journal knows it by its request.
                await queue.run(untold[0])
                untold.popleft()
        await asyncio.sleep(min(LOOK_EVERY, grace / 4))


def _sight(gateway: Connection) -> Sight:
    absence = gateway.expected_down()
    return Sight(
        at=asyncio.get_running_loop().time(),
        connected=gateway.is_connected,
        reason=gateway.last_error or gateway.state,
        window=absence.name if absence else "",
        login=absence is not None and login_due(gateway.windows, gateway.now()),
        rival=gateway.rival.said,
    )


def expected_down_until(gateway: Connection) -> float | None:
    """When the window that lasts now is over, by our clock; ``None`` outside of all."""
    absence = gateway.expected_down()
    return None if absence is None else absence.end - gateway.clock_offset


def status(processor: Processor) -> str:
    """The gateway's state in one line, and whether that is to be expected."""
    gateway = processor.gateway
    until = expected_down_until(gateway)
    if until is None or gateway.is_ready:
        return processor.state
    return f"{processor.state}; expected until {datetime.fromtimestamp(until, UTC):%H:%MZ}"
