"""OPTIONS that asks for permission (CloudEvents webhooks, section 4), and HEAD that looks."""

from __future__ import annotations

import pytest
from greeting_kit import answer, greeted, no, request, yes

from hookferry.wire.handshake import handshake_request, judge


def test_a_sender_is_permitted_what_it_asks_for() -> None:
    asked = request(
        "OPTIONS", webhook_request_origin="eventemitter.example.com", webhook_request_rate="120"
    )
    told = answer("cloudevents", asked)
    assert (told.status, told.body, told.confirm) == (200, b"", None)
    assert dict(told.headers) == {
        "webhook-allowed-origin": "eventemitter.example.com",
        "webhook-allowed-rate": "120",
        "allow": "POST",
    }


@pytest.mark.parametrize(
    ("asked", "limit", "allowed"),
    [
        (None, None, "*"),
        (None, 60, "60"),
        ("120", 60, "60"),
        ("30", 60, "30"),
        ("30", None, "30"),
    ],
)
def test_the_rate_is_always_told_and_never_beyond_the_sources_own(
    asked: str | None, limit: int | None, allowed: str
) -> None:
    rate = {} if asked is None else {"webhook_request_rate": asked}
    told = answer(
        "cloudevents",
        request("OPTIONS", webhook_request_origin="a.example", **rate),
        per_minute=limit,
    )
    assert dict(told.headers)["webhook-allowed-rate"] == allowed


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"webhook_request_origin": "a\r\nx: y"}, "bad_origin"),
        ({"webhook_request_origin": ""}, "bad_origin"),
        ({"webhook_request_origin": "https://a.example"}, "bad_origin"),
        ({"webhook_request_origin": "a" * 256}, "bad_origin"),
        ({"webhook_request_origin": "a", "webhook_request_rate": "0"}, "bad_rate"),
        ({"webhook_request_origin": "a", "webhook_request_rate": "-1"}, "bad_rate"),
        ({"webhook_request_origin": "a", "webhook_request_rate": "9" * 11}, "bad_rate"),
        ({"webhook_request_origin": "a", "webhook_request_rate": "x"}, "bad_rate"),
    ],
)
def test_an_origin_or_rate_that_is_none_is_refused(headers: dict[str, str], reason: str) -> None:
    refusal = answer("cloudevents", request("OPTIONS", **headers))
    assert (refusal.status, refusal.reason, refusal.headers) == (400, reason, ())


CALLBACK = "https://grid.example.com/confirm?id=1&key=k"


def test_the_callback_is_called_for_a_genuine_request_only() -> None:
    asked = request(
        "OPTIONS", webhook_request_origin="a.example", webhook_request_callback=CALLBACK
    )
    assert answer("cloudevents", asked, genuine=yes).confirm == CALLBACK
    refused = answer("cloudevents", asked, genuine=no)
    assert (refused.status, refused.confirm) == (200, None)


@pytest.mark.parametrize(
    "callback",
    ["http://a.example/", "file:///etc/passwd", "https://u@a.example/", "x", "https:///"],
)
def test_no_callback_but_a_plain_https_address_is_called(callback: str) -> None:
    asked = request(
        "OPTIONS", webhook_request_origin="a.example", webhook_request_callback=callback
    )
    assert answer("cloudevents", asked).confirm is None


def test_other_requests_than_handshakes_go_on() -> None:
    assert greeted("cloudevents", request("OPTIONS", origin="https://a.example")) is None
    assert greeted("cloudevents", request("POST", webhook_request_origin="a.example")) is None


def test_hookferrys_own_handshake_is_understood_by_its_receiving_half() -> None:
    lines = handshake_request("https://hooks.example.com", 90).decode().split("\r\n")
    pairs = dict(line.split(": ") for line in lines if line)
    asked = request("OPTIONS", **{name.lower().replace("-", "_"): v for name, v in pairs.items()})
    told = answer("cloudevents", asked)
    head = "HTTP/1.1 200 OK\r\n" + "".join(f"{name}: {v}\r\n" for name, v in told.headers)
    permission = judge(head.encode(), told.status, "https://hooks.example.com", asked=90)
    assert permission.rate == 90


def test_trello_finds_the_address_there() -> None:
    told = answer("trello", request("HEAD"))
    assert (told.status, told.body, told.headers) == (200, b"", ())
    assert greeted("trello", request("POST")) is None
