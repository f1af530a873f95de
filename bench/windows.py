"""One measured window: so many events through one server, from idle to idle, ledgered.

CPU is read before the first event and after the last delivery was settled, so that nothing of
the window is left out and nothing else is in it. The parts of a window that is void (the null
engine itself was slow: the machine was busy with something else) are measured again.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from bench.control import Helper
from bench.server import API_KEY, SECRET, Server

CONNECTIONS = 64
WINDOWS = 5
SPARE_WINDOWS = 5
"""Void windows are replaced by at most so many others."""
NULL_P99_MS = 10.0
PROBE_RATE = 1000.0
_LOST_AFTER_S = 60.0
_REST_S = 0.1
_REST_SHARE = 0.1
"""A program is at rest that uses less than this share of a core; CPU is counted in ticks."""


@dataclass(frozen=True)
class Plan:
    """How long the windows are."""

    events: int
    """Events of a window at full load."""
    paced_seconds: float
    """Length of a window at a fixed rate."""
    probe_seconds: float
    pending: int
    """Deliveries of the row that restarts with a backlog."""
    large: int
    """Attempts in the large ledger of the row that compares two."""


FULL = Plan(20_000, 10, 2, 1_000_000, 500_000)
QUICK = Plan(3_000, 1, 0.5, 200_000, 25_000)
SMALL = 5_000
"""Attempts in the small ledger."""


@dataclass(frozen=True)
class Window:
    """What one window measured."""

    cpu_us: float
    """CPU microseconds of the server per delivered event."""
    delivered_per_s: float
    ack_p99_ms: float
    receipt_p99_ms: float
    """From the moment an event was due to be published to its arrival at the receiver."""


@dataclass(frozen=True)
class Answered:
    """What one window of calls measured: requests from outside, counted when answered."""

    cpu_us: float
    """CPU microseconds of the called program per request."""
    per_s: float
    """Answers a second."""
    done_per_s: float
    """The same until all that they set off was done, too."""
    p99_ms: float


class Called(Protocol):
    """A program that takes requests from outside."""

    name: str

    def cpu_us(self) -> float:
        """Return CPU microseconds of it so far."""
        ...


class Bench:
    """The helper processes, and what all rows do with them.

    Args:
        plan: how long windows are.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.load = Helper("bench.load")
        self.sink = Helper("bench.sink")
        self.reference = Helper("bench.reference")
        listening = self.sink.ask(do="listen")
        self.ports: dict[str, int] = listening["ports"]
        self.ca: str = listening["ca"]
        self.duplicates = 0
        self.published: Counter[str] = Counter()
        """Events acknowledged, by the server's name."""
        self.called: Counter[str] = Counter()
        """Requests from outside that were answered as taken, by the program's name."""

    def close(self) -> None:
        """End the helper processes."""
        for helper in (self.load, self.sink, self.reference):
            helper.stop()

    def reference_us(self) -> float:
        """Measure the reference workload, now."""
        us: float = self.reference.ask()["us"]
        return us

    def good_url(self, server: Server) -> str:
        """Return the URL of the good receiver for this server's deliveries."""
        return f"http://127.0.0.1:{self.ports['good']}/{server.name}/hook"

    def connect(self, server: Server, types: int, connections: int = CONNECTIONS) -> None:
        """Connect the load generator to a server and tell the receivers what to expect."""
        self.load.ask(
            do="connect",
            name=server.name,
            port=server.port,
            path="/api/v1/events",
            n=connections,
            taken="202",
            publishes={"key": API_KEY, "types": [f"bench.{n}" for n in range(types)]},
        )
        self._expect(server.name)

    def connect_caller(
        self, name: str, port: int, path: str, *, taken: int, connections: int = CONNECTIONS
    ) -> None:
        """Have the load generator call an address as GitHub does.

        Args:
            name: of the called program.
            port: where it listens.
            path: the address.
            taken: the status by which it says that it took a request.
            connections: how many.
        """
        self.load.ask(
            do="connect", name=name, port=port, path=path, n=connections, taken=str(taken)
        )
        self._expect(name)

    def _expect(self, name: str) -> None:
        for run in (name, f"{name}:bad"):
            self.sink.ask(do="begin", run=run, secret=SECRET)

    def window(
        self, server: Server, count: int, rate: float | None = None, *, share: float = 1.0
    ) -> Window:
        """Publish ``count`` events and wait until they are delivered and settled.

        Args:
            server: where to.
            count: how many events.
            rate: events a second; None for as fast as they are acknowledged.
            share: the part of them that goes to good receivers.
        """
        expected = round(count * share)
        before = self.sink.ask(do="count", run=server.name)
        self.sink.ask(do="begin", run=server.name, secret=SECRET)
        cpu = server.cpu_us()
        answer = self._send(server.name, count, rate)
        self.published[server.name] += count
        after = self._arrived(server, before["unique"] + expected)
        self._settled(server, after["unique"])
        cpu = server.cpu_us() - cpu
        ages = self.sink.ask(do="ages", run=server.name)
        return Window(
            cpu_us=cpu / expected,
            delivered_per_s=expected / (after["last_ns"] - after["first_ns"]) * 1e9,
            ack_p99_ms=answer["p99"],
            receipt_p99_ms=ages["p99"],
        )

    def calls(self, called: Called, count: int, rate: float | None = None) -> Answered:
        """Send ``count`` requests from outside, and wait until the program is at rest.

        Args:
            called: whom to.
            count: how many.
            rate: requests a second; None for as fast as they are answered.
        """
        cpu = called.cpu_us()
        answer = self._send(called.name, count, rate)
        self.called[called.name] += count
        answered = time.monotonic()
        self._rested(called)
        after = time.monotonic() - answered - _REST_S
        return Answered(
            cpu_us=(called.cpu_us() - cpu) / count,
            per_s=count / answer["seconds"],
            done_per_s=count / (answer["seconds"] + after),
            p99_ms=answer["p99"],
        )

    def _send(self, name: str, count: int, rate: float | None) -> dict[str, Any]:
        command: dict[str, Any] = {"name": name, "count": count}
        if rate is None:
            answer = self.load.ask(do="closed", **command)
        else:
            answer = self.load.ask(do="paced", rate=rate, **command)
        if answer["acked"] != count:
            raise SystemExit(f"bench: void: {name} refused requests: {answer['refused']}")
        return answer

    @staticmethod
    def _rested(called: Called) -> None:
        deadline = time.monotonic() + _LOST_AFTER_S
        cpu = called.cpu_us()
        while True:
            time.sleep(_REST_S)
            before, cpu = cpu, called.cpu_us()
            if cpu - before <= _REST_SHARE * _REST_S * 1e6:
                return
            if time.monotonic() > deadline:
                raise SystemExit(f"bench: void: {called.name} does not come to rest")

    def _arrived(self, server: Server, unique: int) -> dict[str, Any]:
        deadline = time.monotonic() + _LOST_AFTER_S
        while (count := self.sink.ask(do="count", run=server.name))["unique"] < unique:
            if time.monotonic() > deadline:
                raise SystemExit(
                    f"bench: void: {server.name} delivered {count['unique']} of {unique}"
                )
            time.sleep(0.02)
        return count

    @staticmethod
    def _settled(server: Server, delivered: int) -> None:
        deadline = time.monotonic() + _LOST_AFTER_S
        while not server.settled(delivered):
            if time.monotonic() > deadline:
                raise SystemExit(f"bench: void: {server.name} did not settle what it delivered")
            time.sleep(0.05)

    def probe(self, null: Server) -> bool:
        """Tell whether the machine is quiet enough: the null engine's own p99 at a low rate."""
        count = int(PROBE_RATE * self.plan.probe_seconds)
        return self.window(null, count, PROBE_RATE).ack_p99_ms <= NULL_P99_MS

    def audit(self, server: Server, *, pending_before: int = 0, delivered_before: int = 0) -> None:
        """Stop a server and balance its ledger against the load and the receivers.

        Published = deliveries summed over all states, delivered = distinct events received, every
        checked signature good; anything else makes the whole run void.

        Args:
            server: whose ledger.
            pending_before: deliveries that were filled in ahead, to be delivered.
            delivered_before: deliveries that were filled in ahead as delivered.
        """
        deliveries = self.published[server.name] + pending_before + delivered_before
        if server.null:
            # It has no ledger; its own counts of what it accepted and delivered stand for one.
            states = {
                "delivered": int(
                    server.metric("hookferry_deliveries_total").get('{state="delivered"}', 0)
                )
            }
            server.stop()
        else:
            server.stop()
            states = server.ledger()
        good = self.sink.ask(do="count", run=server.name)
        bad = self.sink.ask(do="count", run=f"{server.name}:bad")
        received = good["unique"] + bad["unique"]
        self.duplicates += good["received"] + bad["received"] - received
        total, delivered = sum(states.values()), states.get("delivered", 0)
        if total != deliveries:
            raise SystemExit(
                f"bench: void: {server.name}: {deliveries:,} deliveries are owed an account, "
                f"the ledger holds {total:,}: {states}"
            )
        if delivered - delivered_before != received:
            raise SystemExit(
                f"bench: void: {server.name}: the ledger says that {delivered - delivered_before:,}"
                f" were delivered, the receivers got {received:,}"
            )
        if good["unsigned"] or bad["unsigned"]:
            raise SystemExit(f"bench: void: {server.name}: signatures that do not verify")


def rounds(bench: Bench, null: Server) -> Iterator[bool]:
    """Yield once per window to measure: True, or False where it is void and measured again."""
    good = 0
    for _ in range(WINDOWS + SPARE_WINDOWS):
        quiet = bench.probe(null)
        yield quiet
        good += quiet
        if good == WINDOWS:
            return
    raise SystemExit(
        f"bench: void: in {WINDOWS + SPARE_WINDOWS} windows the null engine was slow in all but "
        f"{good}; the machine is too busy to measure on"
    )


def median(values: list[float]) -> float:
    """Return the median."""
    return statistics.median(values)
