"""Challenges in queries and headers are repeated as plain text; tokens have to be right."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from greeting_kit import answer, greeted, is_plain, members, request

from hookferry.wire.greetings import MAX_ECHO


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("dropbox", request("GET", "challenge=c-1")),
        ("nylas", request("GET", "x=&challenge=c-1")),
        ("onfleet", request("GET", "check=c-1")),
        ("msgraph", request("POST", "validationToken=c-1")),
        ("msgraph", request("POST", "tenant=7&validationtoken=c-1")),
    ],
)
def test_a_challenge_in_the_query_is_repeated_as_plain_text(name: str, asked: object) -> None:
    assert is_plain(answer(name, asked), "c-1")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("dropbox", request("POST", "challenge=c-1")),
        ("dropbox", request("GET", "hub.challenge=c-1")),
        ("nylas", request("GET", "challenger=c-1")),
        ("onfleet", request("GET", "recheck=c-1")),
        ("msgraph", request("GET", "validationToken=c-1")),
        ("msgraph", request("POST", b"", b"validationToken=c-1")),
        ("okta", request("GET")),
        ("okta", request("POST", x_okta_verification_challenge="c-1")),
        ("meta", request("GET", "hub.mode=subscribe&hub.challenge=c-1")),
        ("meta", request("GET", "hub.mode=unsubscribe&hub.challenge=c-1&hub.verify_token=t")),
        ("websub", request("GET", "hub.mode=subscribe&hub.challenge=c-1")),
        ("websub", request("GET", "hub.mode=publish&hub.topic=t")),
        ("x", request("GET", "token=crc_token")),
        ("x", request("POST", b"", {"for_user_id": "1"})),
    ],
)
def test_what_asks_nothing_goes_on(name: str, asked: object) -> None:
    assert greeted(name, asked, token="t") is None  # type: ignore[arg-type]


def test_what_graph_encodes_is_repeated_decoded() -> None:
    asked = request("POST", "validationToken=Validation%3a+Testing+%26+more+%C3%A9")
    assert is_plain(answer("msgraph", asked), "Validation: Testing & more é")


def test_okta_gets_its_header_back_as_json() -> None:
    asked = request("GET", x_okta_verification_challenge=" kO_6 ")
    assert members(answer("okta", asked)) == {"verification": "kO_6"}


@pytest.mark.parametrize(
    ("challenge", "reason"),
    [
        ("a" * (MAX_ECHO + 1), "challenge_too_long"),
        ("%C3%A9" * (MAX_ECHO // 2 + 1), "challenge_too_long"),
        ("", "challenge_not_text"),
        ("a%0d%0aset-cookie: b", "challenge_not_text"),
        ("a%00b", "challenge_not_text"),
        ("a%C2%85b", "challenge_not_text"),
        ("a%E2%80%A8b", "challenge_not_text"),
        ("a%E2%80%AEb", "challenge_not_text"),
    ],
)
def test_a_challenge_that_is_long_or_no_text_is_refused(challenge: str, reason: str) -> None:
    refusal = answer("dropbox", request("GET", f"challenge={challenge}"))
    assert (refusal.status, refusal.reason, refusal.body) == (400, reason, b"")


def test_a_challenge_of_just_the_cap_is_repeated() -> None:
    longest = "a" * MAX_ECHO
    assert is_plain(answer("dropbox", request("GET", f"challenge={longest}")), longest)


def test_markup_is_repeated_as_text_that_is_not_sniffed() -> None:
    markup = "<script>alert(1)</script>"
    asked = request("GET", "challenge=%3Cscript%3Ealert(1)%3C/script%3E")
    assert is_plain(answer("nylas", asked), markup)
    quoted = request("GET", x_okta_verification_challenge='"},{"<b>')
    assert members(answer("okta", quoted)) == {"verification": '"},{"<b>'}


def test_more_parameters_than_a_greeting_has_are_not_looked_through() -> None:
    assert greeted("dropbox", request("GET", "&".join(["challenge=c"] * 65))) is None


# -- Meta ---------------------------------------------------------------------------------------

META = "hub.mode=subscribe&hub.verify_token={}&hub.challenge=1158201444"


def test_meta_gets_its_challenge_for_the_right_token() -> None:
    assert is_plain(answer("meta", request("GET", META.format("s3")), token="s3"), "1158201444")


@pytest.mark.parametrize(
    ("given", "token", "reason"),
    [
        ("s4", "s3", "wrong_token"),
        ("", "s3", "wrong_token"),
        ("s3%20", "s3", "wrong_token"),
        ("s3", None, "no_token"),
        ("", "", "no_token"),
    ],
)
def test_meta_is_refused_without_the_right_token(
    given: str, token: str | None, reason: str
) -> None:
    refusal = answer("meta", request("GET", META.format(given)), token=token)
    assert (refusal.status, refusal.reason, refusal.body) == (403, reason, b"")


# -- WebSub -------------------------------------------------------------------------------------

TOPIC = "https://blog.example.com/feed"
WEBSUB = "hub.mode={}&hub.topic=https%3A//blog.example.com/feed&hub.challenge=c&hub.lease_seconds=9"


def test_a_hub_gets_its_challenge_for_the_known_topic() -> None:
    asked = request("GET", WEBSUB.format("subscribe"))
    assert is_plain(answer("websub", asked, token=TOPIC), "c")


@pytest.mark.parametrize("token", [None, "", "https://blog.example.com/other"])
def test_a_hub_is_not_confirmed_another_topic(token: str | None) -> None:
    refusal = answer("websub", request("GET", WEBSUB.format("subscribe")), token=token)
    assert (refusal.status, refusal.reason) == (404, "unknown_topic")


def test_the_end_of_a_subscription_is_never_confirmed() -> None:
    refusal = answer("websub", request("GET", WEBSUB.format("unsubscribe")), token=TOPIC)
    assert (refusal.status, refusal.reason, refusal.body) == (404, "unsubscription", b"")


def test_a_hub_may_tell_that_it_denied_a_subscription() -> None:
    told = answer("websub", request("GET", WEBSUB.format("denied")), token=TOPIC)
    assert (told.status, told.reason, told.body) == (200, None, b"")


# -- X ------------------------------------------------------------------------------------------


def test_x_gets_its_token_signed_with_the_newest_secret() -> None:
    signed = base64.b64encode(hmac.new(b"new", b"c-1_=", hashlib.sha256).digest()).decode()
    asked = request("GET", "crc_token=c-1_%3D&nonce=n")
    assert members(answer("x", asked, secrets=("new", "old"))) == {
        "response_token": f"sha256={signed}"
    }


def test_x_without_a_secret_is_refused() -> None:
    refusal = answer("x", request("GET", "crc_token=c"))
    assert (refusal.status, refusal.reason) == (403, "no_secret")


@pytest.mark.parametrize(
    "token", ["%7B%22a%22:1%7D", "a.b", "a:b", "[1]", "%22a%22", "a%20b", "", "a" * 201]
)
def test_nothing_is_signed_for_a_stranger_that_could_be_a_message(token: str) -> None:
    refusal = answer("x", request("GET", f"crc_token={token}"), secrets=("secret",))
    assert (refusal.status, refusal.reason) == (400, "challenge_not_token")
    assert refusal.body == b""


@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
@pytest.mark.parametrize("body", [b"c-1_=", b"123", b"true", b"a" * 200])
def test_a_body_that_a_challenge_could_have_signed_is_refused(method: str, body: bytes) -> None:
    signed = answer("x", request("GET", f"crc_token={body.decode()}"), secrets=("secret",))
    assert signed.reason is None
    refusal = answer("x", request(method, b"", body), secrets=("secret",))
    assert (refusal.status, refusal.reason) == (401, "could_be_challenge")
