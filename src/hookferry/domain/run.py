"""A run of an automation, as the log keeps it: how it ended, what it said, what it left."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

KEPT_BYTES: Final = 64 * 1024
"""How large a run's log and its dictionary may each be, about, as the ledger keeps them."""
MESSAGE_CHARACTERS: Final = 1_024
"""A log line's message is cut there (behaviours S-CB-29)."""
CUT: Final = "[cut]"
"""Stands where something was left out of a run because there was too much of it."""
_DEPTH: Final = 32
_GREATEST: Final = 1 << 63


class RunExit(enum.StrEnum):
    """How a run ended (behaviours 2c, "exits")."""

    RETURN = "return"
    """With an answer."""
    ERROR = "error"
    EXIT = "exit"
    """Its script came to an end without a verdict."""


class LogLine(msgspec.Struct, frozen=True, array_like=True):
    """What a run said."""

    level: str
    """``debug``, ``warn``, ``error`` or ``alert``."""
    node: str
    """The key path of the command that said it, as ``start:log/b``."""
    message: str
    at_ms: float
    """Milliseconds since the run began."""
    function: str | None = None
    """The function in which it was said; None in the script itself."""


class Step(msgspec.Struct, frozen=True, array_like=True):
    """A command that a run carried out."""

    node: str
    command: str
    at_ms: float
    duration_ms: float | None = None
    """With all that stands under it; None where the run ended meanwhile."""
    function: str | None = None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run. What a script decides the size of is bounded: see ``kept`` and ``kept_log``."""

    id: int
    tenant_id: int
    automation_id: int | None
    """None where the name led nowhere."""
    automation: str
    """The automation's name at the time."""
    event_id: int | None = None
    delivery_id: int | None = None
    source_id: int | None = None
    started_at_ms: int = 0
    duration_ms: float = 0.0
    exit: RunExit = RunExit.EXIT
    error: str | None = None
    """Why it ended in ``error``."""
    steps_used: int = 0
    """What it spent of its budget."""
    log: tuple[LogLine, ...] = ()
    log_dropped: int = 0
    """Lines that are not kept."""
    steps: tuple[Step, ...] = ()
    steps_dropped: int = 0
    """Steps that are not kept."""
    dictionary: Any = None
    """Every value at its end."""
    returned: Any = None

    def summary(self) -> Run:
        """Return the run without what lists leave out: log, steps, dictionary and answer."""
        return msgspec.structs.replace(
            self,
            log=(),
            log_dropped=0,
            steps=(),
            steps_dropped=0,
            dictionary=None,
            returned=None,
        )


def kept_log(lines: Sequence[LogLine], most: int = KEPT_BYTES) -> tuple[LogLine, ...]:
    """Return the first lines that there is room for, their messages cut.

    The last line is always kept: it says how the run ended.

    Args:
        lines: what a run said, in its order.
        most: bytes of all together, about.
    """
    short = [
        msgspec.structs.replace(
            line, message=_text(line.message[:MESSAGE_CHARACTERS], MESSAGE_CHARACTERS * 4)
        )
        for line in lines
    ]
    room = most - sum(map(_size_of_line, short[-1:]))
    first = short[:-1]
    return (*first[: _fitting(map(_size_of_line, first), room)], *short[-1:])


def kept_steps(steps: Sequence[Step], most: int = KEPT_BYTES) -> tuple[Step, ...]:
    """Return the first steps that there is room for (``most`` bytes, about)."""
    sizes = (len(s.node) + len(s.command) + len(s.function or "") + 24 for s in steps)
    return tuple(steps[: _fitting(sizes, most)])


def _size_of_line(line: LogLine) -> int:
    return len(line.message.encode()) + len(line.node) + len(line.function or "") + 24


def _fitting(sizes: Iterable[int], most: int) -> int:
    """Return how many of the first ones fit."""
    count = 0
    for size in sizes:
        most -= size
        if most < 0:
            break
        count += 1
    return count


def kept(value: Any, most: int = KEPT_BYTES) -> Any:
    """Return a copy of a script's value that the ledger can keep; ``CUT`` stands for the rest.

    Its cost is bounded by ``most``, whatever the value is: lists that share what they hold can
    say more than memory would.

    Args:
        value: of a script, nested to any depth.
        most: bytes, about, counted as JSON.
    """
    return _Keeping(most).keep(value, _DEPTH)


class _Keeping:
    """A copy under way.

    Args:
        most: bytes that it may still grow by.
    """

    def __init__(self, most: int) -> None:
        self._left = most

    def keep(self, value: Any, depth: int) -> Any:
        """Return a value's copy, as far as there is room."""
        if self._left <= 0:
            return CUT
        if value is None or isinstance(value, bool):
            self._left -= 5
            return value
        if isinstance(value, int):
            self._left -= 20
            return value if -_GREATEST <= value < _GREATEST else CUT
        if isinstance(value, float):
            self._left -= 20
            return value if math.isfinite(value) else str(value)
        if isinstance(value, str):
            text = _text(value, self._left)
            self._left -= len(text.encode()) + 2
            return text
        if isinstance(value, dict | list) and depth:
            return self._inner(value, depth - 1)
        return CUT

    def _inner(self, value: dict[str, Any] | list[Any], depth: int) -> Any:
        self._left -= 2
        if isinstance(value, list):
            items: list[Any] = []
            for item in value:
                if self._left <= 0:
                    items.append(CUT)
                    break
                items.append(self.keep(item, depth))
            return items
        members: dict[str, Any] = {}
        for name, member in value.items():
            if self._left <= 0:
                members[CUT] = CUT
                break
            name = _text(str(name), self._left)
            self._left -= len(name.encode()) + 4
            members[name] = self.keep(member, depth)
        return members


def _text(text: str, most: int) -> str:
    """Return a text that UTF-8 can say, with at most so many bytes and perhaps ``CUT``."""
    encoded = text[:most].encode("utf-8", "replace")
    if len(encoded) <= most and len(text) <= most:
        return encoded.decode()
    return encoded[:most].decode("utf-8", "ignore") + CUT
