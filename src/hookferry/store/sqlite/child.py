"""The child process that writes a ledger (``apart_main``): started first, told which ledger later.

Importing what it writes with takes the child longer than opening a ledger, and the server that
starts it has as much to import meanwhile, on another core.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

from hookferry.store.sqlite.frames import SOCKET_BYTES

_MAIN = "hookferry.store.sqlite.apart_main"
_PATH_BYTES: Final = 4_096
"""Of a folder's name, at most (Linux: PATH_MAX)."""


class Child:
    """The process, and the channel to it. It ends when the channel does.

    Attributes:
        process: it, to be waited for.
        channel: our end of a socket pair.
    """

    def __init__(self) -> None:
        self.channel, theirs = socket.socketpair()
        with theirs:
            self.channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
            self.process = subprocess.Popen(  # noqa: S603 - this Python, this package
                [sys.executable, "-P", "-m", _MAIN, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # No key that the parent was given is any business of its child's.
                env={k: v for k, v in os.environ.items() if not k.startswith("HOOKFERRY_")},
                pass_fds=(theirs.fileno(),),
            )

    def give(self, folder: Path, lock: int) -> None:
        """Tell it which ledger it is to write.

        Args:
            folder: the data folder.
            lock: the descriptor of the folder's lock, which it is to hold too.
        """
        with contextlib.suppress(BrokenPipeError):  # it has ended, and the channel says so
            socket.send_fds(self.channel, [os.fsencode(folder.absolute())], [lock])


def taken(channel: socket.socket) -> Path | None:
    """Return the folder that the parent gives; None if it has ended instead.

    The lock's descriptor comes with it and stays open.
    """
    name, locks, _, _ = socket.recv_fds(channel, _PATH_BYTES, 1)
    return Path(os.fsdecode(name)) if locks else None
