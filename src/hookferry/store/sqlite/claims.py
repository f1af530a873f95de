"""Dedupe keys: written down in the order in which they come, and sorted in among all others later.

A key is a hash, so that the place of each among the keys of days is another page, and a commit that
put its keys there would write a page for every event, more than the events themselves. So a commit
appends them (``dedupe_recent``), and what was appended is remembered here too. A generation of them
at a time is then sorted in (``dedupe``): a slice with each commit, neighbours together, so that
they share pages, and the next only once that one is gone from ``dedupe_recent``.

All of it happens in the transactions of the commits that claim keys, so a crash loses and doubles
none: what is in ``dedupe_recent`` is read again when the ledger is opened, or sorted in at once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from hookferry.store.ports import Acceptance, DedupeKey
from hookferry.store.sqlite.statements import MultiRow

GENERATION: Final = 8_192
"""Keys that are sorted in together. Memory holds about two generations, 4 MB each."""
PACE: Final = 2
"""Keys that a commit sorts in, or deletes, for each that it claims: a generation is gone before the
next is complete."""
SLICES: Final = 128
"""Parts of a generation, by the first bits of the hash."""

RECENT: Final = (
    "SELECT tenant_id, scope, key_hash, body_hash, answer, expires_at FROM dedupe_recent"
    " ORDER BY id"
)
COUNT_RECENT: Final = "SELECT count(*) FROM dedupe_recent"
SORT_ALL_IN: Final = (
    "INSERT OR REPLACE INTO dedupe (tenant_id, scope, key_hash, body_hash, answer, expires_at)"
    " SELECT tenant_id, scope, key_hash, body_hash, answer, expires_at FROM dedupe_recent"
    " ORDER BY key_hash, scope, tenant_id, id"
)
NEWEST: Final = "SELECT max(id) FROM dedupe_recent"
FIND_KEYS: Final = MultiRow(
    "SELECT k.tenant_id, k.scope, k.key_hash, k.body_hash, k.answer, k.expires_at"
    " FROM (VALUES {rows}) AS wanted CROSS JOIN dedupe AS k ON k.key_hash = wanted.column1"
    " AND k.scope = wanted.column2 AND k.tenant_id = wanted.column3",
    3,
)
APPEND_KEYS: Final = MultiRow(
    "INSERT INTO dedupe_recent (tenant_id, scope, key_hash, body_hash, answer, expires_at)"
    " VALUES {rows}",
    6,
)
SORT_IN_KEYS: Final = MultiRow(
    "INSERT OR REPLACE INTO dedupe (tenant_id, scope, key_hash, body_hash, answer, expires_at)"
    " VALUES {rows}",
    6,
)
DELETE_RECENT: Final = (
    "DELETE FROM dedupe_recent WHERE id IN"
    " (SELECT id FROM dedupe_recent WHERE id <= ? ORDER BY id LIMIT ?)"
)

_Place = tuple[bytes, str, int]
"""Where a key is in ``dedupe``: the hash comes first, so that a comparison ends with it."""


class Claimed(msgspec.Struct, frozen=True):
    """What one commit claims, and what it changes of what ``Claims`` knows."""

    repeated: dict[int, DedupeKey]
    """Acceptances, by position, of which an earlier one has a key: that one's claim."""
    fresh: dict[_Place, DedupeKey]
    slices: int = 0
    """How many were sorted in."""
    emptied: bool = False
    """Nothing of the generation is left in ``dedupe_recent``."""


NOTHING: Final = Claimed({}, {})


