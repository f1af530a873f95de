"""Challenges in a request's query or headers that want to be repeated: most providers' handshake.

None of them is signed, so none of the answers says anything that the caller did not know; the one
that computes something (X) is explained where it does.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from hookferry.wire.greetings.greeting import (
    MAX_TOKEN,
    TOKEN,
    Greeting,
    Terms,
    done,
    echo,
    header,
    json_answer,
    parameter,
    refused,
    same,
    unfit,
)
from hookferry.wire.inbound.received import Received

# -- the challenge as it came -------------------------------------------------------------------


def asks_challenge(request: Received) -> bool:
    """Dropbox, Nylas: ``GET ?challenge=``."""
    return b"challenge=" in request.query


def dropbox(request: Received, terms: Terms) -> Greeting | None:
    """Repeat ``challenge`` (Dropbox, "Webhooks", the verification request)."""
    return _repeat("dropbox", request, "challenge")


def nylas(request: Received, terms: Terms) -> Greeting | None:
    """Repeat ``challenge`` (Nylas, "Respond to the challenge parameter")."""
    return _repeat("nylas", request, "challenge")


def asks_check(request: Received) -> bool:
    """Onfleet: ``GET ?check=``."""
    return b"check=" in request.query


def onfleet(request: Received, terms: Terms) -> Greeting | None:
    """Repeat ``check`` (Onfleet, "Webhooks", validation)."""
    return _repeat("onfleet", request, "check")


def asks_validation(request: Received) -> bool:
    """Microsoft Graph, SharePoint: ``POST ?validationToken=``."""
    query = request.query
    return bool(query) and b"validationtoken=" in query.lower()


def msgraph(request: Received, terms: Terms) -> Greeting | None:
    """Repeat the decoded ``validationToken`` (Microsoft Graph, "notificationUrl validation")."""
    return _repeat("msgraph", request, "validationtoken")


def _repeat(name: str, request: Received, which: str) -> Greeting | None:
    challenge = parameter(request, which)
    return None if challenge is None else echo(name, challenge)


def asks_okta(request: Received) -> bool:
    """Okta: ``GET`` with a header."""
    return header(request, b"x-okta-verification-challenge") is not None


def okta(request: Received, terms: Terms) -> Greeting | None:
    """Repeat the header as JSON (Okta, "Event hooks", one-time verification)."""
    value = header(request, b"x-okta-verification-challenge") or ""
    return unfit("okta", value) or json_answer("okta", {"verification": value})


# -- the challenge against a token that both know -----------------------------------------------


def asks_hub(request: Received) -> bool:
    """Meta, WebSub: ``GET ?hub.mode=``."""
    return b"hub.mode=" in request.query


def meta(request: Received, terms: Terms) -> Greeting | None:
    """Repeat ``hub.challenge`` if ``hub.verify_token`` is the source's (Meta, "Webhooks")."""
    token = parameter(request, "hub.verify_token")
    challenge = parameter(request, "hub.challenge")
    if token is None or challenge is None or parameter(request, "hub.mode") != "subscribe":
        return None
    if not terms.token:
        return refused(
            "meta",
            403,
            "no_token",
            "the source has no verify_token to compare hub.verify_token with; set both to the same",
        )
    if not same(token, terms.token):
        return refused(
            "meta", 403, "wrong_token", "hub.verify_token is not the source's verify_token"
        )
    return echo("meta", challenge)


def websub(request: Received, terms: Terms) -> Greeting | None:
    """Repeat ``hub.challenge`` if ``hub.topic`` is the source's (WebSub, section 5.3).

    Only subscriptions are confirmed: anybody can ask a hub to end one, and "the subscriber MUST
    confirm" only what it wishes to carry out. A lease that nobody renews ends by itself.
    """
    mode, topic = parameter(request, "hub.mode"), parameter(request, "hub.topic")
    if topic is None or mode not in ("subscribe", "unsubscribe", "denied"):
        return None
    if not terms.token or not same(topic, terms.token):
        return refused(
            "websub",
            404,
            "unknown_topic",
            "hub.topic is not the topic that the source's verify_token names",
        )
    if mode == "denied":  # section 5.2: the hub tells, and asks nothing
        return done("websub")
    if mode == "unsubscribe":
        return refused(
            "websub", 404, "unsubscription", "the end of a subscription is never confirmed"
        )
    return echo("websub", parameter(request, "hub.challenge") or "")


# -- X ------------------------------------------------------------------------------------------


def asks_crc(request: Received) -> bool:
    """X: ``GET ?crc_token=``; or a body that could be such a token."""
    if request.method == "GET" and b"crc_token=" in request.query:
        return True
    return len(request.body) <= MAX_TOKEN and _is_token(request.body)


def x(request: Received, terms: Terms) -> Greeting | None:
    """Sign ``crc_token`` with the newest secret (X, "Securing webhooks", challenge-response check).

    X signs its requests with the same secret over the body alone, and its check carries no proof
    of who asks: so anybody who knows the address gets the signature of any token, which is that of
    a body with the same bytes. Tokens are therefore held to an alphabet in which no JSON object can
    be written, and a request whose whole body is such a word is refused, signature or not.
    """
    token = parameter(request, "crc_token") if request.method == "GET" else None
    if token is None:
        if not _is_token(request.body):
            return None
        return refused(
            "x",
            401,
            "could_be_challenge",
            "the source's own answer to a challenge could have signed this body; X sends objects",
        )
    if not TOKEN.fullmatch(token):
        return refused(
            "x", 400, "challenge_not_token", "crc_token has other characters than X's, or too many"
        )
    if not terms.secrets:
        return refused(
            "x", 403, "no_secret", "the source has no secret; set it to the app's consumer secret"
        )
    digest = hmac.digest(terms.secrets[0].encode(), token.encode("ascii"), hashlib.sha256)
    return json_answer("x", {"response_token": f"sha256={base64.b64encode(digest).decode()}"})


def _is_token(body: bytes) -> bool:
    return TOKEN.fullmatch(body.decode("latin-1")) is not None
