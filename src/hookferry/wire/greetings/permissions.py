"""Handshakes by method: OPTIONS that asks for permission (CloudEvents), HEAD that looks (Trello).

The asking side of the CloudEvents one is ``hookferry.wire.handshake``.
"""

from __future__ import annotations

import re

from hookferry.wire.greetings.greeting import Greeting, Terms, done, header, https_host, refused
from hookferry.wire.inbound.received import Received

_ORIGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,254}")
_RATE = re.compile(r"[1-9][0-9]{0,9}")


def asks_always(request: Received) -> bool:
    """Nothing beyond the method."""
    return True


def trello(request: Received, terms: Terms) -> Greeting | None:
    """Answer HEAD, by which Trello looks whether the callback is there."""
    return done("trello")


def asks_cloudevents(request: Received) -> bool:
    """A header names who wants to send."""
    return header(request, b"webhook-request-origin") is not None


def cloudevents(request: Received, terms: Terms) -> Greeting | None:
    """Permit a sender its events (HTTP 1.1 Web Hooks for Event Delivery 1.0.2, section 4.2).

    Consent are the headers ``WebHook-Allowed-Origin`` (the one that asked) and
    ``WebHook-Allowed-Rate``: what was asked for, or the source's own limit where that is lower.
    They suffice; the callback is called as well where the request is genuine, and only there, so
    that nobody can have this server call an address of their choice.
    """
    origin = header(request, b"webhook-request-origin") or ""
    asked = header(request, b"webhook-request-rate")
    if not _ORIGIN.fullmatch(origin):
        return refused(
            "cloudevents", 400, "bad_origin", "WebHook-Request-Origin is not the name of a host"
        )
    if asked is not None and not _RATE.fullmatch(asked):
        return refused(
            "cloudevents",
            400,
            "bad_rate",
            "WebHook-Request-Rate is not a number of requests a minute, 1 or more",
        )
    rates = [rate for rate in (asked and int(asked), terms.per_minute) if rate]
    callback = header(request, b"webhook-request-callback")
    confirm = callback and https_host(callback) and terms.genuine()
    return Greeting(
        name="cloudevents",
        status=200,
        headers=(
            ("webhook-allowed-origin", origin),
            ("webhook-allowed-rate", str(min(rates)) if rates else "*"),
            ("allow", "POST"),
        ),
        confirm=callback if confirm else None,
    )
