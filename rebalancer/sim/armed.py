"""Faults waiting to strike: which of a world's faults applies to what happens now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rebalancer.sim.vocabulary import Fault


def starts_after(fault: Fault) -> float | None:
    """Seconds past the world's start, for a fault armed by time; ``None`` by message."""
    return float(fault.when[1:]) if fault.when.startswith("+") else None


class Armed:
    """The faults of a world and how often each has struck (``struck``, kept by the caller)."""

    def __init__(self, faults: Sequence[Fault], struck: list[int], started: float) -> None:
        self._faults: list[tuple[Fault, dict[str, str], float | None]] = []
        self._struck = struck
        self._started = started
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        """Arm one more."""
        self._faults.append((fault, dict(fault.args), starts_after(fault)))

    def strike(self, kind: str, message: str, **about: str) -> Mapping[str, str] | None:
        """The arguments of the next fault of this kind for this message, which it uses up.

        ``about`` says what the message concerns (``symbol``, ``account``, ``action``,
        ``order_ref``); a fault that names another is passed over.
        """
        for index, (fault, args, start) in enumerate(self._faults):
            if fault.kind != kind or fault.when != message or start is not None:
                continue
            if fault.count and self._struck[index] >= fault.count:
                continue
            if _concerns(args, about):
                self._struck[index] += 1
                return args
        return None

    def ongoing(self, kind: str, now: float, **about: str) -> Mapping[str, str] | None:
        """The arguments of a timed fault of this kind that lasts at ``now``."""
        for fault, args, start in self._faults:
            if fault.kind == kind and start is not None and _concerns(args, about):
                begin = self._started + start
                if begin <= now < begin + float(args.get("seconds", "inf")):
                    return args
        return None

    def due(self, kind: str, now: float) -> Iterator[Mapping[str, str]]:
        """The arguments of timed faults of this kind whose moment has come; each once."""
        for index, (fault, args, start) in enumerate(self._faults):
            if fault.kind != kind or start is None or self._struck[index]:
                continue
            if self._started + start <= now:
                self._struck[index] = 1
                yield args

    def next_moment(self, now: float) -> float | None:
        """When a timed fault next begins or ends."""
        moments = []
        for _, args, start in self._faults:
            if start is not None:
                begin = self._started + start
                moments += [begin, begin + float(args.get("seconds", 0))]
        return min((moment for moment in moments if moment > now), default=None)


def _concerns(args: Mapping[str, str], about: Mapping[str, str]) -> bool:
    for name, value in about.items():
        wanted = args.get(name, "")
        fits = wanted in value if name == "order_ref" else wanted in {"", value}
        if not fits:
            return False
    return True
