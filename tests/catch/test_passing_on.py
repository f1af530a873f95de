from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.catch.passing_on import from_automation, from_webhook
from hookferry.domain.webhook import Mode
from hookferry.engine.synchronous import BUSY
from hookferry.engine.verdicts import Report
from hookferry.transport.port import ErrorKind, Outcome


def said(outcome: Outcome | None, error: str | None = None) -> Report:
    return Report(
        webhook_id=1, name="x", delivery_id=2, mode=Mode.SYNC, outcome=outcome, error=error
    )


def answered(status: int, *headers: str, body: bytes = b"") -> Report:
    head = "\r\n".join([f"HTTP/1.1 {status} Said", *headers, "", ""]).encode("latin-1")
    return said(Outcome(status=status, head=head, body=body))


def headers_of(*headers: str, body: bytes = b"") -> list[tuple[str, str]]:
    return list(from_automation(answered(200, *headers, body=body))[0].headers)


def test_an_automation_says_status_headers_and_body() -> None:
    report = answered(201, "Content-Type: application/json", "X-Own: 1", "Link: <a>", body=b"{}")
    answer, why = from_automation(report)
    assert (answer.status, answer.body, why) == (201, b"{}", None)
    assert answer.headers == (
        ("content-type", "application/json"),
        ("x-own", "1"),
        ("link", "<a>"),
    )


def test_an_automation_may_send_a_browser_elsewhere() -> None:
    answer, _ = from_automation(answered(302, "Location: https://shop.example/"))
    assert (answer.status, answer.headers) == (302, (("location", "https://shop.example/"),))


@pytest.mark.parametrize(
    "header",
    [
        "Set-Cookie: a=b",
        "Content-Length: 9",
        "Transfer-Encoding: chunked",
        "Connection: close",
        "Proxy-Authenticate: Basic",
        "Content-Security-Policy: none",
        "Strict-Transport-Security: max-age=1",
        "Clear-Site-Data: *",
        "Service-Worker-Allowed: /",
        "X-Content-Type-Options: none",
        "Date: never",
        "Server: other",
    ],
)
def test_what_is_the_servers_own_is_no_scripts(header: str) -> None:
    assert headers_of(header, "X-Own: 1") == [("x-own", "1")]


def test_what_was_left_out_is_told_by_its_name() -> None:
    headers = ("Set-Cookie: secret", "X-Own: 1", "Date: never", "set-cookie: b=c")
    _, why = from_automation(answered(200, *headers))
    assert why == "left out, as no source may set them: date, set-cookie"


def test_which_pages_may_read_an_answer_is_the_automations_to_say() -> None:
    given_by_the_script = [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-headers", "User-Agent, Content-Type"),
        ("access-control-allow-methods", "OPTION,POST"),
    ]
    assert headers_of(*(f"{n}: {v}" for n, v in given_by_the_script)) == given_by_the_script


@pytest.mark.parametrize(
    "header",
    [
        "X-A: 1\nSet-Cookie: a=b",
        "X-A: 1\rSet-Cookie: a=b",
        "X-A: \x00",
        "X-A: \x7f",
        "X A: 1",
        "X-\x01: 1",
        "X-\xe9: 1",
        ": 1",
        "no colon at all",
        "X-Long: " + "a" * 4097,
        "X-" + "n" * 63 + ": 1",
    ],
)
def test_what_can_be_no_header_is_left_out(header: str) -> None:
    assert headers_of(header, "X-Own: 1") == [("x-own", "1")]


@given(st.lists(st.text(st.characters(max_codepoint=255), max_size=40), max_size=5))
def test_no_header_ever_breaks_a_line(headers: list[str]) -> None:
    for name, value in headers_of(*headers):
        assert name
        assert not set(name + value) & set("\r\n\0")


def test_an_answer_has_at_most_64_headers() -> None:
    assert len(headers_of(*(f"X-{n}: 1" for n in range(100)))) == 64


def test_a_body_without_a_type_is_plain_text() -> None:
    assert headers_of(body=b"Success!") == [("content-type", "text/plain; charset=utf-8")]
    assert headers_of("content-type: text/html", body=b"<p>") == [("content-type", "text/html")]
    assert headers_of() == []


def test_an_answer_that_the_log_keeps_the_beginning_of_goes_out_whole() -> None:
    outcome = Outcome(status=200, body=b"beg", truncated=True, whole=b"beginning")
    answer, why = from_automation(said(outcome))
    assert (answer.status, answer.body, why) == (200, b"beginning", None)


@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_status_without_a_body_has_none(status: int) -> None:
    answer, _ = from_automation(answered(status, body=b"x"))
    assert (answer.status, answer.body, answer.headers) == (status, b"", ())


SECRET = "KeyError: 'the password is 12345'"


@pytest.mark.parametrize(
    "report",
    [
        said(Outcome(error=ErrorKind.INTERNAL, detail=SECRET), SECRET),
        said(Outcome(error=ErrorKind.TIMEOUT, detail=SECRET), SECRET),
        answered(199, f"X-Error: {SECRET}", body=SECRET.encode()),
        answered(600, f"X-Error: {SECRET}", body=SECRET.encode()),
        said(Outcome(status=200, body=SECRET.encode(), truncated=True)),
    ],
)
def test_a_run_that_failed_is_500_and_tells_its_caller_nothing(report: Report) -> None:
    answer, why = from_automation(report)
    assert (answer.status, answer.headers, answer.body) == (500, (), b"")
    assert why == "the automation failed; its run says why"


def test_an_automation_that_was_not_run_asks_the_caller_to_come_back() -> None:
    answer, why = from_automation(said(None, BUSY))
    assert (answer.status, answer.headers, answer.body) == (503, (("retry-after", "5"),), b"")
    assert why == "the automation was not run: receiver_busy"


def test_of_a_receivers_answer_only_what_describes_it_is_passed_on() -> None:
    report = answered(403, "Content-Type: text/plain", "X-Own: secret", body=b"not today")
    answer, why = from_webhook(report)
    assert (answer.status, answer.body, why) == (403, b"not today", None)
    assert answer.headers == (("content-type", "text/plain"),)


@pytest.mark.parametrize(
    ("report", "why"),
    [
        (said(None, BUSY), "the webhook was not called: receiver_busy"),
        (
            said(Outcome(error=ErrorKind.CONNECT_REFUSED, detail="10.0.0.1:80")),
            "the webhook gave no answer: connection_refused",
        ),
        (
            said(Outcome(status=200, truncated=True)),
            "the webhook answered more than is kept of an answer",
        ),
        (answered(600), "the webhook answered 600, which is no status"),
    ],
)
def test_a_receiver_without_a_usable_answer_is_502(report: Report, why: str) -> None:
    answer, detail = from_webhook(report)
    assert (answer.status, answer.headers, answer.body) == (502, (), b"")
    assert detail == why
