"""Query plans of the hot statements: the intended index, no scan, no sorting."""

from __future__ import annotations

import sqlite3

import pytest

from hookferry.domain.delivery import DeliveryState
from hookferry.store.ports import DeliveryFilter, EventFilter
from hookferry.store.sqlite import actions, calls, claims, commit, config, due, retention, search
from hookferry.store.sqlite.compiled import compiled
from hookferry.store.sqlite.upkeep import GREATEST_ID
from store.sqlite.plans import plan, tables_scanned

HOT = {
    "settle": (commit.SETTLE.sql(64), "SEARCH deliveries USING INTEGER PRIMARY KEY"),
    "epochs": (commit.STALE_EPOCHS.sql(64), "SEARCH shards USING INTEGER PRIMARY KEY"),
    "dedupe": (
        claims.FIND_KEYS.sql(64),
        "k USING PRIMARY KEY (key_hash=? AND scope=? AND tenant_id=?)",
    ),
    "forget keys that are sorted in": (
        claims.DELETE_RECENT,
        "SEARCH dedupe_recent USING INTEGER PRIMARY KEY (rowid=?)",
    ),
    "configuration version": (commit.CONFIG_VERSION, "SEARCH ledger USING PRIMARY KEY"),
    "due": (due.READ_DUE, "SEARCH d USING INDEX deliveries_due (webhook_id=? AND due<?)"),
    "next due": (due.NEXT_DUE, "deliveries_due (webhook_id=? AND due>? AND due<?)"),
    "oldest retrying": (due.RETRYING, "deliveries_retrying (webhook_id=?)"),
    "requeue": (actions.REQUEUE.sql(64), "SEARCH deliveries USING INTEGER PRIMARY KEY"),
    "cancel": (actions.CANCEL.sql(64), "SEARCH deliveries USING INTEGER PRIMARY KEY"),
    "cancel a backlog": (config.CANCEL_BACKLOG, "deliveries_due (webhook_id=?)"),
    "veto": (calls.VETO.sql(64), "SEARCH events USING INTEGER PRIMARY KEY"),
    "release what was held": (calls.RELEASE.sql(64), "deliveries_event (event_id=?)"),
    "discard what was held": (calls.DISCARD.sql(64), "deliveries_event (event_id=?)"),
    "reach of a chunk": (retention.REACH, "SEARCH e USING INTEGER PRIMARY KEY"),
    "choose a chunk": (retention.CHOOSE, "SEARCH d USING INDEX deliveries_event"),
    "forget attempts": (retention.DELETE_ATTEMPTS, "INDEX attempts_delivery (delivery_id=?)"),
    "forget deliveries": (retention.DELETE_DELIVERIES, "INDEX deliveries_event (event_id=?)"),
    "forget events": (retention.DELETE_EVENTS, "SEARCH events USING INTEGER PRIMARY KEY"),
    "forget keys": (retention.DELETE_KEYS, "dedupe_expires (<expr><?)"),
    "forget versions": (retention.DELETE_VERSIONS, "webhook_versions_replaced (replaced_at<?)"),
}


@pytest.mark.parametrize("name", HOT)
def test_a_hot_statement_uses_its_index(ledger: sqlite3.Connection, name: str) -> None:
    sql, step = HOT[name]
    steps = plan(ledger, sql)
    assert any(step in each for each in steps), steps
    assert tables_scanned(steps) == []
    assert not any("TEMP B-TREE" in each for each in steps), steps


def test_owing_seeks_once_per_webhook(ledger: sqlite3.Connection) -> None:
    steps = plan(ledger, due.OWING)
    assert [s for s in tables_scanned(steps) if s != "SCAN owing"] == []
    assert sum("deliveries_due" in step for step in steps) == 3


