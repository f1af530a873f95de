"""The whole ledger on SQLite: which call runs on which thread. No SQL here.

One thread writes; everything that must see the newest commit reads there too. Two threads read
for search and configuration, each call its own snapshot.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hookferry.domain.webhook import Webhook
from hookferry.store.ports import (
    Batch,
    Boot,
    Committed,
    ConfigChanges,
    DueBatch,
    R,
)
from hookferry.store.sqlite import commit, config, due, schema, upkeep
from hookferry.store.sqlite.connection import (
    FILE_NAME,
    damaged,
    means_damage,
    open_reader,
    open_writer,
    translate,
)
from hookferry.store.sqlite.inspection import inspect_file
from hookferry.store.sqlite.owner import Owner
from hookferry.store.sqlite.worker import Worker

READERS: Final = 2
WRITES_WAITING: Final = 1_000
"""Calls that may wait for the writer. The engine has few under way; the rest are people's."""
READS_WAITING: Final = 200
"""Calls that may wait for a reader; more are refused with StorageDown."""


class SqliteStore:
    """``hookferry.store.ports.Store`` on an SQLite file. Made by ``open``."""

    def __init__(
        self,
        owner: Owner,
        writer: Worker[sqlite3.Connection],
        readers: Worker[sqlite3.Connection],
    ) -> None:
        self._owner: Owner | None = owner
        self._writer = writer
        self._readers = readers
        self._write = writer.run
        self._read = readers.run

    # ------------------------------------------------------------------ the hot path

    async def commit(self, batch: Batch) -> Committed:
        """See ``Ledger.commit``."""
        return await self._write(commit.commit, batch)

    async def read_due(
        self, webhook_id: int, now_ms: int, limit: int, max_bytes: int, skip: frozenset[int]
    ) -> DueBatch:
        """See ``Ledger.read_due``."""
        return await self._write(due.read_due, webhook_id, now_ms, limit, max_bytes, skip)

    async def owing(self) -> dict[int, int]:
        """See ``Ledger.owing``."""
        return await self._write(due.owing)

    async def claim_shards(self, node: str) -> dict[int, int]:
        """See ``Ownership.claim_shards``."""
        return await self._write(upkeep.claim_shards, node)

    async def epochs(self) -> dict[int, int]:
        """See ``Ownership.epochs``."""
        return await self._write(upkeep.epochs)

    # ------------------------------------------------------------------ configuration

    async def changes(self, since_version: int) -> ConfigChanges:
        """See ``ConfigStore.changes``."""
        return await self._read(config.changes, since_version)

    async def save(self, record: R) -> R:
        """See ``ConfigStore.save``."""
        return await self._save(record, unique=False)

    async def save_webhook_unique(self, record: Webhook) -> Webhook:
        """See ``ConfigStore.save_webhook_unique``."""
        return await self._save(record, unique=True)

    async def _save(self, record: R, *, unique: bool) -> R:
        stored = await self._write(config.save, record, unique)
        if isinstance(stored, Webhook) and stored.deleted:
            at_ms = stored.updated_at_ms
            while await self._write(config.cancel_backlog, stored.id, at_ms):
                pass
        return stored

    # ------------------------------------------------------------------ upkeep

    async def remember_time(self, now_ms: int) -> None:
        """See ``Upkeep.remember_time``."""
        await self._write(upkeep.remember_time, now_ms)

    async def boot(self) -> Boot:
        """See ``Upkeep.boot``."""
        return await self._write(upkeep.boot)

    async def ping(self) -> None:
        """See ``Upkeep.ping``."""
        await self._read(upkeep.ping)

    # ------------------------------------------------------------------ opening and closing

    @classmethod
    async def open(cls, folder: Path, *, migrate: bool = True) -> SqliteStore:
        """Take ownership of a data folder and open its ledger, making both if need be.

        Args:
            folder: the data folder.
            migrate: bring an older schema up to date; without it an older one is refused.

        Raises:
            LedgerOwned: another process has the folder.
            LedgerDamaged: the file is not a usable database; it was not touched.
            SchemaOutdated: the schema is newer than this build, or older and ``migrate`` is off.
        """
        loop = asyncio.get_running_loop()
        opened = await loop.run_in_executor(None, functools.partial(_open, folder, migrate))
        owner, writer, readers = opened
        return cls(
            owner,
            Worker("ledger-writer", [writer], limit=WRITES_WAITING, recover=_recover),
            Worker("ledger-reader", readers, limit=READS_WAITING, recover=_recover),
        )

    async def aclose(self) -> None:
        """Finish what was asked for, fold the write-ahead log into the file, let go of both."""
        if self._owner is None:
            return
        owner, self._owner = self._owner, None
        await self._readers.aclose()
        await self._writer.aclose()
        loop = asyncio.get_running_loop()
        for connection in (*self._readers.contexts, *self._writer.contexts):
            # The last one to close does the checkpoint.
            await loop.run_in_executor(None, connection.close)
        owner.release()


def _open(
    folder: Path, migrate: bool
) -> tuple[Owner, sqlite3.Connection, list[sqlite3.Connection]]:
    owner = Owner.take(folder)
    connections: list[sqlite3.Connection] = []
    try:
        inspect_file(folder / FILE_NAME)
        connections.append(open_writer(folder))
        if migrate:
            schema.upgrade(connections[0])
        schema.refuse_other(connections[0])
        connections += [open_reader(folder) for _ in range(READERS)]
    except BaseException as error:
        for connection in connections:
            connection.close()
        owner.release()
        raise _startup_error(folder, error) from error
    return owner, connections[0], connections[1:]


def _startup_error(folder: Path, error: BaseException) -> BaseException:
    if isinstance(error, sqlite3.Error):
        if means_damage(error):
            return damaged(folder / FILE_NAME, error)
        return translate(error) or error
    return error


def _recover(connection: sqlite3.Connection, error: BaseException) -> BaseException:
    """Undo what a failed call left open and say what its error means."""
    if connection.in_transaction:
        # SQLite has rolled back by itself after some errors; then there is nothing to undo.
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
    return translate(error) or error if isinstance(error, sqlite3.Error) else error
