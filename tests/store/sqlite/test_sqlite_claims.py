"""Dedupe keys are appended, remembered, and sorted in by the generation."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookferry.store.ports import Acceptance, Batch, DedupeKey
from hookferry.store.sqlite import schema
from hookferry.store.sqlite.claims import GENERATION, Claims
from hookferry.store.sqlite.commit import commit
from hookferry.store.sqlite.connection import open_writer
from store.conformance.books import DAY, HOUR, NOW, Maker

SMALL = 40
"""Keys of a generation here."""


class Keys:
    """A ledger that claims keys."""

    def __init__(self, folder: Path) -> None:
        self.connection = open_writer(folder)
        schema.upgrade(self.connection)
        self.make = Maker()
        self.claims = Claims(self.connection, SMALL)

    def claim(self, *keys: DedupeKey, at: int = NOW) -> dict[int, DedupeKey]:
        """Claim keys for an event each, in one commit; return those that repeat an earlier one."""
        accept = [Acceptance(self.make.event(at=at), (), (key,)) for key in keys]
        return commit(self.connection, Batch(1, accept), claims=self.claims).repeated

    def reopen(self) -> None:
        """Forget what memory holds, as after a crash."""
        self.claims = Claims(self.connection, SMALL)

    def rows(self, table: str) -> int:
        return int(self.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def numbered(number: int, *, expires: int = NOW + DAY, answer: bytes = b"") -> DedupeKey:
    digest = hashlib.blake2b(b"%d" % number, digest_size=16).digest()
    return DedupeKey(1, "event", digest, b"body", answer or b"%d" % number, expires)


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[Keys]:
    keys = Keys(tmp_path)
    yield keys
    keys.connection.close()


def test_a_commit_writes_its_keys_down_side_by_side(keys: Keys) -> None:
    keys.claim(*(numbered(n) for n in range(SMALL)))
    assert (keys.rows("dedupe_recent"), keys.rows("dedupe")) == (SMALL, 0)


def test_a_generation_is_sorted_in_a_slice_at_a_time_and_then_deleted(keys: Keys) -> None:
    keys.claim(*(numbered(n) for n in range(SMALL)))
    known = []
    for n in range(SMALL, 2 * SMALL):
        keys.claim(numbered(n))
        known.append((keys.rows("dedupe"), keys.rows("dedupe_recent")))
    assert 0 < known[0][0] < SMALL // 2, "not all of it at once"
    # Sorted in by now, and what came meanwhile is not yet.
    assert known[-1] == (SMALL, SMALL)
    assert keys.claim(*(numbered(n) for n in range(2 * SMALL))).keys() == set(range(2 * SMALL))


def test_keys_are_known_wherever_they_are(keys: Keys) -> None:
    for n in range(5 * SMALL):
        assert keys.claim(numbered(n)) == {}
        for earlier in range(max(0, n - 3 * SMALL), n + 1, 7):
            assert keys.claim(numbered(earlier, answer=b"x")) == {0: numbered(earlier)}


def test_what_was_not_sorted_in_is_known_after_a_crash(keys: Keys) -> None:
    for n in range(4 * SMALL):
        keys.claim(numbered(n))
        if n % 9 == 0:
            keys.reopen()
    assert keys.claim(*(numbered(n) for n in range(4 * SMALL))).keys() == set(range(4 * SMALL))
    assert keys.rows("dedupe_recent") < 3 * SMALL


def test_a_commit_that_fails_claims_nothing(keys: Keys) -> None:
    keys.claim(*(numbered(n) for n in range(SMALL)))
    bad = msgspec.structs.replace(keys.make.event(), type=object())  # type: ignore[arg-type]
    claims = (numbered(98), numbered(99))
    accept = [Acceptance(keys.make.event(), (), claims), Acceptance(bad, ())]
    with pytest.raises(sqlite3.Error):
        commit(keys.connection, Batch(1, accept), claims=keys.claims)
    keys.connection.execute("ROLLBACK")
    assert keys.claim(numbered(98)) == {}
    keys.reopen()
    assert keys.claim(numbered(99)) == {}
    assert keys.claim(*(numbered(n) for n in range(SMALL))).keys() == set(range(SMALL))


def test_a_key_claimed_anew_is_not_replaced_by_its_older_claim(keys: Keys) -> None:
    keys.claim(*(numbered(n, expires=NOW + HOUR, answer=b"old") for n in range(SMALL)))
    later = NOW + 2 * HOUR
    anew = [numbered(n, answer=b"new") for n in range(SMALL)]
    assert keys.claim(*anew, at=later) == {}
    assert keys.rows("dedupe") == SMALL, "the older ones"
    assert list(keys.claim(*anew, at=later).values()) == anew
    for n in range(SMALL, 3 * SMALL):
        keys.claim(numbered(n), at=later)
    assert list(keys.claim(*anew, at=later).values()) == anew


def test_memory_holds_little_more_than_two_generations(keys: Keys) -> None:
    most = 0
    for n in range(10 * SMALL):
        keys.claim(numbered(n))
        most = max(most, len(keys.claims._recent), keys.rows("dedupe_recent"))
    assert most <= 2 * SMALL + 2


def test_hashes_of_one_beginning_are_sorted_in_too(keys: Keys) -> None:
    def one(number: int) -> DedupeKey:
        return DedupeKey(1, "release", number.to_bytes(8, "big"), b"", b"", NOW + DAY)

    for number in range(3 * SMALL):
        keys.claim(one(number))
    assert keys.rows("dedupe") >= SMALL
    assert len(keys.claim(*(one(number) for number in range(3 * SMALL)))) == 3 * SMALL


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 30)), max_size=12), max_size=40)
)
def test_claims_are_those_of_a_table_that_is_always_sorted(
    tmp_path_factory: pytest.TempPathFactory, commits: list[list[tuple[int, int]]]
) -> None:
    keys = Keys(tmp_path_factory.mktemp("claims"))
    keys.claims = Claims(keys.connection, 10)
    model: dict[bytes, DedupeKey] = {}
    try:
        for hour, batch in enumerate(commits):
            at = NOW + hour * HOUR
            wanted = [
                numbered(n, expires=at + ttl * HOUR, answer=b"%d of %d" % (position, hour))
                for position, (n, ttl) in enumerate(batch)
            ]
            expected = {}
            for position, key in enumerate(wanted):
                first = model.get(key.key_hash)
                if first is not None and first.expires_at_ms > at:
                    expected[position] = first
                else:
                    model[key.key_hash] = key
            assert keys.claim(*wanted, at=at) == expected
            if hour % 7 == 6:
                keys.claims = Claims(keys.connection, 10)
    finally:
        keys.connection.close()


def test_a_commit_touches_few_pages_whatever_its_keys(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    keys.claims = Claims(keys.connection, GENERATION)
    keys.connection.execute("PRAGMA wal_autocheckpoint=0")
    claimed = 0

    def log() -> int:
        return (tmp_path / "ledger.sqlite3-wal").stat().st_size // 4120

    def claim(commits: int) -> float:
        """Return the pages written for each key."""
        nonlocal claimed
        before = log()
        for _ in range(commits):
            batch = [
                Acceptance(None, dedupe=(numbered(claimed + n),), request=None) for n in range(64)
            ]
            claimed += 64
            commit(keys.connection, Batch(1, batch), claims=keys.claims)
        return (log() - before) / (64 * commits)

    claim(3 * GENERATION // 64)
    # Kept in their own order they would take more than one each.
    assert claim(GENERATION // 64) < 0.6
    keys.connection.close()
