"""Rings: how much of a source's requests is kept, counted once and then along with each commit.

Counting a full ring again with every request would cost more than storing it. What is counted
here belongs to the writer, and only what was committed is remembered: a commit takes out what it
changes and puts it back once it is done (``commit``); whatever else deletes requests tells.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from hookferry.domain.request import CaughtRequest, Verdict
from hookferry.store.ports import Acceptance, Ring
from hookferry.store.sqlite.statements import MultiRow
from hookferry.store.tables import UNPROVEN

TRIM_BESIDE: Final = 64
"""Requests that a commit trims beside as many as it puts in: how fast a ring that was made smaller
empties, without holding up a commit."""
TRIM_BYTES: Final = 16 * 1024 * 1024
"""Bodies that it trims beside those; SQLite reads every page that it frees."""
COUNT_BESIDE: Final = 1_000
"""Requests counted beside those that a ring may hold: what shows that it must be trimmed."""
SOURCES_COUNTED: Final = 4_096
"""Sources remembered."""
UNPROVEN_VERDICTS: Final = frozenset({Verdict.QUARANTINED, Verdict.REJECTED})

NEWEST: Final = "SELECT coalesce(max(id), 0) FROM requests WHERE source_id = ?"
COUNT: Final = (
    "SELECT count(*), coalesce(sum(size), 0) FROM (SELECT size FROM requests"
    " INDEXED BY requests_source WHERE source_id = ? ORDER BY id DESC LIMIT ?)"
)
COUNT_UNPROVEN: Final = (
    "SELECT count(*), coalesce(sum(size), 0) FROM (SELECT size FROM requests"  # noqa: S608
    f" INDEXED BY requests_unproven WHERE source_id = ? AND {UNPROVEN} ORDER BY id DESC LIMIT ?)"
)
OLDEST: Final = (
    "SELECT id, size, verdict FROM requests INDEXED BY requests_source"
    " WHERE source_id = ? ORDER BY id LIMIT ?"
)
OLDEST_UNPROVEN: Final = (
    "SELECT id, size, verdict FROM requests INDEXED BY requests_unproven"  # noqa: S608
    f" WHERE source_id = ? AND {UNPROVEN} ORDER BY id LIMIT ?"
)
IN_PLACE: Final = "SELECT size, verdict FROM requests WHERE id = ?"
DELETE_REQUESTS: Final = MultiRow("DELETE FROM requests WHERE id IN (VALUES {rows})", 1)


class _Total(msgspec.Struct):
    count: int
    size: int
    whole: bool
    """Nothing was left out; else there may be more, all of it older."""

    def exceeds(self, ring: Ring) -> bool:
        """Say whether the oldest must go. The newest stays, whatever its size."""
        return self.count > 1 and (self.count > ring.count or self.size > ring.size)

    def add(self, size: int, sign: int = 1) -> None:
        self.count += sign
        self.size += sign * size


class Held(msgspec.Struct):
    """What one source holds."""

    source_id: int
    newest: int
    """No request of the source has a greater id."""
    everything: _Total | None = None
    unproven: _Total | None = None
    """Each counted only where a ring asks for it."""

    def count(self, connection: sqlite3.Connection, ring: Ring) -> None:
        """See that what a ring is about is counted."""
        if (self.unproven if ring.unproven else self.everything) is not None:
            return
        text = COUNT_UNPROVEN if ring.unproven else COUNT
        limit = ring.count + COUNT_BESIDE
        count, size = connection.execute(text, (self.source_id, limit)).fetchone()
        total = _Total(count, size, count < limit)
        if ring.unproven:
            self.unproven = total
        else:
            self.everything = total

    def add(self, size: int, verdict: int, sign: int = 1) -> None:
        """Count a request that comes (or with -1 goes)."""
        if self.everything is not None:
            self.everything.add(size, sign)
        if self.unproven is not None and verdict in UNPROVEN_VERDICTS:
            self.unproven.add(size, sign)

    def trim(self, connection: sqlite3.Connection, ring: Ring, added: int) -> None:
        """Delete the oldest requests of a ring that is too full, ``added`` and a few at once."""
        total = self.unproven if ring.unproven else self.everything
        if total is None:
            return
        if total.exceeds(ring):
            self._delete_oldest(connection, ring, total, added)
        if not total.whole and not total.exceeds(ring):
            # What was left out counts now.
            if ring.unproven:
                self.unproven = None
            else:
                self.everything = None

    def _delete_oldest(
        self, connection: sqlite3.Connection, ring: Ring, total: _Total, added: int
    ) -> None:
        text = OLDEST_UNPROVEN if ring.unproven else OLDEST
        found = connection.execute(text, (self.source_id, added + TRIM_BESIDE)).fetchall()
        gone: list[Any] = []
        freed = 0
        for number, size, verdict in found:
            if not total.exceeds(ring) or (freed > TRIM_BYTES and len(gone) >= added):
                break
            gone.append(number)
            freed += size
            self.add(size, verdict, -1)
        DELETE_REQUESTS.run(connection, gone)


class Opened(msgspec.Struct, frozen=True):
    """What one commit changes: taken out of ``Rings`` until it is done."""

    held: Mapping[int, Held]
    rings: Mapping[tuple[int, bool], Ring]
    """By source and ``Ring.unproven``; of several in one batch the last, which is the newest."""

    def trim(self, connection: sqlite3.Connection, added: int) -> None:
        """Trim every ring, once the requests are in; ``added`` is how many these were."""
        for (source_id, _), ring in self.rings.items():
            self.held[source_id].trim(connection, ring, added)


def size_of(acceptance: Acceptance) -> int:
    """Return the bytes of its request's body, which is its event's where it became that."""
    event, request = acceptance.event, acceptance.request
    if event is not None:
        return len(event.payload)
    return 0 if request is None else len(request.body)


class Rings:
    """What sources with rings hold, as far as it was counted. For the writer's thread alone."""

    def __init__(self) -> None:
        self._held: dict[int, Held] = {}

    def open(self, connection: sqlite3.Connection, accept: Sequence[Acceptance]) -> Opened | None:
        """Count what acceptances put in, before they do; None where no ring has to do with them.

        Args:
            connection: the writer's, in the transaction of the commit.
            accept: acceptances, each with a request.
        """
        rings: dict[tuple[int, bool], Ring] = {}
        coming: list[tuple[CaughtRequest, int]] = []
        for acceptance in accept:
            request, ring = acceptance.request, acceptance.ring
            assert request is not None
            if ring is not None:
                rings[request.source_id, ring.unproven] = ring
            coming.append((request, size_of(acceptance)))
        if not rings and not self._held:
            return None
        held: dict[int, Held] = {}
        for (source_id, _), ring in rings.items():
            if source_id not in held:
                held[source_id] = self._take(connection, source_id)
            held[source_id].count(connection, ring)
        for request, size in coming:
            source_id = request.source_id
            if source_id not in held:
                if source_id not in self._held:
                    continue
                held[source_id] = self._take(connection, source_id)
            one = held[source_id]
            if request.id > one.newest:
                one.newest = request.id
            else:
                # Perhaps one that was released and takes the place of what was quarantined.
                for before, verdict in connection.execute(IN_PLACE, (request.id,)):
                    one.add(before, verdict, -1)
            one.add(size, request.verdict)
        return Opened(held, rings)

    def _take(self, connection: sqlite3.Connection, source_id: int) -> Held:
        held = self._held.pop(source_id, None)
        if held is None:
            held = Held(source_id, connection.execute(NEWEST, (source_id,)).fetchone()[0])
        return held

    def keep(self, opened: Opened) -> None:
        """Remember what a commit changed, now that it is done."""
        if len(self._held) + len(opened.held) > SOURCES_COUNTED:
            self._held.clear()
        self._held.update(opened.held)

    def lose(self, source_id: int, size: int, verdict: int) -> None:
        """Count a request that was deleted for its age."""
        held = self._held.get(source_id)
        if held is not None:
            held.add(size, verdict, -1)
