"""Handshakes that come as a message: its body, or a header beside it, says what is asked.

Bodies are looked at only where a few bytes promise a handshake, and only small ones. Under a
protocol that signs, nothing is answered before the request is shown to be genuine.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Any

import msgspec

from hookferry.wire.greetings.greeting import (
    MAX_BODY,
    TOKEN,
    Greeting,
    Terms,
    content,
    done,
    echo,
    header,
    https_host,
    json_answer,
    member,
    refused,
    same,
    unfit,
)
from hookferry.wire.inbound.received import Received

# -- Slack --------------------------------------------------------------------------------------


def asks_slack(request: Received) -> bool:
    """A small body that speaks of ``url_verification``."""
    return len(request.body) <= MAX_BODY and b"url_verification" in request.body


def slack(request: Received, terms: Terms) -> Greeting | None:
    """Repeat ``challenge`` (Slack, "url_verification"). Not genuine, it is no greeting."""
    message = content(request)
    challenge = member(message, "challenge")
    if member(message, "type") != "url_verification" or not isinstance(challenge, str):
        return None
    return echo("slack", challenge) if terms.genuine() else None


# -- Zoom ---------------------------------------------------------------------------------------

_ZOOM_TIMESTAMP = re.compile(rb"[0-9]{1,20}")


def asks_zoom(request: Received) -> bool:
    """A small body that speaks of ``endpoint.url_validation``."""
    return len(request.body) <= MAX_BODY and b"endpoint.url_validation" in request.body


def zoom(request: Received, terms: Terms) -> Greeting | None:
    """Sign ``plainToken`` (Zoom, "Validate your webhook endpoint"). Not genuine, it is no greeting.

    The secret that signs it is the one that signed the request, which matters while a secret is
    being rotated. Without that, this would sign whatever anybody asks for; with it, only Zoom is
    answered. What it signs besides has no colon, so it can't be the ``v0:time:body`` of a request.
    """
    message = content(request)
    token = member(member(message, "payload"), "plainToken")
    if member(message, "event") != "endpoint.url_validation" or not isinstance(token, str):
        return None
    secret = _zoom_signer(request, terms)
    if secret is None or not terms.genuine():
        return None
    if not TOKEN.fullmatch(token):
        return refused(
            "zoom", 400, "challenge_not_token", "plainToken has other characters than Zoom's"
        )
    encrypted = hmac.digest(secret.encode(), token.encode("ascii"), hashlib.sha256).hex()
    return json_answer("zoom", {"plainToken": token, "encryptedToken": encrypted})


def _zoom_signer(request: Received, terms: Terms) -> str | None:
    timestamps = request.values(b"x-zm-request-timestamp")
    given = header(request, b"x-zm-signature")
    if given is None or len(timestamps) != 1 or not _ZOOM_TIMESTAMP.fullmatch(timestamps[0]):
        return None
    signed = b"v0:%b:%b" % (timestamps[0], request.body)
    for secret in terms.secrets:
        if same(given, "v0=" + hmac.digest(secret.encode(), signed, hashlib.sha256).hex()):
            return secret
    return None


# -- Discord ------------------------------------------------------------------------------------

_PING = re.compile(rb'"type"\s*:\s*[01]\s*[,}]')


class _Ping(msgspec.Struct):
    """Of a message only this: parts of most interactions have a type 1, and are told apart fast."""

    type: Any = None
    event: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_decode_ping = msgspec.json.Decoder(_Ping).decode


def asks_discord(request: Received) -> bool:
    """A small body with something of type 0 or 1 in it."""
    return len(request.body) <= MAX_BODY and _PING.search(request.body) is not None


def discord(request: Received, terms: Terms) -> Greeting | None:
    """Answer a PING (Discord, "Preparing for interactions" and "Preparing for events").

    Interactions ping with type 1 and want it back; webhook events ping with type 0 and want
    nothing, and their type 1 is an event. Discord probes with signatures that are wrong, and takes
    no address that does not answer those with 401.
    """
    ping = content(request, _decode_ping)
    # True and 1.0 equal 1, and are not it.
    if ping is None or type(ping.type) is not int or ping.type not in (0, 1):
        return None
    if ping.type == 1 and ping.event is not msgspec.UNSET:
        return None
    if not terms.genuine():
        return refused("discord", 401, "not_genuine", "a PING whose signature does not hold")
    if ping.type == 0:
        # "You must provide a valid Content-Type when responding to PINGs."
        return done("discord", 204, (("content-type", "application/json"),))
    return json_answer("discord", {"type": 1})


# -- Xero ---------------------------------------------------------------------------------------

_XERO_BODY = 1024
_NO_EVENTS = re.compile(rb'"events"\s*:\s*\[\s*\]')


def asks_xero(request: Received) -> bool:
    """A small body without events."""
    return len(request.body) <= _XERO_BODY and _NO_EVENTS.search(request.body) is not None


def xero(request: Received, terms: Terms) -> Greeting | None:
    """Answer an intent to receive (Xero, "Configuring your server").

    Some are signed rightly and want 200, some wrongly and want 401; no answer may have a body.
    """
    if member(content(request), "events") != []:
        return None
    if not terms.genuine():
        return refused(
            "xero", 401, "not_genuine", "an intent to receive whose signature does not hold"
        )
    return done("xero")


# -- Azure Event Grid ---------------------------------------------------------------------------


def asks_eventgrid(request: Received) -> bool:
    """A header names the validation."""
    return header(request, b"aeg-event-type") == "SubscriptionValidation"


def eventgrid(request: Received, terms: Terms) -> Greeting | None:
    """Return the validation code (Event Grid, "Webhook event delivery", synchronous handshake)."""
    value = content(request)
    event = value[0] if isinstance(value, list) and len(value) == 1 else value
    code = member(member(event, "data"), "validationCode")
    if not isinstance(code, str):
        return refused(
            "eventgrid", 400, "no_challenge", "a SubscriptionValidation without a validationCode"
        )
    return unfit("eventgrid", code) or json_answer("eventgrid", {"validationResponse": code})


# -- Amazon SNS ---------------------------------------------------------------------------------

_SNS_HOST = re.compile(r"sns\.[a-z0-9-]+\.amazonaws\.com(\.cn)?")


def asks_sns(request: Received) -> bool:
    """A header says that a subscription wants to be confirmed."""
    return header(request, b"x-amz-sns-message-type") == "SubscriptionConfirmation"


def sns(request: Received, terms: Terms) -> Greeting | None:
    """Have ``SubscribeURL`` fetched (SNS, "Confirm the subscription"). Not genuine, it is none.

    The signature tells that Amazon sent it, and not for whom: with a token, the source takes that
    topic (its ARN) alone.
    """
    message = content(request)
    # The body is signed, the header is not.
    if member(message, "Type") != "SubscriptionConfirmation" or not terms.genuine():
        return None
    if terms.token and not same(str(member(message, "TopicArn")), terms.token):
        return refused(
            "sns", 403, "unknown_topic", "TopicArn is not the topic of the source's verify_token"
        )
    address = member(message, "SubscribeURL")
    host = https_host(address) if isinstance(address, str) else None
    if host is None or not _SNS_HOST.fullmatch(host):
        return refused(
            "sns",
            403,
            "address_refused",
            "SubscribeURL is not an https address of sns.<region>.amazonaws.com, so it is not "
            "fetched",
        )
    return Greeting(name="sns", status=200, confirm=address)


# -- Asana --------------------------------------------------------------------------------------

_HOOK_SECRET = re.compile(r"[!-~]{1,256}")


def asks_asana(request: Received) -> bool:
    """A header hands a secret over."""
    return header(request, b"x-hook-secret") is not None


def asana(request: Received, terms: Terms) -> Greeting | None:
    """Repeat ``X-Hook-Secret``, and have it adopted the first time (Asana, "Webhook handshake").

    Once a secret is known, only that one is repeated: else anybody could replace it.
    """
    secret = header(request, b"x-hook-secret") or ""
    if not _HOOK_SECRET.fullmatch(secret):
        return refused(
            "asana", 400, "challenge_not_token", "X-Hook-Secret has characters that no secret has"
        )
    if terms.secrets and not any(same(secret, known) for known in terms.secrets):
        return refused(
            "asana",
            403,
            "secret_known",
            "the source has another secret already; a second webhook at Asana needs a source of its"
            " own, or take the secret away first",
        )
    return Greeting(
        name="asana",
        status=200,
        headers=(("x-hook-secret", secret),),
        adopt_secret=None if terms.secrets else secret,
    )
