"""Ledgers that older builds wrote: upgraded with everything that is in them."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
from alembic import command

from hookferry.domain.delivery import DeliveryState
from hookferry.store import migrations
from hookferry.store.ports import DeliveryFilter
from hookferry.store.sqlite import SqliteStore, schema
from hookferry.store.sqlite.connection import open_writer
from store.conformance.books import DAY, NOW, Books, Maker

# An attempt as the first release encodes it: without the webhook's version.
ATTEMPT_0001 = (
    *(1, NOW, 12.5, False, None, "timeout", "no answer within 15 s", "allow_public"),
    *("203.0.113.7:443", b"POST / HTTP/1.1\r\n\r\n", b"", b"", False, {"dns": 1.5}),
)


def rows(connection: sqlite3.Connection, table: str) -> list[Any]:
    return connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()


def write_0001(folder: Path) -> dict[str, list[Any]]:
    """Make a ledger as the first release left it; return its rows by table."""
    connection = open_writer(folder)
    with schema._alchemy(connection) as alchemy:
        alchemy.exec_driver_sql("BEGIN IMMEDIATE")
        config = migrations._config()
        config.attributes["connection"] = alchemy
        command.upgrade(config, "0001")
        alchemy.commit()
    make = Maker()
    webhook, event, delivery, attempt = (make.id() for _ in range(4))
    document = {
        "id": webhook,
        "tenant_id": 1,
        "number": 1,
        "name": "crm",
        "target_url": "https://example.com/hook",
        "events": ["*"],
        "created_at_ms": NOW,
        "updated_at_ms": NOW,
    }
    everything: tuple[tuple[str, tuple[Any, ...]], ...] = (
        ("webhooks", (webhook, 1, 1, "crm", 1, 1, 2, json.dumps(document).encode())),
        ("events", (event, 1, "a.b", 1, NOW, None, None, b'{"a":1}')),
        ("deliveries", (delivery, event, webhook, 1, 1, NOW + 5, 1, None, "timeout", NOW)),
        ("attempts", (attempt, delivery, msgspec.msgpack.encode(ATTEMPT_0001))),
        ("dedupe", (1, "event", b"k", b"body", b"answer", NOW + DAY)),
        ("webhook_health", (webhook, 1, NOW, None, NOW, "timeout", 1, 1)),
    )
    for table, values in everything:
        marks = ",".join("?" * len(values))
        connection.execute(f"INSERT INTO {table} VALUES ({marks})", values)
    connection.execute("UPDATE ledger SET value = 2 WHERE name = 'config_version'")
    tables = [
        row[0]
        for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        if row[0] != "alembic_version"
    ]
    before = {table: rows(connection, table) for table in tables}
    connection.close()
    return before


async def test_the_first_releases_ledger_keeps_everything(tmp_path: Path) -> None:
    before = write_0001(tmp_path)
    store = await SqliteStore.open(tmp_path)
    await store.aclose()
    connection = sqlite3.connect(tmp_path / "ledger.sqlite3")
    after = {table: rows(connection, table) for table in before}
    assert schema.revision(connection) == migrations.HEAD
    connection.close()
    assert after == before


async def test_the_first_releases_ledger_is_read_and_used(tmp_path: Path) -> None:
    write_0001(tmp_path)
    store = await SqliteStore.open(tmp_path)
    books = Books(store, Maker())
    await books.own()
    [webhook] = (await store.changes(0)).webhooks
    [delivery] = await store.deliveries(DeliveryFilter(tenant_id=1), limit=10)
    [attempt] = await store.attempts(1, delivery.id)
    assert (attempt.error, attempt.timings, attempt.webhook_version) == ("timeout", {"dns": 1.5}, 0)
    await books.settle([books.settlement(webhook, delivery)])
    settled = await store.delivery(1, delivery.id)
    assert settled is not None
    assert settled.state is DeliveryState.DELIVERED
    await store.save(books.make.credential())
    changed = msgspec.structs.replace(webhook, title="new", version=2)
    await store.save(changed)
    assert await store.webhook_at(1, webhook.id, 1) == webhook
    await store.aclose()
