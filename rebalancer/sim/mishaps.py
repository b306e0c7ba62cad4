"""The wire-level faults that wait to strike, and what of them is going on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rebalancer.sim.armed import Armed, starts_after
from rebalancer.sim.faults import FAULTS
from rebalancer.sim.strikes import FOREVER, MESSAGE_STRIKES, STRIKES, TEXTS, Strike, Verdict
from rebalancer.sim.vocabulary import Fault

if TYPE_CHECKING:
    from rebalancer.sim.hub import Hub
    from rebalancer.sim.session import Session


class Mishaps:
    """Faults of a world that began at ``started``. Times are the exchange's."""

    def __init__(self, faults: Sequence[Fault], started: float, now: float) -> None:
        self._faults = [fault for fault in faults if FAULTS[fault.kind].by == "wire"]
        self._started = started
        # A saved state brought us past them: they have struck already.
        self._struck = [int(self._moment(fault) < now) for fault in self._faults]
        self._armed = Armed(self._faults, self._struck, started)
        #: Until when live reports are lost, and the code that ends it.
        self.outage: tuple[float, int] | None = None
        #: Another login has the market data until then.
        self.competing_until = 0.0
        #: Connections are refused until then.
        self.refusing_until = 0.0
        #: Messages left out, whoever they are for.
        self.dropped: set[str] = set()
        #: Every answer comes this much later.
        self.late = 0.0

    def inject(self, fault: Fault, now: float) -> None:
        """Arm one more; ``when`` "+SECONDS" counts from ``now``."""
        after = starts_after(fault)
        if after is not None:
            fault = replace(fault, when=f"+{now - self._started + after}")
        self._faults.append(fault)
        self._struck.append(0)
        self._armed = Armed(self._faults, self._struck, self._started)

    def advance(self, hub: Hub, now: float) -> None:
        """Strike with what is due; end what is over."""
        for kind, happen in STRIKES.items():
            for args in self._armed.due(kind, now):
                happen(Strike(hub, list(hub.sessions), args, now))
        if self.outage is not None and now >= self.outage[0]:
            code, self.outage = self.outage[1], None
            if code == 1101:
                for session in hub.ready():
                    session.subs.ticks.clear()
            hub.notify(code, TEXTS[code], now)

    def next_wakeup(self, now: float) -> float | None:
        """When ``advance`` has something to do next."""
        moments = [self._armed.next_moment(now), self.outage and self.outage[0]]
        moments.append(self.refusing_until if self.refusing_until > now else None)
        return min((moment for moment in moments if moment is not None), default=None)

    def meet(
        self, hub: Hub, session: Session, name: str, fields: Sequence[str], now: float
    ) -> Verdict:
        """What strikes this message, and what becomes of it."""
        verdict = Verdict()
        for index, fault in enumerate(self._faults):
            if fault.when != name or (fault.count and self._struck[index] >= fault.count):
                continue
            self._struck[index] += 1
            strike = Strike(hub, [session], dict(fault.args), now, fields)
            if fault.kind in MESSAGE_STRIKES:
                verdict = MESSAGE_STRIKES[fault.kind](strike, verdict)
            else:
                STRIKES[fault.kind](strike)
        return verdict

    def _moment(self, fault: Fault) -> float:
        after = starts_after(fault)
        return FOREVER if after is None else self._started + after
