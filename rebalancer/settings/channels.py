"""``broker.channels``: streams of messages that signals come from.

A module of its own, read only when a file has some: the sweeper, which is started every few
seconds, has no use for it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from rebalancer.settings.document import BadValueError, Item
from rebalancer.settings.kinds import (
    boolean,
    gather,
    key,
    one_of,
    one_or_more,
    seconds,
    section,
    text,
)
from rebalancer.settings.problems import Problem

#: What switches all of them off, also by variable.
NONE = "none"

Preset = Literal["ably", "ntfy", "generic"]

#: Where each service is unless told otherwise; '' nowhere.
URLS: Mapping[Preset, str] = {
    "ably": "https://main.realtime.ably.net/sse",
    "ntfy": "https://ntfy.sh",
    "generic": "",
}
#: Seconds for which each keeps messages for those who come back. Ably says two minutes, ntfy
#: keeps them twelve hours unless its owner says otherwise; others say nothing.
KEEPS: Mapping[Preset, float] = {"ably": 120.0, "ntfy": 43_200.0, "generic": 3600.0}
#: Seconds without a byte after which a stream is dead. It has to be noticed while what was
#: published meanwhile is still kept; ntfy gives a sign of life every 45 seconds.
SILENCE: Mapping[Preset, float] = {"ably": 60.0, "ntfy": 120.0, "generic": 120.0}


def channel_url(item: Item) -> str:
    """An ``http`` or ``https`` URL without a secret in it."""
    expected = "a URL such as https://ntfy.example.com"
    value = item.text(expected)
    parts = _split(value)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise item.refuse(expected, found="another text")
    if "@" in parts.netloc:
        raise item.refuse("no password in it: use credential", found="a URL with a password")
    if parts.fragment or not value.isascii() or not value.isprintable() or " " in value:
        raise item.refuse(expected)
    return value


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        fits = parts.port is None or parts.port > 0
    except ValueError:
        return None
    return parts if fits else None


@dataclass(frozen=True, slots=True)
class ChannelKeys:
    """One entry of ``broker.channels``."""

    name: str = key(
        text(
            "1 to 32 letters, digits, '.', '_' or '-'",
            pattern=r"[A-Za-z0-9][A-Za-z0-9._\-]{0,31}",
        ),
        about="Under which its signals are counted and its troubles told.",
    )
    preset: Preset = key(
        one_of("ably", "ntfy", "generic"), about="Whose stream it is: ably, ntfy or generic."
    )
    url: str = key(
        channel_url,
        default="",
        about="""Where it is. Without this key Ably's own or ntfy.sh; generic needs one.""",
    )
    topic: str = key(
        text("1 to 64 letters, digits, '_' or '-'", pattern=r"[A-Za-z0-9_\-]{1,64}"),
        default="",
        about="ntfy's topic. At Ably the channels are the strategies.",
    )
    credential: str = key(
        text("a file name"),
        default="",
        about="""File that holds an Ably key, `user:password` or a token, in one line. A bare
            name is looked for among systemd's credentials ($CREDENTIALS_DIRECTORY), then
            beside rebalancer.yaml.""",
    )
    strategies: tuple[str, ...] = key(
        one_or_more(text()), default=(), about="The strategies that it may signal."
    )
    accounts: tuple[str, ...] = key(
        one_or_more(text()),
        default=(),
        about="The accounts that it may signal. Without both keys: every account.",
    )
    allow_http: bool = key(
        boolean,
        default=False,
        about="""Allows a URL without TLS that leaves this host: whoever is on the way may
            signal then.""",
    )
    silence_seconds: float | None = key(
        seconds(3600),
        default=None,
        about="""A stream that brings nothing for this long, not even a sign of life, is dead.
            Without this key 60 for ably, 120 for others.""",
    )
    keeps_seconds: float | None = key(
        seconds(2_592_000),
        default=None,
        about="""For how long the service keeps messages. After a longer absence it is said
            that signals may be lost. Without this key 120 for ably, 43200 for ntfy, 3600 for
            generic.""",
    )

    @property
    def place(self) -> str:
        """The URL in force."""
        return self.url or URLS[self.preset]

    @property
    def silence(self) -> float:
        """Seconds without a byte after which its stream is dead."""
        return self.silence_seconds or SILENCE[self.preset]

    @property
    def keeps(self) -> float:
        """For how many seconds the service keeps messages."""
        return self.keeps_seconds or KEEPS[self.preset]


def channels(item: Item) -> tuple[ChannelKeys, ...]:
    """A list of channels, or the word ``none``."""
    expected = f"a list of channels, or {NONE}"
    if not item.is_list:
        if item.text(expected) != NONE:
            raise item.refuse(expected)
        return ()
    items = list(item.elements(expected))
    found = gather(section(ChannelKeys), items)
    problems = [
        problem
        for place, one in zip(items, found, strict=True)
        for problem in _contradictions(place, one)
    ]
    seen: set[str] = set()
    for place, one in zip(items, found, strict=True):
        if one.name in seen:
            problems.append(place.at("name").problem(f"'{one.name}' again", "each name once"))
        seen.add(one.name)
    if problems:
        raise BadValueError(*problems)
    return found


def _contradictions(item: Item, one: ChannelKeys) -> Iterator[Problem]:
    """What the keys of one channel, each right by itself, say against one another."""
    if not one.place:
        yield item.under("url").problem("no such key", "it to be there")
    parts = urlsplit(one.place)
    if parts.scheme == "http" and not one.allow_http and not _stays_here(parts.hostname or ""):
        yield item.at("url").problem("http", "https, or allow_http: true if it is meant")
    if parts.query and one.preset != "generic":
        yield item.at("url").problem("a query", f"none: {one.preset} has its own")
    if one.preset == "ntfy" and not one.topic:
        yield item.under("topic").problem("no such key", "it to be there")
    if one.preset != "ntfy" and one.topic:
        yield item.at("topic").problem(f"'{one.topic}'", f"no such key for {one.preset}")
    if one.preset == "ably" and not one.credential:
        yield item.under("credential").problem("no such key", "the name of a file with a key")
    if one.silence >= one.keeps:
        less = f"less than keeps_seconds ({one.keeps:g}), or what is dead is noticed too late"
        yield item.at("silence_seconds").problem(f"{one.silence:g}", less)


def _stays_here(host: str) -> bool:
    """Whether a host is this one."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def strangers(
    found: Sequence[ChannelKeys], file: str, accounts: Mapping[str, str]
) -> Iterator[Problem]:
    """Strategies and accounts that a channel names and accounts.yaml does not.

    ``accounts`` are all of them, with the strategy that each follows.
    """
    for number, one in enumerate(found):
        for name, named, known in (
            ("strategies", one.strategies, accounts.values()),
            ("accounts", one.accounts, accounts.keys()),
        ):
            for stranger in sorted(set(named).difference(known)):
                place = f"broker.channels[{number}].{name}"
                yield Problem(file, 0, place, f"'{stranger}'", "one that accounts.yaml has")
