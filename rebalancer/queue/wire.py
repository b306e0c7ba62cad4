"""What the sync and the async connection share: address, faults and their meaning."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from redis.connection import parse_url
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from rebalancer.errors import (
    ConfigError,
    LeaseLostError,
    QueueError,
    QueueFullError,
    QueueReadOnlyError,
    QueueUnavailableError,
    RebalancerError,
)

__all__ = [
    "LOST_REPLY",
    "ChainMovedError",
    "RedisError",
    "ResponseError",
    "UnknownScriptError",
    "connection_options",
    "lost",
    "meaning",
    "without_password",
]

#: The command may or may not have been carried out.
LOST_REPLY = (RedisConnectionError, RedisTimeoutError, OSError)


class UnknownScriptError(QueueError):
    """Redis does not know the script by its digest; it was restarted, or never told."""


class ChainMovedError(QueueError):
    """Another record came first; nothing was changed. Seal this one anew and try again."""


_UNAVAILABLE = (
    "Redis at {where} is not ready ({text}); it usually recovers by itself, "
    "otherwise see `systemctl status redis-server`"
)
_REFUSED = (
    "Redis at {where} refuses the login or a command ({text}); check user, password and ACL "
    "in the Redis URL"
)
_READ_ONLY = (
    "Redis at {where} refuses writes ({text}); a replica must be promoted, a full disk freed, "
    "see `redis-cli INFO persistence`"
)
_FOREIGN = (
    "a structure of the queue in Redis at {where} was overwritten with another type ({text}); "
    "see docs/explanation/queue.md for what belongs where"
)
_FULL = (
    "Redis at {where} is out of memory ({text}); raise maxmemory or clear the dead letter, "
    "see `redis-cli INFO memory`"
)

#: First word of an error reply -> what it means for the caller and what to do.
_FAULTS: dict[str, tuple[Callable[[str], RebalancerError], str]] = {
    "LEASELOST": (LeaseLostError, "{text}"),
    "CHAINMOVED": (ChainMovedError, "{text}"),
    "NOSCRIPT": (UnknownScriptError, "{text}"),
    "READONLY": (QueueReadOnlyError, _READ_ONLY),
    "MISCONF": (QueueReadOnlyError, _READ_ONLY),
    "NOREPLICAS": (QueueReadOnlyError, _READ_ONLY),
    "OOM": (QueueFullError, _FULL),
    "LOADING": (QueueUnavailableError, _UNAVAILABLE),
    "BUSY": (QueueUnavailableError, _UNAVAILABLE),
    "MASTERDOWN": (QueueUnavailableError, _UNAVAILABLE),
    "CLUSTERDOWN": (QueueUnavailableError, _UNAVAILABLE),
    "NOAUTH": (QueueUnavailableError, _REFUSED),
    "WRONGPASS": (QueueUnavailableError, _REFUSED),
    "NOPERM": (QueueUnavailableError, _REFUSED),
    "WRONGTYPE": (QueueError, _FOREIGN),
}


def meaning(error: RedisError, where: str) -> RebalancerError:
    """Translate an error reply of Redis into the error whose consequence it has."""
    text = str(error)
    # redis-py takes the words it knows off the text and keeps them here; a stand-in for Redis
    # may have put ERR before what a script says.
    known = getattr(error, "status_code", None) or ""
    code = next((word for word in (*text.split(" ", 2)[:2], known) if word in _FAULTS), "")
    text = text.removeprefix("ERR ") if code in text else f"{code or known} {text}".strip()
    text = text.removeprefix("LEASELOST ").removeprefix("CHAINMOVED ")
    # A script that fails at one of its commands adds where, which helps nobody here.
    text = re.sub(r",? script: [0-9a-f]{40}.*$", "", text, flags=re.DOTALL)
    kind, advice = _FAULTS.get(code, (QueueError, "Redis at {where} answered: {text}"))
    return kind(advice.format(where=where, text=text))


def lost(error: BaseException, where: str, timeout: float) -> RebalancerError:
    """Translate a connection that failed or stayed silent, twice."""
    if isinstance(error, ResponseError) or getattr(error, "status_code", None):
        # redis-py counts LOADING and failed logins as connection errors.
        return meaning(error, where)  # type: ignore[arg-type]
    if isinstance(error, RedisTimeoutError | TimeoutError):
        found = f"did not answer within {timeout:g} s"
    else:
        found = f"cannot be reached ({error})"
    return QueueUnavailableError(
        f"Redis at {where} {found}; see `systemctl status redis-server`. "
        "Trying again is safe: a move that was carried out is not done twice"
    )


def connection_options(url: str, timeout: float) -> dict[str, Any]:
    """Turn ``redis://``, ``rediss://`` or ``unix://`` into keyword arguments.

    redis-py's own resends are off: it would resend whatever it is given, a blocking pop
    included, without telling. ``Queue.run`` resends moves, which recognise it.

    Raises:
        ConfigError: the URL is malformed.
    """
    try:
        found: dict[str, Any] = dict(parse_url(url))  # type: ignore[no-untyped-call]
    except ValueError as error:
        raise ConfigError(f"redis url {without_password(url)!r}: {error}") from error
    found.pop("connection_class", None)
    return {
        **found,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "protocol": 2,
        "retry": None,
        "retry_on_timeout": False,
        "driver_info": None,  # would cost two round trips at every connect
    }


def without_password(url: str) -> str:
    """The URL as it may be shown."""
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", url)
