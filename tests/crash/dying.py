"""The real program, except that it dies (SIGKILL to itself) at a moment that its first argument
names: when it has caught a request, and ...

``before-commit``: before anything of it is durable.
``after-commit``: once it is durable, before its sender is answered.
``after-answer``: once its sender is answered, before anything is sent to a webhook.

The further arguments are those of ``hookferry``.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

from hookferry.cli import main as run
from hookferry.store.ports import Batch, Committed
from hookferry.store.sqlite.store import SqliteStore
from hookferry.transport.client import HttpTransport


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    moment = sys.argv.pop(1)
    commit = SqliteStore.commit

    async def dying(self: SqliteStore, batch: Batch) -> Committed:
        caught = any(acceptance.request is not None for acceptance in batch.accept)
        if caught and moment == "before-commit":
            die()
        committed = await commit(self, batch)
        if caught and moment == "after-commit":
            die()
        return committed

    def unsent(*_: Any) -> None:
        # Not at once: the answer lies in the loop's write queue until it comes round again.
        asyncio.get_running_loop().call_later(0.2, die)

    SqliteStore.commit = dying  # type: ignore[method-assign]
    if moment == "after-answer":
        HttpTransport.send = unsent  # type: ignore[method-assign]
    run()


if __name__ == "__main__":
    main()
