"""Query plans of the statements on runs, stored values and timers: the intended index, no scan."""

from __future__ import annotations

import sqlite3

import pytest

from hookferry.domain.run import RunExit
from hookferry.store.ports import RunFilter
from hookferry.store.sqlite import config, retention, runs, storage
from hookferry.store.sqlite.compiled import compiled
from store.sqlite.plans import plan, tables_scanned

BY_KEY = "sqlite_autoindex_storage_1 (tenant_id=? AND key=?)"

HOT = {
    "get a value": (storage.GET, BY_KEY),
    "put a value again": (storage.REPLACE, BY_KEY),
    "drop a value": (storage.DROP, BY_KEY),
    "count values": (storage.COUNT, "USING COVERING INDEX storage_tenant (tenant_id=?)"),
    "forget values": (retention.DELETE_VALUES, "INDEX storage_expires (expires_at<?)"),
    "forget the runs of events": (retention.DELETE_RUNS, "INDEX runs_event (event_id=?)"),
    "forget old runs": (retention.OLD_RUNS, "runs USING INTEGER PRIMARY KEY (rowid<?)"),
    "marks of changed timers": (config.MARKS_CHANGED, "INDEX timers_changed (changed>?)"),
}


@pytest.mark.parametrize("name", HOT)
def test_a_hot_statement_uses_its_index(ledger: sqlite3.Connection, name: str) -> None:
    sql, step = HOT[name]
    steps = plan(ledger, sql)
    assert any(step in each for each in steps), steps
    assert [s for s in tables_scanned(steps) if s != "SCAN forgotten"] == []
    assert not any("TEMP B-TREE" in each for each in steps), steps


LISTS = {
    "of a tenant": (RunFilter(tenant_id=1), "runs_tenant (tenant_id=? AND rowid<?)"),
    "of an automation": (
        RunFilter(tenant_id=1, automation_id=2, exit=RunExit.ERROR),
        "runs_automation (automation_id=? AND rowid<?)",
    ),
    "of an event": (
        RunFilter(tenant_id=1, event_id=2, automation_id=3),
        "runs_event (event_id=? AND rowid<?)",
    ),
    "of a delivery": (RunFilter(tenant_id=1, delivery_id=2), "runs_event (event_id=? AND rowid<?)"),
    "failed": (RunFilter(tenant_id=1, exit=RunExit.ERROR), "runs_failed (tenant_id=?"),
    "of a source": (RunFilter(tenant_id=1, source_id=2), "runs_tenant (tenant_id=? AND rowid<?)"),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_runs_walks_one_index_backwards(ledger: sqlite3.Connection, name: str) -> None:
    where, step = LISTS[name]
    steps = plan(ledger, *compiled(runs.select_runs(where, 50, 1 << 60)))
    assert step in steps[0]
    assert tables_scanned(steps) == []
    assert not any("TEMP B-TREE" in each for each in steps), steps
