"""``rebalancer.yaml``: how the programs run. Every key has a default."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from rebalancer.core.windows import IBKR_WINDOWS, Window
from rebalancer.settings.api_keys import Api
from rebalancer.settings.document import Item
from rebalancer.settings.kinds import (
    hours,
    integer,
    key,
    one_of,
    seconds,
    section,
    text,
)
from rebalancer.settings.policy import PolicyKeys

if TYPE_CHECKING:
    from rebalancer.settings.channels import ChannelKeys
    from rebalancer.settings.notify import ServiceKeys

TradingMode = Literal["paper", "live"]

#: Ports on which IBKR's programs listen for one mode, unless told otherwise: Gateway, TWS,
#: and the usual container image's relay.
MODE_PORTS: dict[TradingMode, tuple[int, ...]] = {
    "paper": (4002, 7497, 4004),
    "live": (4001, 7496, 4003),
}


def redis_url(item: Item) -> str:
    """``redis://``, ``rediss://`` or ``unix://``; never shown, it may hold a password."""
    expected = "a URL such as redis://127.0.0.1:6379/0 or unix:///run/redis.sock?db=0"
    value = item.text(expected)
    found = f"'{masked(value)}'"
    try:
        parts = urlsplit(value)
        port_fits = parts.port is None or 0 < parts.port < 65536
    except ValueError:
        raise item.refuse(expected, found="an unreadable URL") from None
    scheme_fits = parts.scheme in {"redis", "rediss"} and parts.hostname and port_fits
    socket_fits = parts.scheme == "unix" and parts.path.startswith("/")
    database = parts.path.lstrip("/")
    if not (socket_fits or (scheme_fits and (not database or database.isdigit()))):
        raise item.refuse(expected, found=found)
    return value


def gateway_windows(item: Item) -> tuple[Window, ...]:
    """What the file says about windows, read by a module that only such files need."""
    from rebalancer.settings.windows import windows  # noqa: PLC0415 - as its docstring says

    return windows(item)


def broker_channels(item: Item) -> tuple[ChannelKeys, ...]:
    """What the file says about channels, read by a module that only such files need."""
    from rebalancer.settings.channels import channels  # noqa: PLC0415 - as its docstring says

    return channels(item)


def notify_services(item: Item) -> tuple[ServiceKeys, ...]:
    """What the file says about services, read by a module that only such files need."""
    from rebalancer.settings.notify import services  # noqa: PLC0415 - as its docstring says

    return services(item)


def masked(url: str) -> str:
    """Return a URL with whatever may be secret replaced by ``***``."""
    place, question, query = url.partition("?")
    head, at, tail = place.rpartition("@")
    scheme, slashes, _ = head.rpartition("://")
    shown = f"{scheme}{slashes}***@{tail}" if at else place
    return shown + question + ("***" if "=" in query.replace("db=", "", 1) else query)


@dataclass(frozen=True, slots=True)
class Redis:
    """Where the queue lives."""

    #: Complete with the password once loaded, so it is left out of every repr.
    url: str = key(
        redis_url, default="redis://127.0.0.1:6379/0", secret=True, about="Where Redis listens."
    )
    timeout_seconds: float = key(
        seconds(60), default=5.0, about="Longest wait for an answer of Redis."
    )
    username: str = key(text("a user name"), default="", about="Redis ACL user.")
    password_file: str = key(
        text("a file name"),
        default="",
        about="""File that holds the password. A bare name is looked for among systemd's
            credentials ($CREDENTIALS_DIRECTORY), then beside rebalancer.yaml. Without this
            key a credential named redis_password is used if there is one.""",
    )

    @property
    def shown(self) -> str:
        """The URL without secrets."""
        return masked(self.url)

    def with_password(self, password: str) -> str:
        """Return the URL with this user and password in place of its own."""
        parts = urlsplit(self.url)
        name, secret = quote(self.username, safe=""), quote(password, safe="")
        if parts.scheme == "unix":
            query = "&".join(
                filter(None, [parts.query, name and f"username={name}", f"password={secret}"])
            )
            return f"unix://{parts.path}?{query}"
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{name}:{secret}@{host}"))


@dataclass(frozen=True, slots=True)
class Gateway:
    """Where IB Gateway (or the simulator) listens."""

    host: str = key(
        text("a host name or address", pattern=r"[A-Za-z0-9._:\-]+"),
        default="127.0.0.1",
        about="Host of IB Gateway.",
    )
    port: int = key(
        integer(1, 65535),
        default=0,
        about="Its API port. Without this key: 4002 for paper, 4001 for live.",
    )
    client_id: int = key(
        integer(1, 999_999),
        default=10,
        about="""The processor's API client id. Fixed: IBKR ties orders to it. Two processors
            need two.""",
    )
    request_timeout_seconds: float = key(
        seconds(300), default=10.0, about="Longest wait to connect, and for each answer."
    )
    windows: tuple[Window, ...] = key(
        gateway_windows,
        default=IBKR_WINDOWS,
        about="When it is expected to be away; `none` if never.",
    )
    quiet_before_window_seconds: float = key(
        seconds(),
        default=300.0,
        about="No order is sent this long before a window begins, nor in it.",
    )
    alert_after_seconds: float = key(
        seconds(),
        default=120.0,
        about="A person is told once it has been away this long outside its windows.",
    )


