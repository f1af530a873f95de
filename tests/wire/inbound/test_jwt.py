"""Tokens: the algorithm is the definition's, the times are judged, the body may be named."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from hookferry.errors import InvalidField
from hookferry.wire.inbound.definition import compile_verification
from hookferry.wire.inbound.received import Received
from hookferry.wire.verification import Reason, VerificationFailed, Verified

from .samples import BODY, NOW, TEXT, flipped, request, with_header

RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = Ed25519PrivateKey.generate()
CLAIMS = {"iss": "acme", "aud": ["hooks", "x"], "jti": "t-1", "iat": NOW, "exp": NOW + 100}
HS256 = {"type": "jwt", "algorithm": "HS256"}


def b64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def pem(key: Any) -> str:
    return str(
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def sign(algorithm: str, content: bytes) -> bytes:
    if algorithm.startswith("HS"):
        return hmac.new(TEXT.encode(), content, f"sha{algorithm[2:]}").digest()
    if algorithm.startswith("RS"):
        digest = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
        return RSA.sign(content, padding.PKCS1v15(), digest[algorithm[2:]])
    if algorithm == "ES256":
        r, s = decode_dss_signature(EC.sign(content, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return ED.sign(content)


def token(claims: dict[str, Any] | None = None, algorithm: str = "HS256", **header: Any) -> str:
    head = {"alg": algorithm, "typ": "JWT", **header}
    parts = [
        b64url(json.dumps(one).encode()) for one in (head, CLAIMS if claims is None else claims)
    ]
    return ".".join([*parts, b64url(sign(algorithm, ".".join(parts).encode()))])


def bearer(text: str) -> Received:
    return request({"Authorization": f"Bearer {text}"})


def verify(
    given: Received, scheme: dict[str, Any], secret: str = TEXT, now: float = NOW
) -> Verified:
    return compile_verification({**HS256, **scheme}, [secret]).verify(given, now, {})


def refusal(
    given: Received, scheme: dict[str, Any], secret: str = TEXT, now: float = NOW
) -> Reason:
    with pytest.raises(VerificationFailed) as refused:
        verify(given, scheme, secret, now)
    return refused.value.reason


KEYS = {
    **{f"HS{bits}": (TEXT, TEXT + "!") for bits in (256, 384, 512)},
    **{
        f"RS{bits}": (pem(RSA), pem(rsa.generate_private_key(65537, 2048)))
        for bits in (256, 384, 512)
    },
    "ES256": (pem(EC), pem(ec.generate_private_key(ec.SECP256R1()))),
    "EdDSA": (pem(ED), pem(Ed25519PrivateKey.generate())),
}


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_token_verifies_with_its_key_alone_and_every_byte_of_it_counts(algorithm: str) -> None:
    key, other = KEYS[algorithm]
    given = bearer(token(algorithm=algorithm))
    scheme = {"algorithm": algorithm}
    assert verify(given, scheme, key) == Verified(id="t-1", timestamp=NOW)
    assert refusal(given, scheme, other) is Reason.MISMATCH
    [value] = given.values(b"authorization")
    verifier = compile_verification({**HS256, **scheme}, [key])
    for changed in flipped(value):
        if changed.lower() != value.lower():  # 'Bearer' is the same in any case
            with pytest.raises(VerificationFailed):
                verifier.verify(with_header(given, "Authorization", changed), NOW, {})


@pytest.mark.parametrize("named", ["none", "None", "HS512", "RS256", "", None, 1, ["HS256"]])
def test_a_token_that_names_another_algorithm_is_refused(named: object) -> None:
    head, body = b64url(json.dumps({"alg": named}).encode()), b64url(json.dumps(CLAIMS).encode())
    signature = b64url(sign("HS256", f"{head}.{body}".encode()))
    for text in (f"{head}.{body}.{signature}", f"{head}.{body}."):
        assert refusal(bearer(text), {}) is Reason.BAD_ENCODING


def test_without_a_key_no_token_is_genuine() -> None:
    with pytest.raises(VerificationFailed) as refused:
        compile_verification(HS256, ()).verify(bearer(token()), NOW, {})
    assert refused.value.reason is Reason.NO_SECRET


def test_a_public_key_is_no_shared_secret() -> None:
    with pytest.raises(InvalidField, match="anybody may know"):
        compile_verification(HS256, [pem(RSA)])


@pytest.mark.parametrize(
    "text",
    [
        "a.b",
        "a.b.c.d",
        "..",
        "!.!.!",
        f"{b64url(b'[]')}.{b64url(b'{}')}.eA",
        f"{b64url(b'{')}.{b64url(b'{}')}.eA",
        "x" * 20_000,
    ],
)
def test_what_is_no_token_is_bad_encoding(text: str) -> None:
    assert refusal(bearer(text), {}) is Reason.BAD_ENCODING


def test_critical_header_parameters_are_refused() -> None:
    assert refusal(bearer(token(crit=["b64"], b64=False)), {}) is Reason.BAD_ENCODING


@pytest.mark.parametrize(
    ("claims", "now", "reason"),
    [
        ({"exp": NOW}, NOW + 59, None),
        ({"exp": NOW}, NOW + 60, Reason.STALE),
        ({"exp": NOW + 100, "nbf": NOW}, NOW - 60, None),
        ({"exp": NOW + 100, "nbf": NOW}, NOW - 61, Reason.FUTURE),
        ({"exp": NOW + 100, "iat": NOW}, NOW - 60, None),
        ({"exp": NOW + 100, "iat": NOW}, NOW - 61, Reason.FUTURE),
        ({"iat": NOW}, NOW, Reason.BAD_ENCODING),
        ({"exp": "soon"}, NOW, Reason.BAD_ENCODING),
        ({"exp": True}, NOW, Reason.BAD_ENCODING),
        ({"exp": 1e300}, NOW, Reason.BAD_ENCODING),
        ({"exp": NOW + 100, "iat": -1}, NOW, Reason.BAD_ENCODING),
    ],
)
def test_times_are_judged_with_sixty_seconds_of_leeway(
    claims: dict[str, Any], now: float, reason: Reason | None
) -> None:
    if reason is None:
        verify(bearer(token(claims)), {}, now=now)
    else:
        assert refusal(bearer(token(claims)), {}, now=now) is reason


def test_a_token_without_exp_is_judged_by_its_age_where_the_source_says_so() -> None:
    scheme = {"max_age": 300, "tolerance": 0}
    verify(bearer(token({"iat": NOW})), scheme, now=NOW + 300)
    assert refusal(bearer(token({"iat": NOW})), scheme, now=NOW + 301) is Reason.STALE
    assert refusal(bearer(token({"exp": NOW + 9})), scheme) is Reason.BAD_ENCODING


@pytest.mark.parametrize(
    ("scheme", "right"),
    [
        ({"issuer": "acme"}, True),
        ({"issuer": "other"}, False),
        ({"audience": "hooks"}, True),
        ({"audience": "hook"}, False),
    ],
)
def test_issuer_and_audience_are_whole(scheme: dict[str, Any], right: bool) -> None:
    if right:
        verify(bearer(token()), scheme)
    else:
        assert refusal(bearer(token()), scheme) is Reason.MISMATCH


def test_without_a_claim_for_the_body_it_is_not_covered_and_with_one_it_is() -> None:
    digest = hashlib.sha256(BODY).hexdigest()
    given = bearer(token({**CLAIMS, "hash": digest}))
    other = msgspec.structs.replace(given, body=BODY + b" ")
    verify(other, {})
    verify(given, {"body_claim": "hash"})
    assert refusal(other, {"body_claim": "hash"}) is Reason.DIGEST_MISMATCH
    assert refusal(bearer(token()), {"body_claim": "hash"}) is Reason.DIGEST_MISMATCH


def test_a_token_may_be_in_a_header_of_its_own() -> None:
    scheme = {"place": "header:Acme-Verification"}
    verify(request({"Acme-Verification": token()}), scheme)
    assert refusal(bearer(token()), scheme) is Reason.MISSING_HEADER
    basic = request({"Authorization": f"Basic {token()}"})
    assert refusal(basic, {}) is Reason.BAD_ENCODING


def test_an_explanation_shows_the_signed_part_and_when_it_was_issued() -> None:
    given = bearer(token())
    explained = compile_verification(HS256, [TEXT]).explain(given, NOW, {})
    assert (explained.genuine, explained.timestamp) == (True, NOW)
    [trial] = explained.trials
    assert trial.matches
    assert trial.signed.decode() == token().rpartition(".")[0]
