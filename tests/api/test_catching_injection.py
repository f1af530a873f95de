"""What strangers send, and what receivers answer, never becomes more than text in an answer."""

from __future__ import annotations

import json
from urllib.parse import quote_from_bytes

from hookferry.transport.port import Outcome

from .caught import Answer, Source, converse
from .kit import House

HOSTILE = [
    "a\r\nSet-Cookie: stolen=1",
    "a\nX-Injected: 1",
    "a\rX-Injected: 1",
    "a\0b",
    "a\u2028b\u2029c\x85d",
    "嘊嘍X-Injected: 1",  # whose lowest bytes are LF and CR
    "{{ data.secret }}{% raw %}{{ headers.authorization }}",
    "<script>alert(1)</script>",
    "x" * 100_000,
    "\ud800",
    "\ufeff\u202e",
]
ECHO = "{{ headers.x-in }}|{{ query.q }}|{{ data.text }}|{{ request.path }}"


def check(answer: Answer, lines: int) -> None:
    """Check that an answer has the headers that it should have, and a browser runs nothing."""
    names = [line.partition(b":")[0].lower() for line in answer.lines]
    assert len(names) == len(set(names)) == lines
    assert answer.values(b"x-content-type-options") == [b"nosniff"]
    assert answer.values(b"content-security-policy") == [b"sandbox"]
    for line in answer.lines:
        assert line.isascii()
        assert all(0x20 <= byte < 0x7F for byte in line), line


async def test_an_answer_filled_in_by_a_stranger_has_the_headers_that_its_owner_gave_it(
    hot_house: House,
) -> None:
    source = await Source.make(
        hot_house, respond={"status": 200, "headers": {"X-Echo": ECHO}, "body": ECHO}
    )
    [plain] = await converse(hot_house.port, source.message(b'{"text":"t"}', rest=b"/p?q=1"))
    for text in HOSTILE:
        sent = text.encode("utf-8", "surrogatepass")
        header = bytes(byte for byte in sent[:5000] if byte not in b"\r\n\0")
        [answer] = await converse(
            hot_house.port,
            source.message(
                json.dumps({"text": text, "secret": "kept"}).encode(),
                [(b"Content-Type", b"application/json"), (b"X-In", header)],
                rest=b"/"
                + quote_from_bytes(sent)[:5000].encode()
                + b"?q="
                + quote_from_bytes(sent)[:9000].encode(),
            ),
        )
        assert answer.status == 200, text[:40]
        check(answer, len(plain.lines))
        assert answer.values(b"content-type") == [b"text/plain; charset=utf-8"]
        assert b"kept" not in answer.body
        assert len(answer.values(b"x-echo")[0]) <= 4096
        assert len(answer.body) <= 64 * 1024
        answer.body.decode()


async def test_an_owner_s_cache_control_goes_out_in_place_of_the_server_s(
    hot_house: House,
) -> None:
    respond = {"status": 200, "headers": {"Cache-Control": "max-age=60", "X-A": "1"}}
    owned = await Source.make(hot_house, name="owned", respond=respond)
    plain = await Source.make(hot_house, name="plain", respond={"headers": {"X-A": "1"}})
    [answer] = await converse(hot_house.port, owned.message())
    check(answer, len(answer.lines))
    assert answer.values(b"cache-control") == [b"max-age=60"]
    [answer] = await converse(hot_house.port, plain.message())
    assert answer.values(b"cache-control") == [b"no-store"]


async def test_what_a_receiver_answers_a_waiting_caller_is_passed_on_as_text_or_not_at_all(
    hot_house: House,
) -> None:
    await hot_house.webhook("answers", mode="sync", retry={"schedule": []})
    source = await Source.make(hot_house, respond={"webhook": "answers"})
    hostile = (
        b"HTTP/1.1 %d X\r\nContent-Type: text/html\x01\x7f\r\n Retry-After: 1\r\nX-Else: 1\r\n\r\n"
    )
    for status, told in ((200, 200), (404, 404), (600, 502), (999, 502), (204, 204)):
        outcome = Outcome(
            status=status, head=hostile % status, body=b"<script>" if status != 204 else b""
        )
        hot_house.transport.outcome = lambda _, outcome=outcome: outcome
        answer, after = await converse(hot_house.port, source.message(), source.message())
        assert (answer.status, after.status) == (told, told)
        names = {line.partition(b":")[0].lower() for line in answer.lines}
        assert b"x-else" not in names
        check(answer, len(answer.lines))
        [kept, _] = (await source.requests())[-2:]
        assert kept.status == told
