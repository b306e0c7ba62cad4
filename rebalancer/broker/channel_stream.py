"""One GET that stays open: the only place that imports httpx, for those who have a channel.

==========================================  ================  ==================================
what happened                               error             the channel then
==========================================  ================  ==================================
no connection, silence, broken off          RetryableError    backs off and connects again
408, 425, 429, any 5xx                      PausedError       the same, after Retry-After
400, 410, 412, 416 to one who resumes       LostPlaceError    says so, connects without the id
any other status, no event stream,          PermanentError    tells a person, and tries again
a credential that cannot be read                              after a long pause
==========================================  ================  ==================================

Redirects are not followed: a secret goes along. Proxies of the environment and a .netrc are not
looked at. No text here has a header in it, nor what follows ``?`` in a URL.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from rebalancer import __version__
from rebalancer.broker.channel_presets import Ask, LostPlaceError, PausedError
from rebalancer.errors import PermanentError, RetryableError
from rebalancer.logs import hide
from rebalancer.settings.environment import one_line
from rebalancer.settings.service import masked

#: Seconds to get a connection.
CONNECT = 10.0
#: Longest that a server may make us wait, in seconds.
LONGEST_WAIT = 3600.0

_PASSING = frozenset({408, 425, 429})
_PLACE_GONE = frozenset({400, 410, 412, 416})


@contextlib.asynccontextmanager
async def opened(
    ask: Ask, credential: Path | None, *, resuming: bool, silence: float
) -> AsyncIterator[AsyncIterator[bytes]]:
    """The bytes of a stream, as they come.

    Args:
        ask: What to GET.
        credential: The file with the secret, read now, so that a changed one counts.
        resuming: Whether ``ask`` has an id in it that the server may not know.
        silence: Seconds without a byte after which the stream is dead.

    Raises:
        RetryableError, LostPlaceError, PermanentError: by the table above, here and while
            the bytes are read.
    """
    headers = {
        "accept": "text/event-stream",
        "accept-encoding": "identity",
        "cache-control": "no-store",
        "user-agent": f"ibkr-rebalancer/{__version__}",
        **ask.headers,
        **_authorization(credential),
    }
    timeout = httpx.Timeout(CONNECT, read=silence)
    verify = _trust() if ask.url.startswith("https:") else False
    shown = masked(ask.url)
    try:
        async with (
            httpx.AsyncClient(verify=verify, timeout=timeout, trust_env=False) as client,
            client.stream("GET", ask.url, headers=headers) as response,
        ):
            _check(response, shown, resuming=resuming)
            yield response.aiter_raw()
    except httpx.ReadTimeout:
        raise RetryableError(f"{shown}: silent for {silence:g} s") from None
    except httpx.InvalidURL as error:
        raise PermanentError(f"{shown}: {error}") from None
    except httpx.HTTPError as error:
        said = f"{type(error).__name__} {error}".strip()
        raise RetryableError(f"{shown}: {said}") from None


@functools.cache
def _trust() -> ssl.SSLContext:
    """The certificates to trust; reading them takes 20 ms."""
    return httpx.create_ssl_context(trust_env=False)


def _authorization(credential: Path | None) -> dict[str, str]:
    if credential is None:
        return {}
    try:
        secret = one_line(credential).strip()
    except ValueError as error:
        raise PermanentError(f"credential {error}") from None
    if not secret.isascii() or not secret.isprintable():
        raise PermanentError(f"credential {credential}: not printable ASCII")
    hide(secret)
    if ":" in secret:  # an Ably key is such a pair, too
        return {"authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}
    return {"authorization": f"Bearer {secret}"}


def _check(response: httpx.Response, shown: str, *, resuming: bool) -> None:
    status = response.status_code
    said = f"{shown}: HTTP {status} {response.reason_phrase}".strip()
    if status in _PLACE_GONE and resuming:
        raise LostPlaceError(said)
    if status in _PASSING or status >= 500:
        wait = response.headers.get("retry-after", "")
        raise PausedError(said, min(float(wait), LONGEST_WAIT) if wait.isdecimal() else 0.0)
    if status != 200:
        raise PermanentError(said)
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    packed = response.headers.get("content-encoding", "identity").lower()
    if kind != "text/event-stream" or packed != "identity":
        raise PermanentError(f"{shown}: {kind or 'untyped'}, {packed}; not text/event-stream")
