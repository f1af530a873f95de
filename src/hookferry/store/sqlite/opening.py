"""Opens a ledger: takes its folder, sees to its schema, and starts who writes and reads it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hookferry.store.sqlite import schema
from hookferry.store.sqlite.apart import ApartWriter
from hookferry.store.sqlite.child import Child
from hookferry.store.sqlite.connection import (
    FILE_NAME,
    damaged,
    means_damage,
    open_reader,
    open_writer,
    recover,
    require_version,
    translate,
)
from hookferry.store.sqlite.inspection import inspect_ledger
from hookferry.store.sqlite.owner import Owner
from hookferry.store.sqlite.worker import Worker
from hookferry.store.sqlite.writer import Writer

READERS: Final = 2
WRITES_WAITING: Final = 1_000
"""Calls that may wait for the writer. The engine has few under way; the rest are people's."""
READS_WAITING: Final = 200
"""Calls that may wait for a reader; more are refused with StorageDown."""

Opened = tuple[Owner, Worker[Writer] | ApartWriter, Worker[sqlite3.Connection]]


async def opened(
    folder: Path, migrate: bool, writer_lost: Callable[[], None] | None, child: Child | None
) -> Opened:
    """Return a ledger's owner, writer and readers; see ``SqliteStore.open``."""
    loop = asyncio.get_running_loop()
    owner = await loop.run_in_executor(None, _prepare, folder, migrate)
    try:
        writer = await _writer(folder, owner, writer_lost, child)
        try:
            readers = await loop.run_in_executor(None, _open_readers, folder)
        except BaseException:
            await writer.aclose()
            raise
    except BaseException as error:
        owner.release()
        raise _startup_error(folder, error) from error
    return (
        owner,
        writer,
        Worker(
            "ledger-reader",
            readers,
            limit=READS_WAITING,
            recover=recover,
            close=sqlite3.Connection.close,
        ),
    )


def _prepare(folder: Path, migrate: bool) -> Owner:
    """Take a folder and see to it that its ledger is sound and has this build's schema."""
    require_version()
    owner = Owner.take(folder)
    try:
        inspect_ledger(folder)
        with contextlib.closing(open_writer(folder)) as connection:
            if migrate:
                schema.upgrade(connection)
            schema.refuse_other(connection)
    except BaseException as error:
        owner.release()
        raise _startup_error(folder, error) from error
    return owner


async def _writer(
    folder: Path, owner: Owner, lost: Callable[[], None] | None, child: Child | None
) -> Worker[Writer] | ApartWriter:
    if lost is not None:
        return await ApartWriter.open(
            folder, owner.descriptor, limit=WRITES_WAITING, lost=lost, child=child
        )
    loop = asyncio.get_running_loop()
    writer = await loop.run_in_executor(None, Writer, folder)
    return Worker(
        "ledger-writer",
        [writer],
        limit=WRITES_WAITING,
        recover=Writer.recover,
        after=Writer.after_call,
        close=Writer.close,
    )


def _open_readers(folder: Path) -> list[sqlite3.Connection]:
    with contextlib.ExitStack() as failed:
        opened = [
            failed.enter_context(contextlib.closing(open_reader(folder))) for _ in range(READERS)
        ]
        failed.pop_all()
    return opened


def _startup_error(folder: Path, error: BaseException) -> BaseException:
    if isinstance(error, sqlite3.Error):
        if means_damage(error):
            return damaged(folder / FILE_NAME, error)
        return translate(error) or error
    return error
