"""GitHub as the crash tests play it: signed deliveries, senders that repeat what was not answered.

The senders are the test's own, so that what they were told outlives every server.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import random
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from hookferry.domain.event import Event
from hookferry.domain.request import CaughtRequest, Verdict
from hookferry.store.ports import EventFilter, RequestFilter
from hookferry.store.sqlite.store import SqliteStore

SECRET = "a secret that only GitHub and this test know"
VERIFY = {"preset": "github", "secret": SECRET}
CLIENTS = 8


@dataclass(frozen=True)
class Delivery:
    """One delivery of GitHub's, which it may send more than once."""

    id: str
    event: str
    """As the header X-GitHub-Event has it."""
    body: bytes

    @property
    def headers(self) -> list[tuple[str, str]]:
        digest = hmac.new(SECRET.encode(), self.body, hashlib.sha256).hexdigest()
        return [
            ("Content-Type", "application/json"),
            ("X-GitHub-Event", self.event),
            ("X-GitHub-Delivery", self.id),
            ("X-Hub-Signature-256", f"sha256={digest}"),
        ]

    def message(self, url: str) -> bytes:
        """The whole request."""
        where = urlsplit(url)
        lines = [f"POST {where.path} HTTP/1.1", f"Host: {where.netloc}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines.append(f"Content-Length: {len(self.body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + self.body


def deliveries(payloads: Sequence[tuple[str, bytes]], count: int) -> list[Delivery]:
    """Deliveries of real payloads, over and over until there are enough."""
    made = []
    for number in range(count):
        kind, body = payloads[number % len(payloads)]
        made.append(Delivery(str(uuid.uuid4()), kind.split(".")[1], body))
    return made


def each_twice(found: Iterable[Delivery], dice: random.Random) -> list[Delivery]:
    """Put every delivery into a row twice, the second time soon after the first or beside it."""
    placed = []
    for at, delivery in enumerate(found):
        placed += [(at, 0, delivery), (at + dice.randint(0, 6), 1, delivery)]
    return [delivery for _, _, delivery in sorted(placed, key=lambda p: p[:2])]


@dataclass
class Senders:
    """Clients that send at once, each over a connection of its own, until all is answered 2xx."""

    url: str
    answered: int = 0
    repeated: int = 0
    """Requests sent once more because there was no answer."""
    watch: Callable[[int], None] = lambda _: None
    """Told how many were answered, after each."""
    _left: list[Delivery] = field(default_factory=list)

    async def send(self, row: Sequence[Delivery], clients: int = CLIENTS) -> None:
        """Send a row of deliveries."""
        self._left = list(reversed(row))
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(self._work())

    async def _work(self) -> None:
        where = urlsplit(self.url)
        connection = None
        while self._left:
            message = self._left.pop().message(self.url)
            while True:
                try:
                    if connection is None:
                        connection = await asyncio.open_connection(where.hostname, where.port)
                    connection[1].write(message)
                    head = await connection[0].readuntil(b"\r\n\r\n")
                except (OSError, asyncio.IncompleteReadError):
                    self.repeated += connection is not None
                    connection = None
                    await asyncio.sleep(0.02)  # as a sender does whose receiver is down
                    continue
                assert head.startswith(b"HTTP/1.1 204 "), head
                break
            self.answered += 1
            self.watch(self.answered)
        if connection is not None:
            connection[1].close()


class Book(NamedTuple):
    """What the ledger of a stopped server says."""

    requests: dict[str, list[CaughtRequest]]
    """By duplicate key, oldest first."""
    events: dict[int, Event]

    def accepted(self, delivery: Delivery) -> CaughtRequest:
        """The one request of a delivery that became an event."""
        [first] = [r for r in self.requests[delivery.id] if r.verdict is Verdict.ACCEPTED]
        return first

    def check(self, delivery: Delivery) -> int:
        """Check what a delivery came to: one event of its bytes, repeats that point at it.

        Returns:
            How many repeats there were.
        """
        first = self.accepted(delivery)
        assert first.event_id is not None
        event = self.events[first.event_id]
        assert event.payload == delivery.body
        assert event.type == f"github.{delivery.event}"
        repeats = [r for r in self.requests[delivery.id] if r is not first]
        assert {(r.verdict, r.duplicate_of, r.event_id) for r in repeats} <= {
            (Verdict.DUPLICATE, first.id, first.event_id)
        }
        return len(repeats)


async def book_of(data: Path) -> Book:
    """Read a stopped server's ledger."""
    store = await SqliteStore.open(data)
    try:
        [tenant] = (await store.changes(0)).tenants
        requests: dict[str, list[CaughtRequest]] = {}
        rows = await store.requests(RequestFilter(tenant_id=tenant.id), limit=100_000)
        for row in reversed(rows):
            requests.setdefault(row.key or "", []).append(row)
        events = await store.events(EventFilter(tenant_id=tenant.id), limit=100_000)
        return Book(requests, {event.id: event for event in events})
    finally:
        await store.aclose()
