"""SNS and PayPal: signatures by a certificate that the request names."""

from __future__ import annotations

import datetime as dt
import json
import zlib
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from hookferry.errors import InvalidField
from hookferry.wire.inbound.definition import compile_verification
from hookferry.wire.inbound.received import KeyNeeded, Received
from hookferry.wire.verification import Reason, VerificationFailed

from .samples import BODY, NOW, b64, flipped, request, with_header

KEY = rsa.generate_private_key(65537, 2048)
DAY = 86_400
SNS_URL = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
PAYPAL_URL = "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-aecacc47"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:orders"
WRITTEN = "2023-11-14T22:13:20.000Z"  # NOW
SNS = {"preset": "sns", "topics": [TOPIC]}
PAYPAL = {"preset": "paypal", "webhook_id": "WH-1"}


def certificate(key: Any = KEY, start: int = NOW - DAY, end: int = NOW + DAY) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "signer.example")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(dt.datetime.fromtimestamp(start, dt.UTC))
        .not_valid_after(dt.datetime.fromtimestamp(end, dt.UTC))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


PEM = certificate()
FETCHED = {SNS_URL: PEM, PAYPAL_URL: PEM}


def notification(version: str = "2", **changes: str) -> dict[str, str]:
    message = {
        "Type": "Notification",
        "MessageId": "m-1",
        "TopicArn": TOPIC,
        "Subject": "Grüße",
        "Message": "line 1\nline 2",
        "Timestamp": WRITTEN,
        "SignatureVersion": version,
        "SigningCertURL": SNS_URL,
        **changes,
    }
    names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    if message["Type"] != "Notification":
        names = [
            *("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
        ]
    signed = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
    digest = hashes.SHA256() if version == "2" else hashes.SHA1()
    message["Signature"] = b64(KEY.sign(signed.encode(), padding.PKCS1v15(), digest))
    return message


def sns(message: dict[str, Any]) -> Received:
    return request({"Content-Type": "text/plain"}, json.dumps(message).encode())


def paypal(body: bytes = BODY) -> Received:
    signed = f"t-1|2023-11-14T22:13:20Z|WH-1|{zlib.crc32(body)}"
    return request(
        {
            "PAYPAL-TRANSMISSION-ID": "t-1",
            "PAYPAL-TRANSMISSION-TIME": "2023-11-14T22:13:20Z",
            "PAYPAL-TRANSMISSION-SIG": b64(
                KEY.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
            ),
            "PAYPAL-CERT-URL": PAYPAL_URL,
            "PAYPAL-AUTH-ALGO": "SHA256withRSA",
        },
        body,
    )


def refusal(scheme: dict[str, Any], given: Received, now: float = NOW, **keys: bytes) -> Reason:
    with pytest.raises(VerificationFailed) as refused:
        compile_verification(scheme, ()).verify(given, now, keys.get("keys", FETCHED))  # type: ignore[arg-type]
    return refused.value.reason


@pytest.mark.parametrize("version", ["1", "2"])
def test_an_sns_message_verifies_with_the_certificate_it_names(version: str) -> None:
    confirmation = {
        "Type": "SubscriptionConfirmation",
        "Token": "t",
        "SubscribeURL": "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription",
    }
    without_subject = notification(version)
    verifier = compile_verification(SNS, ())
    for message in (notification(version), notification(version, **confirmation)):
        found = verifier.verify(sns(message), NOW, FETCHED)
        assert (found.id, found.timestamp) == ("m-1", NOW)
    del without_subject["Subject"]
    assert refusal(SNS, sns(without_subject)) is Reason.MISMATCH


def test_every_signed_member_of_an_sns_message_counts() -> None:
    for name in ("Type", "MessageId", "Subject", "Message", "Timestamp", "Signature"):
        message = notification()
        [*changes] = flipped(message[name].encode("latin-1"))
        for changed in changes:
            other = {**message, name: changed.decode("latin-1")}
            assert refusal(SNS, sns(other)) in (Reason.MISMATCH, Reason.BAD_ENCODING)


def test_an_sns_message_of_a_topic_that_is_not_the_sources_is_refused() -> None:
    other = notification(TopicArn=TOPIC + "2")
    assert refusal(SNS, sns(other)) is Reason.MISMATCH


def test_what_is_fetched_is_asked_for_and_only_at_the_providers() -> None:
    for scheme, given, url in ((SNS, sns(notification()), SNS_URL), (PAYPAL, paypal(), PAYPAL_URL)):
        with pytest.raises(KeyNeeded) as needed:
            compile_verification(scheme, ()).verify(given, NOW, {})
        assert needed.value.url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-central-1.amazonaws.com/a.pem",
        "https://sns.eu-central-1.amazonaws.com.evil.example/a.pem",
        "https://evil.example/sns.eu-central-1.amazonaws.com/a.pem",
        "https://evil.example#sns.eu-central-1.amazonaws.com/a.pem",
        "https://sns.eu-central-1.amazonaws.com@evil.example/a.pem",
        "https://user@sns.eu-central-1.amazonaws.com/a.pem",
        "https://sns.eu-central-1.amazonaws.com:8443/a.pem",
        "https://sns.eu-central-1.amazonaws.com/a/../b.pem",
        "https://sns.eu-central-1.amazonaws.com/a.pem?x",
        "https://sns.eu-central-1.amazonaws.com/a.pem\n",
        "https://bucket.s3.amazonaws.com/a.pem",
        "https://xsns.eu-central-1.amazonaws.com/a.pem",
        "https://sns.a.b.amazonaws.com/a.pem",
        "file:///etc/passwd.pem",
        "",
    ],
)
def test_an_address_that_is_not_the_providers_is_never_asked_for(url: str) -> None:
    assert refusal(SNS, sns(notification(SigningCertURL=url))) is Reason.KEY_UNAVAILABLE
    for other in (url, "https://paypal.com/v1/notifications/certs/x", PAYPAL_URL + "/../x"):
        given = with_header(paypal(), "PAYPAL-CERT-URL", other.encode())
        assert refusal(PAYPAL, given) in (Reason.KEY_UNAVAILABLE, Reason.MISSING_HEADER)