def test_abandoned_calls_are_found_by_one_seek_per_webhook(ledger: sqlite3.Connection) -> None:
    steps = plan(ledger, calls.ABANDON)
    assert "SEARCH deliveries USING INTEGER PRIMARY KEY (rowid=?)" in steps
    assert any("deliveries_due (webhook_id=? AND due>?)" in step for step in steps), steps
    assert [s for s in tables_scanned(steps) if s != "SCAN owing"] == []
    assert sum("deliveries_due" in step for step in steps) == 3


def test_whether_answers_are_waited_for_takes_a_seek_each(ledger: sqlite3.Connection) -> None:
    steps = plan(ledger, calls.WAITING.sql(3))
    assert "SEARCH d USING INTEGER PRIMARY KEY (rowid=?)" in steps, steps
    assert [s for s in tables_scanned(steps) if "CONSTANT" not in s and "wanted" not in s] == []


def test_a_version_of_a_webhook_takes_two_seeks(ledger: sqlite3.Connection) -> None:
    steps = plan(ledger, *compiled(config.select_webhook_at(1, 2)))
    assert tables_scanned(steps) == []
    assert any("(webhook_id=? AND version=?)" in step for step in steps), steps


def test_the_greatest_id_takes_one_seek_per_table(ledger: sqlite3.Connection) -> None:
    # SQLite answers max() of an indexed column by a seek to the end, and calls that a search.
    assert tables_scanned(plan(ledger, GREATEST_ID)) == []


DELIVERIES = {
    "of a tenant": (DeliveryFilter(tenant_id=1), "deliveries_tenant (tenant_id=?"),
    "of an event": (DeliveryFilter(tenant_id=1, event_id=2), "deliveries_event (event_id=?"),
    "of a webhook": (DeliveryFilter(tenant_id=1, webhook_id=2), "deliveries_webhook (webhook_id=?"),
    "of a webhook since": (
        DeliveryFilter(tenant_id=1, webhook_id=2, after_ms=1_800_000_000_000),
        "deliveries_webhook (webhook_id=? AND rowid>? AND rowid<?)",
    ),
    "dead letters": (
        DeliveryFilter(tenant_id=1, states=(DeliveryState.FAILED,)),
        "deliveries_failed (tenant_id=?",
    ),
    "of a type": (DeliveryFilter(tenant_id=1, event_type="a.b"), "deliveries_tenant (tenant_id=?"),
}


@pytest.mark.parametrize("name", DELIVERIES)
def test_a_list_of_deliveries_walks_one_index_backwards(
    ledger: sqlite3.Connection, name: str
) -> None:
    where, step = DELIVERIES[name]
    steps = plan(ledger, *compiled(search.select_deliveries(where, 50, 1 << 60)))
    assert step in steps[0]
    assert tables_scanned(steps) == []
    assert not any("TEMP B-TREE" in each for each in steps), steps


@pytest.mark.parametrize("newest", [True, False])
def test_attempts_of_a_delivery_are_read_in_order_without_sorting(
    ledger: sqlite3.Connection, newest: bool
) -> None:
    steps = plan(ledger, *compiled(search.select_attempts(1, 2, 50, newest, 1 << 60)))
    assert any("attempts_delivery (delivery_id=? AND rowid<?)" in step for step in steps), steps
    assert tables_scanned(steps) == []
    assert not any("TEMP B-TREE" in step for step in steps), steps


EVENTS = {
    "of a tenant": (EventFilter(tenant_id=1), "events_tenant (tenant_id=?"),
    "of a type": (EventFilter(tenant_id=1, type="a"), "events_tenant (tenant_id=?"),
    "by the publisher's id": (
        EventFilter(tenant_id=1, external_id="x"),
        "events_external_id (tenant_id=? AND external_id=?",
    ),
}


@pytest.mark.parametrize("name", EVENTS)
def test_a_list_of_events_walks_one_index_backwards(ledger: sqlite3.Connection, name: str) -> None:
    where, step = EVENTS[name]
    steps = plan(ledger, *compiled(search.select_events(where, 50, 1 << 60)))
    assert len(steps) == 1
    assert step in steps[0]
