"""The rows ``catch`` and ``peer``: requests that come from outside, verified and stored."""

from __future__ import annotations

import http.client
import urllib.parse
from pathlib import Path

from bench import github
from bench.figures import Figure, baseline_us
from bench.peer import PATH, TAKEN, Peer, installed
from bench.server import Server
from bench.windows import Answered, Bench, Called, Window, median, rounds

_TAKEN = 204
_REFUSED = 401
_RATE = 1000.0
_FORGED = 1
"""Requests with a wrong signature that each program is sent, to see that it looks."""


def source_at(bench: Bench, name: str, folder: Path, *, forwarded: bool = False) -> Server:
    """Start a server with a source for GitHub's requests, as behind a proxy.

    Args:
        bench: connects the load generator.
        name: the server's.
        folder: for its data.
        forwarded: a webhook sends them on; else nothing matches them.
    """
    server = Server(name, folder / name, trusted_proxies=github.PROXY)
    made = server.call(
        "POST",
        "/api/v1/sources",
        {"name": "github", "verify": {"preset": "github", "secret": github.SECRET}},
    )
    server.subscribe(
        0,
        bench.good_url(server),
        profile="raw",
        events=[github.EVENT_TYPE if forwarded else "github.star"],
        forward_headers=["X-GitHub-Event", "X-GitHub-Delivery", "X-Hub-Signature-256"],
    )
    path = urllib.parse.urlsplit(made["url"]).path
    refused = _forge(server.port, path)
    if refused != _REFUSED:
        raise SystemExit(f"bench: void: {name} answered {refused} to a forged request")
    bench.connect_caller(name, server.port, path, taken=_TAKEN)
    return server


def _forge(port: int, path: str) -> int:
    """Send a request with a byte changed after it was signed; return the status."""
    body = github.body_of(0)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        headers = {
            "Content-Type": "application/json",
            "X-GitHub-Delivery": "forged",
            "X-GitHub-Event": github.EVENT,
            "X-Hub-Signature-256": github.signature(body).decode(),
            "X-Forwarded-For": github.CALLER,
        }
        connection.request("POST", path, body.replace(b"main", b"evil"), headers)
        return connection.getresponse().status
    finally:
        connection.close()


def audit(bench: Bench, server: Server, taken: int) -> None:
    """Stop a server and balance what it caught against the load, beside its deliveries.

    Requests answered as taken = requests in the ledger that were accepted = events = different
    duplicate keys; the caller behind the proxy is whom they are said to come from. Anything else
    makes the whole run void.

    Args:
        bench: knows what was sent.
        server: whose ledger.
        taken: how many requests it answered as taken.
    """
    bench.audit(server)
    expected = {
        "events": taken,
        "keys": taken,
        f"accepted {github.CALLER}": taken,
        f"quarantined {github.CALLER}": _FORGED,
    }
    caught = server.caught()
    if caught != expected:
        raise SystemExit(
            f"bench: void: {server.name}: it took {taken:,} requests, its ledger says {caught}"
        )


