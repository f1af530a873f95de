"""The rows of what sources catch: GitHub's requests, all accounted for, beside a real peer."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parents[2]))

from bench import catching, github
from bench import peer as peers
from bench.__main__ import show
from bench.catching import audit, compared
from bench.load import Generator
from bench.server import SECRET, kill_all
from bench.sink import Tally
from bench.windows import QUICK, Answered, Bench

from hookferry.testing import Receiver
from hookferry.wire.inbound.definition import compile_verification
from hookferry.wire.inbound.received import Received
from hookferry.wire.schemes import sign

# ---------------------------------------------------------------- the requests


def test_each_body_is_json_of_exactly_990_bytes_and_no_two_are_alike() -> None:
    bodies = [github.body_of(number) for number in range(github.BODIES)]
    assert {len(body) for body in bodies} == {990}
    assert len(set(bodies)) == github.BODIES
    assert all(json.loads(body)["ref"] == "refs/heads/main" for body in bodies)


async def test_calls_come_whole_and_verified_and_no_two_deliveries_have_one_key() -> None:
    verifier = compile_verification({"preset": "github"}, [github.SECRET])
    count = github.BODIES + 40
    with Receiver() as receiver:
        answer = await generate(receiver, count, taken="204")
        requests = receiver.wait_for(count)
    assert (answer["acked"], answer["refused"]) == (count, {})
    assert len({request.header("X-GitHub-Delivery") for request in requests}) == count
    for request in requests:
        headers = [(k.lower().encode(), v.encode()) for k, v in request.headers]
        assert len(request.body) == github.BODY_BYTES
        assert request.header("X-Forwarded-For") == github.CALLER
        verifier.verify(Received("POST", "", b"", b"", headers, request.body), 0.0, {})


async def test_an_answer_of_another_status_is_a_refusal() -> None:
    with Receiver() as receiver:
        answer = await generate(receiver, 5, taken="200")
    assert (answer["acked"], answer["refused"]) == (0, {"204": 5})


async def generate(receiver: Receiver, count: int, *, taken: str) -> dict[str, Any]:
    generator = Generator()
    where = {"name": "one", "port": receiver.port, "path": "/hook"}
    await generator({"do": "connect", **where, "n": 3, "taken": taken})
    return await asyncio.wait_for(generator({"do": "closed", "name": "one", "count": count}), 20)


# ---------------------------------------------------------------- what is void


class FakeServer:
    """A server that has ended, with this in its ledger."""

    name = "fake"
    null = False

    def __init__(self, **caught: int) -> None:
        at = {"accepted": f"accepted {github.CALLER}", "forged": f"quarantined {github.CALLER}"}
        self._caught = {at.get(name, name): count for name, count in caught.items() if count}

    def stop(self) -> None:
        pass

    def ledger(self) -> dict[str, int]:
        return {}

    def caught(self) -> dict[str, int]:
        return self._caught


class NothingForwarded:
    """Receivers that got nothing."""

    def ask(self, *, do: str, run: str) -> dict[str, Any]:
        return {"unique": 0, "received": 0, "unsigned": 0}


def bench_of(sink: Any) -> Bench:
    bench = Bench.__new__(Bench)  # without its helper processes
    bench.sink = sink
    bench.duplicates = 0
    bench.published, bench.called = Counter(), Counter()
    return bench


ADDS_UP = {"events": 10, "keys": 10, "accepted": 10, "forged": 1}


def test_requests_taken_are_events_and_keys_of_their_own() -> None:
    server: Any = FakeServer(**ADDS_UP)
    audit(bench_of(NothingForwarded()), server, 10)


@pytest.mark.parametrize(
    "other",
    [
        {"accepted": 9},
        {"events": 9},
        {"keys": 9},
        {"forged": 0},
        {"accepted": 9, "duplicate 203.0.113.7": 1},
        {"accepted": 0, "accepted 127.0.0.1": 10},
    ],
    ids=["lost", "no event", "one key twice", "forged not kept", "repeat", "proxy as the caller"],
)
def test_requests_that_do_not_add_up_make_the_run_void(other: dict[str, int]) -> None:
    server: Any = FakeServer(**{**ADDS_UP, **other})
    with pytest.raises(SystemExit, match="void"):
        audit(bench_of(NothingForwarded()), server, 10)


@pytest.mark.parametrize(
    ("body", "signature", "wrong"),
    [
        (github.body_of(1), github.signature(github.body_of(1)), 0),
        (github.body_of(2), github.signature(github.body_of(1)), 1),
        (github.body_of(1), b"", 1),
    ],
    ids=["as sent", "other bytes", "signature not forwarded"],
)
def test_a_forwarded_request_is_held_against_githubs_signature_too(
    body: bytes, signature: bytes, wrong: int
) -> None:
    # hookferry's own signature is over what it forwards, whatever that is.
    headers = {
        **sign("standard", SECRET, body, id="evt_1", timestamp=1_700_000_000),
        "x-github-delivery": "1" * 19,
        "x-hub-signature-256": signature.decode(),
    }
    tally = Tally()
    tally.secret = SECRET
    head = "POST / HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items())
    tally.take(head.encode(), body, b"1" * 19)
    assert (tally.received, tally.unsigned) == (1, wrong)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench(QUICK)
    yield made
    kill_all()
    made.close()


def test_a_real_source_is_accounted_for_from_the_load_to_the_receivers(
    bench: Bench, tmp_path: Path
) -> None:
    forwarded = catching.source_at(bench, "forwarded", tmp_path, forwarded=True)
    bench.window(forwarded, 150)
    audit(bench, forwarded, 150)
    caught = catching.source_at(bench, "caught", tmp_path)
    assert bench.calls(caught, 50).p99_ms > 0
    audit(bench, caught, 50)


# ---------------------------------------------------------------- the peer


def test_a_peer_that_is_not_installed_is_said_to_be_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    nothing: Any = None
    figures = catching.peer(nothing, nothing, tmp_path)
    assert [figure.verdict for figure in figures] == ["not measured"] * 2
    table = io.StringIO()
    show(figures, Console(file=table, width=200))
    assert table.getvalue().count("Debian's webhook is not installed") == 2
    assert table.getvalue().count("not measured") == 2


def test_a_peer_is_known_by_what_it_says_not_by_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    program = tmp_path / "webhook"
    for said, found in (
        ("webhook version 2.8.0", str(program)),
        ("my own webhook version 1", None),
        ("Usage: webhook", None),
    ):
        program.write_text(f"#!/bin/sh\necho '{said}'\n")
        program.chmod(0o755)
        assert peers.installed() == found
    program.write_text("#!/does/not/exist\n")
    assert peers.installed() is None


def window(per_s: float, p99_ms: float) -> Answered:
    return Answered(cpu_us=100, per_s=per_s, done_per_s=per_s / 2, p99_ms=p99_ms)


def test_the_peer_is_compared_window_by_window() -> None:
    ours = [window(3000, 20), window(4000, 30), window(9000, 10)]
    theirs = [window(3000, 100), window(2000, 100), window(3000, 100)]
    rate, p99 = compared(ours, theirs, 2, "webhook 2.8.0")
    assert (rate.value, rate.verdict, rate.void) == (2.0, "moonshot", 2)
    assert (p99.value, p99.verdict) == (0.2, "met")
    assert "webhook 2.8.0" in rate.note
    assert "3,000/3,000, 4,000/2,000" in rate.note
    assert "until its last command ended: 1,500" in rate.note
    slower, later = compared(theirs[1:2], ours[1:2], 0, "")
    assert [slower.verdict, later.verdict] == ["missed", "missed"]


def test_whoever_goes_first_goes_second_in_the_next_window() -> None:
    first: Any = ("ours", [])
    second: Any = ("theirs", [])
    turns = [catching.in_turn(first, second, number) for number in range(3)]
    assert turns == [(first, second), (second, first), (first, second)]
