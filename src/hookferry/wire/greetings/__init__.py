"""Handshakes by which providers ask, before they send or now and then, who is at an address.

    greet(names, request, ...) -> Greeting | None

A greeting is answered at once and is no event. A handshake is one function, one cheap test of
whether a request could be one, and one line in ``GREETINGS``. Pure: what is to be fetched or stored
is said in the ``Greeting``, and done by the caller.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from hookferry.errors import InvalidField
from hookferry.wire.greetings import challenges, messages, permissions
from hookferry.wire.greetings.greeting import MAX_ECHO, Greeting, Terms
from hookferry.wire.inbound.received import Received

__all__ = ["GREETINGS", "MAX_ECHO", "Greeting", "Handshake", "check_greetings", "greet"]


class Handshake(NamedTuple):
    """One kind of greeting."""

    methods: tuple[str, ...] | None
    """None for any."""
    asks: Callable[[Received], bool]
    """Tells whether a request with such a method could be one. Every request of a source pays for
    this, so it looks at as few bytes as it can."""
    answer: Callable[[Received, Terms], Greeting | None]


GREETINGS: dict[str, Handshake] = {
    "asana": Handshake(("POST",), messages.asks_asana, messages.asana),
    "cloudevents": Handshake(("OPTIONS",), permissions.asks_cloudevents, permissions.cloudevents),
    "discord": Handshake(("POST",), messages.asks_discord, messages.discord),
    "dropbox": Handshake(("GET",), challenges.asks_challenge, challenges.dropbox),
    "eventgrid": Handshake(("POST",), messages.asks_eventgrid, messages.eventgrid),
    "meta": Handshake(("GET",), challenges.asks_hub, challenges.meta),
    "msgraph": Handshake(("POST",), challenges.asks_validation, challenges.msgraph),
    "nylas": Handshake(("GET",), challenges.asks_challenge, challenges.nylas),
    "okta": Handshake(("GET",), challenges.asks_okta, challenges.okta),
    "onfleet": Handshake(("GET",), challenges.asks_check, challenges.onfleet),
    "slack": Handshake(("POST",), messages.asks_slack, messages.slack),
    "sns": Handshake(("POST",), messages.asks_sns, messages.sns),
    "trello": Handshake(("HEAD",), permissions.asks_always, permissions.trello),
    "websub": Handshake(("GET",), challenges.asks_hub, challenges.websub),
    "x": Handshake(None, challenges.asks_crc, challenges.x),
    "xero": Handshake(("POST",), messages.asks_xero, messages.xero),
    "zoom": Handshake(("POST",), messages.asks_zoom, messages.zoom),
}
"""By name: what a source's ``handshakes`` and the presets may list."""


def greet(
    names: Sequence[str],
    request: Received,
    *,
    secrets: Sequence[str],
    genuine: Callable[[], bool],
    token: str | None,
    per_minute: int | None = None,
) -> Greeting | None:
    """Return the answer to a greeting, or None for a request that is none; never raises of itself.

    Args:
        names: the handshakes that the source answers, as checked by ``check_greetings``; the first
            that recognizes the request answers it.
        request: what came.
        secrets: the source's secrets, newest first.
        genuine: tells whether the source's verification accepts this request; asked only under
            handshakes that are signed, and what it raises (``KeyNeeded``) is passed on.
        token: the source's ``verify_token``: what the caller has to know (``meta``), or the topic
            that is subscribed to (``websub``, ``sns``).
        per_minute: requests a minute that the source takes, or None for no limit.

    Returns:
        None also where a signed handshake is not genuine: verification then says why. Discord and
        Xero probe for a 401, and get it here.
    """
    method = request.method
    for name in names:
        methods, asks, answer = GREETINGS[name]
        if (methods is None or method in methods) and asks(request):
            greeting = answer(request, Terms(secrets, genuine, token, per_minute))
            if greeting is not None:
                return greeting
    return None


def check_greetings(names: object, *, field: str = "handshakes") -> tuple[str, ...]:
    """Return the names of a source's handshakes.

    Args:
        names: what was given for them.
        field: the input field to name in an error.

    Raises:
        InvalidField: it is no list of different names of ``GREETINGS``.
    """
    known = ", ".join(sorted(GREETINGS))
    if not isinstance(names, list | tuple):
        raise InvalidField(f"handshakes are a list of names, of {known}", field=field)
    for number, name in enumerate(names):
        if not isinstance(name, str) or name not in GREETINGS:
            close = difflib.get_close_matches(str(name)[:40], GREETINGS, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]!r}?" if close else f"known are {known}"
            raise InvalidField(
                f"there is no handshake {str(name)[:40]!r}; {hint}", field=f"{field}[{number}]"
            )
    if len(set(names)) < len(names):
        raise InvalidField("a handshake is listed twice; once is enough", field=field)
    return tuple(names)
