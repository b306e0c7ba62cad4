"""One GET, for the weights at a URL.

=====================================  ==============  =======================================
what happened                          error           the event then
=====================================  ==============  =======================================
no connection, time is up, broken off  RetryableError  backs off and asks again
408, 425, 429, any 5xx                 RetryableError  the same; Retry-After is in the reason
any other status, another host         PermanentError  is in the dead letter, with the reason
a body that is too large, or no model  PermanentError  the same
304 for the version we have            -               goes on with exactly that version
=====================================  ==============  =======================================

What was fetched before is used for one thing only: a server that says 304 has said that it is
still true. It is kept in this process and for no longer; after a restart all of it is fetched.
Proxies of the environment and a .netrc are not looked at. No text here has a header in it.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from rebalancer import __version__
from rebalancer.errors import PermanentError, RebalancerError, RetryableError
from rebalancer.settings.models import Fetched, Wanted
from rebalancer.settings.sources import CREDENTIAL, Api
from rebalancer.targets.bodies import BodyError, weights_in

if TYPE_CHECKING:
    import httpx

#: Bytes of a body; larger is no model.
LARGEST = 1_048_576
#: Letters of a version's name; without one it is simply not asked about.
LONGEST_ETAG = 256
#: Redirects that are followed, within the host that was asked.
REDIRECTS = 3
#: Statuses that pass, beside every 5xx: timeout, too early, too many.
_PASSING = frozenset({408, 425, 429})
_MOVED = frozenset({301, 302, 303, 307, 308})


async def fetch(wanted: Wanted, secret: str, known: Fetched | None) -> Fetched:
    """Ask for weights; ``known`` is the version to compare with, if there is one.

    Raises:
        RetryableError, PermanentError: by the table above; the text begins with the URL.
    """
    import httpx  # noqa: PLC0415 - 20 MB that few processors need

    try:
        async with asyncio.timeout(wanted.source.timeout_seconds):
            return await _asked(wanted, secret, known)
    except TimeoutError:
        said = f"no whole answer within {wanted.source.timeout_seconds:g} s"
        raise RetryableError(f"{wanted.shown}: {said}") from None
    except httpx.InvalidURL as error:
        raise PermanentError(f"{wanted.shown}: {error}") from None
    except httpx.HTTPError as error:
        said = f"{type(error).__name__} {error}".strip()
        raise RetryableError(f"{wanted.shown}: {said}") from None
    except RebalancerError as error:
        raise type(error)(f"{wanted.shown}: {error}") from None


async def _asked(wanted: Wanted, secret: str, known: Fetched | None) -> Fetched:
    import httpx  # noqa: PLC0415 - as above

    url = wanted.url
    headers = {
        "accept": "application/json",
        # Compressed, a small body may be a huge one.
        "accept-encoding": "identity",
        "user-agent": f"ibkr-rebalancer/{__version__}",
        **_own_headers(wanted, secret),
    }
    if known is not None:
        headers["if-none-match"] = known.etag
    async with httpx.AsyncClient(verify=_trust(), timeout=None, trust_env=False) as client:  # noqa: S113 - `fetch` has the deadline
        for _ in range(REDIRECTS + 1):
            async with client.stream("GET", url, headers=headers) as response:
                if response.status_code not in _MOVED:
                    return await _answer(response, wanted, known)
                url = _within(url, response.headers.get("location", ""))
    raise PermanentError(f"more than {REDIRECTS} redirects")


@functools.cache
def _trust() -> ssl.SSLContext:
    """The certificates to trust; reading them takes 20 ms."""
    import httpx  # noqa: PLC0415 - as above

    return httpx.create_ssl_context(trust_env=False)


def _own_headers(wanted: Wanted, secret: str) -> Mapping[str, str]:
    source = wanted.source
    if isinstance(source, Api):
        return {"x-api-key": secret} if secret else {}
    return {name.lower(): value.replace(CREDENTIAL, secret) for name, value in source.headers}


def _within(url: str, location: str) -> str:
    """Where a redirect leads, if that is the host that was asked: a secret goes along."""
    try:
        following = urljoin(url, location)
        here, there = urlsplit(url), urlsplit(following)
    except ValueError:
        raise PermanentError("a redirect to another place, which is no URL") from None
    if not location or (here.scheme, here.netloc) != (there.scheme, there.netloc):
        raise PermanentError(f"a redirect to another place ({there.scheme}://{there.netloc})")
    return following


async def _answer(response: httpx.Response, wanted: Wanted, known: Fetched | None) -> Fetched:
    status = response.status_code
    if status == 304:
        if known is None:
            raise PermanentError("304, though no version was asked about")
        return Fetched(known.weights, known.hash, known.etag, "304, as fetched before")
    if status != 200:
        raise _refused(response)
    raw = await _body(response)
    try:
        weights = weights_in(raw, wanted.source)
    except BodyError as error:
        raise BodyError(f"200, but {error}") from None
    etag = response.headers.get("etag", "")
    if len(etag) > LONGEST_ETAG or not etag.isascii():
        etag = ""  # it could not be sent back
    return Fetched(weights, hashlib.sha256(raw).hexdigest()[:12], etag, "200")


def _refused(response: httpx.Response) -> RebalancerError:
    status, reason = response.status_code, response.reason_phrase
    said = f"{status} {reason}".strip()
    if status >= 500 or status in _PASSING:
        after = response.headers.get("retry-after", "")[:40]
        return RetryableError(f"{said}{f', retry after {after}' if after else ''}")
    return PermanentError(said)


async def _body(response: httpx.Response) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise PermanentError("a compressed body, which was not asked for")
    raw = bytearray()
    async for chunk in response.aiter_raw():
        raw += chunk
        if len(raw) > LARGEST:
            raise PermanentError(f"a body of more than {LARGEST} bytes")
    return bytes(raw)
