"""Answers to callers: as a source configures them, templates filled in, and CORS.

What goes out is bytes ready for the wire. A value that a caller sent never starts a header of its
own: templates of headers drop control characters (``hookferry.match.templates``).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hookferry.domain.event import NO_META
from hookferry.domain.source import Reply, Respond
from hookferry.match.facts import Facts
from hookferry.match.templates import Template

MAX_BODY = 64 * 1024
"""Bytes of an answer's body, filled in."""
MAX_HEADER = 4 * 1024
"""Bytes of an answer's header value, filled in."""
ANSWER_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"sandbox"),
)
"""On every answer to a caller: a browser runs nothing of it here, whatever it is."""
PLAIN = "text/plain; charset=utf-8"
ALLOW_ORIGIN = "access-control-allow-origin"
PREFLIGHT_METHOD = "OPTIONS"
"""How a browser asks whether a page may call (the Fetch standard, CORS-preflight request)."""


NOTHING_KNOWN = Facts("", b"null", NO_META)
"""What constant texts are filled from."""


class Answer(msgspec.Struct, frozen=True):
    """What a caller is answered."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class PreparedReply:
    """A configured answer, compiled once.

    Args:
        reply: as configured.
    """

    def __init__(self, reply: Reply | Respond) -> None:
        self._status = reply.status
        self._headers = [
            (name, Template(value, field=f"respond.headers.{name}"))
            for name, value in reply.headers.items()
        ]
        self._body = Template(reply.body, field="respond.body")
        self._typed = any(name.lower() == "content-type" for name in reply.headers)
        templates = (self._body, *(template for _, template in self._headers))
        self._same: Answer | None = None
        if all(template.constant is not None for template in templates):
            self._same = self._render(NOTHING_KNOWN)

    def answer(self, facts: Facts) -> Answer:
        """Return the answer to a request, by what is known of it."""
        return self._same or self._render(facts)

    def _render(self, facts: Facts) -> Answer:
        body = self._body.render(facts, MAX_BODY).encode()
        headers = [
            (name, template.render_header(facts, MAX_HEADER)) for name, template in self._headers
        ]
        if body and not self._typed:
            headers.insert(0, ("content-type", PLAIN))
        return Answer(self._status, tuple(headers), body)


class Cors:
    """Which pages may call from a browser, and what they are told (the Fetch standard, CORS).

    Args:
        origins: their origins, or ``*``.
    """

    def __init__(self, origins: Sequence[str]) -> None:
        self._any = "*" in origins
        self._origins = {origin.lower().encode() for origin in origins}

    def headers(self, headers: Sequence[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
        """Return what is added to the answer to a request with these headers."""
        origin = _first(headers, b"origin")
        if origin is None:
            return ()
        if self._any:
            return ((ALLOW_ORIGIN, "*"),)
        if origin.lower() in self._origins:
            allowed = origin.decode("latin-1")
            return ((ALLOW_ORIGIN, allowed), ("vary", "origin"))
        return (("vary", "origin"),)

    def preflight(
        self, method: str, headers: Sequence[tuple[bytes, bytes]], methods: Sequence[str]
    ) -> Answer | None:
        """Return the answer to a preflight; None when the request is none.

        Args:
            method: the request's.
            headers: the request's, names in lower case.
            methods: what the source takes; none for any.
        """
        wanted = _first(headers, b"access-control-request-method")
        if method != PREFLIGHT_METHOD or wanted is None or _first(headers, b"origin") is None:
            return None
        allowed = list(self.headers(headers))
        if allowed and allowed[0][0] != "vary":
            # Methods and header names are tokens; what is no token is not echoed.
            names = _tokens(_first(headers, b"access-control-request-headers") or b"")
            listed = methods or _tokens(wanted)
            allowed.append(("access-control-allow-methods", ", ".join(listed)))
            if names:
                allowed.append(("access-control-allow-headers", ", ".join(names)))
            allowed.append(("access-control-max-age", "600"))
        return Answer(204, tuple(allowed))


_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_MAX_TOKENS = 64


def _tokens(value: bytes) -> list[str]:
    parts = [part.strip(b" \t") for part in value[:MAX_HEADER].split(b",")]
    return [part.decode() for part in parts if part and _TOKEN.issuperset(part)][:_MAX_TOKENS]


def _first(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    for known, value in headers:
        if known == name:
            return value
    return None
