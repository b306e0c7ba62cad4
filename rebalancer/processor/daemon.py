"""The processor: leases events, carries each out, and says what became of it.

1. hold the gateway connection; without it, and before the orders of the day were compared
   with what is remembered, nothing is leased and events wait in the queue
2. once this worker's client id is accepted, take back what a dead predecessor had leased
3. lease up to ``max_concurrent`` events, one account at a time
4. carry each out under its heartbeat, and move it as ``core/outcome.py`` decides
5. on SIGTERM lease nothing more: an event that has sent nothing is released at once, one in
   mid-flight gets a deadline and is then left to be settled by its orderRefs
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

from rebalancer import sdnotify
from rebalancer.core.rails import Check
from rebalancer.errors import (
    GatewayUnavailableError,
    LeaseLostError,
    QueueError,
)
from rebalancer.gateway.connection import Connection
from rebalancer.gateway.market import Contracts
from rebalancer.logs import event_context
from rebalancer.processor import ending, halting, upkeep
from rebalancer.processor.ending import Conclusion
from rebalancer.processor.figures import figures
from rebalancer.processor.handle import handle
from rebalancer.processor.lease import holding
from rebalancer.processor.reconciling import Reconciler
from rebalancer.processor.record import Ending, Recorder, end
from rebalancer.processor.run import Run
from rebalancer.processor.terms import Instructions, Rules
from rebalancer.processor.vigil import keep_vigil
from rebalancer.queue import measures, moves
from rebalancer.queue.store import AsyncQueue
from rebalancer.queue.values import Lease

log = logging.getLogger("rebalancer.processor")


@dataclass(slots=True)
class _Flight:
    """A leased event and, once its account is known, its run."""

    lease: Lease
    record: Recorder
    instructions: Instructions
    run: Run | None = None

    @property
    def trading(self) -> bool:
        return self.run is not None and self.run.trading


class Processor:
    """One processor process. ``run`` returns after ``stop`` was called and all is put away."""

    def __init__(
        self,
        queue: AsyncQueue,
        gateway: Connection,
        instructions: Instructions,
        *,
        worker: str,
        rules: Rules,
        clock: Callable[[], float],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._queue = queue
        self.gateway = gateway
        self._contracts = Contracts(gateway)
        self._instructions = instructions
        self.worker = worker
        self._limits = rules.limits
        self._deadlines = rules.deadlines
        self._chain = asyncio.Lock()
        self.clock = clock
        self._jitter = jitter
        self._reconciler = Reconciler(
            gateway, queue, instructions.accounts, worker=worker, clock=clock
        )
        self._waiting_for = ""
        self._stopping = asyncio.Event()
        self._running: dict[asyncio.Task[None], _Flight] = {}
        self._slots = asyncio.Semaphore(rules.limits.max_concurrent)

    @property
    def accounts(self) -> Sequence[str]:
        """The accounts that are traded."""
        return self._instructions.accounts

    def adopt(self, instructions: Instructions) -> None:
        """Follow these from the next event on."""
        self._instructions = instructions
        self._reconciler.adopt(instructions.accounts)

    @property
    def flying(self) -> tuple[str, ...]:
        """Accounts with an event in flight here, one entry per event."""
        return tuple(flight.lease.event.account_id for flight in self._running.values())

    @property
    def state(self) -> str:
        """One line for people about the gateway and whether events may run."""
        return self._reconciler.state

    def stop(self) -> None:
        """Begin an orderly end; a second call changes nothing."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until ``stop``; returns when every event is released, finished or left."""
        sdnotify.ready()
        background = [
            asyncio.create_task(self.gateway.run()),
            asyncio.create_task(self._reconciler.run()),
            asyncio.create_task(upkeep.say_alive(self, self._queue, self._limits.beat)),
            asyncio.create_task(upkeep.mind_orders(self, self._queue, self._limits.unminded)),
            asyncio.create_task(halting.mind_halts(self, self._queue, self._deadlines)),
            asyncio.create_task(keep_vigil(self, self._queue, self._limits.grace)),
        ]
        taking = asyncio.create_task(self._take_events())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait(
                {stopping, taking, *background},
                return_when=asyncio.FIRST_COMPLETED,
            )
            await _ended(taking)
            await self._put_away()
        finally:
            sdnotify.stopping()
            for task in (stopping, *background):
                await _ended(task)
            await self.gateway.close()
        for task in (taking, *background):
            if not task.cancelled():
                task.result()  # a background task that died takes the process with it

    # Taking --------------------------------------------------------------------------------

    async def _take_events(self) -> None:
        await self._recover()
        while True:
            await self._slots.acquire()
            lease = None
            try:
                lease = await self._next()
            finally:
                if lease is None:
                    self._slots.release()
            if lease is not None:
                self._start(lease)

    async def _recover(self) -> None:
        """Take back the leases of a predecessor with our name.

        Only once the gateway has accepted our client id: then the predecessor's connection
        is gone, and whatever it had written to it has been read.
        """
        while True:
            try:
                await self.gateway.ready(self._limits.idle_wait)
                swept = await self._queue.run(
                    moves.reclaim(now=self.clock(), worker=self.worker),
                )
            except (GatewayUnavailableError, QueueError) as error:
                await self._wait_after(error)
            else:
                if swept.moved:
                    log.warning("took back %d events of a dead predecessor", len(swept.moved))
                return

    async def _next(self) -> Lease | None:
        try:
            await self._reconciler.ready(self._limits.idle_wait)
            lease = await self._queue.take(
                self.worker,
                now=self.clock,
                ttl=self._limits.lease,
                wait=self._limits.idle_wait,
            )
        except (GatewayUnavailableError, QueueError) as error:
            await self._wait_after(error)
            return None
        self._waiting_for = ""
        if lease is not None and not self._reconciler.done:
            # It went away while nothing was in the queue; that is no failure of the event.
            move = moves.release(lease, now=self.clock())
            await self._insist(partial(self._queue.run, move))
            return None
        return lease

    async def _wait_after(self, error: Exception) -> None:
        # Through a night without Redis or gateway this is asked every few seconds.
        if str(error) != self._waiting_for:
            expected = isinstance(error, GatewayUnavailableError)
            expected = expected and self.gateway.expected_down() is not None
            log.log(logging.INFO if expected else logging.WARNING, "waiting: %s", error)
        self._waiting_for = str(error)
        await asyncio.sleep(self._limits.pause)

    # Carrying out --------------------------------------------------------------------------

    def _start(self, lease: Lease) -> None:
        flight = _Flight(lease, Recorder(began_at=self.clock()), self._instructions)
        task = asyncio.create_task(self._carry_out(flight))
        self._running[task] = flight
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        flight = self._running.pop(task)
        self._slots.release()
        if not task.cancelled() and task.exception() is not None:
            with _about(flight.lease):
                log.error("an event's end could not be recorded", exc_info=task.exception())

    async def _carry_out(self, flight: _Flight) -> None:
        lease = flight.lease
        event = lease.event
        with _about(lease):
            await self._others_of(event.account_id)
            log.info("%s of %s begins", event.exec_command, event.account_id)
            work = self._attempt(flight)
            try:
                result = await holding(
                    self._queue,
                    lease,
                    work,
                    ttl=self._limits.lease,
                    clock=self.clock,
                )
            except Exception as error:
                conclusion = ending.failed(
                    lease,
                    error,
                    now=self.clock(),
                    retry=flight.instructions.retry,
                    jitter=self._jitter(),
                )
                if conclusion is not None:
                    await self._insist(partial(self._end, flight, conclusion))
            else:
                conclusion = ending.completed(lease, result, now=self.clock())
                await self._insist(partial(self._end, flight, conclusion))
                log.info("%s of %s is complete", event.exec_command, event.account_id)

    async def _others_of(self, account_id: str) -> None:
        """Wait until no other event of the account is in flight here.

        The queue leases one at a time. But a Redis that came back without its last moments
        has forgotten a lease whose holder, this process, still has to notice.
        """
        this = asyncio.current_task()
        others = {
            task
            for task, flight in self._running.items()
            if task is not this and flight.lease.event.account_id == account_id
        }
        if others:
            await asyncio.wait(others)

    async def _attempt(self, flight: _Flight) -> Mapping[str, Any]:
        generation = await self._reconciler.admit(flight.lease.event)
        flight.run = Run(
            lease=flight.lease,
            portfolio=flight.instructions.portfolio_of(flight.lease.event.account_id),
            gateway=self.gateway,
            contracts=self._contracts,
            queue=self._queue,
            deadlines=self._deadlines,
            clock=self.clock,
            generation=generation,
            record=flight.record,
        )
        return await handle(flight.run)

    async def _end(self, flight: _Flight, conclusion: Conclusion) -> None:
        """End the event, and append the record of the run."""
        tickets = flight.run.tickets if flight.run is not None else {}
        over = Ending(flight.lease, flight.record, conclusion.outcome, tickets)
        move, keep = conclusion.move, flight.instructions.keep_records
        await end(self._queue, self._chain, over, move, keep=keep)
        await self._measure(over, flight.run.tally.checks if flight.run is not None else ())

    async def _measure(self, over: Ending, checks: Sequence[Check]) -> None:
        """Add a run that is over to the figures, once: killed here, it is not in them."""
        try:
            samples = figures(over, checks)
            await self._queue.run(measures.measure(samples, now=self.clock()))
        except QueueError as error:
            log.warning("a run is missing in the figures: %s", error)
        except Exception:
            log.exception("a run is missing in the figures")

    async def _insist(self, send: Callable[[], Awaitable[object]]) -> None:
        """Record an event's end, however long Redis takes to come back.

        The move is sent again until it is answered: it knows a resend by the lease's token.
        If the lease ran out meanwhile, the event is another worker's and nothing is lost.
        """
        while True:
            try:
                await send()
            except QueueError as error:
                await self._wait_after(error)
            except LeaseLostError as error:
                log.warning("left to its new owner: %s", error)
                return
            else:
                return

    # Ending --------------------------------------------------------------------------------

    async def _put_away(self) -> None:
        idle = [task for task, flight in self._running.items() if not flight.trading]
        releasing = [self._running[task] for task in idle]
        for task in idle:
            await _ended(task)
        for flight in releasing:
            with contextlib.suppress(LeaseLostError, QueueError):
                await self._end(flight, ending.released(flight.lease, now=self.clock()))
        busy = set(self._running)
        if busy:
            log.warning("%d events in mid-flight get %gs", len(busy), self._limits.shutdown)
            _, late = await asyncio.wait(busy, timeout=self._limits.shutdown)
            for task in late:
                await _ended(task)


def _about(lease: Lease) -> AbstractContextManager[None]:
    """Mark what is logged as about this run; its token names it in the history as well."""
    return event_context(lease.event.event_id, lease.event.account_id, str(lease.token))


async def _ended(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.wait({task})