class Claims:
    """The keys that are not sorted in yet. For the writer's thread alone.

    What a commit changes is remembered (``keep``) only once it is done.

    Args:
        connection: the writer's, of a ledger at this build's revision.
        generation: keys that are sorted in together.
    """

    def __init__(self, connection: sqlite3.Connection, generation: int = GENERATION) -> None:
        self._generation = generation
        self._recent: dict[_Place, DedupeKey] = {}
        self._coming: list[list[DedupeKey]] = [[] for _ in range(SLICES)]
        self._count = 0
        """Keys in ``_coming``."""
        self._going: list[list[DedupeKey]] = []
        """The slices of the generation that is being sorted in."""
        self._last: int | None = None
        """Its last row in ``dedupe_recent``, as long as it has rows there."""
        if connection.execute(COUNT_RECENT).fetchone()[0] >= generation:
            # How far the generation had come is not written down: many short runs must not add up.
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(SORT_ALL_IN)
            connection.execute("DELETE FROM dedupe_recent")
            connection.execute("COMMIT")
        for row in connection.execute(RECENT):
            self._add(DedupeKey(*row))

    def claim(self, connection: sqlite3.Connection, accept: Sequence[Acceptance]) -> Claimed:
        """Claim the keys of every acceptance that can have all of its own, in the transaction."""
        keys = [key for acceptance in accept for key in acceptance.dedupe]
        if not keys:
            return NOTHING
        fresh = {_place(key): key for key in keys}
        taken = self._taken(connection, fresh)
        repeated: dict[int, DedupeKey] = {}
        if taken or len(fresh) < len(keys):
            fresh, repeated = _choose(accept, taken)
        slices, emptied = self._sort_in(connection, PACE * len(keys))
        APPEND_KEYS.run(connection, key_rows(fresh.values()))
        return Claimed(repeated, fresh, slices, emptied)

    def keep(self, claimed: Claimed) -> None:
        """Remember what a commit changed, now that it is done."""
        for key in claimed.fresh.values():
            self._add(key)
        for _ in range(claimed.slices):
            for key in self._going.pop():
                place = _place(key)
                if self._recent.get(place) is key:  # and not one that was claimed anew
                    del self._recent[place]
        if claimed.emptied:
            self._last = None

    def _add(self, key: DedupeKey) -> None:
        self._recent[_place(key)] = key
        self._coming[key.key_hash[0] * SLICES // 256].append(key)
        self._count += 1

    def _taken(
        self, connection: sqlite3.Connection, places: Iterable[_Place]
    ) -> dict[_Place, DedupeKey]:
        """Return the newest claim of each place that has one, maybe expired."""
        recent = self._recent
        wanted: list[Any] = []
        for key_hash, scope, tenant_id in places:
            wanted += (bytearray(key_hash), scope, tenant_id)
        found = [DedupeKey(*row) for row in FIND_KEYS.rows(connection, wanted)]
        taken = {_place(key): key for key in found}
        for place in places:
            key = recent.get(place)
            if key is not None:
                taken[place] = key
        return taken

    def _sort_in(self, connection: sqlite3.Connection, pace: int) -> tuple[int, bool]:
        """Sort in about ``pace`` keys, or delete as many that are; return what came of it."""
        if self._last is None:
            if self._count < self._generation:
                return 0, False
            self._last = connection.execute(NEWEST).fetchone()[0]
            self._going = [keys for keys in self._coming if keys]
            self._coming = [[] for _ in range(SLICES)]
            self._count = 0
        if not self._going:
            gone = connection.execute(DELETE_RECENT, (self._last, pace)).rowcount
            return 0, gone < pace
        slices = sorted_in = 0
        for keys in reversed(self._going):
            SORT_IN_KEYS.run(connection, key_rows(sorted(keys, key=_place)))
            slices += 1
            sorted_in += len(keys)
            if sorted_in >= pace:
                break
        return slices, False


def key_rows(keys: Iterable[DedupeKey]) -> list[Any]:
    """Return the values of keys, one key after the other."""
    rows: list[Any] = []
    for key in keys:
        # A bytearray binds without the look-up of an adapter that bytes goes through.
        rows += (
            key.tenant_id,
            key.scope,
            bytearray(key.key_hash),
            bytearray(key.body_hash),
            bytearray(key.answer),
            key.expires_at_ms,
        )
    return rows


def _place(key: DedupeKey) -> _Place:
    return key.key_hash, key.scope, key.tenant_id


def _choose(
    accept: Sequence[Acceptance], taken: dict[_Place, DedupeKey]
) -> tuple[dict[_Place, DedupeKey], dict[int, DedupeKey]]:
    """Return the keys that are claimed, and the acceptances that repeat an earlier one."""
    fresh: dict[_Place, DedupeKey] = {}
    repeated: dict[int, DedupeKey] = {}
    for position, acceptance in enumerate(accept):
        for key in acceptance.dedupe:
            first = taken.get(_place(key))
            if first is not None and first.expires_at_ms > acceptance.at_ms:
                repeated[position] = first
                break
        else:
            for key in acceptance.dedupe:
                place = _place(key)
                taken[place] = fresh[place] = key
    return fresh, repeated
