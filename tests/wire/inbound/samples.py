"""One genuine request for each provider whose scheme was read or has a vector.

Signed here by hand, with the standard library and ``cryptography`` alone: nothing of the code under
test takes part.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hookferry.wire.inbound.definition import compile_verification
from hookferry.wire.inbound.received import Received, Verifier

NOW = 1_700_000_000
BODY = b'{"id":"evt_1","type":"order.paid","text":"Gr\xc3\xbc\xc3\x9fe \\u00e9\\/"}\r\n'
URL = "https://hooks.example.com/webhooks/0123?a=1&b=%2F"
TEXT = "Something Super Secret"
HEX = "44782def547aaa06c910c43932b1eb0c"


def request(
    headers: dict[str, str], body: bytes = BODY, *, url: str = URL, method: str = "POST"
) -> Received:
    """A request with a few headers that have nothing to do with it."""
    path, _, query = url.partition("://")[2].partition("/")[2].partition("?")
    pairs = [("Host", "hooks.example.com"), ("User-Agent", "sender/1"), *headers.items()]
    return Received(
        method=method,
        url=url,
        path=f"/{path}".encode(),
        query=query.encode(),
        headers=[(name.lower().encode(), value.encode()) for name, value in pairs],
        body=body,
    )


@dataclass(frozen=True)
class Sample:
    """A genuine request, and what of it is signed."""

    name: str
    secret: str
    other: str
    """A secret of the same form that did not sign it."""
    request: Received
    headers: tuple[str, ...]
    """Those whose every byte counts."""
    tolerance: float | None = None
    covers_body: bool = True
    covers_url: bool = False
    extra: dict[str, Any] = field(default_factory=dict)
    """Fields of the scheme beside the preset's name."""

    def verifier(self, secrets: Sequence[str] | None = None, **changes: Any) -> Verifier:
        """Compiled, with the right secret unless told otherwise."""
        scheme = {"preset": self.name, **self.extra, **changes}
        return compile_verification(scheme, (self.secret,) if secrets is None else secrets)


def mac(content: bytes, key: bytes = TEXT.encode(), algorithm: str = "sha256") -> bytes:
    return hmac.new(key, content, algorithm).digest()


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def simple(name: str, header: str, form: Callable[[bytes], str], **extra: Any) -> Sample:
    """HMAC-SHA256 of the body in one header."""
    return Sample(name, TEXT, TEXT + "!", request({header: form(mac(BODY))}), (header,), **extra)


def hexadecimal(prefix: str = "") -> Callable[[bytes], str]:
    return lambda raw: prefix + raw.hex()


def github() -> Sample:
    return simple("github", "X-Hub-Signature-256", hexadecimal("sha256="))


def stripe() -> Sample:
    secret = "whsec_the whole text is the key"
    signature = mac(b"%d." % NOW + BODY, secret.encode()).hex()
    value = f"t={NOW},v1={signature}"
    return Sample(
        "stripe",
        secret,
        secret[6:],
        request({"Stripe-Signature": value}),
        ("Stripe-Signature",),
        300,
    )


def standard(name: str, prefix: str) -> Sample:
    key = bytes(range(32))
    signature = b64(mac(b"msg_1.%d." % NOW + BODY, key))
    headers = {
        f"{prefix}id": "msg_1",
        f"{prefix}timestamp": str(NOW),
        f"{prefix}signature": f"v1,{signature}",
    }
    secret, other = (f"whsec_{b64(raw)}" for raw in (key, bytes(32)))
    return Sample(name, secret, other, request(headers), tuple(headers), 300)


def slack() -> Sample:
    headers = {
        "X-Slack-Signature": "v0=" + mac(b"v0:%d:" % NOW + BODY).hex(),
        "X-Slack-Request-Timestamp": str(NOW),
    }
    return Sample("slack", TEXT, "x" + TEXT, request(headers), tuple(headers), 300)


def twilio_form() -> Sample:
    body = b"Empty=&To=%2B18005551212&Body=two+words&Digits=1234&Digits=1234&Digits=5678"
    signed = URL + "Bodytwo words" + "Digits1234" + "Digits5678" + "Empty" + "To+18005551212"
    headers = {
        "X-Twilio-Signature": b64(mac(signed.encode(), algorithm="sha1")),
        "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
    }
    return Sample(
        "twilio", TEXT, TEXT + "!", request(headers, body), ("X-Twilio-Signature",), covers_url=True
    )


