"""Handshakes that come as a message: nothing that is signed is answered before it is genuine."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest
from greeting_kit import answer, greeted, is_plain, members, no, request, yes

from hookferry.wire.greetings.greeting import MAX_BODY
from hookferry.wire.inbound.received import KeyNeeded

# -- Slack --------------------------------------------------------------------------------------

SLACK = {"token": "t", "challenge": "3eZbrw1aB10FEMAGAZd4FyFQ", "type": "url_verification"}


def test_slack_gets_its_challenge_back() -> None:
    asked = request("POST", b"", SLACK)
    assert is_plain(answer("slack", asked, genuine=yes), SLACK["challenge"])


def test_slack_is_left_to_verification_when_it_is_not_genuine() -> None:
    assert greeted("slack", request("POST", b"", SLACK), genuine=no) is None


@pytest.mark.parametrize(
    "body",
    [
        {"type": "event_callback", "event": {"text": "url_verification", "challenge": "c"}},
        {"type": "url_verification"},
        {"type": "url_verification", "challenge": 5},
        ["url_verification"],
        "url_verification",
        b'{"type": "url_verification", "challenge": "c"',
        b'{"type": "url_verification", "challenge": "\xff"}',
        b'{"type": "url_verification", "challenge": ' + b"[" * 5_000,
        SLACK | {"padding": "x" * MAX_BODY},
    ],
)
def test_what_only_speaks_of_a_verification_goes_on(body: Any) -> None:
    assert greeted("slack", request("POST", b"", body)) is None


# -- Zoom ---------------------------------------------------------------------------------------


def zoom(token: object, secret: str = "secret", signature: str | None = None) -> Any:
    unsigned = request(
        "POST", b"", {"event": "endpoint.url_validation", "payload": {"plainToken": token}}
    )
    signed = hmac.new(secret.encode(), b"v0:1700000000:" + unsigned.body, hashlib.sha256)
    return request(
        "POST",
        b"",
        unsigned.body,
        x_zm_request_timestamp="1700000000",
        x_zm_signature=signature or f"v0={signed.hexdigest()}",
    )


def test_zoom_gets_its_token_and_the_token_signed() -> None:
    signed = hmac.new(b"secret", b"qgg8vlvZRS6UYooatFL8Aw", hashlib.sha256).hexdigest()
    told = answer("zoom", zoom("qgg8vlvZRS6UYooatFL8Aw"), secrets=("secret",), genuine=yes)
    assert members(told) == {"plainToken": "qgg8vlvZRS6UYooatFL8Aw", "encryptedToken": signed}


def test_zoom_is_answered_with_the_secret_that_signed_its_request() -> None:
    old = hmac.new(b"old", b"t", hashlib.sha256).hexdigest()
    told = answer("zoom", zoom("t", "old"), secrets=("new", "old"), genuine=yes)
    assert members(told)["encryptedToken"] == old


def test_nothing_is_signed_for_who_is_not_zoom() -> None:
    assert greeted("zoom", zoom("t"), secrets=("secret",), genuine=no) is None
    forged = zoom("t", signature="v0=" + "0" * 64)
    assert greeted("zoom", forged, secrets=("secret",), genuine=yes) is None
    unsigned = request("POST", b"", forged.body)
    assert greeted("zoom", unsigned, secrets=("secret",), genuine=yes) is None
    assert greeted("zoom", zoom("t", ""), secrets=(), genuine=yes) is None


@pytest.mark.parametrize("token", ["v0:1700000000:{}", "a.b", "{}", "", "a" * 201])
def test_not_even_zoom_has_signed_what_could_be_a_request(token: str) -> None:
    refusal = answer("zoom", zoom(token), secrets=("secret",), genuine=yes)
    assert (refusal.status, refusal.reason, refusal.body) == (400, "challenge_not_token", b"")


@pytest.mark.parametrize(
    "body",
    [
        {"event": "meeting.started", "payload": {"topic": "endpoint.url_validation"}},
        {"event": "endpoint.url_validation"},
        {"event": "endpoint.url_validation", "payload": []},
        {"event": "endpoint.url_validation", "payload": {"plainToken": 1}},
        ["endpoint.url_validation"],
    ],
)
def test_other_messages_of_zoom_go_on(body: Any) -> None:
    assert greeted("zoom", request("POST", b"", body)) is None


# -- Discord ------------------------------------------------------------------------------------


def test_a_ping_of_interactions_gets_its_type_back() -> None:
    asked = request("POST", b"", {"id": "1", "type": 1, "token": "t", "version": 1})
    assert members(answer("discord", asked, genuine=yes)) == {"type": 1}


def test_a_ping_of_webhook_events_gets_204_with_a_content_type() -> None:
    asked = request("POST", b"", b'{"version": 1, "application_id": "1", "type" : 0 }')
    told = answer("discord", asked, genuine=yes)
    assert (told.status, told.body) == (204, b"")
    assert dict(told.headers)["content-type"] == "application/json"


@pytest.mark.parametrize("kind", [0, 1])
def test_a_ping_with_a_wrong_signature_gets_the_401_that_discord_looks_for(kind: int) -> None:
    refusal = answer("discord", request("POST", b"", {"type": kind}), genuine=no)
    assert (refusal.status, refusal.reason, refusal.body) == (401, "not_genuine", b"")


@pytest.mark.parametrize(
    "body",
    [
        {"type": 2, "data": {"components": [{"type": 1, "components": []}]}},
        {"version": 1, "type": 1, "event": {"type": "APPLICATION_AUTHORIZED"}},
        {"type": True, "x": {"type": 1}},
        {"type": "1", "x": {"type": 1}},
        {"type": 1.0, "x": {"type": 1}},
        [{"type": 1}],
    ],
)
def test_what_discord_sends_after_that_goes_on(body: Any) -> None:
    assert greeted("discord", request("POST", b"", body)) is None


# -- Xero ---------------------------------------------------------------------------------------

INTENT = b'{"events":[],"firstEventSequence": 0,"lastEventSequence": 0, "entropy": "S0m3"}'


def test_an_intent_to_receive_gets_200_or_401_without_a_body() -> None:
    good = answer("xero", request("POST", b"", INTENT), genuine=yes)
    assert (good.status, good.body, good.reason) == (200, b"", None)
    bad = answer("xero", request("POST", b"", INTENT), genuine=no)
    assert (bad.status, bad.body, bad.reason) == (401, b"", "not_genuine")


@pytest.mark.parametrize(
    "body",
    [
        {"events": [{"resourceId": "1"}], "entropy": "S0m3"},
        {"events": [{"events": []}]},
        {"entropy": '"events":[]'},
        {"a": {"events": []}},
    ],
)
def test_events_of_xero_go_on(body: Any) -> None:
    assert greeted("xero", request("POST", b"", body)) is None


# -- Azure Event Grid ---------------------------------------------------------------------------

VALIDATION = {"id": "1", "data": {"validationCode": "512d38b6", "validationUrl": "https://e"}}


@pytest.mark.parametrize("body", [[VALIDATION], VALIDATION])
def test_event_grid_gets_its_code_back(body: Any) -> None:
    asked = request("POST", b"", body, aeg_event_type="SubscriptionValidation")
    assert members(answer("eventgrid", asked)) == {"validationResponse": "512d38b6"}


@pytest.mark.parametrize(
    "body", [b"", b"[", [], {}, [VALIDATION, VALIDATION], [{"data": {"validationCode": 1}}]]
)
def test_a_validation_without_a_code_is_refused(body: Any) -> None:
    asked = request("POST", b"", body, aeg_event_type="SubscriptionValidation")
    refusal = answer("eventgrid", asked)
    assert (refusal.status, refusal.reason) == (400, "no_challenge")


def test_a_code_that_is_no_text_is_refused() -> None:
    body = {"data": {"validationCode": "a\r\nb"}}
    asked = request("POST", b"", body, aeg_event_type="SubscriptionValidation")
    assert answer("eventgrid", asked).reason == "challenge_not_text"


def test_notifications_of_event_grid_go_on() -> None:
    asked = request("POST", b"", [VALIDATION], aeg_event_type="Notification")
    assert greeted("eventgrid", asked) is None
    assert greeted("eventgrid", request("POST", b"", [VALIDATION])) is None


# -- Amazon SNS ---------------------------------------------------------------------------------

ARN = "arn:aws:sns:eu-west-1:123456789012:orders"
SUBSCRIBE = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=a&Token=t"


def sns(address: object = SUBSCRIBE, kind: str = "SubscriptionConfirmation") -> Any:
    body = {"Type": kind, "TopicArn": ARN, "SubscribeURL": address}
    return request("POST", b"", body, x_amz_sns_message_type="SubscriptionConfirmation")


@pytest.mark.parametrize("token", [None, ARN])
def test_a_genuine_subscription_is_confirmed_by_its_address(token: str | None) -> None:
    told = answer("sns", sns(), genuine=yes, token=token)
    assert (told.status, told.confirm, told.reason) == (200, SUBSCRIBE, None)


def test_the_addresses_of_china_are_amazons_too() -> None:
    address = "https://sns.cn-north-1.amazonaws.com.cn/?Action=ConfirmSubscription"
    assert answer("sns", sns(address), genuine=yes).confirm == address


def test_a_subscription_that_is_not_genuine_is_left_to_verification() -> None:
    assert greeted("sns", sns(), genuine=no) is None


def test_another_topic_than_the_sources_is_not_confirmed() -> None:
    refusal = answer("sns", sns(), genuine=yes, token=ARN + "2")
    assert (refusal.status, refusal.reason, refusal.confirm) == (403, "unknown_topic", None)


@pytest.mark.parametrize(
    "address",
    [
        "http://sns.eu-west-1.amazonaws.com/",
        "https://sns.eu-west-1.amazonaws.com.evil.example/",
        "https://evil.example/sns.eu-west-1.amazonaws.com",
        "https://sns.a.b.amazonaws.com/",
        "https://xsns.eu-west-1.amazonaws.com/",
        "https://sns.eu-west-1.amazonaws.com@evil.example/",
        "https://user@sns.eu-west-1.amazonaws.com/",
        "https://evil.example\\@sns.eu-west-1.amazonaws.com/",
        "https://evil.example#@sns.eu-west-1.amazonaws.com/",
        "https://sns.eu-west-1.amazonaws.com:8443/",
        "https://sns.eu-west-1.amazonaws.com:x/",
        "https://sns.eu-west-1.amazonaws.com/\r\nhost: evil.example",
        "https://[sns.eu-west-1.amazonaws.com/",
        "https://s3.amazonaws.com/",
        "file:///etc/passwd",
        "https://sns.eu-west-1.amazonaws.com/" + "a" * 1024,
        "",
        None,
    ],
)
def test_no_address_but_amazons_is_ever_confirmed(address: object) -> None:
    refusal = answer("sns", sns(address), genuine=yes)
    assert (refusal.status, refusal.reason, refusal.confirm) == (403, "address_refused", None)


def test_notifications_of_sns_go_on_whatever_their_header_says() -> None:
    assert greeted("sns", sns(kind="Notification")) is None
    assert greeted("sns", request("POST", b"", sns().body)) is None


def test_a_certificate_that_is_needed_first_is_asked_for() -> None:
    def needs() -> bool:
        raise KeyNeeded("https://sns.eu-west-1.amazonaws.com/cert.pem")

    with pytest.raises(KeyNeeded):
        greeted("sns", sns(), genuine=needs)


# -- Asana --------------------------------------------------------------------------------------


def test_the_first_secret_of_asana_is_repeated_and_adopted() -> None:
    told = answer("asana", request("POST", x_hook_secret="b537207f20cb"))
    assert (told.status, told.adopt_secret) == (200, "b537207f20cb")
    assert told.headers == (("x-hook-secret", "b537207f20cb"),)


def test_a_known_secret_is_repeated_and_not_adopted_again() -> None:
    told = answer("asana", request("POST", x_hook_secret="s1"), secrets=("s0", "s1"))
    assert (told.status, told.adopt_secret, told.headers) == (200, None, (("x-hook-secret", "s1"),))


def test_another_secret_is_neither_repeated_nor_adopted() -> None:
    refusal = answer("asana", request("POST", x_hook_secret="s2"), secrets=("s1",))
    assert (refusal.status, refusal.reason) == (403, "secret_known")
    assert (refusal.headers, refusal.adopt_secret) == ((), None)


@pytest.mark.parametrize("secret", ["", "a b", "a\r\nb: c", "a" * 257, "ä"])
def test_what_is_no_secret_is_refused(secret: str) -> None:
    refusal = answer("asana", request("POST", x_hook_secret=secret))
    assert (refusal.status, refusal.reason, refusal.headers) == (400, "challenge_not_token", ())


def test_a_greeting_does_not_print_a_secret() -> None:
    assert "b537207f20cb" not in repr(
        answer("asana", request("POST", x_hook_secret="b537207f20cb"))
    )
