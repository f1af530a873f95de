"""The CloudEvents handshake: what is asked, and what counts as consent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.errors import HandshakeRefused
from hookferry.wire.handshake import Permission, handshake_request, judge, origin_name

ORIGIN = "https://hooks.example.com:8443"


def head(*lines: str, status: int = 200) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} X", *lines, "", ""]).encode("latin-1")


def refusal(answer: bytes, status: int = 200) -> str:
    with pytest.raises(HandshakeRefused) as refused:
        judge(answer, status, ORIGIN)
    assert refused.value.code == "handshake_refused"
    return refused.value.detail


def test_permission_is_asked_for_the_host_name_alone() -> None:
    assert handshake_request(ORIGIN, None) == b"WebHook-Request-Origin: hooks.example.com\r\n"
    assert handshake_request(ORIGIN, 120) == (
        b"WebHook-Request-Origin: hooks.example.com\r\nWebHook-Request-Rate: 120\r\n"
    )
    assert origin_name("http://127.0.0.1:8080") == "127.0.0.1"
    assert origin_name("http://[::1]:8080") == "::1"
    assert origin_name("") == "localhost"


@pytest.mark.parametrize("status", [200, 202, 204])
@pytest.mark.parametrize("allowed", ["hooks.example.com", "HOOKS.example.COM", "*"])
def test_the_origin_allowed_is_consent(status: int, allowed: str) -> None:
    answer = head(f"webhook-allowed-ORIGIN:  {allowed} ", "Allow: GET, post")
    assert judge(answer, status, ORIGIN) == Permission(None)


@pytest.mark.parametrize(
    ("allowed", "asked", "rate"),
    [
        (["WebHook-Allowed-Rate: 100"], 120, 100),
        (["WebHook-Allowed-Rate: 100"], None, 100),
        (["WebHook-Allowed-Rate: *"], 120, None),
        ([], 120, 120),
        ([], None, None),
        (["WebHook-Allowed-Rate: 1000000000000"], None, None),
        (["WebHook-Allowed-Rate: 5", "webhook-allowed-rate: 5"], None, 5),
    ],
)
def test_the_rate_is_what_is_allowed_else_what_was_asked_for(
    allowed: list[str], asked: int | None, rate: int | None
) -> None:
    answer = head("WebHook-Allowed-Origin: *", *allowed)
    assert judge(answer, 200, ORIGIN, asked=asked) == Permission(rate)


def test_a_status_alone_is_no_consent() -> None:
    said = refusal(head("Allow: OPTIONS, POST"))
    assert "WebHook-Allowed-Origin: hooks.example.com" in said
    assert "handshake" in said


@pytest.mark.parametrize(
    ("status", "why"),
    [(405, "does not take OPTIONS"), (501, "does not take OPTIONS"), (403, "403"), (301, "301")],
)
def test_a_refusing_status_is_no_consent_whatever_the_headers_say(status: int, why: str) -> None:
    assert why in refusal(head("WebHook-Allowed-Origin: *", status=status), status)


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (["WebHook-Allowed-Origin: other.example"], "'other.example'"),
        (["WebHook-Allowed-Origin: *.example.com"], "'*.example.com'"),
        (["WebHook-Allowed-Origin:"], "''"),
        (["WebHook-Allowed-Origin: *", "WebHook-Allowed-Origin: a.example"], "differ"),
        (["WebHook-Allowed-Origin: *", "Allow: GET, OPTIONS"], "no POST"),
        (["WebHook-Allowed-Origin: *", "WebHook-Allowed-Rate: 0"], "'0'"),
        (["WebHook-Allowed-Origin: *", "WebHook-Allowed-Rate: -1"], "'-1'"),
        (["WebHook-Allowed-Origin: *", "WebHook-Allowed-Rate: 1.5"], "'1.5'"),
        (["WebHook-Allowed-Origin: *", "WebHook-Allowed-Rate: many"], "'many'"),
        (["WebHook-Allowed-Origin: *", "WebHook-Allowed-Rate: \xb2"], "number of requests"),
    ],
)
def test_anything_else_is_refused_saying_what_came(lines: list[str], why: str) -> None:
    assert why in refusal(head(*lines))


def test_a_long_answer_is_quoted_in_part() -> None:
    assert len(refusal(head("WebHook-Allowed-Origin: " + "x" * 30_000))) < 400


@given(st.binary(max_size=300), st.integers(100, 999))
def test_no_answer_raises_anything_but_a_refusal(answer: bytes, status: int) -> None:
    try:
        judge(b"HTTP/1.1 200 OK\r\nWebHook-Allowed-Origin: *\r\n" + answer, status, ORIGIN)
        judge(answer, status, ORIGIN)
    except HandshakeRefused:
        pass
