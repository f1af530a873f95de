"""What catching calls out for: signing certificates, and what handshakes ask to have called."""

from __future__ import annotations

import base64
import datetime as dt
import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from api.kit import House, until
from hookferry.catch.outgoing import KEY_SECONDS
from hookferry.domain.request import Verdict
from hookferry.transport.port import Outcome, Request

from .kit import Caller, source

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CERTIFICATE_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem"
SUBSCRIBE_URL = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t-1"


def certificate() -> bytes:
    """A certificate for KEY, as it would be at CERTIFICATE_URL."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(KEY, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM)


def message(kind: str, **fields: str) -> tuple[bytes, dict[str, str]]:
    """A message of SNS's, signed (signature version 2), and its headers."""
    told = {
        "Type": kind,
        "MessageId": "m-1",
        "TopicArn": "arn:aws:sns:eu-west-1:1:topic",
        "Message": "hello",
        "Timestamp": dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE_URL,
        **fields,
    }
    signed = ["Message", "MessageId", "Timestamp", "TopicArn", "Type"]
    if kind != "Notification":
        signed = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    content = "".join(f"{name}\n{told[name]}\n" for name in signed).encode()
    told["Signature"] = base64.b64encode(
        KEY.sign(content, padding.PKCS1v15(), hashes.SHA256())
    ).decode()
    return json.dumps(told).encode(), {
        "x-amz-sns-message-type": kind,
        "Content-Type": "text/plain; charset=UTF-8",
    }


def serve_certificate(house: House) -> list[bytes]:
    """Let the certificate be at its address; return the request lines that come."""
    lines: list[bytes] = []

    def outcome(request: Request) -> Outcome:
        lines.append(request.head.partition(b"\r\n")[0])
        return Outcome(status=200, head=b"HTTP/1.1 200 OK\r\n\r\n", body=certificate())

    house.transport.outcome = outcome
    return lines


async def sns(house: House, **fields: Any) -> Caller:
    return await source(
        house,
        verify={"preset": "sns", "topics": ["arn:aws:sns:eu-west-1:1:topic"]},
        handshakes=["sns"],
        **fields,
    )


async def test_a_certificate_is_fetched_once_and_verifies(house: House) -> None:
    lines = serve_certificate(house)
    caller = await sns(house)
    for number in range(3):
        body, headers = message("Notification", MessageId=f"m-{number}")
        assert (await caller.send(body, headers)).status_code == 204
    assert lines == [b"GET /SimpleNotificationService-1.pem HTTP/1.1"]
    assert [v for v, _ in await caller.verdicts()] == [Verdict.ACCEPTED] * 3


async def test_a_certificate_is_fetched_again_after_a_day(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    monkeypatch.setattr(house.clock, "monotonic", lambda: now)
    lines = serve_certificate(house)
    caller = await sns(house)

    async def notify(number: str) -> int:
        body, headers = message("Notification", MessageId=number)
        return (await caller.send(body, headers)).status_code

    assert await notify("m-1") == 204
    now += KEY_SECONDS - 1
    assert await notify("m-2") == 204
    assert len(lines) == 1
    now += 1
    assert await notify("m-3") == 204
    assert len(lines) == 2


async def test_a_handshake_s_secret_is_taken_over_once(house: House) -> None:
    outgoing = house.services.catching.outgoing
    without = await source(house, verify={"preset": "asana"})
    told: list[bool] = []
    outgoing.adopt(without.source, "the-first-secret", told.append)
    await until(lambda: len(told) == 1)
    outgoing.adopt(without.source, "another-secret", told.append)
    await until(lambda: len(told) == 2)
    assert told == [True, False]


async def test_what_is_signed_with_an_address_that_is_away_is_quarantined_and_can_be_explained(
    house: House,
) -> None:
    house.transport.outcome = lambda _: Outcome(status=503)
    caller = await sns(house)
    body, headers = message("Notification")
    assert (await caller.send(body, headers)).status_code == 401
    assert await caller.verdicts() == [(Verdict.QUARANTINED, "key_unavailable")]
    [request] = await caller.kept()
    explained = await house.services.catching.replays.verify(request)
    assert explained is not None
    assert (explained.genuine, explained.reason) == (False, "key_unavailable")


async def test_a_certificate_from_anywhere_else_is_not_even_asked_for(house: House) -> None:
    lines = serve_certificate(house)
    caller = await sns(house)
    body, headers = message("Notification", SigningCertURL="https://sns.evil.example/c.pem")
    assert (await caller.send(body, headers)).status_code == 401
    assert lines == []


async def test_a_subscription_is_confirmed_by_calling_its_address(house: House) -> None:
    lines = serve_certificate(house)
    caller = await sns(house)
    body, headers = message("SubscriptionConfirmation", SubscribeURL=SUBSCRIBE_URL, Token="t-1")
    assert (await caller.send(body, headers)).status_code == 200
    await until(lambda: len(lines) == 2)
    assert lines[1] == b"GET /?Action=ConfirmSubscription&Token=t-1 HTTP/1.1"
    assert await caller.verdicts() == [(Verdict.HANDSHAKE, "sns")]


async def test_a_forged_subscription_is_not_confirmed(house: House) -> None:
    lines = serve_certificate(house)
    caller = await sns(house)
    body, headers = message("SubscriptionConfirmation", SubscribeURL=SUBSCRIBE_URL, Token="t-1")
    forged = body.replace(b"hello", b"hullo")
    assert (await caller.send(forged, headers)).status_code == 401
    assert len(lines) == 1


async def test_an_address_is_called_only_for_a_source_that_verifies(house: House) -> None:
    lines = serve_certificate(house)
    ask = {
        "WebHook-Request-Origin": "sender.example",
        "WebHook-Request-Callback": "https://sender.example/permit",
    }
    anybody = await source(house, handshakes=["cloudevents"])
    assert (await anybody.send(b"", ask, method="OPTIONS")).status_code == 200
    secret = await source(
        house,
        "secret",
        handshakes=["cloudevents"],
        verify={"type": "token", "place": "header:X-Token", "secret": "a-token-of-ours"},
    )
    answer = await secret.send(b"", {**ask, "X-Token": "a-token-of-ours"}, method="OPTIONS")
    assert answer.status_code == 200
    await until(lambda: bool(lines))
    assert lines == [b"GET /permit HTTP/1.1"]
