"""Errors on the outside face: RFC 9457 problem documents built from ``hookferry.errors``.

The one place that knows which HTTP status belongs to which error. ``type`` is a reference to the
table of codes on the documentation page; ``code`` is the member for programs.
"""

from __future__ import annotations

import http
from typing import Any

import msgspec

from hookferry import errors
from hookferry.errors import HookferryError

CONTENT_TYPE = "application/problem+json"

_STATUS: dict[type[HookferryError], int] = {
    errors.MalformedJson: 400,
    errors.InvalidInput: 422,
    errors.PayloadTooLarge: 413,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.MethodNotAllowed: 405,
    errors.RequestTimeout: 408,
    errors.Conflict: 409,
    errors.VersionMismatch: 412,
    errors.SynchronousWebhookFailed: 424,
    errors.Unavailable: 503,
    errors.RateLimited: 429,
}
_encoder = msgspec.json.Encoder()


class Problem(msgspec.Struct):
    """An RFC 9457 problem document; further members may follow."""

    type: str
    """A reference to the table of codes on the documentation page."""
    title: str
    status: int
    code: str
    """Stable, for programs."""
    detail: str
    """What is wrong and what to do next, for people."""
    field: str | None = None
    """The offending field, as a dotted path, where there is one."""


class InternalError(HookferryError):
    """Something broke here; the caller did nothing wrong."""

    code = "internal_error"


class BadRequest(HookferryError):
    """The bytes are not an HTTP/1.1 request that can be answered."""

    code = "bad_request"


_STATUS[BadRequest] = 400


class HeadersTooLarge(HookferryError):
    """The request line and headers exceed their limit."""

    code = "headers_too_large"


_STATUS[HeadersTooLarge] = 431


class NotAcceptable(HookferryError):
    """The caller wants an answer of another media type than this address has."""

    code = "not_acceptable"


_STATUS[NotAcceptable] = 406


class UnsupportedMediaType(HookferryError):
    """The body's media type is not one that this address takes."""

    code = "unsupported_media_type"


_STATUS[UnsupportedMediaType] = 415


def status_of(error: HookferryError) -> int:
    """Return the HTTP status of an error: that of its nearest ancestor with one, else 500."""
    return _status_of(type(error))


def _status_of(error: type[HookferryError]) -> int:
    return next((_STATUS[kind] for kind in error.__mro__ if kind in _STATUS), 500)


def problem_of(error: HookferryError) -> dict[str, Any]:
    """Return the members of an error's problem document."""
    status = status_of(error)
    document: dict[str, Any] = {
        "type": f"/docs#{error.code}",
        "title": http.HTTPStatus(status).phrase,
        "status": status,
        "code": error.code,
        "detail": error.detail,
    }
    if error.field is not None:
        document["field"] = error.field
    for name, value in error.extra.items():
        document.setdefault(name, value)
    return document


def headers_of(error: HookferryError) -> list[tuple[str, str]]:
    """Return the headers that an answer with this error carries beside its content type."""
    if isinstance(error, errors.Unavailable):
        return [("retry-after", str(error.retry_after))]
    if isinstance(error, errors.Unauthorized):
        return [("www-authenticate", 'Bearer realm="hookferry"')]
    if isinstance(error, errors.VersionMismatch) and "version" in error.extra:
        return [("etag", f'"{error.extra["version"]}"')]  # what If-Match would have to say now
    if isinstance(error, errors.MethodNotAllowed) and "allow" in error.extra:
        return [("allow", str(error.extra["allow"]))]
    return []


def encode_problem(error: HookferryError) -> bytes:
    """Return an error's problem document as JSON."""
    return _encoder.encode(problem_of(error))


def catalogue() -> list[tuple[str, int, str]]:
    """Return code, status and meaning of every error an answer may carry, for the docs page."""
    found: dict[str, tuple[str, int, str]] = {}
    pending: list[type[HookferryError]] = [HookferryError]
    while pending:
        kind = pending.pop()
        pending.extend(kind.__subclasses__())
        status = _status_of(kind)
        if status != 500 or kind is InternalError:  # what maps to no status is never answered
            meaning = (kind.__doc__ or "").strip().splitlines()[0]
            found[kind.code] = (kind.code, status, meaning)
    return sorted(found.values())