def twilio_json() -> Sample:
    url = f"{URL}&bodySHA256={hashlib.sha256(BODY).hexdigest()}"
    headers = {
        "X-Twilio-Signature": b64(mac(url.encode(), algorithm="sha1")),
        "Content-Type": "application/json",
    }
    return Sample(
        *("twilio", TEXT, TEXT + "!", request(headers, url=url), ("X-Twilio-Signature",)),
        covers_url=True,
    )


def sendgrid() -> Sample:
    # The nonce makes each signature another one; any of them has to verify.
    keys = [ec.derive_private_key(number, ec.SECP256R1()) for number in (4711, 4712)]
    signature = keys[0].sign(b"%d" % NOW + BODY, ec.ECDSA(hashes.SHA256()))
    secret, other = (
        b64(
            key.public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        for key in keys
    )
    headers = {
        "X-Twilio-Email-Event-Webhook-Signature": b64(signature),
        "X-Twilio-Email-Event-Webhook-Timestamp": str(NOW),
    }
    return Sample("sendgrid", secret, other, request(headers), tuple(headers), 600)


def square() -> Sample:
    header = "x-square-hmacsha256-signature"
    headers = {header: b64(mac(URL.encode() + BODY))}
    return Sample("square", TEXT, TEXT + "!", request(headers), (header,), covers_url=True)


def discord() -> Sample:
    keys = [Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2)]
    headers = {
        "X-Signature-Ed25519": keys[0].sign(b"%d" % NOW + BODY).hex(),
        "X-Signature-Timestamp": str(NOW),
    }
    secret, other = (key.public_key().public_bytes_raw().hex() for key in keys)
    return Sample("discord", secret, other, request(headers), tuple(headers))


def linear() -> Sample:
    body = json.dumps({"action": "create", "webhookTimestamp": NOW * 1000}).encode()
    headers = {"Linear-Signature": mac(body).hex()}
    return Sample("linear", TEXT, TEXT + "!", request(headers, body), tuple(headers), 60)


def hubspot() -> Sample:
    # Of the characters that the address has encoded, HubSpot signs these decoded.
    decoded = URL.replace("%2F", "/")
    signed = b"POST" + decoded.encode() + BODY + b"%d" % (NOW * 1000)
    headers = {
        "X-HubSpot-Signature-v3": b64(mac(signed)),
        "X-HubSpot-Request-Timestamp": str(NOW * 1000),
    }
    return Sample(
        "hubspot", TEXT, TEXT + "!", request(headers), tuple(headers), 300, covers_url=True
    )


def hubspot_old(version: int) -> Sample:
    between = b"" if version == 1 else b"POST" + URL.encode()
    digest = hashlib.sha256(TEXT.encode() + between + BODY).hexdigest()
    headers = {"X-HubSpot-Signature": digest}
    return Sample(
        *(f"hubspot_v{version}", TEXT, TEXT + "!", request(headers), tuple(headers)),
        covers_url=version == 2,
    )


def intercom() -> Sample:
    headers = {"X-Hub-Signature": "sha1=" + mac(BODY, algorithm="sha1").hex()}
    return Sample("intercom", TEXT, TEXT + "!", request(headers), tuple(headers))


def adyen() -> Sample:
    def item(number: int) -> dict[str, Any]:
        signed = f"psp{number}::Merchant:order-{number}:1130:EUR:AUTHORISATION:true"
        return {
            "NotificationRequestItem": {
                "additionalData": {
                    "hmacSignature": b64(mac(signed.encode(), bytes.fromhex(HEX))),
                },
                "amount": {"currency": "EUR", "value": 1130},
                "eventCode": "AUTHORISATION",
                "merchantAccountCode": "Merchant",
                "merchantReference": f"order-{number}",
                "pspReference": f"psp{number}",
                "success": "true",
            }
        }

    body = json.dumps({"live": "false", "notificationItems": [item(1), item(2)]}).encode()
    return Sample("adyen", HEX, HEX[::-1], request({}, body), (), covers_body=False)


