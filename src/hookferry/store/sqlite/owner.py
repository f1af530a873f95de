"""The data folder has one owner: an advisory lock held for the life of the process.

The lock is the kernel's (``flock``), so it goes with the process however that ends, and a file
left behind means nothing. A process that writes for the owner (``apart``) has the lock as well, so
it goes when both have ended. It must not be on the database file: closing any descriptor of that
would drop SQLite's own POSIX locks.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Final

from hookferry.errors import LedgerOwned

LOCK_NAME: Final = "hookferry.lock"
FINISH_SECONDS: Final = 10.0
"""How long the writer of an owner that died may take to do what it was asked last."""
_LOOK_SECONDS: Final = 0.02


class Owner:
    """Holds the lock on a data folder. Made by ``take``.

    Attributes:
        descriptor: the lock's; a child that inherits it holds the lock too.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def take(cls, folder: Path) -> Owner:
        """Lock a data folder, making it (mode 0700) if there is none.

        Waits some seconds for what an owner that died has left behind to finish.

        Raises:
            LedgerOwned: another process holds the lock.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / LOCK_NAME
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        patience = time.monotonic() + FINISH_SECONDS
        while not _locked(descriptor):
            pid = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            if pid and not _lives(pid) and time.monotonic() < patience:
                time.sleep(_LOOK_SECONDS)
                continue
            os.close(descriptor)
            who = f"process {pid}" if pid else "another process"
            raise LedgerOwned(
                f"{who} owns the data folder {folder}: stop it, ask it over HTTP instead, or "
                "choose another folder with --data",
                pid=pid,
            )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return cls(descriptor)

    def release(self) -> None:
        """Let the folder go."""
        os.ftruncate(self.descriptor, 0)
        os.close(self.descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _lives(pid: str) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state not in "ZX"  # killed, and only not collected by its parent yet
    except (OSError, IndexError):
        pass  # gone meanwhile, or a system without /proc
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        pass
    return True
