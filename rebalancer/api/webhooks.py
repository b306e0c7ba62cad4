"""Signals of services that sign what they send, instead of sending a token.

``standard``   Standard Webhooks: ``webhook-id``, ``webhook-timestamp``, and in
               ``webhook-signature`` ``v1,`` and base64 of HMAC-SHA256 over
               ``id.timestamp.body``
``timestamp``  ``X-Timestamp``, and in ``X-Signature`` ``sha256=`` and hex of HMAC-SHA256 over
               ``timestamp.body``
``body``       ``X-Hub-Signature-256`` (or ``X-Signature-256``): ``sha256=`` and hex of
               HMAC-SHA256 over the body alone

The first two are good for five minutes. Sent again, they are the same event and change nothing.
A signature over the body alone is good for ever; an ``eventId`` in the body makes it one event.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import Request, request

from rebalancer.api import auth
from rebalancer.api.context import context, now
from rebalancer.api.problem import ProblemError
from rebalancer.api.queue import Accepted, Signal, signal
from rebalancer.api.routes import Answer, Resource

resource = Resource("webhooks", "Signals of services that sign what they send.")

#: Seconds that a signature with a time in it is good for.
GOOD_FOR = 300.0


@dataclass(frozen=True, slots=True)
class Signed:
    """What a request says of itself."""

    #: What the signature is over.
    message: bytes
    signatures: tuple[str, ...]
    #: Unix seconds as text; ``None`` where its kind has no time.
    at: str | None = None
    #: Names the message among all of its sender; '' where its kind has no name.
    name: str = ""


def _standard(asked: Request, body: bytes) -> Signed:
    name, at = asked.headers.get("webhook-id", ""), asked.headers.get("webhook-timestamp", "")
    given = asked.headers.get("webhook-signature", "").split()
    signatures = tuple(one.removeprefix("v1,") for one in given if one.startswith("v1,"))
    return Signed(f"{name}.{at}.".encode() + body, signatures, at, name)


def _timestamp(asked: Request, body: bytes) -> Signed:
    at, given = asked.headers.get("X-Timestamp", ""), asked.headers.get("X-Signature", "")
    return Signed(f"{at}.".encode() + body, (given.removeprefix("sha256="),), at, given)


def _body(asked: Request, body: bytes) -> Signed:
    given = asked.headers.get("X-Hub-Signature-256") or asked.headers.get("X-Signature-256")
    return Signed(body, ((given or "").removeprefix("sha256="),))


def _hex(digest: bytes) -> str:
    return digest.hex()


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


#: Kind -> how it is read, and how its signature is written.
KINDS: Mapping[str, tuple[Callable[[Request, bytes], Signed], Callable[[bytes], str]]] = {
    "standard": (_standard, _base64),
    "timestamp": (_timestamp, _hex),
    "body": (_body, _hex),
}


def verify(asked: Request) -> None:
    """Refuse what is not signed with our key.

    Raises:
        ProblemError: no key of ours, no signature, a wrong one, or an old one.
    """
    kind = (asked.view_args or {}).get("kind", "")
    if kind not in KINDS:
        return  # the path is refused next
    secret = context().tokens.webhook
    if not secret:
        raise ProblemError(
            "not-found",
            "Webhooks are off.",
            remedy="Make a key: `rebalancer api token --webhook --create`; reload the API.",
        )
    found, written = _signed(asked)
    right = written(hmac.digest(secret.encode(), found.message, "sha256")).encode()
    if not any(hmac.compare_digest(one.encode(), right) for one in found.signatures):
        raise auth.refused(asked, "The signature is missing or wrong.")
    if found.at is not None and abs(now() - _seconds(found.at)) > GOOD_FOR:
        raise ProblemError(
            "no-token",
            f"The signature is not of the last {GOOD_FOR:.0f} s.",
            remedy="Sign again, with the time of now; compare the clocks.",
        )


def _signed(asked: Request) -> tuple[Signed, Callable[[bytes], str]]:
    read, written = KINDS[(asked.view_args or {})["kind"]]
    return read(asked, asked.get_data()), written


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0.0


@resource.route(
    "POST",
    "/webhooks/{kind}",
    {202: Accepted},
    access="open",
    gate=verify,
    body=Signal,
    problems=("no-token", "too-many-failures", "not-found", "in-the-way"),
)
def webhook(kind: str, body: Signal) -> Answer:
    """Take a signed signal in, as POST /queue/events does.

    It needs the key `webhook_secret`, and a signature instead of a token; see
    docs/how-to/webhooks.md.
    """
    found, _ = _signed(request)
    name = hashlib.sha256(f"{kind}:{found.name}".encode()).hexdigest()[:32]
    return signal(
        body.account_id,
        body.exec_command,
        source="webhook",
        event_id=body.event_id or (f"hook.{name}" if found.name else None),
        priority=body.priority,
        data=body.data.data(),
    )
