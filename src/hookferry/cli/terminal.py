"""How the commands speak: results on stdout, one clear line on stderr when something failed."""

from __future__ import annotations

import enum

from rich.console import Console
from rich.text import Text

out = Console(highlight=False, soft_wrap=True)
"""Results."""
err = Console(stderr=True, highlight=False, soft_wrap=True)
"""Everything that is not a result."""


LONGEST_LINE = 4_000
"""Characters of an error that are shown."""


class Exit(enum.IntEnum):
    """What a command's exit code means; documented in docs/cli.md."""

    OK = 0
    FAILED = 1
    """It was tried and did not succeed; the message says why."""
    USAGE = 2
    """The command line or a setting is wrong; nothing was tried."""
    UNAVAILABLE = 3
    """The server can't be reached or can't start, or the data folder is in use."""
    VETOED = 4
    """A synchronous-critical webhook refused: what the event asks must not happen."""
    INTERRUPTED = 130
    """Ctrl-C."""


class CommandError(Exception):
    """A command ends with one line for its user.

    Args:
        message: what is wrong and what to do next.
        code: the exit code.
    """

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.code = code


def complain(message: str) -> None:
    """Write one line of error; markup and control characters in it are not interpreted."""
    line = safe(" ".join(message.split()), LONGEST_LINE)
    err.print(Text.assemble(("hookferry: ", "bold red"), line))


def safe(text: str, limit: int = 200) -> str:
    """Make text from elsewhere fit for a terminal: no control characters, bounded length."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:limit])
    return shown + "..." if len(text) > limit else shown
