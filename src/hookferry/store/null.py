"""The null ledger: the configuration of a real one, and nothing of the log.

For the benchmark alone (``null_engine``): the same ingest and sender with nothing stored, so that
what storing costs can be told apart. It acknowledges what is not durable; never serve with it.
"""

from __future__ import annotations

from typing import Any

from hookferry.store.ports import Batch, Committed, Store


class NullLedger:
    """A store whose commits return at once.

    Args:
        store: whose configuration is used.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(self, batch: Batch) -> Committed:
        """Store nothing, and say that it is done."""
        return Committed(batch.config_version)
