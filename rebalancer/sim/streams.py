"""What a client has subscribed to, and what of it was last sent.

Account data, positions and profit and loss are streams: a stream can render all it shows as
messages by key, and sends those that differ from what it sent before.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from rebalancer.sim.protocol.messages_out import Message

#: Seconds after which account data is brought up to date though no position changed.
REFRESH = 180.0
#: A row of a stream: ("held", account, con id) for positions, anything else for the rest.
Key = tuple[Hashable, ...]


@dataclass(slots=True)
class Stream:
    """One subscription. ``gone`` makes the message for a row that is no more."""

    accounts: frozenset[str]
    render: Callable[[], Mapping[Key, Message]]
    gone: Callable[[Key], Message | None] = lambda _: None
    sent: dict[Key, Message] = field(default_factory=dict)

    def everything(self) -> list[Message]:
        """Every row, as the subscription starts."""
        self.sent = dict(self.render())
        return list(self.sent.values())

    def changes(self, moved: frozenset[int] | None = None) -> list[Message]:
        """Rows that differ; if ``moved`` is given, of positions only these con ids."""
        rows = self.render()
        changed: list[Message] = []
        for key, row in rows.items():
            if self.sent.get(key) != row and _concerns(key, moved):
                self.sent[key] = row
                changed.append(row)
        for key in [key for key in self.sent if key not in rows]:
            del self.sent[key]
            if (last := self.gone(key)) is not None:
                changed.append(last)
        return changed


def _concerns(key: Key, moved: frozenset[int] | None) -> bool:
    return moved is None or key[0] != "held" or key[2] in moved


@dataclass(slots=True)
class TickStream:
    """One market data subscription; ``kind`` is the market data type it was granted."""

    con_id: int
    kind: int
    prices: dict[int, Decimal] = field(default_factory=dict)
    sizes: dict[int, Decimal] = field(default_factory=dict)


@dataclass(slots=True)
class Subscriptions:
    """Everything one session gets unasked."""

    #: By name of the request and its id (0 for those without one).
    streams: dict[tuple[str, int], Stream] = field(default_factory=dict)
    ticks: dict[int, TickStream] = field(default_factory=dict)
    market_data_type: int = 1
    #: Other clients' orders this one took over by cancelling: (client id, order id).
    bound: set[tuple[int, int]] = field(default_factory=set)
    #: When account data, and profit and loss, are next brought up to date.
    refresh_at: float | None = None
    pnl_at: float | None = None

    def next_wakeup(self) -> float | None:
        """When something is to be brought up to date."""
        moments = [each for each in (self.refresh_at, self.pnl_at) if each is not None]
        return min(moments, default=None)