@dataclass(frozen=True, slots=True)
class Processor:
    """How much at once, and how long each step may take."""

    worker: str = key(
        text("letters, digits, '.', '_', '-', '@'", pattern=r"[A-Za-z0-9._@\-]{1,64}"),
        default="",
        about="""Name of this processor. It must outlive restarts, and two processors need
            two names: one that starts takes back the leases of its own name. Default: the
            host's name and the gateway.client_id.""",
    )
    max_concurrent_events: int = key(
        integer(1, 100), default=24, about="Events carried out at the same time."
    )
    lease_seconds: float = key(
        seconds(3600), default=20.0, about="A crashed processor's events run again after this."
    )
    shutdown_deadline_seconds: float = key(
        seconds(3600), default=20.0, about="What an event in mid-flight gets on SIGTERM."
    )
    price_deadline_seconds: float = key(
        seconds(300), default=15.0, about="Every price must have come within this."
    )
    fill_deadline_seconds: float = key(
        seconds(86_400), default=120.0, about="Orders unfilled after this end the run."
    )
    cancel_deadline_seconds: float = key(
        seconds(300), default=10.0, about="Cancels must be answered within this."
    )
    settlement_deadline_seconds: float = key(
        seconds(300),
        default=10.0,
        about="Positions must show the sells' fills within this, or nothing is bought.",
    )


@dataclass(frozen=True, slots=True)
class Broker:
    """The daemon that takes signals in."""

    grace_seconds: float = key(
        seconds(86_400),
        default=300.0,
        about="A schedule missed by at most this while no broker ran still counts.",
    )
    spool_directory: str = key(
        text("an absolute path", pattern=r"/[^\n\r]*"),
        default="",
        about="""Directory whose files become signals, such as /var/lib/rebalancer/spool. Who
            may write there may trade. Without this key there is none.""",
    )
    spool_keep_days: int = key(
        integer(0, 36_500),
        default=30,
        about="Files in its done/ and rejected/ are removed after this; 0 keeps them for ever.",
    )
    channels: tuple[ChannelKeys, ...] = key(
        broker_channels, default=(), about="Streams of messages that become signals."
    )


@dataclass(frozen=True, slots=True)
class Retry:
    """What happens to an event that failed but may succeed later."""

    retry_delay_seconds: float = key(
        seconds(), default=60.0, about="Upper end of the first, random delay; it doubles."
    )
    max_delay_seconds: float = key(
        seconds(7 * 86_400), default=3600.0, about="Upper end of any delay."
    )
    max_attempts: int = key(
        integer(0, 1_000_000),
        default=10,
        about="After this many the event goes to the dead letter; 0 tries for ever.",
    )


@dataclass(frozen=True, slots=True)
class History:
    """The records of runs."""

    keep_days: int = key(
        integer(0, 36_500),
        default=3650,
        about="Records older than this are forgotten; 0 keeps them for ever.",
    )


@dataclass(frozen=True, slots=True)
class Notify:
    """Who is told what happens, and how soon."""

    services: tuple[ServiceKeys, ...] = key(
        notify_services, default=(), about="Where notices go; `none` if nowhere."
    )
    gather_seconds: float = key(
        seconds(),
        default=60.0,
        about="Routine notices are gathered this long and told together.",
    )
    repeat_seconds: float = key(
        seconds(),
        default=600.0,
        about="The same notice is not told again within this; then with how often it came.",
    )
    give_up_hours: float = key(
        hours(720),
        default=24.0,
        about="A notice that no service took for this long is dropped, which is told.",
    )
    silence_seconds: float = key(
        seconds(),
        default=60.0,
        about="""A program without a sign of life for this long is told about, and Redis without
            an answer.""",
    )


@dataclass(frozen=True, slots=True)
class Logging:
    """What is logged, and how."""

    level: str = key(
        one_of("debug", "info", "warning", "error"), default="info", about="Least severity."
    )
    format: Literal["auto", "json", "text"] = key(
        one_of("auto", "json", "text"),
        default="auto",
        about="auto writes fields to the systemd journal, or text to a terminal.",
    )


@dataclass(frozen=True, slots=True)
class Service:
    """Everything in ``rebalancer.yaml``."""

    trading_mode: TradingMode = key(
        one_of("paper", "live"),
        default="paper",
        about="Only accounts of this type are traded, on a gateway of this kind.",
    )
    redis: Redis = key(section(Redis), default=Redis())
    gateway: Gateway = key(section(Gateway), default=Gateway())
    processor: Processor = key(section(Processor), default=Processor())
    broker: Broker = key(section(Broker), default=Broker())
    api: Api = key(section(Api), default=Api())
    retry: Retry = key(section(Retry), default=Retry())
    history: History = key(section(History), default=History())
    notify: Notify = key(section(Notify), default=Notify())
    logging: Logging = key(section(Logging), default=Logging())
    defaults: PolicyKeys = key(section(PolicyKeys), default=PolicyKeys())

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must be in no log."""
        parts = urlsplit(self.redis.url)
        inside = (value for name, value in parse_qsl(parts.query) if name == "password")
        password = parts.password or next(inside, "")
        return tuple(filter(None, {password, unquote(password)}))

    @property
    def worker(self) -> str:
        """The processor's name: as set, or the same for every process with its client id."""
        return self.processor.worker or f"{socket.gethostname()}-{self.gateway.client_id}"
