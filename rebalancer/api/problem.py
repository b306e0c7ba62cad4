"""What can go wrong, as RFC 9457 tells it: one table, and how it is answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import Response

from rebalancer.errors import (
    PermanentError,
    QueueError,
    QueueFullError,
    QueueReadOnlyError,
    RebalancerError,
)

MEDIA_TYPE = "application/problem+json"

#: Kind -> HTTP status and title; ``/docs#problem-KIND`` is its type.
PROBLEMS: Mapping[str, tuple[int, str]] = {
    "bad-request": (400, "Not a request"),
    "no-token": (401, "A token is needed"),
    "read-only": (403, "Only for operators"),
    "foreign-origin": (403, "Another site asks"),
    "no-csrf-token": (403, "Not sent by the page"),
    "not-found": (404, "Nothing there"),
    "no-method": (405, "Not done that way"),
    "in-the-way": (409, "Not in this state"),
    "too-large": (413, "Too large"),
    "no-json": (415, "Not JSON"),
    "wrong-host": (421, "Asked by another name"),
    "invalid": (422, "Not valid"),
    "other-request": (422, "The key is another request's"),
    "too-many-failures": (429, "Too many wrong tokens"),
    "defect": (500, "A defect of ours"),
    "no-redis": (503, "Redis does not do it"),
    "too-many-streams": (503, "Too many watch already"),
}

#: Status -> kind, for what the framework refuses by itself.
_BY_STATUS = {400: "bad-request", 404: "not-found", 405: "no-method", 413: "too-large"}

#: Error -> what it is to the caller, and what to do; the first that fits.
_ERRORS: tuple[tuple[type[RebalancerError], str, str], ...] = (
    (QueueReadOnlyError, "no-redis", "Free the disk or promote the replica; nothing was done."),
    (QueueFullError, "no-redis", "Raise maxmemory or clear the dead letter; nothing was done."),
    (QueueError, "no-redis", "Send the same request again, with the same Idempotency-Key."),
    (PermanentError, "invalid", "Correct it; sending the same again cannot help."),
)


class ProblemError(Exception):
    """Answer with a problem of this ``kind``; ``more`` are further members of it."""

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        remedy: str = "",
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.remedy = kind, detail, remedy
        self.headers, self.more = dict(headers or {}), more


def answered(problem: ProblemError) -> Response:
    """Return the answer to a problem."""
    status, title = PROBLEMS[problem.kind]
    body = {
        "type": f"/docs#problem-{problem.kind}",
        "title": title,
        "status": status,
        "detail": problem.detail,
        "remedy": problem.remedy,
        **problem.more,
    }
    text = json.dumps({name: value for name, value in body.items() if value != ""})
    response = Response(text, status, mimetype=MEDIA_TYPE)
    response.headers.update(problem.headers)
    return response


def of_error(error: RebalancerError) -> ProblemError:
    """Return what an error of ours is to a caller."""
    for kind, name, remedy in _ERRORS:
        if isinstance(error, kind):
            wait = {"Retry-After": "5"} if name == "no-redis" else {}
            return ProblemError(name, str(error), remedy=remedy, headers=wait)
    return ProblemError("defect", "The server's log has the details.")


def of_status(status: int, detail: str, headers: Mapping[str, str]) -> ProblemError:
    """Return what the framework refuses: no such page, no such method, a broken request."""
    kind = _BY_STATUS.get(status, "bad-request" if status < 500 else "defect")
    remedy = "/docs lists what there is." if status in {404, 405} else ""
    return ProblemError(kind, detail, remedy=remedy, headers=headers)
