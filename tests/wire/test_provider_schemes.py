"""``hookferry.verify`` and ``explain`` with providers' names and schemes written out."""

from __future__ import annotations

import hmac

import pytest

from hookferry import Reason, VerificationFailed, sign, verify
from hookferry.errors import InvalidField
from hookferry.wire.inbound.presets import PRESETS
from hookferry.wire.inbound.received import KeyNeeded
from hookferry.wire.schemes import DEFINITIONS, SCHEMES, explain

SECRET = "It's a Secret to Everybody"
BODY = b"Hello, World!"
DIGEST = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
HEADERS = {"X-Hub-Signature-256": f"sha256={DIGEST}"}
SECRETS = {
    "superoffice": "Something Super Secret",
    "happyfox": "my-webhook-key",
    "hornbill": "admin:pass:word",
}
STANDARD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_a_providers_name_is_a_scheme() -> None:
    verify("github", SECRET, HEADERS, BODY)
    verify("github", ["", "another", SECRET], list(HEADERS.items()), bytearray(BODY))
    with pytest.raises(VerificationFailed) as refused:
        verify("github", SECRET, HEADERS, BODY + b"\n")
    assert refused.value.reason is Reason.MISMATCH
    with pytest.raises(VerificationFailed) as refused:
        verify("github", "", HEADERS, BODY)
    assert refused.value.reason is Reason.NO_SECRET


def test_a_scheme_may_be_written_out_as_a_source_has_it() -> None:
    scheme = {"signature": "header:X-Hub-Signature-256", "prefix": "sha256="}
    verify(scheme, SECRET, HEADERS, BODY)
    verify({"preset": "github"}, SECRET, HEADERS, BODY)
    assert scheme == {"signature": "header:X-Hub-Signature-256", "prefix": "sha256="}


def test_the_tolerance_is_the_schemes_own_unless_another_is_given() -> None:
    signature = hmac.new(b"k", b"1000:x", "sha256").hexdigest()
    headers = {"Paddle-Signature": f"ts=1000;h1={signature}"}
    assert verify("paddle", "k", headers, b"x", now=1005).timestamp == 1000
    with pytest.raises(VerificationFailed) as refused:
        verify("paddle", "k", headers, b"x", now=1006)
    assert refused.value.reason is Reason.STALE
    verify("paddle", "k", headers, b"x", now=1300, tolerance=300)
    verify("paddle", "k", headers, b"x", now=10**9, tolerance=None)
    with pytest.raises(InvalidField, match="signs none"):
        verify("github", SECRET, HEADERS, BODY, tolerance=300)


def test_a_scheme_that_signs_the_address_asks_for_it() -> None:
    headers = {"X-Square-HmacSha256-Signature": "2kRE5qRU2tR+tBGlDwMEw2avJ7QM4ikPYD/PJ3bd9Og="}
    body = b'{"hello":"world"}'
    verify("square", "asdf1234", headers, body, url="https://example.com/webhook")
    with pytest.raises(InvalidField) as refused:
        verify("square", "asdf1234", headers, body)
    assert refused.value.field == "url"
    with pytest.raises(InvalidField, match="no address"):
        verify("square", "asdf1234", headers, body, url="https://[")


def test_the_method_and_the_query_are_read_where_they_are_signed() -> None:
    scheme = {"signature": "query:s", "signed": "{method} {path} {query:a}{body}"}
    right = hmac.new(b"k", b"PUT /x b", "sha256").hexdigest()
    url = f"https://example.com/x?a=b&s={right}"
    verify(scheme, "k", {}, b"", method="PUT", url=url)
    with pytest.raises(VerificationFailed):
        verify(scheme, "k", {}, b"", method="POST", url=url)


