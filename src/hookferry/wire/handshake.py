"""The handshake by which a receiver permits CloudEvents to be sent to it, as bytes and as answers.

Source: HTTP 1.1 Web Hooks for Event Delivery 1.0.2 (CloudEvents), section 4, "Abuse Protection".
Consent is given by headers, never by a status alone. Permission by callback (section 4.1.3) is not
asked for. Sending the request is the engine's.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import msgspec

from hookferry.errors import HandshakeRefused

ORIGIN_HEADER = "WebHook-Request-Origin"
MAX_RATE = 1_000_000_000
"""A greater rate allowed, in requests a minute, is as good as none."""
_RATE = re.compile(r"[1-9][0-9]{0,18}")
_REMEDY = "set handshake to false if the receiver is yours and knows nothing of handshakes"


class Permission(msgspec.Struct, frozen=True):
    """What a receiver allowed."""

    rate: int | None
    """Requests a minute, or None for as many as there are."""


def origin_name(origin: str) -> str:
    """Return the host name by which this hookferry introduces itself.

    Args:
        origin: the address under which it is known, such as ``https://hooks.example.com``.
    """
    return urlsplit(origin).hostname or "localhost"


def handshake_request(origin: str, per_minute: int | None) -> bytes:
    """Return the header lines that ask for permission, each ended by CRLF.

    They go into an ``OPTIONS`` request to the exact target, with its ``Host`` and credential.

    Args:
        origin: the address under which this hookferry is known.
        per_minute: the most requests a minute that it may want to send, or None to leave it open.
    """
    lines = f"{ORIGIN_HEADER}: {origin_name(origin)}\r\n"
    if per_minute is not None:
        lines += f"WebHook-Request-Rate: {per_minute}\r\n"
    return lines.encode("ascii")


def judge(head: bytes, status: int, origin: str, *, asked: int | None = None) -> Permission:
    """Return what an answer to the handshake allows.

    Args:
        head: the answer's status line and headers.
        status: its status.
        origin: as given to ``handshake_request``.
        asked: the ``per_minute`` that was asked for; it holds where the answer names no rate.

    Raises:
        HandshakeRefused: nothing, and why.
    """
    name = origin_name(origin)
    if status == 405 or status == 501:
        raise HandshakeRefused(
            f"the receiver does not take OPTIONS requests (status {status}), so it can't agree to "
            f"receive CloudEvents; {_REMEDY}"
        )
    if not 200 <= status < 300:
        raise HandshakeRefused(
            f"the receiver answered the handshake with status {status}; it agrees with a 2xx and "
            f"WebHook-Allowed-Origin: {name}"
        )
    headers = _headers(head)
    allowed = _one(headers, "webhook-allowed-origin")
    if allowed is None:
        raise HandshakeRefused(
            f"the receiver answered {status} without WebHook-Allowed-Origin, which is no consent; "
            f"it agrees with WebHook-Allowed-Origin: {name} (or *); {_REMEDY}"
        )
    if allowed != "*" and allowed.lower() != name.lower():
        raise HandshakeRefused(
            f"the receiver allows {allowed[:100]!r} in WebHook-Allowed-Origin, and this is {name!r}"
            " (set public_url if it is known by another name)"
        )
    methods = [m.strip().upper() for value in headers.get("allow", ()) for m in value.split(",")]
    if methods and "POST" not in methods:
        raise HandshakeRefused(
            f"the receiver allows {', '.join(methods)[:100]} there (Allow), and no POST"
        )
    return Permission(_rate(_one(headers, "webhook-allowed-rate"), asked))


def _rate(text: str | None, asked: int | None) -> int | None:
    if text is None:
        return asked
    if text == "*":
        return None
    if not _RATE.fullmatch(text):
        raise HandshakeRefused(
            f"the receiver's WebHook-Allowed-Rate is {text[:40]!r}; it is a number of requests a "
            "minute, 1 or more, or *"
        )
    rate = int(text)
    return None if rate > MAX_RATE else rate


def _headers(head: bytes) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip().lower(), []).append(value.strip(" \t"))
    return found


def _one(headers: dict[str, list[str]], name: str) -> str | None:
    """Return the value of a header that may be there once, or None."""
    values = headers.get(name, [])
    if len(set(values)) > 1:
        raise HandshakeRefused(f"the receiver's answer has several headers {name}, which differ")
    return values[0] if values else None
