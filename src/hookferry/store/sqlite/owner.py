"""The data folder has one owner: an advisory lock held for the life of the process.

The lock is the kernel's (``flock``), so it goes with the process however that ends, and a file
left behind means nothing. It must not be on the database file: closing any descriptor of that
would drop SQLite's own POSIX locks.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from hookferry.errors import LedgerOwned

LOCK_NAME: Final = "hookferry.lock"


class Owner:
    """Holds the lock on a data folder. Made by ``take``."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, folder: Path) -> Owner:
        """Lock a data folder, making it (mode 0700) if there is none.

        Raises:
            LedgerOwned: another process holds the lock.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / LOCK_NAME
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = os.read(descriptor, 32).decode("ascii", "replace").strip()
            os.close(descriptor)
            who = f"process {pid}" if pid else "another process"
            raise LedgerOwned(
                f"{who} owns the data folder {folder}: stop it, ask it over HTTP instead, or "
                "choose another folder with --data",
                pid=pid,
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return cls(descriptor)

    def release(self) -> None:
        """Let the folder go."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)