def catch(bench: Bench, null: Server, folder: Path) -> list[Figure]:
    """A source that verifies GitHub's requests: CPU for each, and how soon it answers."""
    caught = source_at(bench, "caught", folder)
    forwarded = source_at(bench, "forwarded", folder, forwarded=True)
    events = bench.plan.events
    paced = int(_RATE * bench.plan.paced_seconds)
    bench.calls(caught, events // 4)  # warm up: connections, caches, the file's first growth
    bench.window(forwarded, events // 4)
    scale: list[float] = []
    full: list[Answered] = []
    steady: list[Answered] = []
    onward: list[Window] = []
    void = 0
    for quiet in rounds(bench, null):
        if not quiet:
            void += 1
            continue
        before = bench.reference_us()
        full.append(bench.calls(caught, events))
        onward.append(bench.window(forwarded, events))
        scale.append(2 * baseline_us() / (before + bench.reference_us()))
        steady.append(bench.calls(caught, paced, _RATE))
    audit(bench, caught, bench.called[caught.name])
    audit(bench, forwarded, bench.published[forwarded.name])
    windows = len(scale)
    return [
        Figure(
            "catch",
            "CPU per request verified, stored, answered",
            "us",
            median([one.cpu_us * s for one, s in zip(full, scale, strict=True)]),
            160,
            90,
            raw=median([one.cpu_us for one in full]),
            windows=windows,
            void=void,
            note=f"{median([one.per_s for one in full]):,.0f} requests/s, p99 "
            f"{median([one.p99_ms for one in full]):.0f} ms at 64 in flight",
        ),
        Figure(
            "catch",
            "the same, and forwarded to a webhook",
            "us",
            median([one.cpu_us * s for one, s in zip(onward, scale, strict=True)]),
            250,
            160,
            raw=median([one.cpu_us for one in onward]),
            windows=windows,
            void=void,
            note=f"{median([one.delivered_per_s for one in onward]):,.0f} delivered/s",
        ),
        Figure(
            "catch",
            "at 1,000 requests/s: answer p99",
            "ms",
            median([one.p99_ms for one in steady]),
            25,
            10,
            windows=windows,
            void=void,
        ),
    ]


def peer(bench: Bench, null: Server, folder: Path) -> list[Figure]:
    """The same requests beside Debian's webhook, which checks the HMAC and runs a command."""
    program = installed()
    ours: list[Answered] = []
    theirs: list[Answered] = []
    void = 0
    if program is None:
        note = "Debian's webhook is not installed: apt-get install webhook"
    else:
        server = source_at(bench, "beside", folder)
        other = Peer(program, folder)
        if _forge(other.port, PATH) == TAKEN:
            raise SystemExit("bench: void: webhook takes a forged request")
        bench.connect_caller(other.name, other.port, PATH, taken=TAKEN)
        events = bench.plan.events
        bench.calls(server, events // 4)
        bench.calls(other, events // 4)
        for quiet in rounds(bench, null):
            if not quiet:
                void += 1
                continue
            for one, found in in_turn((server, ours), (other, theirs), len(ours)):
                found.append(bench.calls(one, events))
        if not other.ran_commands():
            raise SystemExit("bench: void: webhook ran no commands")
        other.stop()
        audit(bench, server, bench.called[server.name])
        note = f"webhook {other.version}"
    return compared(ours, theirs, void, note)


_Turn = tuple[Called, list[Answered]]


def in_turn(first: _Turn, second: _Turn, number: int) -> tuple[_Turn, _Turn]:
    """Return both, in the other order every second time: neither is always the one that warms."""
    return (first, second) if number % 2 == 0 else (second, first)


def compared(ours: list[Answered], theirs: list[Answered], void: int, note: str) -> list[Figure]:
    """Return the figures of the row ``peer``; without windows, they say that they lack.

    Args:
        ours: windows of hookferry.
        theirs: windows of the peer, beside them.
        void: how many windows did not count.
        note: which peer it was, or why there is none.
    """
    pairs = list(zip(ours, theirs, strict=True))
    rates = ", ".join(f"{a.per_s:,.0f}/{b.per_s:,.0f}" for a, b in pairs)
    p99s = ", ".join(f"{a.p99_ms:.0f}/{b.p99_ms:.0f}" for a, b in pairs)
    more = ""
    if pairs:
        done = median([b.done_per_s for b in theirs])
        more = (
            f"; until its last command ended: {done:,.0f}; CPU us raw: "
            f"{median([a.cpu_us for a in ours]):.0f} ours, "
            f"{median([b.cpu_us for b in theirs]):.0f} theirs with their commands"
        )
    return [
        Figure(
            "peer",
            "64 in flight: requests/s against webhook's",
            "x",
            median([a.per_s / b.per_s for a, b in pairs]) if pairs else None,
            1,
            2,
            at_least=True,
            windows=len(pairs),
            void=void,
            note=f"{note}; per second ours/theirs: {rates}{more}" if pairs else note,
        ),
        Figure(
            "peer",
            "64 in flight: answer p99 against webhook's",
            "x",
            median([a.p99_ms / b.p99_ms for a, b in pairs]) if pairs else None,
            0.25,
            0.1,
            windows=len(pairs),
            void=void,
            note=f"p99 ms ours/theirs: {p99s}" if pairs else note,
        ),
    ]
