# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, one class for each family of statuses; made from the server's problem body (RFC 9457)."""
from __future__ import annotations

import dataclasses
import json
from typing import Any, Dict, List, Optional, Tuple, Type


class WhynotError(Exception):
    """Whatever this package raises by itself."""


class ConnectionFailed(WhynotError):
    """The server could not be reached, or the connection broke, and trying again did not help."""


class TimedOut(WhynotError):
    """The client's own time was up before an answer came."""


class NotAsked(WhynotError):
    """A picture of a batch could not be read, or its question is none; __cause__ is the error that explain() would have raised."""

    @classmethod
    def of(cls, error: Exception) -> "NotAsked":
        own = cls(str(error) or type(error).__name__)
        own.__cause__ = error
        return own


@dataclasses.dataclass(frozen=True)
class FieldError:
    pointer: str  # a JSON pointer: "/instances/3/why_not"
    detail: str


class ApiError(WhynotError):
    """The server answered with a problem. str() is its sentence, which names the thing and the mending."""

    def __init__(self, status: int, problem: Dict[str, Any], retry_after: Optional[float] = None) -> None:
        self.status = status
        self.code: str = str(problem.get("code", ""))
        self.title: str = str(problem.get("title", ""))
        self.detail: str = str(problem.get("detail", "") or "the server answered with status %d" % status)
        self.did_you_mean: List[str] = [str(x) for x in problem.get("did_you_mean", [])]
        self.errors: List[FieldError] = [FieldError(str(e.get("pointer", "")), str(e.get("detail", ""))) for e in problem.get("errors", [])]
        self.request_id: str = str(problem.get("request_id", ""))
        self.retry_after = retry_after
        self.problem = problem
        said = any("'%s'" % name in self.detail for name in self.did_you_mean)
        hint = " (did you mean %s?)" % " or ".join(self.did_you_mean) if self.did_you_mean and not said else ""
        super().__init__(self.detail + hint)

    def __reduce__(self) -> Tuple[Any, ...]:
        return (type(self), (self.status, self.problem, self.retry_after))


class BadRequest(ApiError):
    """400, 405, 414, 421, 431: the question or the request is not one that the server takes."""


class NotPermitted(ApiError):
    """401, 403: no key, or one without the scope."""


class NotFound(ApiError):
    """404: no such model, class, layer or path."""


class BadPicture(ApiError):
    """413, 415, 422: the picture is too large, of another kind, or cannot be decoded."""


class Busy(ApiError):
    """429, 503: too much waits, or the server starts or stops. Was tried again before it was raised."""


class NotPossible(ApiError):
    """501: this network or method cannot answer such a question."""


class DeadlinePassed(ApiError):
    """504: the deadline that was given, or the server's own, passed. 408: the request took longer to arrive than the server waits."""


class ServerError(ApiError):
    """500 and what has no family."""


FAMILIES: Dict[int, Type[ApiError]] = {400: BadRequest, 405: BadRequest, 414: BadRequest, 421: BadRequest, 431: BadRequest, 401: NotPermitted,
                                       403: NotPermitted, 404: NotFound, 413: BadPicture, 415: BadPicture, 422: BadPicture, 429: Busy, 503: Busy,
                                       501: NotPossible, 408: DeadlinePassed, 504: DeadlinePassed}


def from_problem(status: int, problem: Dict[str, Any], retry_after: Optional[float] = None) -> ApiError:
    return FAMILIES.get(status, ServerError)(status, problem, retry_after)


def from_body(status: int, body: bytes, retry_after: Optional[float] = None) -> ApiError:
    """body: a problem, or whatever a proxy said in its place."""
    try:
        problem = json.loads(body)
    except ValueError:
        problem = None
    return from_problem(status, problem if isinstance(problem, dict) else {}, retry_after)
