"""Two caught requests beside each other, and requests as HTTP Archives."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest

from hookferry.domain.request import CaughtRequest, Verdict
from hookferry.wire.copying import har
from hookferry.wire.copying.comparison import MAX_CHANGES, MAX_LINES, MAX_SHOWN, Change, compare


def request(**fields: Any) -> CaughtRequest:
    given: dict[str, Any] = {
        "id": 1,
        "tenant_id": 1,
        "source_id": 1,
        "received_at_ms": 1_768_000_000_123,
        "verdict": Verdict.ACCEPTED,
        "method": "POST",
        "path": b"/a",
        "query": b"",
        "headers": (),
        "body": b"",
        "client": "192.0.2.7",
    }
    return CaughtRequest(**given | fields)


def compared(first: dict[str, Any], second: dict[str, Any], hidden: str = "") -> Any:
    return compare(request(**first), request(**second), lambda name: name == hidden)


def bodies(first: bytes, second: bytes) -> Any:
    return compared({"body": first}, {"body": second}).body


def test_equal_requests_are_the_same_whatever_the_case_and_order_of_their_headers() -> None:
    made = compared(
        {"headers": ((b"A", b"1"), (b"B", b"2"))}, {"headers": ((b"b", b"2"), (b"a", b"1"))}
    )
    assert made.same
    assert made.body.same
    assert made.body.offset is None


def test_method_path_query_and_headers_are_compared_one_by_one() -> None:
    made = compared(
        {
            "query": b"a=1&b=x+y&c",
            "headers": ((b"X-Same", b"1"), (b"X-Gone", b"2"), (b"X-New", b"3")),
        },
        {
            "method": "PUT",
            "path": b"/b",
            "query": b"a=2&b=x%20y&d=4",
            "headers": ((b"x-same", b"1"), (b"X-New", b"3"), (b"X-New", b"4"), (b"X-More", b"")),
        },
    )
    assert not made.same
    assert made.request_line == [
        Change(at="method", change="changed", before="POST", after="PUT"),
        Change(at="path", change="changed", before="/a", after="/b"),
    ]
    assert made.query == [
        Change(at="a", change="changed", before="1", after="2"),
        Change(at="c", change="removed", before=""),
        Change(at="d", change="added", after="4"),
    ]
    assert made.headers == [
        Change(at="x-gone", change="removed", before="2"),
        Change(at="x-new", change="changed", before="3", after="3\n4"),
        Change(at="x-more", change="added", after=""),
    ]


def test_what_is_hidden_is_told_to_differ_and_not_shown() -> None:
    made = compared(
        {"headers": ((b"Authorization", b"first"),)},
        {"headers": ((b"Authorization", b"second"),)},
        hidden="authorization",
    )
    [change] = made.headers
    assert change.change == "changed"
    assert (change.before, change.after) == ("********", "********")


def test_json_is_compared_member_by_member() -> None:
    first = b'{"a": 1, "b": {"c/d": [1, 2, 3]}, "e": null, "f": true, "g~": 1}'
    second = b'{"b": {"c/d": [1, 5]}, "a": 1, "e": false, "f": 1, "g~": 1.0, "h": "new"}'
    made = bodies(first, second)
    assert made.form == "json"
    assert made.changes == [
        Change(at="/b/c~1d/1", change="changed", before="2", after="5"),
        Change(at="/b/c~1d/2", change="removed", before="3"),
        Change(at="/e", change="changed", before="null", after="false"),
        Change(at="/f", change="changed", before="true", after="1"),
        Change(at="/g~0", change="changed", before="1", after="1.0"),
        Change(at="/h", change="added", after='"new"'),
    ]
    assert not made.truncated


def test_json_that_is_only_written_differently_has_no_changes_but_an_offset() -> None:
    made = bodies(b'{"a":1}', b'{"a": 1}')
    assert not made.same
    assert made.changes == []
    assert made.offset == 5


def test_deeply_nested_json_is_compared_as_text() -> None:
    deep = b"[" * 5_000 + b"]" * 5_000
    made = bodies(deep, deep[:-1] + b" ]")
    assert made.form == "text"
    assert made.offset == 9_999


def test_what_is_told_of_json_is_bounded() -> None:
    first = json.dumps({f"k{n}": n for n in range(5_000)}).encode()
    second = json.dumps({f"k{n}": "x" * 5_000 for n in range(5_000)}).encode()
    made = bodies(first, second)
    assert len(made.changes) == MAX_CHANGES
    assert made.truncated
    assert max(len(change.after) for change in made.changes) == MAX_SHOWN
    assert len(msgspec.json.encode(made)) < 100_000


def test_texts_are_compared_line_by_line() -> None:
    lines = [f"line {n}" for n in range(2_000)]
    first = "\n".join(lines)
    second = "\n".join([*lines[:1_000], "another", *lines[1_001:]])
    made = bodies(first.encode(), second.encode())
    assert made.form == "text"
    assert made.diff.splitlines()[1:] == [
        " line 997",
        " line 998",
        " line 999",
        "-line 1000",
        "+another",
        " line 1001",
        " line 1002",
        " line 1003",
    ]


def test_long_lines_that_differ_at_their_end_are_seen_to_differ() -> None:
    made = bodies(b"x" * 500 + b"1\n", b"x" * 500 + b"2\n")
    assert [line[:2] for line in made.diff.splitlines()] == ["@@", "-x", "+x", " "]
    assert max(map(len, made.diff.splitlines())) == MAX_SHOWN


def test_texts_that_differ_in_very_many_lines_are_told_by_their_first_difference() -> None:
    first = "\n".join(f"a {n}" for n in range(MAX_LINES + 1)).encode()
    second = "\n".join(f"b {n}" for n in range(MAX_LINES + 1)).encode()
    made = bodies(first, second)
    assert made.diff is None
    assert made.truncated
    assert made.offset == 0


def test_bytes_are_told_by_their_first_difference() -> None:
    made = bodies(b"\x00\x01\xff", b"\x00\x01\xfe\x00")
    assert made.form == "binary"
    assert made.offset == 2
    assert made.sizes == [3, 4]
    assert made.before == "\x00\x01\ufffd"


# ------------------------------------------------------------------ HTTP Archives


def test_an_archive_has_the_request_and_its_answer_in_har_1_2() -> None:
    caught = request(
        path=b"/webhooks/1/a\xff",
        query=b"a=1&b=x+y%C3%A9&c",
        headers=((b"Content-Type", b"text/plain"), (b"X-A", b"\xe9"), (b"X-A", b"2")),
        body="é".encode(),
        status=202,
        answer_headers=(("Content-Type", "application/json"),),
        answer_body=b"{}",
        reason="mismatch",
    )
    text = har.opening("1.2.3") + har.entry(caught, "https://h.example") + har.CLOSING
    archive = json.loads(text)["log"]
    assert archive["version"] == "1.2"
    assert archive["creator"] == {"name": "hookferry", "version": "1.2.3"}
    [made] = archive["entries"]
    assert made["startedDateTime"] == "2026-01-09T23:06:40.123+00:00"
    asked = made["request"]
    assert asked["method"] == "POST"
    assert asked["url"] == "https://h.example/webhooks/1/a%FF?a=1&b=x+y%C3%A9&c"
    assert asked["httpVersion"] == "HTTP/1.1"
    assert asked["headers"] == [
        {"name": "Content-Type", "value": "text/plain"},
        {"name": "X-A", "value": "\xe9"},
        {"name": "X-A", "value": "2"},
    ]
    assert asked["queryString"] == [
        {"name": "a", "value": "1"},
        {"name": "b", "value": "x yé"},
        {"name": "c", "value": ""},
    ]
    assert asked["postData"] == {"mimeType": "text/plain", "text": "é"}
    assert asked["bodySize"] == 2
    answer = made["response"]
    assert (answer["status"], answer["statusText"]) == (202, "Accepted")
    assert answer["content"] == {"size": 2, "mimeType": "application/json", "text": "{}"}
    assert made["_verdict"] == "accepted"
    assert made["_reason"] == "mismatch"


REQUIRED = {
    "request": ("method", "url", "httpVersion", "cookies", "headers", "queryString"),
    "response": ("status", "statusText", "httpVersion", "cookies", "headers", "content"),
}
"""What the format asks for at the least, with ``headersSize`` and ``bodySize``."""


@pytest.mark.parametrize("body", [b"", b"\x00\xff", bytes(range(256))])
@pytest.mark.parametrize("status", [0, 204, 799])
def test_any_request_is_a_whole_entry(body: bytes, status: int) -> None:
    made = json.loads(har.entry(request(body=body, status=status, answer_body=body), "http://h"))
    for part, members in REQUIRED.items():
        assert {*members, "headersSize", "bodySize"} <= made[part].keys()
    assert {"startedDateTime", "time", "cache", "timings"} <= made.keys()
    assert made["response"]["redirectURL"] == ""
    if body:
        posted = made["request"]["postData"]
        assert posted["_encoding"] == made["response"]["content"]["encoding"] == "base64"
        assert base64.b64decode(posted["text"]) == body
    else:
        assert "postData" not in made["request"]
