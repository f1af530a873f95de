"""Twilio signs forms by their members, and other bodies by a digest in the address."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from hookferry.wire.inbound.definition import compile_verification
from hookferry.wire.inbound.reading import MAX_FORM_FIELDS
from hookferry.wire.inbound.received import Received
from hookferry.wire.verification import Reason, VerificationFailed

from .samples import NOW, SAMPLES, TEXT, URL, b64, mac, request, with_header

FORM = SAMPLES["twilio"]
JSON = SAMPLES["twilio json"]


def refusal(given: Received) -> Reason:
    with pytest.raises(VerificationFailed) as refused:
        FORM.verifier().verify(given, NOW, {})
    return refused.value.reason


def test_a_body_that_is_no_form_needs_a_digest_in_the_signed_address() -> None:
    # The signature is right for the address alone, so it would hold for any body.
    headers = {"X-Twilio-Signature": b64(mac(URL.encode(), algorithm="sha1"))}
    FORM.verifier().verify(request(headers, b""), NOW, {})
    for kind in ("application/json", "multipart/form-data", ""):
        given = request({**headers, "Content-Type": kind}, b'{"any":"thing"}')
        assert refusal(given) is Reason.DIGEST_MISMATCH


def test_a_body_with_a_digest_is_compared_with_it_whatever_it_says_to_be() -> None:
    form = b"application/x-www-form-urlencoded"
    for body in (b"", b"&", b"&&"):  # forms without members
        disguised = with_header(JSON.request, "Content-Type", form)
        assert refusal(msgspec.structs.replace(disguised, body=body)) is Reason.DIGEST_MISMATCH


def test_a_get_is_signed_by_its_address() -> None:
    headers = {"X-Twilio-Signature": b64(mac(URL.encode(), algorithm="sha1"))}
    given = request(headers, b"", method="GET")
    FORM.verifier().verify(given, NOW, {})
    assert refusal(msgspec.structs.replace(given, url=URL + "&c=1")) is Reason.MISMATCH


def test_a_form_of_very_many_members_is_malformed() -> None:
    body = b"&".join(b"a=1" for _ in range(MAX_FORM_FIELDS + 1))
    assert refusal(msgspec.structs.replace(FORM.request, body=body)) is Reason.MALFORMED


def test_members_that_are_not_utf8_are_signed_as_their_bytes() -> None:
    body = b"b=%ff&a=%e9%20%C3%A9"
    signed = URL.encode() + b"a\xe9 \xc3\xa9" + b"b\xff"
    headers = {
        "X-Twilio-Signature": b64(mac(signed, algorithm="sha1")),
        "Content-Type": "application/x-www-form-urlencoded",
    }
    compile_verification({"preset": "twilio"}, [TEXT]).verify(request(headers, body), NOW, {})


def test_the_digest_is_of_the_body() -> None:
    digest = hashlib.sha256(JSON.request.body).hexdigest()
    assert digest.encode() in JSON.request.query
    other = msgspec.structs.replace(JSON.request, query=b"bodySHA256=" + b"0" * 64)
    assert refusal(other) is Reason.DIGEST_MISMATCH