@pytest.mark.parametrize(
    "fetched",
    [
        b"",
        b"not a certificate",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        certificate(start=NOW - 9 * DAY, end=NOW - DAY),
        certificate(start=NOW + DAY, end=NOW + 9 * DAY),
        certificate(ec.generate_private_key(ec.SECP256R1())),
        PEM + b" " * 20_000,
    ],
)
def test_what_is_no_valid_certificate_of_an_rsa_key_is_no_key(fetched: bytes) -> None:
    keys: Any = {SNS_URL: fetched, PAYPAL_URL: fetched}
    assert refusal(SNS, sns(notification()), keys=keys) is Reason.KEY_UNAVAILABLE
    assert refusal(PAYPAL, paypal(), keys=keys) is Reason.KEY_UNAVAILABLE


def test_another_certificate_is_a_mismatch() -> None:
    other = certificate(rsa.generate_private_key(65537, 2048))
    keys: Any = {SNS_URL: other, PAYPAL_URL: other}
    assert refusal(SNS, sns(notification()), keys=keys) is Reason.MISMATCH
    assert refusal(PAYPAL, paypal(), keys=keys) is Reason.MISMATCH


def test_an_hour_is_the_tolerance_unless_the_source_says_another() -> None:
    for scheme, given in ((SNS, sns(notification())), (PAYPAL, paypal())):
        verifier = compile_verification(scheme, ())
        for now in (NOW - 3600, NOW + 3600):
            verifier.verify(given, now, FETCHED)
        assert refusal(scheme, given, NOW + 3601) is Reason.STALE
        assert refusal(scheme, given, NOW - 3601) is Reason.FUTURE
        assert refusal({**scheme, "tolerance": 5}, given, NOW + 6) is Reason.STALE


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Reason.MALFORMED),
        (b"[]", Reason.MALFORMED),
        (b"{}", Reason.MALFORMED),
        (json.dumps(notification() | {"SignatureVersion": "3"}).encode(), Reason.MALFORMED),
        (json.dumps(notification() | {"Signature": "!"}).encode(), Reason.BAD_ENCODING),
    ],
)
def test_what_is_no_sns_message_is_refused(body: bytes, reason: Reason) -> None:
    assert refusal(SNS, request({}, body)) is reason


def test_every_byte_of_a_paypal_request_counts() -> None:
    given = paypal()
    found = compile_verification(PAYPAL, ()).verify(given, NOW, FETCHED)
    assert (found.id, found.timestamp) == ("t-1", NOW)
    for changed in flipped(BODY):
        other = msgspec.structs.replace(given, body=changed)
        assert refusal(PAYPAL, other) is Reason.MISMATCH
    for name in ("ID", "TIME", "SIG"):
        header = f"PAYPAL-TRANSMISSION-{name}"
        [value] = given.values(header.lower().encode())
        for changed in flipped(value):
            other = with_header(given, header, changed)
            assert refusal(PAYPAL, other) in (Reason.MISMATCH, Reason.BAD_ENCODING)
    assert refusal({**PAYPAL, "webhook_id": "WH-2"}, given) is Reason.MISMATCH
    algorithm = with_header(given, "PAYPAL-AUTH-ALGO", b"SHA1withRSA")
    assert refusal(PAYPAL, algorithm) is Reason.BAD_ENCODING


def test_a_secret_is_refused_where_none_is_shared() -> None:
    for scheme in (SNS, PAYPAL):
        with pytest.raises(InvalidField, match="has no secret"):
            compile_verification(scheme, ["x"])


def test_an_explanation_shows_what_was_signed() -> None:
    explained = compile_verification(SNS, ()).explain(sns(notification()), NOW, FETCHED)
    assert (explained.genuine, explained.timestamp) == (True, NOW)
    assert explained.trials[0].signed.startswith(b"Message\nline 1\nline 2\nMessageId\nm-1\n")
    explained = compile_verification(PAYPAL, ()).explain(paypal(), NOW + 9999, FETCHED)
    assert (explained.genuine, explained.reason) == (False, "stale")
    assert explained.trials[0].matches
    with pytest.raises(KeyNeeded):
        compile_verification(SNS, ()).explain(sns(notification()), NOW, {})