def adyen_banking() -> Sample:
    headers = {"HmacSignature": b64(mac(BODY, bytes.fromhex(HEX)))}
    return Sample("adyen_banking", HEX, HEX[::-1], request(headers), tuple(headers))


def gitlab() -> Sample:
    headers = {"X-Gitlab-Token": TEXT}
    return Sample("gitlab", TEXT, TEXT + "!", request(headers), tuple(headers), covers_body=False)


def zendesk() -> Sample:
    written = "2023-11-14T22:13:20Z"  # NOW
    headers = {
        "X-Zendesk-Webhook-Signature": b64(mac(written.encode() + BODY)),
        "X-Zendesk-Webhook-Signature-Timestamp": written,
    }
    return Sample("zendesk", TEXT, TEXT + "!", request(headers), tuple(headers), 300)


def paddle() -> Sample:
    headers = {"Paddle-Signature": f"ts={NOW};h1={mac(b'%d:' % NOW + BODY).hex()}"}
    return Sample("paddle", TEXT, TEXT + "!", request(headers), tuple(headers), 5)


def http_signature() -> Sample:
    digest = f"sha-256=:{b64(hashlib.sha256(BODY).digest())}:"
    parameters = f'("@method" "@target-uri" "content-digest");created={NOW};nonce="n1"'
    base = (
        f'"@method": POST\n"@target-uri": {URL}\n"content-digest": {digest}\n'
        f'"@signature-params": {parameters}'
    )
    headers = {
        "Content-Digest": digest,
        "Signature-Input": f"sig1={parameters}",
        "Signature": f"sig1=:{b64(mac(base.encode()))}:",
    }
    return Sample(
        *("http_signature", TEXT, TEXT + "!", request(headers), tuple(headers), 300),
        covers_url=True,
        extra={"algorithm": "hmac-sha256"},
    )


SAMPLES: dict[str, Sample] = {
    "github": github(),
    "stripe": stripe(),
    "standard_webhooks": standard("standard_webhooks", "webhook-"),
    "svix": standard("svix", "svix-"),
    "gitlab_signing": standard("gitlab_signing", "webhook-"),
    "slack": slack(),
    "shopify": simple("shopify", "X-Shopify-Hmac-Sha256", b64),
    "twilio": twilio_form(),
    "twilio json": twilio_json(),
    "sendgrid": sendgrid(),
    "square": square(),
    "discord": discord(),
    "linear": linear(),
    "hubspot": hubspot(),
    "hubspot_v2": hubspot_old(2),
    "hubspot_v1": hubspot_old(1),
    "intercom": intercom(),
    "adyen": adyen(),
    "adyen_banking": adyen_banking(),
    "gitlab": gitlab(),
    "bitbucket": simple("bitbucket", "X-Hub-Signature", hexadecimal("sha256=")),
    "jira": simple("jira", "X-Hub-Signature", hexadecimal("sha256=")),
    "zendesk": zendesk(),
    "superoffice": simple("superoffice", "X-SuperOffice-Signature", b64),
    "typeform": simple("typeform", "Typeform-Signature", lambda raw: "sha256=" + b64(raw)),
    "paddle": paddle(),
    "razorpay": simple("razorpay", "X-Razorpay-Signature", hexadecimal()),
    "dropbox": simple("dropbox", "X-Dropbox-Signature", hexadecimal()),
    "x": simple("x", "X-Twitter-Webhooks-Signature", lambda raw: "sha256=" + b64(raw)),
    "http_signature": http_signature(),
}


def flipped(raw: bytes) -> Iterator[bytes]:
    """Yield bytes with the lowest bit of each in turn the other way."""
    for place in range(len(raw)):
        changed = bytearray(raw)
        changed[place] ^= 1
        yield bytes(changed)


def with_header(given: Received, name: str, *values: bytes) -> Received:
    """A request with these values of a header instead of its own."""
    wanted = name.lower().encode()
    others = [pair for pair in given.headers if pair[0] != wanted]
    return msgspec.structs.replace(given, headers=[*others, *((wanted, value) for value in values)])
