"""Whatever a stranger sends, verification ends in a verdict."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hookferry.wire.inbound.definition import compile_verification
from hookferry.wire.inbound.received import KeyNeeded, Received, Verifier
from hookferry.wire.verification import VerificationFailed

from .samples import NOW, SAMPLES, TEXT

EXTRA: list[tuple[dict[str, Any], list[str]]] = [
    ({"preset": "paypal", "webhook_id": "WH"}, []),
    ({"preset": "sns", "topics": ["arn:aws:sns:eu-central-1:1:t"]}, []),
    ({"preset": "mailgun"}, [TEXT]),
    ({"preset": "mailgun_form"}, [TEXT]),
    ({"preset": "docusign"}, [TEXT]),
    ({"type": "jwt", "algorithm": "HS256", "body_claim": "b"}, [TEXT]),
    ({"type": "basic"}, ["user:password"]),
    ({"type": "bearer"}, [TEXT]),
    ({"type": "token", "place": "query:token"}, [TEXT]),
]
VERIFIERS: list[Verifier] = [
    *(sample.verifier() for sample in SAMPLES.values()),
    *(compile_verification(scheme, secrets) for scheme, secrets in EXTRA),
]
NAMES = sorted(
    {name.lower().encode() for sample in SAMPLES.values() for name in sample.headers}
    | {b"authorization", b"content-type", b"paypal-cert-url", b"paypal-auth-algo"}
    | {b"paypal-transmission-sig", b"paypal-transmission-id", b"paypal-transmission-time"}
)
VALUES = sorted(
    {value for sample in SAMPLES.values() for _, value in sample.request.headers}
    | {b"application/x-www-form-urlencoded", b"SHA256withRSA", b"Bearer a.b.c", b"Basic Og=="}
    | {
        b"sig1=()",
        b'sig1=("@path";x)',
        b"sig1=::",
        b"Bearer e30.e30.eA",
        b"Bearer Iv8i.e30.eA",
        b"t=,v1=",
        b"1e9",
    }
)
BODIES = [sample.request.body for sample in SAMPLES.values()] + [
    b"[" * 3000,
    b'{"signature":{"timestamp":true,"signature":[]}}',
    b'{"Type":"Notification","SignatureVersion":"1"}',
    b'{"notificationItems":[]}',
    b"&" * 2000,
    b"%ff=%fe",
    b'{"signature":"\xff"}',
    b'{"Type":"\xff"}',
    b'{"notificationItems":[{"NotificationRequestItem":{"pspReference":"\xff"}}]}',
]
_headers = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES) | st.binary(max_size=60)), max_size=8
)


@settings(max_examples=100, deadline=None)
@given(
    headers=_headers,
    body=st.sampled_from(BODIES) | st.binary(max_size=120),
    url=st.sampled_from(["https://h.example/a?b=1", "http://[::1]:80", "", "x"])
    | st.text(max_size=30),
    query=st.binary(max_size=40),
    method=st.sampled_from(["POST", "GET"]) | st.text(max_size=6),
)
def test_no_request_raises_anything_but_a_verdict(
    headers: list[tuple[bytes, bytes]], body: bytes, url: str, query: bytes, method: str
) -> None:
    request = Received(method=method, url=url, path=b"/", query=query, headers=headers, body=body)
    for verifier in VERIFIERS:
        try:
            verifier.verify(request, NOW, {})
        except (VerificationFailed, KeyNeeded):
            continue


@settings(max_examples=20, deadline=None)
@given(headers=_headers, body=st.sampled_from(BODIES) | st.binary(max_size=60))
def test_every_request_can_be_explained(headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    request = Received(
        method="POST", url="https://h.example/a", path=b"/a", query=b"", headers=headers, body=body
    )
    for verifier in VERIFIERS:
        try:
            explained = verifier.explain(request, NOW, {})
        except KeyNeeded:
            continue
        assert explained.genuine == (explained.reason is None)
        assert explained.detail
