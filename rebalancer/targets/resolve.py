"""An account's target as it is now: files read, URLs asked, models put together."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rebalancer.core.policy import Policy
from rebalancer.core.target import Target
from rebalancer.errors import PermanentError, RebalancerError
from rebalancer.settings import AccountSettings, symbols
from rebalancer.settings.credentials import Credentials
from rebalancer.settings.models import (
    Definition,
    Fetched,
    Node,
    Wanted,
    grow,
    target_of,
)

#: Versions that are remembered; far more than anybody has models.
_MOST = 256


@dataclass(slots=True)
class Fetcher:
    """Asks URLs, and remembers which version each gave last."""

    #: ``CREDENTIALS_DIRECTORY`` in it is systemd's.
    environ: Mapping[str, str]
    _known: dict[Wanted, Fetched] = field(default_factory=dict)

    async def fetch(self, wanted: Wanted, folder: Path) -> Fetched | RebalancerError:
        """What a URL says now, or why that is not known; ``folder`` may have the secret."""
        from rebalancer.targets import http  # noqa: PLC0415 - few processors need it

        try:
            name = wanted.source.credential
            secret = Credentials.of(folder, self.environ).read(name) if name else ""
            found = await http.fetch(wanted, secret, self._known.get(wanted))
        except RebalancerError as error:
            return error
        self._known.pop(wanted, None)
        if found.etag:
            self._known[wanted] = found
            if len(self._known) > _MOST:
                del self._known[next(iter(self._known))]
        return found


async def tree(definition: Definition, fetcher: Fetcher) -> Node:
    """The tree of a target; what is wrong with it stands in its nodes."""
    answers: dict[Wanted, Fetched | RebalancerError] = {}
    while True:
        root = grow(definition, answers)
        # More than once only if a file has changed meanwhile and now names further models.
        missing = [one for one in _wanted(root) if one not in answers]
        if not missing:
            return root
        asking = (fetcher.fetch(one, definition.folder) for one in missing)
        answers |= dict(zip(missing, await asyncio.gather(*asking), strict=True))


async def target(account: AccountSettings, fetcher: Fetcher) -> Target:
    """What an account should hold now.

    Raises:
        PermanentError: nobody said, or what they said is wrong.
        RetryableError: a file or a URL cannot be read now.
    """
    found = account.definition()
    if isinstance(found, Target):
        return found
    wanted = target_of(found, await tree(found, fetcher))
    _require_one_spelling(account.policy(), wanted)
    return wanted


def _require_one_spelling(policy: Policy, wanted: Target) -> None:
    """Raise ``PermanentError`` for a bound in other words than the target: it binds nothing."""
    named = (*policy.bounds, *(policy.limits.allowed_symbols or ()))
    targeted = symbols.Names(wanted.weights)
    for name in named:
        symbol = None if name in wanted.weights else targeted.find(name)
        if symbol is not None:
            raise PermanentError(
                f"{wanted.source}: the target's {symbol} is {name} in bounds, no_sell or "
                f"allowed_symbols, which would not hold for it; spell both alike"
            )


def _wanted(root: Node) -> tuple[Wanted, ...]:
    return tuple(dict.fromkeys(n.wanted for n in root.walk() if n.wanted is not None))
