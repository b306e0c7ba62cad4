"""Before the first event of each connection: what we remember against what the gateway shows.

What happens while the connection is away is never told, so every new ``generation`` begins
with one look at the orders and fills of the day, for all accounts at once. No event is carried
out before. An account with a difference that nothing explains is held: its orders stop until
``rebalancer accounts resume``, whatever its events want, and a person is told both sides.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rebalancer.core.event import Event
from rebalancer.core.reconcile import (
    Difference,
    Remembered,
    by_account,
    differences,
    remembered,
)
from rebalancer.errors import DelayedError, GatewayError, GatewayUnavailableError, QueueError
from rebalancer.gateway import reconcile
from rebalancer.gateway.connection import Connection
from rebalancer.logs import event_context
from rebalancer.queue import moves
from rebalancer.queue.store import AsyncQueue

log = logging.getLogger("rebalancer.processor")

#: Seconds before a lost connection is looked at again, before what was not answered is asked
#: again, and before a person is told that it stays unanswered.
BREATH = 0.05
PAUSE = 1.0
PATIENCE = 60.0
#: An idle wait for the gateway is cut into pieces of so many seconds.
IDLE = 60.0
#: Seconds after which an event of a held account looks again.
RECHECK = 60.0
#: Commands that send orders; all others are carried out on a held account, too.
ORDERING = frozenset({"rebalance"})


class Reconciler:
    """Compares once per generation of the connection. ``run`` does it; events wait for it."""

    def __init__(
        self,
        gateway: Connection,
        queue: AsyncQueue,
        accounts: Sequence[str],
        *,
        worker: str,
        clock: Callable[[], float],
    ) -> None:
        self._gateway = gateway
        self._queue = queue
        self._accounts = accounts
        self._worker = worker
        self._clock = clock
        self._generation = 0
        self._why = "not begun"
        self._bell = asyncio.Event()
        self._again = asyncio.Event()
        #: Accounts that had a hold when last looked.
        self._held: set[str] = set()

    def adopt(self, accounts: Sequence[str]) -> None:
        """Compare these from now on; those that are new before any further event."""
        if not set(accounts) <= set(self._accounts):
            self._generation, self._why = 0, "there are new accounts"
            self._again.set()
        self._accounts = accounts

    @property
    def state(self) -> str:
        """One line for people: the connection's, and what is to be done before events run."""
        waiting = self._gateway.is_ready and not self.done
        return (
            f"{self._gateway.state}{f'; orders not compared: {self._why}' if waiting else ''}"
        )

    @property
    def done(self) -> bool:
        """Whether the present connection has been compared, so that it may be traded on."""
        return self._gateway.is_ready and self._generation == self._gateway.generation

    async def ready(self, timeout: float) -> None:  # noqa: ASYNC109 - the caller's word
        """Return when ``done``.

        Raises:
            GatewayUnavailableError: not within ``timeout`` seconds; the text says why.
        """
        await self._gateway.ready(timeout)
        try:
            async with asyncio.timeout(timeout):
                while not self.done:
                    await self._bell.wait()
        except TimeoutError:
            why = f"the orders of the day are not compared yet: {self._why}"
            raise GatewayUnavailableError(why) from None

    async def admit(self, event: Event) -> int:
        """Return the generation in which the event may be carried out.

        Raises:
            DelayedError: it would send orders, and its account is held.
            GatewayUnavailableError: the connection is in doubt again.
        """
        if not self.done:
            await self.ready(self._gateway.timeout)
        if event.account_id in self._held and event.exec_command in ORDERING:
            found = await self._queue.run(moves.held(event.account_id))
            if found is not None:
                reason = f"held: {found.reason}; see rebalancer accounts show"
                until = self._clock() + RECHECK
                raise DelayedError(f"{reason} {event.account_id}", until=until)
            self._held.discard(event.account_id)
        return self._gateway.generation

    async def run(self) -> None:
        """Compare at every new generation, until cancelled."""
        trouble = _Trouble()
        while True:
            try:
                await self._gateway.ready(IDLE)
                self._again.clear()
                if await self._compare():
                    trouble = _Trouble()
                    await self._changed()
            except GatewayUnavailableError as error:
                # Nothing to compare with; how it comes back is the connection's business.
                self._why, trouble = str(error), _Trouble()
                await asyncio.sleep(BREATH)
            except (GatewayError, QueueError) as error:
                self._why = str(error)
                await self._report(trouble)
                await asyncio.sleep(PAUSE)

    async def _changed(self) -> None:
        """Return when there is something to compare again: a connection, or accounts."""
        waits = {
            asyncio.create_task(self._gateway.lost()),
            asyncio.create_task(self._again.wait()),
        }
        try:
            await asyncio.sleep(0)  # now both have begun to wait
            # Had the connection changed before that, its loss would be that of the next one.
            if self.done:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()
            await asyncio.wait(waits)

    async def _report(self, trouble: _Trouble) -> None:
        now = self._clock()
        if trouble.text != self._why:
            log.warning("orders are not compared: %s", self._why)
        trouble.text = self._why
        trouble.since = trouble.since or now
        if trouble.told or now - trouble.since < PATIENCE:
            return
        with contextlib.suppress(QueueError):
            await self._queue.run(
                moves.alert(
                    "No orders are sent",
                    f"the orders of the day cannot be compared with what is remembered: "
                    f"{self._why}",
                    now=now,
                    remedy="look whether the gateway lists its orders: rebalancer doctor",
                )
            )
            trouble.told = True

    async def _compare(self) -> bool:
        """Compare, and hold what differs; ``False``: the connection changed meanwhile."""
        began, generation = self._clock(), self._gateway.generation
        accounts = self._accounts
        look = await self._look()
        if look.found:
            # Another processor may have ended and settled an order between the two answers of
            # one look. What differs for good differs in the next one, too.
            seen = {difference.order_ref for difference in look.found}
            look = await self._look()
            look.found = [each for each in look.found if each.order_ref in seen]
        found = by_account(look.found)
        for account_id in accounts:
            await self._judge(account_id, found.get(account_id, ()))
        note = {
            "worker": self._worker,
            "generation": generation,
            "accounts": len(accounts),
            "shown": look.shown,
            "remembered": look.remembered,
            "held": sorted(self._held),
            "seconds": round(self._clock() - began, 3),
        }
        await self._queue.run(moves.note("reconciled", note, now=self._clock()))
        if self._gateway.generation != generation or self._again.is_set():
            return False
        self._generation = generation
        self._bell.set()
        self._bell.clear()
        return True

    async def _look(self) -> _Look:
        """Read the gateway first, the memory second.

        Whatever the gateway showed had been written down by then, though other processors, or
        events of the connection before, may be writing.
        """
        theirs = await reconcile.footprint(self._gateway)
        memories = await asyncio.gather(*map(self._memory_of, self._accounts))
        ours = [known for memory, _ in memories for known in memory]
        passed = {fingerprint for _, each in memories for fingerprint in each}
        found = [d for d in differences(ours, theirs) if d.fingerprint not in passed]
        return _Look(len(theirs), len(ours), found)

    async def _memory_of(self, account_id: str) -> tuple[Sequence[Remembered], frozenset[str]]:
        """What is remembered of an account's orders, and the differences that were accepted."""
        run = self._queue.run
        # In this order: an intent that is settled in between is in the second answer, too.
        intents = await run(moves.open_intents(account_id, now=self._clock()))
        settled = await run(moves.settled_orders(account_id))
        return remembered(intents, settled), await run(moves.accepted(account_id))

    async def _judge(self, account_id: str, found: Sequence[Difference]) -> None:
        """Hold an account for what differs, and know whether it is held."""
        if found:
            count = f"{len(found)} orders differ" if len(found) > 1 else "an order differs"
            reason = f"{count} between the gateway and what is remembered of {account_id}"
            news = await self._queue.run(
                moves.hold(account_id, found, reason=reason, now=self._clock())
            )
            if news:
                with event_context("", account_id):
                    log.error("%s is held: %s", account_id, reason)
        if await self._queue.run(moves.held(account_id)):
            self._held.add(account_id)
        else:
            self._held.discard(account_id)


@dataclass(slots=True)
class _Look:
    """How many orders the gateway showed and we remembered, and what differs."""

    shown: int
    remembered: int
    found: Sequence[Difference]


@dataclass(slots=True)
class _Trouble:
    """A gateway that is there and does not answer what is needed to compare."""

    text: str = ""
    since: float = 0.0
    told: bool = False