def test_a_certificate_is_asked_for() -> None:
    url = "https://api.paypal.com/v1/notifications/certs/CERT-1"
    headers = {
        "paypal-auth-algo": "SHA256withRSA",
        "paypal-cert-url": url,
        "paypal-transmission-id": "1",
        "paypal-transmission-time": "2023-11-14T22:13:20Z",
        "paypal-transmission-sig": "AAAA",
    }
    scheme = {"preset": "paypal", "webhook_id": "WH"}
    with pytest.raises(KeyNeeded) as needed:
        verify(scheme, "", headers, b"")
    assert needed.value.url == url
    with pytest.raises(VerificationFailed) as refused:
        verify(scheme, "", headers, b"", keys={url: b"no certificate"})
    assert refused.value.reason is Reason.KEY_UNAVAILABLE


def test_a_misspelt_scheme_is_answered_with_those_there_are() -> None:
    with pytest.raises(InvalidField, match="there is no scheme 'gihtub'; did you mean 'github'"):
        verify("gihtub", SECRET, HEADERS, BODY)


def test_what_hookferry_signs_is_caught_by_the_scheme_of_the_same_name() -> None:
    assert set(DEFINITIONS) == set(SCHEMES)
    for name in SCHEMES:
        secret = SECRETS.get(name, STANDARD)
        body = b'{"EventId":"id-1","uuid":"id-1"}'
        headers = sign(name, secret, body, id="id-1")
        assert verify(DEFINITIONS[name], secret, headers, body) == verify(
            name, secret, headers, body
        )
        assert explain(name, secret, headers, body).genuine
        assert not explain(name, secret, headers | {"Authorization": "x"}, body + b"x").genuine


def test_names_of_our_profiles_are_never_another_providers() -> None:
    # SuperOffice is both, and signs one way.
    assert set(SCHEMES) & set(PRESETS) == {"superoffice"}


def test_an_explanation_is_a_verdict_with_its_reasons() -> None:
    explained = explain("github", SECRET, HEADERS, BODY + b"\n")
    assert explained.reason == "mismatch"
    assert "no line end at its end" in explained.detail
    assert explained.trials[0].signed == BODY + b"\n"
    assert DIGEST in explained.trials[0].given[0]


SIGNABLE = sorted(
    name
    for name, preset in PRESETS.items()
    if preset.scheme.get("type", "signature") in ("signature", "token", "bearer", "basic")
    and str(preset.scheme.get("algorithm", "hmac-sha256")).startswith(("hmac", "sha"))
    and not any(part in str(preset.scheme) for part in ("body:", "form"))
)
"""Providers whose requests can be made with the secret that both sides have."""
_SECRETS = {"hex": "ab" * 32, "base64": "q83v" * 8, "whsec": "whsec_" + "q83v" * 8}


@pytest.mark.parametrize("name", SIGNABLE)
def test_what_is_signed_as_a_provider_does_verifies_as_the_providers(name: str) -> None:
    scheme = PRESETS[name].scheme
    secret = _SECRETS.get(scheme.get("key", ""), "user:a shared secret")
    url = "https://hooks.example/webhooks/x?b=1"
    body = b'{"n": 1}'
    now = 1_790_000_000
    headers = sign(name, secret, body, id="m-1", timestamp=now, url=url)
    verify(name, secret, headers, body, now=now, url=url)
    with pytest.raises(VerificationFailed):
        verify(name, _SECRETS.get(scheme.get("key", ""), "x:other")[::-1], headers, body, url=url)


def test_at_least_every_other_provider_can_be_signed_for() -> None:
    assert len(SIGNABLE) > len(PRESETS) / 2


@pytest.mark.parametrize("name", ["discord", "sns", "paypal", "jwt", "twilio"])
def test_what_only_the_provider_can_sign_is_refused_by_that_reason(name: str) -> None:
    if name in PRESETS:
        scheme: object = name
    else:
        scheme = {"type": name, "algorithm": "HS256"}
    with pytest.raises(InvalidField):
        sign(scheme, "0" * 64, b"{}", id="m-1")  # type: ignore[arg-type]
