"""The source that listens to a stream of messages: Ably, ntfy, any Server-Sent Events.

1. Redis knows up to where the stream was heard; connect from there
2. hand each message in; only when its signals are in Redis, write down the new place
3. what drops is connected again: after a pause with jitter, longer each time; what is refused
   is told to a person, and tried again much later

A kill between 2's halves hears the message again, under the same event ids, and changes
nothing. While Redis is away nothing is read: the service keeps what comes, as long as it does.
Where that was too long, or the service says that it has lost our place, journal, log and a
count (``gap``) say that signals may be lost, and a person is told.
"""

from __future__ import annotations

import dataclasses
import logging
import random
from asyncio import sleep
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rebalancer.broker.channel_messages import content, event_id
from rebalancer.broker.channel_presets import (
    PRESETS,
    Endpoint,
    LostPlaceError,
    Message,
    PausedError,
    Skipped,
)
from rebalancer.broker.event_stream import Reader
from rebalancer.broker.intake import Intake
from rebalancer.errors import PermanentError, RetryableError
from rebalancer.ingest import Audience, read
from rebalancer.queue import channels, journal, moves, signals
from rebalancer.queue.channels import Place

log = logging.getLogger("rebalancer.broker")

#: Seconds between two notes that a stream is alive, when nothing else is to be noted.
MARK = 15.0
#: Seconds that a connection must last to count as a good one.
LASTED = 10.0
#: Seconds without a connection after which a person is told.
TELL = 120.0
#: Seconds between two alerts about gaps of one channel; the journal has them all.
GAPS_APART = 3600.0
#: Longest pause that a server's ``retry:`` may ask for, in seconds.
LONGEST_RETRY = 300.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Pauses, in seconds."""

    first: float = 1.0
    longest: float = 60.0
    #: After a refusal.
    refused: float = 900.0
    #: Makes numbers in [0, 1).
    jitter: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class Channel:
    """One stream as a source."""

    label: str
    endpoint: Endpoint
    #: Whom its messages may be for.
    audience: Audience
    #: Whose signal a message is that names neither account nor strategy; '' nobody's.
    strategy: str = ""
    #: The file with the secret.
    credential: Path | None = None
    #: Seconds without a byte after which the stream is dead.
    silence: float = 120.0
    #: For how many seconds the service keeps messages.
    keeps: float = 3600.0
    pace: Pace = field(default=Pace(), compare=False)

    @property
    def name(self) -> str:
        """Under which its troubles are told, and its state shown."""
        return f"channel:{self.label}"

    @property
    def source(self) -> str:
        """Under which its signals are counted, with those of other strategies' streams."""
        return f"channel.{self.label.partition('/')[0]}"

    def about(self) -> str:
        """A few words for the status line."""
        return f"channel {self.label}"

    async def run(self, intake: Intake) -> None:
        """Listen, until cancelled."""
        listening = _Listening(self, intake)
        try:
            await listening.run()
        finally:
            intake.show(self.name, None)


