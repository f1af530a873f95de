"""What a run of a script comes to: how it ended, what it returned, and what it did on the way."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from hookferry.domain.run import LogLine, RunExit, Step
from hookferry.kata.values import Value

Level = Literal["debug", "warn", "error", "alert"]

MAX_LINES: Final = 1_000
"""Log lines that are kept of a run; the rest is counted."""
MAX_STEPS: Final = 1_000
"""Steps that are kept of a run; the rest is counted."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended."""

    exit: RunExit
    """``error`` where anything went wrong, whatever it was."""
    returned: dict[str, Value] = {}
    """What ``return:`` or ``error:`` was given."""
    error: str | None = None
    """Why it ended in ``error``, cut as a log line. It never reaches the caller (D2)."""
    out_of_fuel: bool = False
    """It ended in ``error`` for its budget was spent."""
    dictionary: dict[str, Value]
    """The working memory as the run left it."""
    log: list[LogLine]
    log_dropped: int = 0
    """Lines beyond ``MAX_LINES``."""
    steps: list[Step]
    steps_dropped: int = 0
    """Steps beyond ``MAX_STEPS``."""
    fuel_used: int = 0
    """Steps of the budget that were spent, functions included."""
    duration_ms: float = 0.0
    fault: Exception | None = None
    """What an action raised that it should not have: whoever called logs it with its traceback."""

    def printed(self) -> dict[str, Value]:
        """Return the run as Cerb's simulator prints it: the exit, its data, the dictionary."""
        data = self.returned if self.error is None else {**self.returned, "error": self.error}
        verdict = {"__exit": self.exit, "__return": data}
        return verdict | {key: v for key, v in self.dictionary.items() if key not in verdict}
