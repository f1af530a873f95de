"""The rules of what a source answers: statuses, headers and bodies as its owner configures them.

How an answer is made of them is ``hookferry.catch.replies``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from hookferry.domain.source import Reply, Respond
from hookferry.errors import InvalidField
from hookferry.match.templates import Template

MAX_BODY: Final = 64 * 1024
"""Bytes of a body as it is configured, places included."""
MAX_HEADER: Final = 4 * 1024
"""Bytes of a header's value as it is configured."""
MAX_HEADERS: Final = 64
MAX_HEADER_NAME: Final = 64
MIN_DEADLINE, MAX_DEADLINE = 0.1, 60.0
"""Seconds that a caller may be let wait for a receiver or an automation."""
NO_CONTENT: Final = (204, 205)

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 section 5.6.2
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_OWN = frozenset(
    {
        # What frames the message or belongs to one connection (RFC 9110 section 7.6.1).
        "connection",
        "content-encoding",
        "content-length",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        # What acts on every page of this server's origin, also those that are not the source's.
        "clear-site-data",
        "content-security-policy",
        "service-worker-allowed",
        "set-cookie",
        "set-cookie2",
        "strict-transport-security",
        "x-content-type-options",
        # What the server says of itself.
        "date",
        "server",
    }
)
_OWN_PREFIX = "proxy-"
_CORS_PREFIX = "access-control-"


def check_respond(respond: Respond) -> None:
    """Raise InvalidField unless a source may answer so."""
    _check_reply(respond, "respond")
    _check_reply(respond.late, "respond.late")
    if respond.deadline is not None and not MIN_DEADLINE <= respond.deadline <= MAX_DEADLINE:
        raise InvalidField(
            f"respond.deadline is {MIN_DEADLINE:g} to {MAX_DEADLINE:g} seconds",
            field="respond.deadline",
        )


def is_reserved(name: str) -> bool:
    """Tell whether a header, by its name in lower case, is the server's own and no source's."""
    return name in _OWN or name.startswith(_OWN_PREFIX)


def check_status(status: int, field: str) -> None:
    """Raise InvalidField unless callers may be answered with this status.

    Not with an interim one, and not with a redirect: senders would take the request elsewhere, or
    drop it (CloudEvents webhooks forbid it).
    """
    if not 200 <= status <= 599 or 300 <= status <= 399:
        raise InvalidField(
            f"{field} is 200 to 299 or 400 to 599; a webhook is not redirected", field=field
        )


def _check_reply(reply: Reply | Respond, at: str) -> None:
    check_status(reply.status, f"{at}.status")
    if reply.body and reply.status in NO_CONTENT:
        raise InvalidField(
            f"an answer with status {reply.status} has no body (RFC 9110 section 15.3); give "
            f"{at}.status too, such as 200",
            field=f"{at}.body",
        )
    if len(reply.body.encode()) > MAX_BODY:
        raise InvalidField(f"{at}.body has at most {MAX_BODY:,} bytes", field=f"{at}.body")
    Template(reply.body, field=f"{at}.body")
    _check_headers(reply.headers, f"{at}.headers")


def _check_headers(headers: Mapping[str, str], at: str) -> None:
    if len(headers) > MAX_HEADERS:
        raise InvalidField(f"{at} has at most {MAX_HEADERS} entries", field=at)
    if len({name.lower() for name in headers}) != len(headers):
        raise InvalidField(f"{at} has a name twice (names ignore case)", field=at)
    for name, value in headers.items():
        field = f"{at}.{name[:MAX_HEADER_NAME]}"
        if len(name) > MAX_HEADER_NAME or not _TOKEN.fullmatch(name):
            raise InvalidField(
                f"{name[:MAX_HEADER_NAME]!r} is not a header name: 1 to {MAX_HEADER_NAME} "
                "letters, digits and !#$%&'*+-.^_`|~ (RFC 9110)",
                field=at,
            )
        lowered = name.lower()
        if lowered.startswith(_CORS_PREFIX):
            raise InvalidField(f"{name} follows from cors; list origins there", field=field)
        if is_reserved(lowered):
            raise InvalidField(
                f"the header {name} is the server's own and can't be a source's; leave it out",
                field=field,
            )
        if len(value.encode()) > MAX_HEADER or _CONTROL.search(value):
            raise InvalidField(
                f"the value of {name} has at most {MAX_HEADER:,} bytes and no line breaks "
                "or other control characters",
                field=field,
            )
        Template(value, field=field)