class _Listening:
    """What one run of a channel knows. Times are Unix seconds."""

    def __init__(self, channel: Channel, intake: Intake) -> None:
        self._channel = channel
        self._intake = intake
        self._preset = PRESETS[channel.endpoint.preset]
        self._place = Place()
        #: Why messages may be lost; to be told once there is a connection again.
        self._lost = ""
        self._failures = 0
        self._connected_at: float | None = None
        self._down_since: float | None = None
        self._gap_told = 0.0

    async def run(self) -> None:
        """Connect, and connect again."""
        mark = self._channel.endpoint.mark
        place = await self._intake.insist(channels.load_place(self._channel.label))
        self._place = place if place.stream == mark else Place(stream=mark)
        while True:
            pause = await self._once()
            self._show(connected=False)
            await sleep(pause)

    async def _once(self) -> float:
        """Listen to one connection to its end; the pause after it, in seconds."""
        reader = Reader()
        self._connected_at, wait = None, 0.0
        try:
            await self._listen(reader)
            reason = "the server ended the stream"
        except LostPlaceError as error:
            reason = self._lost = f"the service has lost our place: {error}"
            self._place = dataclasses.replace(self._place, id="")
        except PausedError as error:
            reason, wait = str(error), error.wait
        except RetryableError as error:
            reason = str(error)
        except PermanentError as error:
            await self._refused(str(error))
            return self._channel.pace.refused * (1 + self._channel.pace.jitter()) / 2
        if self._has_lasted():
            self._failures, self._down_since = 0, None
        await self._failed(reason)
        pause = moves.backoff(
            self._failures,
            base_delay=self._channel.pace.first,
            cap=self._channel.pace.longest,
            jitter=self._channel.pace.jitter(),
        )
        return max(wait, min(reader.retry or 0.0, LONGEST_RETRY)) + pause

    def _has_lasted(self) -> bool:
        """Whether the connection that has ended was a good one."""
        since = self._connected_at
        return since is not None and self._intake.clock() - since >= LASTED

    async def _failed(self, reason: str) -> None:
        log.warning("%s: %s", self._channel.name, reason)
        self._failures += 1
        now = self._intake.clock()
        self._down_since = self._down_since or now
        if now - self._down_since >= TELL:
            since = datetime.fromtimestamp(self._down_since, UTC)
            await self._intake.trouble(
                self._channel.name,
                f"Channel {self._channel.label} is not heard",
                f"not since {since:%Y-%m-%d %H:%MZ}; it is tried again all the time",
                "see the broker's log for the reason",
            )

    async def _refused(self, reason: str) -> None:
        await self._intake.trouble(
            self._channel.name,
            f"Channel {self._channel.label} is refused",
            reason,
            "correct broker.channels or its credential, then: systemctl reload "
            "rebalancer-broker",
        )

    async def _listen(self, reader: Reader) -> None:
        from rebalancer.broker.channel_stream import opened  # noqa: PLC0415 - httpx: 10 MB

        channel = self._channel
        async with opened(
            self._preset.ask(channel.endpoint, self._place),
            channel.credential,
            resuming=bool(self._place.id),
            silence=channel.silence,
        ) as chunks:
            await self._connected()
            await self._hear(reader, chunks)

    async def _connected(self) -> None:
        """Say what may have been lost, and that from now on nothing is."""
        now, place = self._intake.clock(), self._place
        if place.at:
            absent = now - place.at
            if absent > self._channel.keeps and not self._lost:
                self._lost = (
                    f"nothing was heard for {absent:.0f} s, and messages are kept for "
                    f"{self._channel.keeps:g} s"
                )
            if self._lost:
                await self._say_gap(self._lost, now)
            elif not place.id and not self._preset.resumes_by_time:
                await self._say_no_id()
        self._lost, self._connected_at = "", now
        self._place = dataclasses.replace(place, since=place.since or now, at=now)
        await self._keep()
        self._show(connected=True)
        log.info("%s: connected", self._channel.name)

    async def _say_gap(self, reason: str, now: float) -> None:
        channel = self._channel
        log.error("%s: signals may be lost: %s", channel.name, reason)
        since = datetime.fromtimestamp(self._place.at, UTC)
        if now - self._gap_told >= GAPS_APART:
            # Before it is written down: a kill in between says it twice rather than not at all.
            await self._intake.insist(
                journal.alert(
                    f"Signals of channel {channel.label} may be lost",
                    f"since {since:%Y-%m-%d %H:%MZ}: {reason}",
                    now=now,
                    remedy="if one was sent since then: rebalancer enqueue ACCOUNT",
                )
            )
            self._gap_told = now
        data = {"source": channel.source, "reason": reason, "since": self._place.at}
        await self._intake.insist(
            signals.turn_away(
                "gap", channel.source, data, now=now, request=f"{channel.name}.{self._place.at}"
            )
        )

    async def _say_no_id(self) -> None:
        await self._intake.trouble(
            f"{self._channel.name} ids",
            f"Channel {self._channel.label} cannot be resumed",
            "it has sent no id yet: what is published while it is not connected is lost",
            "have its server send an id with each message",
        )

    async def _hear(self, reader: Reader, chunks: AsyncIterator[bytes]) -> None:
        marked = self._intake.clock()
        async for chunk in chunks:
            for block in reader.feed(chunk):
                found = self._preset.understand(block)
                if isinstance(found, Skipped):
                    self._step(found.resume)
                else:
                    await self._take(found)
            self._failures, self._down_since = 0, None
            self._intake.well(self._channel.name)
            now = self._intake.clock()
            if now - marked >= MARK:
                marked = now
                self._place = dataclasses.replace(self._place, at=now)
                await self._keep()

    async def _take(self, message: Message) -> None:
        """Hand one message in, and write down the place after it."""
        channel, intake = self._channel, self._intake
        name = event_id(channel.endpoint, message)
        try:
            signal = content(message, channel.strategy, now=intake.clock())
            events = read(
                signal,
                channel.audience,
                now=intake.clock(),
                source=channel.source,
                event_id=name,
            )
            await intake.accept(*events)
        except PermanentError as error:
            await intake.reject(channel.source, message.text, str(error), request=name)
        self._step(message.resume)
        since = message.at or self._place.since
        self._place = dataclasses.replace(self._place, since=since, at=intake.clock())
        await self._keep()

    def _step(self, resume: str) -> None:
        if resume:
            self._place = dataclasses.replace(self._place, id=resume)

    async def _keep(self) -> None:
        await self._intake.insist(channels.keep_place(self._channel.label, self._place))

    def _show(self, *, connected: bool) -> None:
        since = self._intake.clock()
        shown = self._intake.shown.get(self._channel.name)
        if not shown or shown["connected"] != connected:
            self._intake.show(self._channel.name, {"connected": connected, "since": since})
