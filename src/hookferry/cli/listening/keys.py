"""Keys pressed on the terminal, one at a time and not echoed; it is restored on every way out."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import termios
import tty
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final

UP: Final = "up"
DOWN: Final = "down"
_SEQUENCES = {b"A": UP, b"B": DOWN}
_ESCAPE = 0x1B
_READ = 64


class KeyReader:
    """Turns what a terminal sends into keys: characters, ``up`` and ``down``.

    Cursor keys come as ``ESC [ A`` or ``ESC O A`` (ECMA-48 section 8.3; xterm's normal and
    application mode), also in pieces. Other sequences are passed over.
    """

    def __init__(self) -> None:
        self._sequence = b""

    def feed(self, data: bytes) -> Iterator[str]:
        """Take what was read; yield the keys."""
        for byte in data:
            if byte == _ESCAPE:
                self._sequence = b"\x1b"
            elif not self._sequence:
                if 0x20 <= byte < 0x7F:
                    yield chr(byte)
            elif len(self._sequence) == 1 and byte in b"[O":
                self._sequence += bytes([byte])
            elif len(self._sequence) > 1 and 0x20 <= byte < 0x40:
                pass  # parameters of a control sequence
            else:
                known = _SEQUENCES.get(bytes([byte])) if len(self._sequence) > 1 else None
                self._sequence = b""
                if known is not None:
                    yield known


def on_terminal(fd: int) -> bool:
    """Tell whether keys can be read here: a terminal, whose foreground is this program."""
    try:
        return os.isatty(fd) and os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:  # a terminal that is not this session's
        return False


class Keyboard:
    """Reads keys while it is entered.

    Ctrl-Z gives the terminal back and takes it again with ``fg``.

    Args:
        fd: the terminal.
        pressed: called with each key.
        suspended: called with True before the program is stopped, and with False after.
    """

    def __init__(
        self, fd: int, pressed: Callable[[str], None], suspended: Callable[[bool], None]
    ) -> None:
        self._fd = fd
        self._pressed = pressed
        self._suspended = suspended
        self._reader = KeyReader()
        self._saved: list[Any] = []

    def __enter__(self) -> Keyboard:
        self._saved = termios.tcgetattr(self._fd)
        self._listen()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()

    def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        tty.setcbreak(self._fd)
        loop.add_reader(self._fd, self._read)
        loop.add_signal_handler(signal.SIGTSTP, self._suspend)

    def _leave(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._fd)
        loop.remove_signal_handler(signal.SIGTSTP)
        with contextlib.suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._saved)

    def _read(self) -> None:
        try:
            data = os.read(self._fd, _READ)
        except OSError:
            data = b""
        if not data:  # the terminal is gone; SIGHUP ends the program
            asyncio.get_running_loop().remove_reader(self._fd)
            return
        for key in self._reader.feed(data):
            self._pressed(key)

    def _suspend(self) -> None:
        self._suspended(True)
        self._leave()
        os.kill(os.getpid(), signal.SIGTSTP)  # stops here until somebody continues the program
        self._listen()
        self._suspended(False)
