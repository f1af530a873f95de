"""Runs of automations: stored with what they are about, searched by people."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Select, literal_column, select

from hookferry.domain.run import Run, RunExit
from hookferry.store.ports import RunFilter
from hookferry.store.sqlite.codec import RUN_COLUMNS, run_from, run_row
from hookferry.store.sqlite.compiled import rows
from hookferry.store.sqlite.search import between
from hookferry.store.sqlite.statements import MultiRow
from hookferry.store.tables import deliveries, runs

INSERT_RUNS: Final = MultiRow(
    f"INSERT INTO runs ({RUN_COLUMNS}, document) VALUES {{rows}}",  # noqa: S608
    13,
)

_RUN = [runs.c[name] for name in RUN_COLUMNS.split(", ")]


def insert_runs(connection: sqlite3.Connection, given: Sequence[Run]) -> None:
    """Insert runs, in the caller's transaction."""
    INSERT_RUNS.run(connection, [value for run in given for value in run_row(run)])


def put_runs(connection: sqlite3.Connection, given: Sequence[Run]) -> None:
    """Store runs; the port's ``Runs.put_runs``."""
    connection.execute("BEGIN IMMEDIATE")
    insert_runs(connection, given)
    connection.execute("COMMIT")


def run(connection: sqlite3.Connection, tenant_id: int, run_id: int) -> Run | None:
    """Return one run; the port's ``Runs.run``."""
    statement = select(*_RUN, runs.c.document).where(
        runs.c.id == run_id, runs.c.tenant_id + 0 == tenant_id
    )
    found = rows(connection, statement)
    return run_from(found[0]) if found else None


def select_runs(where: RunFilter, limit: int, below_id: int | None) -> Select[Any]:
    """Build the statement of ``find_runs``."""
    r = runs.c
    statement = (
        select(*_RUN)
        .where(*between(r.id, where.after_ms, where.before_ms, below_id))
        .order_by(r.id.desc())
        .limit(limit)
    )
    # Exactly one of these may choose the index: the one that leaves the fewest rows.
    of_tenant = r.tenant_id + 0 == where.tenant_id
    if where.event_id is not None or where.delivery_id is not None:
        event_id: Any = where.event_id
        if where.delivery_id is not None:
            statement = statement.where(r.delivery_id == where.delivery_id)
        if event_id is None:
            of_delivery = select(deliveries.c.event_id).where(deliveries.c.id == where.delivery_id)
            event_id = of_delivery.scalar_subquery()
        statement = statement.where(r.event_id == event_id, of_tenant)
        if where.automation_id is not None:
            statement = statement.where(r.automation_id + 0 == where.automation_id)
    elif where.automation_id is not None:
        statement = statement.where(r.automation_id == where.automation_id, of_tenant)
    else:
        statement = statement.where(r.tenant_id == where.tenant_id)
    if where.exit is RunExit.ERROR:
        # Spelled out, because the index of failed runs is partial.
        statement = statement.where(r.exit == literal_column("'error'"))
    elif where.exit is not None:
        statement = statement.where(r.exit == where.exit.value)
    if where.source_id is not None:
        statement = statement.where(r.source_id == where.source_id)
    return statement


def find_runs(
    connection: sqlite3.Connection, where: RunFilter, limit: int, below_id: int | None
) -> list[Run]:
    """Return runs, newest first and without their documents; the port's ``Runs.runs``."""
    return [run_from(row) for row in rows(connection, select_runs(where, limit, below_id))]
