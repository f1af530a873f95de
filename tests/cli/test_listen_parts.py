"""The small parts of a listener: keys, server-sent events, URLs, times, what is shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from hookferry import ids
from hookferry.cli.listen import id_at, listen
from hookferry.cli.listening.details import details
from hookferry.cli.listening.forwarding import Forwarded, Forwarder, forward_url
from hookferry.cli.listening.keys import KeyReader
from hookferry.cli.listening.relay import Entry
from hookferry.cli.listening.view import ROWS, Screen, line_of
from hookferry.cli.terminal import CommandError, Exit
from hookferry.client import UnexpectedAnswer, listening
from hookferry.client.listening import EventReader, StreamedRequest


def request(number: int = 1, **fields: object) -> StreamedRequest:
    plain = {"verdict": "accepted", "method": "POST", "path": "/a", "headers": [], "body": b""}
    return StreamedRequest(id=ids.encode("req", number), **(plain | fields))  # type: ignore[arg-type]


def terminal(height: int = 30) -> Console:
    return Console(force_terminal=True, color_system=None, width=80, height=height, record=True)


# ------------------------------------------------------------------ keys


def test_cursor_keys_are_read_in_both_modes_and_in_pieces() -> None:
    reader = KeyReader()
    assert list(reader.feed(b"r\x1b[A\x1bOBq")) == ["r", "up", "down", "q"]
    assert [key for byte in b"\x1b[Ad" for key in reader.feed(bytes([byte]))] == ["up", "d"]


@pytest.mark.parametrize(
    "sent", [b"\x1b[3~", b"\x1b[1;5C", b"\x1bOP", b"\x1bx", b"\x00\x7f\xc3\xa4"]
)
def test_other_keys_are_passed_over_whole(sent: bytes) -> None:
    assert list(KeyReader().feed(sent + b"d")) == ["d"]


# ------------------------------------------------------------------ server-sent events


def test_events_are_read_whatever_pieces_they_come_in() -> None:
    stream = (
        b"retry: 2000\n\n: alive\n\nid: 1\r\ndata: one\r\n\r\nevent: x\ndata:two\ndata: lines\n\n"
    )
    assert list(EventReader().feed(stream)) == [b"one", b"two\nlines"]
    reader = EventReader()
    assert [data for byte in stream for data in reader.feed(bytes([byte]))] == [
        b"one",
        b"two\nlines",
    ]


def test_an_event_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "MAX_EVENT", 1000)
    reader = EventReader()
    for _ in range(100):  # many small ones are no large one
        assert list(reader.feed(b"data: " + b"x" * 50 + b"\n\n"))
    with pytest.raises(UnexpectedAnswer, match="an event of more than 1,000 bytes"):
        for _ in range(100):
            list(reader.feed(b"data: " + b"x" * 50 + b"\n"))


# ------------------------------------------------------------------ URLs and times


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("3000", "http://localhost:3000"),
        ("19292/base?a=b", "http://localhost:19292/base?a=b"),
        ("127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("localhost:3000/hooks", "http://localhost:3000/hooks"),
        ("https://dev.example/a?b=c", "https://dev.example/a?b=c"),
    ],
)
def test_a_port_and_a_host_are_urls_too(given: str, meant: str) -> None:
    assert forward_url(given) == meant


@pytest.mark.parametrize("given", ["ftp://a/", "http://a/#b", "99999", "a b", "http://u:p@a/"])
def test_what_is_no_url_is_refused_by_the_name_of_its_flag(given: str) -> None:
    with pytest.raises(CommandError, match=r"^--forward ") as refused:
        forward_url(given)
    assert refused.value.code == Exit.USAGE


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("foo://x", "must start with http:// or https:// (not foo://)"),
        ("http://19292/base", "a port of this machine as 3000 or 3000/path"),
        ("12:3000", "an address as 127.0.0.1:3000"),
        ("192920/base", "the number 192920 for a host"),
    ],
)
def test_what_was_meant_is_said_beside_the_refusal(given: str, said: str) -> None:
    with pytest.raises(CommandError) as refused:
        forward_url(given)
    assert said in str(refused.value)


def test_since_is_a_time_or_how_long_ago() -> None:
    for given, ago in (("90s", 90), ("10m", 600), ("2h", 7200), ("3d", 3 * 86400)):
        when = datetime.now(UTC).timestamp() - ago
        assert abs(ids.time_of(ids.decode("req", id_at(given))) / 1000 - when) < 2
    moment = datetime(2026, 1, 31, 12, tzinfo=UTC)
    below = ids.decode("req", id_at(moment.isoformat()))
    assert below < ids.lowest_at(int(moment.timestamp() * 1000)) <= below + 1


@pytest.mark.parametrize("given", ["10", "soon", "2026-01-31T12:00:00", "999999999d"])
def test_another_since_is_an_error_that_says_what_is_one(given: str) -> None:
    with pytest.raises(CommandError, match="90s, 10m, 2h or 3d, or a time with its zone"):
        id_at(given)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"since": "1h", "from_start": True, "forward": "1"}, "--since or --from-start"),
        ({"answer": True}, "go with --forward"),
        ({"forward": "1", "concurrency": 65}, "from 1 to 64"),
        ({"forward": "1", "timeout": 0.0}, "from 0.1 to 3,600"),
    ],
)
def test_flags_that_do_not_go_together_are_refused_before_anything_is_asked(
    flags: dict[str, Any], said: str
) -> None:
    with pytest.raises(CommandError, match=said) as refused:
        listen("shop", **flags)
    assert refused.value.code == Exit.USAGE


async def test_certificates_that_are_none_are_refused() -> None:
    with pytest.raises(CommandError, match="--ca must hold PEM certificates") as refused:
        Forwarder("https://localhost/", ca="nothing", timeout=1.0)
    assert refused.value.code == Exit.USAGE


# ------------------------------------------------------------------ what is shown

EVIL = "\x1b[2J\x07\u202e"


def test_nothing_that_is_caught_can_steer_the_terminal() -> None:
    entry = Entry(
        request=request(
            method="P" + EVIL,
            path="/" + EVIL,
            query=EVIL,
            event_type=EVIL,
            headers=[("X" + EVIL, EVIL)],
            body=f"{EVIL}\r\nnext".encode(),
        ),
        forwarded=Forwarded(status=200, headers=(("Y" + EVIL, EVIL),), body=EVIL.encode()),
    )
    console = terminal()
    with console.capture() as captured:
        console.print(line_of(entry), details(entry))
    shown = captured.get()
    assert not set(shown) & set(EVIL.replace("[2J", "")), shown
    assert "next" in shown


def test_details_show_json_readably_and_cut_what_is_long() -> None:
    console = terminal()
    with console.capture() as captured:
        console.print(details(Entry(request=request(body=b'{"a":{"b":[1,"\xc3\xbc"]}}'))))
        console.print(details(Entry(request=request(body=b"\xff\x00" * 5000))))
        console.print(details(Entry(request=request(body=b"line\n" * 5000))))
    shown = captured.get()
    assert (
        '  "a": {\n    "b": [\n      1,\n      "\N{LATIN SMALL LETTER U WITH DIAERESIS}"' in shown
    )
    assert "(10,000 bytes that are no text: ff 00 ff" in shown
    assert "(... 25,000 bytes in all)" in shown
    assert shown.count("line") < 300


def test_the_screen_keeps_so_many_rows_and_lets_the_oldest_go_that_are_over() -> None:
    screen = Screen(terminal(), "shop")
    entries = [Entry(request=request(number)) for number in range(ROWS + 5)]
    with screen:
        for entry in entries:
            screen.began(entry)
        assert screen.selected is entries[-1]
        screen.move(-1)
        assert screen.selected is entries[-2]
        for _ in entries:
            screen.move(-1)
        assert screen.selected is entries[0]  # none went: none is over
        for entry in entries[:5]:
            entry.forwarded = Forwarded(status=204)
            screen.ended(entry)
        assert screen.selected is entries[-1]  # what was selected went
        for _ in entries:
            screen.move(-1)
        assert screen.selected is entries[5]
        for _ in entries:
            screen.move(1)
        assert screen.selected is entries[-1]


def test_large_bodies_leave_fewer_rows() -> None:
    screen = Screen(terminal(), "shop")
    with screen:
        for number in range(5):
            big = Entry(request=request(number, body=bytes(30 * 1024 * 1024)))
            screen.began(big)
            big.forwarded = Forwarded(status=204)
            screen.ended(big)
        screen.move(-1)
        second = screen.selected
        screen.move(-1)
        assert screen.selected is second


def test_a_line_says_when_an_answer_came_too_late() -> None:
    when = datetime.now(UTC) - timedelta(days=1)
    entry = Entry(
        request=request(received_at=when, query="a=b", event_type="order.paid"),
        again=True,
        forwarded=Forwarded(status=500, seconds=1.2345),
        answered=False,
    )
    line = line_of(entry).plain.split(" ", 1)[1]
    assert line == ("POST   /a?a=b  order.paid  accepted  again  500  1,234 ms  too late to answer")
