"""Where notices go, through apprise. A service's URL is a secret and is said nowhere.

apprise comes with a hundred services and costs 45 MB, so it is imported when a service is made.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from rebalancer.errors import ConfigError
from rebalancer.notify.notices import Level
from rebalancer.notify.outbox import Message

#: Seconds for one message, however slow the service is.
WITHIN = 30.0
#: Level -> apprise's word for it, by which services choose colour and icon.
_TYPES: Mapping[Level, str] = {"critical": "failure", "action": "warning", "routine": "info"}


@dataclass(frozen=True, slots=True)
class Addressee:
    """A service, and which notices it gets. ``accounts`` empty: of all of them."""

    name: str
    levels: frozenset[Level]
    accounts: frozenset[str] = frozenset()

    def wants(self, level: Level, account_id: str) -> bool:
        """Whether it gets a notice; what concerns no single account concerns everybody."""
        mine = not self.accounts or not account_id or account_id in self.accounts
        return mine and level in self.levels


class Service:
    """One apprise URL.

    Raises:
        ConfigError: apprise cannot read the URL. The text does not show it.
    """

    def __init__(self, name: str, url: str) -> None:
        # What it logs has URLs in it. Its warnings come with the result, to be scrubbed there.
        chatter = logging.getLogger("apprise")
        chatter.propagate = False
        chatter.setLevel(logging.WARNING)
        import apprise  # noqa: PLC0415 - see above

        self.name = name
        self._secrets = secrets_of(url)
        asset = apprise.AppriseAsset(
            app_id="rebalancer", app_desc="IBKR rebalancer", app_url="", image_url_mask=""
        )
        self._apprise = apprise.Apprise(asset=asset)
        if not self._apprise.add(url):
            scheme = url.partition("://")[0] if "://" in url else ""
            shown = f"{scheme}://***" if re.fullmatch(r"[a-z0-9+.-]{1,16}", scheme) else "it"
            raise ConfigError(
                f"notify service {name}: apprise does not understand {shown}; its URL has to "
                f"be one such as ntfy://ntfy.example/topic, see docs/how-to/notifications.md"
            )
        for plugin in self._apprise:
            if "overflow=" not in url:
                # Refused for its length, a message would be tried in vain until it is given up.
                plugin.overflow_mode = apprise.OverflowMode.SPLIT

    async def send(self, message: Message) -> str:
        """Tell it. Returns '' when the service took it, else why not, without secrets."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[str] = loop.create_future()

        def settle(said: str) -> None:
            if not done.done():
                done.set_result(said)

        def work() -> None:
            said = self._send(message)
            # The loop may be closed by now: the process ends, and nobody asks any more.
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, said)

        # A thread of its own: one that hangs holds up neither other services nor the exit.
        threading.Thread(target=work, name=f"notify-{self.name}", daemon=True).start()
        return await done

    def _send(self, message: Message) -> str:
        try:
            result: Any = self._apprise.notify(
                body=message.body or message.title,
                title=message.title,
                notify_type=_TYPES[message.level],
                # Whatever a service makes of < or * in it is escaped.
                body_format="text",
                timeout=WITHIN,
            )
        except Exception as error:  # noqa: BLE001 - a hundred plugins, each with its own
            return self._scrubbed(f"{type(error).__name__}: {error}")
        if result:
            return ""
        said = [str(entry.message) for entry in result.logs()]
        return self._scrubbed(" ".join(said)) or str(result.status.name).lower()

    def _scrubbed(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return " ".join(text.split())[:300]


def secrets_of(url: str) -> tuple[str, ...]:
    """Everything in a URL that may be secret, as written and decoded; the longest first."""
    parts = re.split(r"[/?&=:@#,]+", url.partition("://")[2])
    found = {url, *(part for part in parts if len(part) >= 4)}
    return tuple(sorted(found | {unquote(part) for part in found}, key=len, reverse=True))
