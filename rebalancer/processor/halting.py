"""What a processor does at once when somebody pulls the switch.

New orders need no watching: each is checked against the halts in the script that writes it
down. This is about the orders that are at the exchange already. A halt with ``cancel_open``
has every processor cancel its own, and say what is left:

1. whoever passed the gate before the halt has sent by now: ``gateway.sending`` is free
2. cancel what works in the halt's scope and is ours, look again, until nothing is left
3. a dead process's order may come late: the last look is ``in_flight`` seconds after the halt
4. the answer goes to the journal, where the one who halted waits for it

The halt stays in force, so a processor that was down, or lost the gateway in between, does it
when it is back. Doing it twice changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rebalancer.core.order import OpenOrder, symbol_of
from rebalancer.errors import GatewayError, QueueError
from rebalancer.gateway import trading
from rebalancer.processor import report
from rebalancer.processor.run import Deadlines
from rebalancer.queue import moves
from rebalancer.queue.store import AsyncQueue
from rebalancer.queue.values import Halt

if TYPE_CHECKING:
    from rebalancer.processor.daemon import Processor

log = logging.getLogger("rebalancer.processor")

#: Longest wait for the bell, in seconds; then the halts are read again all the same.
PATIENCE = 5.0
#: Pause after Redis or the gateway refused.
PAUSE = 0.5
#: Seconds after which a cancel that is not confirmed is reported as such.
GIVE_UP = 20.0


async def mind_halts(processor: Processor, queue: AsyncQueue, deadlines: Deadlines) -> None:
    """Carry out halts with ``cancel_open``, each once per unbroken stretch of the gateway."""
    done: set[tuple[str, int]] = set()
    known: set[str] = set()
    position = ""
    while True:
        try:
            position = position or await queue.run(moves.last_ring())
            halts = await queue.run(moves.halts())
            _tell(halts.values(), known)
            for halt in halts.values():
                if not halt.cancel_open:
                    continue
                await processor.gateway.ready(PATIENCE)
                which = (halt.request, processor.gateway.generation)
                if which not in done:
                    await _cancel_open(processor, queue, halt, deadlines)
                    done.add(which)
            position = await queue.ring(position, wait=PATIENCE)
        except (GatewayError, QueueError) as error:
            log.debug("halts are looked at again: %s", error)
            await asyncio.sleep(PAUSE)


def _tell(halts: Iterable[Halt], known: set[str]) -> None:
    """Log what was halted or resumed since the last look."""
    now = {halt.scope: halt.reason for halt in halts}
    for scope in now.keys() - known:
        log.warning("halted %s: %s", scope, now[scope])
    for scope in known - now.keys():
        log.warning("resumed %s", scope)
    known.clear()
    known.update(now)


async def _cancel_open(
    processor: Processor, queue: AsyncQueue, halt: Halt, deadlines: Deadlines
) -> None:
    gateway = processor.gateway
    loop = asyncio.get_running_loop()
    ends = loop.time() + GIVE_UP
    certain = loop.time() + deadlines.in_flight - max(0.0, processor.clock() - halt.at)
    cancelled: dict[int, OpenOrder] = {}
    left: Sequence[OpenOrder]
    while True:
        async with gateway.sending:
            left = await _open_in(processor, halt)
        own = [order for order in left if order.client_id == gateway.client_id]
        if own:
            log.warning("halt %s: cancelling %d orders", halt.scope, len(own))
            await trading.cancel(gateway, own, deadline=deadlines.cancel)
            cancelled |= {order.perm_id: order for order in own}
        now = loop.time()
        if now >= (certain if not own else ends):
            break
        if not own:
            await asyncio.sleep(min(certain - now, PAUSE))
    answer = {
        "scope": halt.scope,
        "request": halt.request,
        "worker": processor.worker,
        "cancelled": report.open_orders_json(cancelled.values()),
        "left": report.open_orders_json(left),
    }
    # If Redis does not take it, all of this is done again: the one who halted waits for it.
    await queue.run(moves.note("open_cancelled", answer, now=processor.clock()))
    log.warning("halt %s: %d cancelled, %d left", halt.scope, len(cancelled), len(left))


async def _open_in(processor: Processor, halt: Halt) -> list[OpenOrder]:
    """Working orders in the halt's scope, whoever placed them, in the accounts we trade."""
    kind, _, name = halt.scope.partition(":")
    accounts = [a for a in processor.accounts if kind != "account" or a == name]
    found = [o for a in accounts for o in await trading.open_orders(processor.gateway, a)]
    if kind != "symbol":
        return found
    return [o for o in found if name in {o.symbol, symbol_of(o.order_ref)}]
