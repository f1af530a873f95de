"""What writes a ledger: the one connection that may, and what is remembered beside it.

``store`` has it work on a thread (``worker``) or in a process of its own (``apart``).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from hookferry.store.ports import Batch, Committed
from hookferry.store.sqlite import commit, retention
from hookferry.store.sqlite.checkpoints import Checkpoints, Copier
from hookferry.store.sqlite.claims import Claims
from hookferry.store.sqlite.connection import open_writer, recover
from hookferry.store.sqlite.rings import Rings

T = TypeVar("T")


class Writer:
    """The writer of a ledger. One call at a time.

    Args:
        folder: the data folder; its ledger has this build's schema.
        apart: nothing else in this process uses the ledger, so that most of the log can be copied
            while commits go on.

    Raises:
        sqlite3.Error: it can't be opened.
    """

    def __init__(self, folder: Path, *, apart: bool = False) -> None:
        self.connection = open_writer(folder)
        self._copier: Copier | None = None
        try:
            self._claims = Claims(self.connection)
            if apart:
                self._copier = Copier(folder)
        except BaseException:
            self.connection.close()
            raise
        self._rings = Rings()
        self._checkpoints = Checkpoints(self.connection, copier=self._copier)

    def commit(self, batch: Batch) -> Committed:
        """See ``Ledger.commit``."""
        return commit.commit(self.connection, batch, self._rings, self._claims)

    def forget_requests(
        self, below: int, limit: int, source_id: int | None, spare: frozenset[int]
    ) -> int:
        """See ``retention.forget_requests``."""
        return retention.forget_requests(
            self.connection, self._rings, below, limit, source_id, spare
        )

    def call(self, call: Callable[..., T], /, *args: object) -> T:
        """Do what else there is to do: ``call(connection, *args)``."""
        return call(self.connection, *args)

    def recover(self, error: BaseException) -> BaseException:
        """Undo what a failed call left open and say what its error means."""
        return recover(self.connection, error)

    def after_call(self) -> None:
        """Do what may wait until a call's result is on its way."""
        self._checkpoints.after_call(self.connection)

    def close(self) -> None:
        """Let go of the file; the last connection to do so folds in the log."""
        if self._copier is not None:
            self._copier.stop()
        self.connection.close()
        if self._copier is not None:
            self._copier.close()
