"""What a run writes down while it goes: log lines and steps, both bounded."""

from __future__ import annotations

from hookferry.clock import Clock
from hookferry.domain.run import MESSAGE_CHARACTERS, LogLine, Step
from hookferry.kata.result import MAX_LINES, MAX_STEPS, Level


def readable(text: str) -> str:
    """Return the beginning of a text as it can be written down: octets that are none are ``?``."""
    return text[:MESSAGE_CHARACTERS].encode(errors="replace").decode()


class Journal:
    """The log and the steps of a run and of the functions it calls.

    Args:
        clock: times them.
    """

    __slots__ = ("_began", "_monotonic", "_steps", "lines", "lines_dropped", "steps_dropped")

    def __init__(self, clock: Clock) -> None:
        self._monotonic = clock.monotonic
        self._began = self._monotonic()
        self._steps: list[_Begun] = []
        self.lines: list[LogLine] = []
        self.lines_dropped = 0
        self.steps_dropped = 0

    def elapsed_ms(self) -> float:
        """Return how long the run has taken so far."""
        return (self._monotonic() - self._began) * 1_000

    def log(
        self, level: Level, node: str, message: str, function: str | None, *, last: bool = False
    ) -> None:
        """Write a line; one that says how the run ended is always kept."""
        if len(self.lines) >= MAX_LINES and not last:
            self.lines_dropped += 1
            return
        self.lines.append(LogLine(level, node, readable(message), self.elapsed_ms(), function))

    def begin(self, node: str, command: str, function: str | None) -> _Begun | None:
        """Note that a command begins; None when enough of them are kept."""
        if len(self._steps) >= MAX_STEPS:
            self.steps_dropped += 1
            return None
        step = _Begun(node, command, self._monotonic(), function)
        self._steps.append(step)
        return step

    def end(self, step: _Begun) -> None:
        """Note that it ended."""
        step.ended = self._monotonic()

    def steps(self) -> list[Step]:
        """Return the steps so far, in the order in which they began."""
        return [step.at(self._began) for step in self._steps]


class _Begun:
    __slots__ = ("began", "command", "ended", "function", "node")

    def __init__(self, node: str, command: str, began: float, function: str | None) -> None:
        self.node = node
        self.command = command
        self.began = began
        self.ended: float | None = None
        self.function = function

    def at(self, zero: float) -> Step:
        ended = self.ended
        return Step(
            self.node,
            self.command,
            (self.began - zero) * 1_000,
            None if ended is None else (ended - self.began) * 1_000,
            self.function,
        )
