"""All handshakes together: whatever comes, nothing raises and nothing breaks out of its answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from greeting_kit import answer, no, request, yes
from hypothesis import given, settings
from hypothesis import strategies as st

from hookferry.errors import InvalidField
from hookferry.wire.greetings import GREETINGS, MAX_ECHO, check_greetings, greet
from hookferry.wire.inbound.received import Received

ROOT = Path(__file__).parents[3]

challenges = st.binary(max_size=40) | st.text(max_size=40).map(lambda t: t.encode(errors="ignore"))
long = st.integers(0, 3000).map(lambda n: b"a" * n)
parameters = st.sampled_from(
    [
        b"challenge",
        b"check",
        b"validationToken",
        b"crc_token",
        b"hub.mode",
        b"hub.topic",
        b"hub.challenge",
        b"hub.verify_token",
    ]
)
parameter_values = st.sampled_from([b"subscribe", b"denied", b"t", b"%0d%0a", b"%E2%80%A8"])
queries = st.lists(st.tuples(parameters, challenges | parameter_values | long), max_size=4).map(
    lambda pairs: b"&".join(name + b"=" + value for name, value in pairs)
)
header_names = st.sampled_from(
    [
        b"x-okta-verification-challenge",
        b"x-hook-secret",
        b"aeg-event-type",
        b"x-amz-sns-message-type",
        b"webhook-request-origin",
        b"webhook-request-rate",
        b"webhook-request-callback",
        b"x-zm-signature",
        b"x-zm-request-timestamp",
    ]
)
header_values = (
    st.sampled_from([b"SubscriptionValidation", b"SubscriptionConfirmation", b"a.example", b"5"])
    | challenges
    | long
)
texts = st.text(max_size=30) | st.sampled_from(
    ["url_verification", "endpoint.url_validation", "SubscriptionConfirmation", "\r\n", "a" * 2000]
)
scalars = texts | st.integers(-1, 2) | st.none() | st.booleans()
names = st.sampled_from(
    ["type", "challenge", "event", "events", "payload", "plainToken", "data", "validationCode"]
) | st.sampled_from(["Type", "SubscribeURL", "TopicArn"])
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner), max_leaves=8
)
bodies = (
    st.dictionaries(names, documents).map(msgspec.json.encode)
    | documents.map(msgspec.json.encode)
    | challenges
)
requests = st.builds(
    Received,
    method=st.sampled_from(["GET", "POST", "OPTIONS", "HEAD", "PUT"]),
    url=st.just("https://hooks.example.com/webhooks/guid"),
    path=st.just(b"/webhooks/guid"),
    query=queries,
    headers=st.lists(st.tuples(header_names, header_values), max_size=4),
    body=bodies,
)


@settings(max_examples=150, deadline=None)
@given(
    requests,
    st.booleans(),
    st.sampled_from([None, "", "t"]),
    st.sampled_from([(), ("secret",), ("s1", "s2")]),
)
def test_whatever_comes_nothing_raises_and_nothing_breaks_out_of_its_answer(
    asked: Received, genuine: bool, token: str | None, secrets: tuple[str, ...]
) -> None:
    for name in GREETINGS:
        told = greet((name,), asked, secrets=secrets, genuine=yes if genuine else no, token=token)
        if told is None:
            continue
        assert (told.status >= 400) is (told.reason is not None)
        assert len(told.body) <= 4 * MAX_ECHO  # JSON may write a character as four to six
        headers = dict(told.headers)
        for key, value in headers.items():
            assert f"{key}{value}".isascii()
            assert f"{key}{value}".isprintable()
            assert len(value) <= MAX_ECHO
        if told.body:
            kind = headers["content-type"]
            assert headers["x-content-type-options"] == "nosniff"
            if kind == "application/json":
                msgspec.json.decode(told.body)
            else:
                assert kind == "text/plain; charset=utf-8"
                assert told.body.decode().isprintable()
                assert len(told.body) <= MAX_ECHO
        if told.reason is not None:
            assert (told.body, told.headers, told.confirm, told.adopt_secret) == (
                b"",
                (),
                None,
                None,
            )
        if told.confirm is not None:
            assert told.confirm.startswith("https://")
            assert genuine


def test_the_first_handshake_that_recognizes_a_request_answers_it() -> None:
    def told(names: tuple[str, ...]) -> Any:
        return greet(
            names,
            request("GET", "hub.mode=subscribe&hub.challenge=c&hub.topic=t&hub.verify_token=t"),
            secrets=(),
            genuine=no,
            token="t",
        )

    assert told(("dropbox", "meta", "websub")).name == "meta"
    assert told(("websub", "meta")).name == "websub"
    assert told(("dropbox", "nylas")) is None
    assert told(()) is None


@pytest.mark.parametrize("name", GREETINGS)
def test_an_ordinary_event_is_no_greeting(name: str) -> None:
    event = request("POST", "source=7", {"type": "order.paid", "event": {"id": 1}}, host="h")
    assert greet((name,), event, secrets=("s",), genuine=no, token="t") is None


def test_handshakes_are_checked_when_a_source_is_saved() -> None:
    assert check_greetings(["slack", "meta"]) == ("slack", "meta")
    assert check_greetings([]) == ()
    for names, field, told in [
        (["slack", "discrod"], "handshakes[1]", "did you mean 'discord'?"),
        (["qqqq"], "handshakes[0]", "known are asana, cloudevents"),
        ([7], "handshakes[0]", "there is no handshake '7'"),
        ("slack", "handshakes", "a list of names"),
        (None, "handshakes", "a list of names"),
        (["slack", "slack"], "handshakes", "listed twice"),
    ]:
        with pytest.raises(InvalidField) as refused:
            check_greetings(names)
        assert refused.value.field == field
        assert told in refused.value.detail


def test_every_handshake_is_documented() -> None:
    page = (ROOT / "docs" / "handshakes.md").read_text()
    for name in GREETINGS:
        assert f"| `{name}` |" in page


def test_a_refusal_says_why_to_the_operator_alone() -> None:
    refusal = answer(
        "meta", request("GET", "hub.mode=subscribe&hub.verify_token=a&hub.challenge=c")
    )
    assert refusal.detail is not None
    assert "verify_token" in refusal.detail
    assert refusal.body == b""
