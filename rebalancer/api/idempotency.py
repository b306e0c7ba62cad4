"""A POST with an ``Idempotency-Key`` that is sent twice is done once.

The key is claimed for the request (method, path, body) in one script; another request under
the same key is refused. What was answered is kept for a day and answered again. If nothing was
answered, because we were killed in between, the request is carried out again: its moves carry
names made of the key, so whatever was done already is not done twice.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable

from flask import Request, Response, g

from rebalancer.api.context import now, read
from rebalancer.api.problem import ProblemError
from rebalancer.queue import door

HEADER = "Idempotency-Key"
#: What a key looks like.
KEY = r"[A-Za-z0-9._:-]{1,128}"
#: Seconds that an answer is kept.
KEPT = 86_400.0


def once(request: Request, carry_out: Callable[[], Response]) -> Response:
    """Carry the request out, or give the answer that it had before.

    Raises:
        ProblemError: the key is malformed, or another request's.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return carry_out()
    if not re.fullmatch(KEY, key):
        raise ProblemError("invalid", f"{HEADER} must match {KEY}.")
    name = hashlib.sha256(key.encode()).hexdigest()
    told = b"\0".join((request.method.encode(), request.full_path.encode(), request.get_data()))
    fingerprint = hashlib.sha256(told).hexdigest()
    claim = read(door.claim(name, fingerprint, now=now(), keep=KEPT))
    if claim.status == "other":
        raise ProblemError(
            "other-request",
            f"{HEADER} {key} was sent with another request before.",
            remedy="A new request needs a new key; to send the old one again, change nothing.",
        )
    if claim.status == "answered":
        return _again(claim.answer)
    g.request_name = f"api:{name}"
    response = carry_out()
    if response.status_code < 300:
        # A refusal is not kept: what was in the way may be gone when it is sent again.
        kept = [response.status_code, response.get_data(as_text=True), response.mimetype]
        kept.append(response.headers.get("Location", ""))
        read(door.answered(name, fingerprint, json.dumps(kept).encode(), keep=KEPT))
    return response


def _again(answer: bytes) -> Response:
    status, text, mimetype, location = json.loads(answer)
    response = Response(text, status, mimetype=mimetype)
    if location:
        response.headers["Location"] = location
    response.headers["Idempotent-Replayed"] = "true"
    return response


def event_id() -> str | None:
    """An event id made of the key, so that the signal is recognised for three days."""
    name = g.get("request_name", "")
    return f"api.{name.removeprefix('api:')[:40]}" if name else None
