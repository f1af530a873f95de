"""Schemes as sources write them: what is taken, what is refused and with which remedy."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from hookferry.errors import InvalidField, UnknownField
from hookferry.wire.inbound.definition import (
    KINDS,
    MAX_SECRETS,
    check_verification,
    compile_verification,
    signs_url,
)
from hookferry.wire.inbound.keys import PUBLIC_ALGORITHMS, SECRET_ALGORITHMS, Mac
from hookferry.wire.verification import Reason, VerificationFailed

from .samples import BODY, NOW, TEXT, b64, flipped, mac, request, with_header

WHOLE = {"signature": "header:X-Signature"}


def test_a_provider_that_nobody_knows_is_added_as_data_alone() -> None:
    # A scheme as its owner saves it: JSON, with a bit of everything that can be said.
    scheme = json.loads(
        """{
            "algorithm": "hmac-sha512", "key": "base64",
            "signature": "header:Acme-Auth", "prefix": "sig:", "encoding": "base64url",
            "entries": {"name": "s2", "separator": "|", "assign": ":"},
            "signed": "{method} {path}?{query}\\n{header:X-Region} {field:at} {id} {body_sha256}",
            "id": "header:Acme-Delivery", "timestamp": "field:at", "timestamp_unit": "ms",
            "tolerance": 30
        }"""
    )
    key = b"0123456789abcdef"
    digest = hashlib.sha256(BODY).hexdigest()
    signed = f"POST /webhooks/0123?a=1&b=%2F\neu {NOW}000 d-1 {digest}"
    raw = hmac.new(key, signed.encode(), "sha512").digest()
    signature = b64(raw).rstrip("=").replace("+", "-").replace("/", "_")
    genuine = request(
        {
            "Acme-Auth": f"at:{NOW}000| s1:old |s2:sig:AAAA|s2:sig:{signature}",
            "Acme-Delivery": "d-1",
            "X-Region": "eu",
        }
    )
    verifier = compile_verification(scheme, [b64(key)])
    found = verifier.verify(genuine, NOW + 30, {})
    assert (found.id, found.timestamp) == ("d-1", NOW)
    for name in ("Acme-Delivery", "X-Region"):
        [value] = genuine.values(name.lower().encode())
        for changed in flipped(value):
            with pytest.raises(VerificationFailed):
                verifier.verify(with_header(genuine, name, changed), NOW, {})
    for late, reason in ((NOW + 31, Reason.STALE), (NOW - 31, Reason.FUTURE)):
        with pytest.raises(VerificationFailed) as refused:
            verifier.verify(genuine, late, {})
        assert refused.value.reason is reason


@pytest.mark.parametrize("place", ["query:sig", "form:sig"])
def test_a_signature_may_be_in_the_query_or_a_form(place: str) -> None:
    signed = "a=1&t=5"
    scheme = {"signature": place, "signed": f"{{{place[:-3]}t}}", "unsigned_body": True}
    value = f"{signed}&sig={mac(b'5').hex()}"
    given = (
        request({}, url=f"https://hooks.example.com/x?{value}")
        if place.startswith("query")
        else request({"Content-Type": "application/x-www-form-urlencoded"}, value.encode())
    )
    compile_verification(scheme, [TEXT]).verify(given, NOW, {})


@pytest.mark.parametrize(
    ("scheme", "field", "remedy"),
    [
        ({}, "signature", "missing, and required"),
        ({"preset": "nothing-like-it"}, "preset", "there are"),
        ({"preset": 1}, "preset", "such as 'github'"),
        ({"preset": "github", "type": "basic"}, "type", "type is the preset's"),
        ({"type": "magic"}, "type", "one of signature, standard_webhooks"),
        ({"type": ["signature"]}, "type", "one of signature"),
        ({**WHOLE, "algorithm": "md5"}, "algorithm", "hmac-sha256"),
        ({**WHOLE, "algorithm": 1}, "algorithm", "Expected `str`"),
        ({**WHOLE, "key": "pem"}, "key", "one of raw, hex, base64, whsec"),
        ({**WHOLE, "algorithm": "ed25519", "key": "raw"}, "key", "one of pem, base64, hex"),
        ({**WHOLE, "encoding": "base32"}, "encoding", "one of hex, base64, base64url"),
        ({"signature": "X-Signature"}, "signature", "'header:NAME'"),
        ({"signature": "header:X Signature"}, "signature", "letters, digits and dashes"),
        ({"signature": "cookie:x"}, "signature", "'header:NAME'"),
        ({"signature": []}, "signature", "1 to 16 places"),
        ({"signature": "field:v1"}, "signature", "names the header"),
        ({**WHOLE, "signed": ""}, "signed", "{timestamp}.{body}"),
        ({**WHOLE, "signed": "x" * 2049}, "signed", "1 to 2,048 characters"),
        ({**WHOLE, "signed": "{bdoy}"}, "signed", "unknown variable {bdoy}"),
        ({**WHOLE, "signed": "{body"}, "signed", "a brace that is no variable's"),
        ({**WHOLE, "signed": "{timestamp}.{body}"}, "timestamp", "does not say where it is"),
        ({**WHOLE, "timestamp": "header:T", "timestamp_unit": "h"}, "timestamp_unit", "s, ms, iso"),
        ({**WHOLE, "timestamp": "header:T"}, "timestamp", "anybody could change it"),
        ({**WHOLE, "id": "header:T"}, "id", "put {header:T} into signed"),
        ({**WHOLE, "signed": "x", "id": "body:id"}, "id", "anybody could change it"),
        ({**WHOLE, "signed": "{body}{field:t}"}, "entries", "does not say how it is made up"),
        ({**WHOLE, "entries": {"name": ""}}, "entries.name", "1 to 32 ASCII"),
        ({**WHOLE, "entries": {"name": "a", "assign": ","}}, "entries.separator", "the same"),
        ({**WHOLE, "entries": {}}, "entries.name", "missing, and required"),
        ({**WHOLE, "tolerance": 300}, "tolerance", "signs none"),
        ({"preset": "slack", "tolerance": 0}, "tolerance", "1 to 604,800 seconds, or 'any'"),
        ({"preset": "slack", "tolerance": float("nan")}, "tolerance", "seconds, or 'any'"),
        ({**WHOLE, "signed": "{form_sorted}"}, "body_digest", "no form"),
        ({**WHOLE, "signed": "hello"}, "signed", '"unsigned_body": true'),
        (
            {**WHOLE, "signed": "{timestamp}", "timestamp": "header:T"},
            "signed",
            "put {body} or {body_sha256} into signed",
        ),
        ({**WHOLE, "signed": "{body:id}"}, "signed", "leaves out the body"),
        ({**WHOLE, "prefix": "\ud800"}, None, "JSON object"),
        ({**WHOLE, "prefix": object()}, None, "JSON object"),
        ({"type": "token", "place": "field:x"}, "place", "'header:X-Token'"),
        ({"type": "standard_webhooks", "prefix": "svix"}, "prefix", "'svix-'"),
        ({"type": "jwt", "algorithm": "none"}, "algorithm", "HS256"),
        ({"type": "jwt", "algorithm": "HS256", "key": "pem"}, "key", "raw, hex"),
        ({"type": "jwt", "algorithm": "HS256", "max_age": 0}, "max_age", "1 to"),
        ({"type": "jwt", "algorithm": "HS256", "tolerance": 1e9}, "tolerance", "0 to 3,600"),
        ({"type": "http_signature", "algorithm": "rsa"}, "algorithm", "rsa-pss-sha512"),
        ({"type": "http_signature", "algorithm": "ed25519", "key": "raw"}, "key", "pem"),
        (
            {"type": "http_signature", "algorithm": "ed25519", "covered": ["@Method"]},
            "covered",
            "in lower case",
        ),
        ({"type": "sns", "topics": []}, "topics", "ARNs"),
        ({"type": "sns", "topics": ["orders"]}, "topics", "arn:aws:sns"),
        ({"type": "paypal", "webhook_id": ""}, "webhook_id", "dashboard"),
    ],
)
def test_a_scheme_that_cannot_work_is_refused_with_its_remedy(
    scheme: dict[str, Any], field: str | None, remedy: str
) -> None:
    with pytest.raises(InvalidField) as refused:
        check_verification(scheme)
    assert refused.value.field == field
    assert remedy in refused.value.detail


@pytest.mark.parametrize(
    ("scheme", "hint"),
    [
        ({**WHOLE, "encodng": "hex"}, "did you mean 'encoding'"),
        ({"preset": "github", "tolerence": 5}, "did you mean 'tolerance'"),
        ({**WHOLE, "presets": "github"}, "did you mean 'preset'"),
        ({"type": "basic", "zzz": 1}, "known fields: preset, type"),
        ({**WHOLE, "entries": {"name": "v1", "sep": ";"}}, "'separator'"),
    ],
)
def test_an_unknown_field_is_refused_with_the_nearest(scheme: dict[str, Any], hint: str) -> None:
    with pytest.raises(UnknownField) as refused:
        check_verification(scheme)
    assert hint in refused.value.detail


@pytest.mark.parametrize("algorithm", [*SECRET_ALGORITHMS, *PUBLIC_ALGORITHMS])
def test_a_secret_that_is_none_is_refused_without_being_quoted(algorithm: str) -> None:
    scheme = {**WHOLE, "algorithm": algorithm}
    forms = ["hex", "base64", *(["whsec"] if algorithm in SECRET_ALGORITHMS else ["pem"])]
    for form in forms:
        for secret in ("not!a#secret", "\udc80", "whsec_", "", "a" * 16_385, " "):
            with pytest.raises(InvalidField) as refused:
                compile_verification({**scheme, "key": form}, [secret])
            assert refused.value.field == "secret"
            assert "not!a" not in refused.value.detail


def test_a_key_of_another_kind_is_refused() -> None:
    ed25519 = "MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="
    for algorithm in set(PUBLIC_ALGORITHMS) - {"ed25519"}:
        with pytest.raises(InvalidField, match="this is another one"):
            compile_verification({**WHOLE, "algorithm": algorithm, "key": "base64"}, [ed25519])


def test_secrets_are_few() -> None:
    with pytest.raises(InvalidField, match=f"at most {MAX_SECRETS}"):
        compile_verification(WHOLE, ["s"] * (MAX_SECRETS + 1))


def test_a_request_may_list_several_signatures_but_not_many() -> None:
    scheme = {**WHOLE, "entries": {"name": "v1"}}
    right = f"v1={mac(BODY).hex()}"
    wrong = f"v1={'0' * 64}"
    verifier = compile_verification(scheme, [TEXT])
    verifier.verify(request({"X-Signature": ",".join([wrong] * 31 + [right])}), NOW, {})
    for other in (wrong, "t=1", ""):
        with pytest.raises(VerificationFailed, match="more than 32"):
            verifier.verify(request({"X-Signature": ",".join([other] * 32 + [right])}), NOW, {})


def test_the_body_is_hashed_once_however_many_signatures_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hashed: list[bytes] = []
    digest = Mac.digest

    def counted(key: Mac, content: bytes) -> bytes:
        hashed.append(content)
        return digest(key, content)

    monkeypatch.setattr(Mac, "digest", counted)
    verifier = compile_verification({**WHOLE, "entries": {"name": "v1"}}, [TEXT])
    with pytest.raises(VerificationFailed):
        verifier.verify(request({"X-Signature": ",".join([f"v1={'0' * 64}"] * 32)}), NOW, {})
    assert hashed == [BODY]


def test_a_public_key_is_tried_on_a_few_signatures_only() -> None:
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    scheme = {**WHOLE, "algorithm": "ed25519", "key": "hex", "entries": {"name": "v1"}}
    verifier = compile_verification(scheme, [private.public_key().public_bytes_raw().hex()])
    right, wrong = f"v1={private.sign(BODY).hex()}", f"v1={'0' * 128}"
    verifier.verify(request({"X-Signature": ",".join([wrong] * 7 + [right])}), NOW, {})
    with pytest.raises(VerificationFailed) as refused:
        verifier.verify(request({"X-Signature": ",".join([wrong] * 8 + [right])}), NOW, {})
    assert refused.value.reason is Reason.MISMATCH


def test_an_ecdsa_signature_of_fixed_length_has_that_length() -> None:
    private = ec.derive_private_key(4711, ec.SECP256R1())
    key = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    scheme = {**WHOLE, "algorithm": "ecdsa-p256-sha256-fixed", "key": "hex"}
    verifier = compile_verification(scheme, [key.hex()])
    der = private.sign(BODY, ec.ECDSA(hashes.SHA256()))
    fixed = b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(der))
    verifier.verify(request({"X-Signature": fixed.hex()}), NOW, {})
    for other in (der, fixed + b"\0", fixed[:-1], bytes(64)):
        with pytest.raises(VerificationFailed) as refused:
            verifier.verify(request({"X-Signature": other.hex()}), NOW, {})
        assert refused.value.reason is Reason.MISMATCH


@pytest.mark.parametrize("encoding", ["base64", "base64url", "hex"])
def test_a_signature_has_one_spelling(encoding: str) -> None:
    raw = mac(BODY)
    right = {
        "hex": raw.hex(),
        "base64": b64(raw),
        "base64url": b64(raw).rstrip("=").replace("+", "-").replace("/", "_"),
    }[encoding]
    verifier = compile_verification({**WHOLE, "encoding": encoding}, [TEXT])
    verifier.verify(request({"X-Signature": right}), NOW, {})
    for changed in (f"{right[:8]} {right[8:]}", f"{right}\n", f'"{right}"', f"{right}==", ""):
        with pytest.raises(VerificationFailed) as refused:
            verifier.verify(request({"X-Signature": changed}), NOW, {})
        assert refused.value.reason in (Reason.BAD_ENCODING, Reason.MISSING_HEADER)
    if encoding == "base64":  # the last character has two bits that say nothing
        other = right[:-2] + chr(ord(right[-2]) + 1) + "="
        with pytest.raises(VerificationFailed) as refused:
            verifier.verify(request({"X-Signature": other}), NOW, {})
        assert refused.value.reason is Reason.BAD_ENCODING


def test_which_schemes_sign_the_address_is_known() -> None:
    for name in ("twilio", "square", "hubspot", "hubspot_v2", "trello"):
        assert signs_url({"preset": name})
    for name in ("github", "hubspot_v1", "stripe", "sns"):
        assert not signs_url({"preset": name})


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=5,
)
_fields = sorted({field for kind in KINDS.values() for field in kind.scheme.__struct_fields__})


@settings(max_examples=60, deadline=None)
@given(
    scheme=st.dictionaries(st.sampled_from([*_fields, "preset"]) | st.text(max_size=9), _json),
    kind=st.sampled_from(sorted(KINDS)),
)
def test_whatever_a_scheme_is_it_compiles_or_is_refused(scheme: dict[str, Any], kind: str) -> None:
    for one in (scheme, {**scheme, "type": kind}):
        try:
            check_verification(one)
        except (InvalidField, UnknownField):
            continue
