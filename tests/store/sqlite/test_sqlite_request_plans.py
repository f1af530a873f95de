"""Query plans of the statements on caught requests: the intended index, no scan, no sorting."""

from __future__ import annotations

import sqlite3

import pytest

from hookferry.domain.request import Verdict
from hookferry.store.ports import RequestFilter
from hookferry.store.sqlite import requests, retention, rings
from hookferry.store.sqlite.compiled import compiled
from store.sqlite.plans import plan, tables_scanned

BY_KEY = "SEARCH requests USING INTEGER PRIMARY KEY"
OF_SOURCE = "SEARCH requests USING INDEX requests_source (source_id=?"

HOT = {
    "newest of a source": (rings.NEWEST, "requests_source (source_id=?)"),
    "count a ring of all": (rings.COUNT, OF_SOURCE),
    "count a ring of the unproven": (
        rings.COUNT_UNPROVEN,
        "USING INDEX requests_unproven (source_id=?)",
    ),
    "oldest of a ring of all": (rings.OLDEST, OF_SOURCE),
    "oldest of a ring of the unproven": (
        rings.OLDEST_UNPROVEN,
        "USING INDEX requests_unproven (source_id=?)",
    ),
    "what a release takes the place of": (rings.IN_PLACE, BY_KEY),
    "trim": (rings.DELETE_REQUESTS.sql(64), BY_KEY),
    "answer": (requests.SET_ANSWER, BY_KEY),
    "answered": (requests.ANSWERED, BY_KEY),
    "old ones": (retention.OLD_REQUESTS, f"{BY_KEY} (rowid<?)"),
    "old ones of a source": (retention.OLD_REQUESTS_OF_SOURCE, f"{OF_SOURCE} AND rowid<?)"),
    "deleted sources": (retention.OLD_SOURCES, "s USING INTEGER PRIMARY KEY (rowid<?)"),
    "forget sources": (
        retention.DELETE_SOURCES.sql(64),
        "SEARCH sources USING INTEGER PRIMARY KEY",
    ),
}


@pytest.mark.parametrize("name", HOT)
def test_a_hot_statement_uses_its_index(ledger: sqlite3.Connection, name: str) -> None:
    sql, step = HOT[name]
    steps = plan(ledger, sql)
    assert any(step in each for each in steps), steps
    assert tables_scanned(steps) == []
    assert not any("TEMP B-TREE" in each for each in steps), steps


@pytest.mark.parametrize("sql", [retention.DELETED_SOURCES, retention.OLD_REQUESTS_OF_OTHERS])
def test_sources_that_hold_requests_are_found_by_a_seek_each(
    ledger: sqlite3.Connection, sql: str
) -> None:
    steps = plan(ledger, sql)
    assert [s for s in tables_scanned(steps) if s != "SCAN holding"] == [], steps
    assert sum("requests_source" in step for step in steps) >= 2
    assert not any("TEMP B-TREE" in each for each in steps), steps


LISTS = {
    "of a tenant": (RequestFilter(tenant_id=1), "requests_tenant (tenant_id=? AND rowid<?)"),
    "of a source": (
        RequestFilter(tenant_id=1, source_id=2),
        "requests_source (source_id=? AND rowid<?)",
    ),
    "of a source since": (
        RequestFilter(tenant_id=1, source_id=2, after_ms=1_800_000_000_000),
        "requests_source (source_id=? AND rowid>? AND rowid<?)",
    ),
    "of a quarantine": (
        RequestFilter(tenant_id=1, source_id=2, verdicts=(Verdict.QUARANTINED,)),
        "requests_unproven (source_id=? AND rowid<?)",
    ),
    "unproven": (
        RequestFilter(tenant_id=1, source_id=2, verdicts=(Verdict.QUARANTINED, Verdict.REJECTED)),
        "requests_unproven (source_id=? AND rowid<?)",
    ),
    "by other verdicts": (
        RequestFilter(tenant_id=1, source_id=2, verdicts=(Verdict.QUARANTINED, Verdict.SAMPLE)),
        "requests_source (source_id=? AND rowid<?)",
    ),
    "by all there is": (
        RequestFilter(
            tenant_id=1, method="POST", status=204, key="k", client="c", path="/", text="x"
        ),
        "requests_tenant (tenant_id=? AND rowid<?)",
    ),
    "duplicates": (
        RequestFilter(tenant_id=1, source_id=2, duplicate_of=3),
        "requests_source (source_id=? AND rowid>? AND rowid<?)",
    ),
}


@pytest.mark.parametrize("bodies", [True, False])
@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_requests_walks_one_index_backwards(
    ledger: sqlite3.Connection, name: str, bodies: bool
) -> None:
    where, step = LISTS[name]
    steps = plan(ledger, *compiled(requests.select_requests(where, 1 << 60, bodies)))
    assert step in steps[0], steps
    assert tables_scanned(steps) == []
    assert not any("TEMP B-TREE" in each for each in steps), steps


def test_what_follows_a_request_is_read_in_order_without_sorting(
    ledger: sqlite3.Connection,
) -> None:
    steps = plan(ledger, *compiled(requests.select_above(1, 2, 3)))
    assert "requests_source (source_id=? AND rowid>?)" in steps[0], steps
    assert not any("TEMP B-TREE" in each for each in steps), steps


def test_the_newest_of_a_source_takes_one_seek(ledger: sqlite3.Connection) -> None:
    steps = plan(ledger, *compiled(requests.select_newest(1, 2)))
    assert len(steps) == 1
    assert "requests_source (source_id=?)" in steps[0], steps


def test_counts_read_one_sources_requests_since_a_time(ledger: sqlite3.Connection) -> None:
    steps = plan(ledger, *compiled(requests.select_counts(1, 2, 1_800_000_000_000)))
    assert "requests_source (source_id=? AND rowid>?)" in steps[0], steps
