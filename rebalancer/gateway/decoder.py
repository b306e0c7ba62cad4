# ruff: noqa: N802 - the messages are named by ib_async
"""What ib_async cannot read is not just logged away: it may have been a position or a fill."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ib_async.decoder import Decoder

if TYPE_CHECKING:
    from rebalancer.gateway.wire import Inbox

log = logging.getLogger("rebalancer.gateway")

#: What decoding raises on a message of an unexpected form.
_UNREADABLE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    TypeError,
    ValueError,
)
#: Messages that carry money: an unreadable one spoils the answers being collected.
#: orderStatus, error, openOrder, contractData, execDetails, managedAccounts, position,
#: positionMulti, accountUpdateMulti, completedOrder, and the end messages.
_VITAL = frozenset({3, 4, 5, 10, 11, 15, 52, 53, 55, 61, 62, 71, 72, 73, 74, 101, 102})


class PatientDecoder(Decoder):
    """ib_async's decoder, except that what it cannot read is not just logged away."""

    wrapper: Inbox

    def interpret(self, fields: list[str]) -> None:
        """Decode one message; an unreadable one fails the answers it may belong to."""
        handler = self.handlers.get(int(fields[0]) if fields and fields[0].isdigit() else -1)
        if handler is None:
            log.debug("message of an unknown kind: %s", fields[:1])
            return
        try:
            handler(fields)
        except _UNREADABLE as error:
            log.warning("unreadable message %s: %r", fields, error)
            if int(fields[0]) in _VITAL:
                self.wrapper.session.unreadable(f"{','.join(fields[:8])}… ({error!r})")

    def execDetails(self, fields: list[str]) -> None:
        """A fill is not lost because its time is in a zone of an unknown name."""
        at = fields[15].split(" ", 2)
        if len(at) == 3:
            try:
                ZoneInfo(at[2])
            except (ZoneInfoNotFoundError, ValueError, OSError):
                log.warning("execution time in an unknown zone: %s", fields[15])
                fields[15] = f"{at[0]} {at[1]} UTC"
        super().execDetails(fields)  # type: ignore[no-untyped-call]

    def commissionReport(self, fields: list[str]) -> None:
        """An empty commission is none yet, not zero."""
        if fields[3]:
            super().commissionReport(fields)  # type: ignore[no-untyped-call]
