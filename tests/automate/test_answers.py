"""What a script returns, as an answer: nothing of it frames the message."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.automate.answers import (
    MAX_BODY,
    MAX_HEADER,
    MAX_HEADERS,
    NOBODY,
    NOTHING,
    ScriptAnswer,
    answer_of,
)
from hookferry.errors import ScriptError

LINE = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [\t\x20-\x7e\x80-\xff]*")
URI = "cerb:automation_resource:0123"


def answer(resources: dict[str, bytes] | None = None, **returned: Any) -> ScriptAnswer:
    return answer_of(returned, resources or {})


def refusal(**returned: Any) -> str:
    with pytest.raises(ScriptError) as refused:
        answer(**returned)
    return refused.value.detail


# --------------------------------------------------------------------------- statuses


def test_what_is_not_returned_is_an_empty_200() -> None:
    assert answer() == NOTHING == answer(status_code="", headers="", body=None)
    assert (NOTHING.status, NOBODY.status) == (200, 404)


@pytest.mark.parametrize(
    ("value", "status"), [(201, 201), ("404", 404), (" 599 ", 599), (200.0, 200)]
)
def test_a_status_is_a_number_or_a_text(value: Any, status: int) -> None:
    assert answer(status_code=value).status == status


@pytest.mark.parametrize("value", [100, 199, 600, -200, "2000", "ok", "²00", True, [200], 200.5])
def test_other_statuses_are_refused(value: Any) -> None:
    refusal(status_code=value)


@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_status_without_body_has_none(status: int) -> None:
    assert answer(status_code=status).body == b""
    assert str(status) in refusal(status_code=status, body="x")


def test_a_status_without_a_name_has_a_head_all_the_same() -> None:
    assert answer(status_code=299).head == b"HTTP/1.1 299 \r\n\r\n"


# --------------------------------------------------------------------------- headers


def test_headers_are_a_dictionary_or_lines() -> None:
    assert answer(headers={"X-A": 1, "X-B": " two "}).headers == (("X-A", "1"), ("X-B", "two"))
    assert answer(headers="X-A: 1\n\nX-B: a:b\n").headers == (("X-A", "1"), ("X-B", "a:b"))
    assert answer(headers={"X-A": "1"}).head == b"HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\n"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-A": "1\r\nX-Evil: 1"},
        {"X-A": "1\nX-Evil: 1"},
        {"X-A": "1\r"},
        {"X-A": "\x00"},
        {"X-A: 1\r\nX-Evil": "1"},
        {"X A": "1"},
        {"": "1"},
        {"X-Ä": "1"},
        {"X-A": {"a": 1}},
        {"X-A": "x" * (MAX_HEADER + 1)},
        {"X-A": "é" * (MAX_HEADER // 2 + 1)},
        {f"X-{n}": "1" for n in range(MAX_HEADERS + 1)},
        "no colon",
        ["X-A", "1"],
        [["X-A", "1"]],
        7,
    ],
)
def test_headers_that_can_not_be_sent_are_refused(headers: Any) -> None:
    refusal(headers=headers)


def test_what_is_beyond_ascii_in_a_header_goes_out_as_its_bytes() -> None:
    assert answer(headers={"X-A": "é\udcff"}).head.endswith(b"X-A: \xc3\xa9\xff\r\n\r\n")


NAMES = st.from_regex(r"[A-Za-z][A-Za-z-]{0,8}", fullmatch=True) | st.text(max_size=12)
VALUES = st.text(alphabet="\r\n\0\t :ax\u2028é\udcff", max_size=12) | st.text(max_size=24)


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_no_header_begins_another_or_ends_the_head(headers: dict[str, str]) -> None:
    try:
        head = answer(headers=headers).head
    except ScriptError:
        return
    *lines, last, end = head.split(b"\r\n")
    assert (last, end) == (b"", b"")
    assert lines[0] == b"HTTP/1.1 200 OK"
    assert len(lines) == 1 + len(headers)
    assert all(LINE.fullmatch(line) for line in lines[1:])


# --------------------------------------------------------------------------- bodies


def test_a_body_is_text_in_utf_8_and_bytes_are_themselves() -> None:
    assert answer(body="é").body == b"\xc3\xa9"
    assert answer(body="\udcff\udc00").body == b"??"
    assert answer(body="\udcff\udc80").body == b"\xff\x80"
    assert answer(body=5).body == b"5"


@pytest.mark.parametrize("body", [{"a": [1, None]}, {"a": {}}, [1, "é"]])
def test_a_dictionary_or_list_is_json(body: Any) -> None:
    said = answer(body=body)
    assert said.headers == (("Content-Type", "application/json"),)
    assert said.body.startswith((b"{", b"["))


def test_a_type_that_the_script_says_is_kept() -> None:
    headers = {"content-type": "application/problem+json"}
    assert answer(body={"a": 1}, headers=headers).headers == tuple(headers.items())


def test_bytes_that_are_no_text_are_no_json() -> None:
    assert "base64_encode" in refusal(body={"a": "\udcff"})


def test_a_data_uri_is_its_bytes_and_its_type() -> None:
    uri = "data:image/png;base64," + base64.b64encode(b"\x89PNG").decode()
    assert answer(body=uri) == ScriptAnswer(200, (("Content-Type", "image/png"),), b"\x89PNG")
    assert answer(body=uri, headers={"Content-Type": "a/b"}).headers == (("Content-Type", "a/b"),)
    assert answer(body="data:;base64,eA==") == ScriptAnswer(200, (), b"x")


@pytest.mark.parametrize("body", ["data:a/b;base64,?", "data:a/b;base64,eA", "data:;base64,é"])
def test_a_data_uri_whose_base64_is_broken_is_refused(body: str) -> None:
    assert "base64" in refusal(body=body)


@pytest.mark.parametrize(
    "body", ["data:text/plain,x", "data: x", "data:" + "x" * 300 + ";base64,eA=="]
)
def test_what_is_not_quite_such_a_uri_is_text(body: str) -> None:
    assert answer(body=body).body == body.encode()


def test_a_data_uri_begins_no_header() -> None:
    said = answer(body="data:a/b\r\nX-Evil: 1;base64,eA==")
    assert (said.headers, said.body[:5]) == ((), b"data:")


def test_a_large_answer_is_passed_on_by_its_uri() -> None:
    assert answer({URI: b"\xff" * 9}, body=URI).body == b"\xff" * 9
    assert answer(body=URI).body == URI.encode()


def test_a_body_is_bounded() -> None:
    assert len(answer(body="x" * MAX_BODY).body) == MAX_BODY
    assert "5,242,880" in refusal(body="x" * (MAX_BODY + 1))
