"""The budget of one run: steps, memory, output, time; and giving way to others.

Everything in ``hookferry.kata`` whose cost a script decides pays here before it does it. A step is
a command, an iteration or an operation of a template: one microsecond, more or less. So a script
ends within its budget whatever it says, and whoever drives it is asked for a pause often enough
that nobody else waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Final, TypeVar

from hookferry.errors import OutOfFuel

STEPS: Final = 100_000
MEMORY: Final = 16 * 1024 * 1024
"""Bytes of values built (SEMANTICS section 11)."""
STEP_BYTES: Final = 2_048
"""Bytes built or read that cost a step: copying 2 KB takes less than evaluating a node."""
PAUSE_STEPS: Final = 500
"""Steps between pauses: about half a millisecond."""
CELL: Final = 64
"""Bytes that an entry of a list or dictionary counts for, beside its own size."""
PORTION: Final = 2_000
"""Entries that are gone through without a pause: a millisecond or less."""

T = TypeVar("T")


def no_pause() -> None:
    """Go on at once: for whoever has nobody else to give way to."""


class Fuel:
    """What a run may still use up.

    Args:
        steps: how many.
        memory: bytes of values that may exist at a time.
        pause: called every ``PAUSE_STEPS``; it may let others run, and raises OutOfFuel where the
            run's time is over.

    Attributes:
        steps: those that are left.
        held: bytes of values counted at the moment.
    """

    __slots__ = ("_memory", "_pause", "_until_pause", "held", "steps", "total")

    def __init__(
        self,
        *,
        steps: int = STEPS,
        memory: int = MEMORY,
        pause: Callable[[], None] = no_pause,
    ) -> None:
        self.total = steps
        self.steps = steps
        self.held = 0
        self._memory = memory
        self._pause = pause
        self._until_pause = PAUSE_STEPS

    @property
    def used(self) -> int:
        """Steps spent."""
        return self.total - self.steps

    def spend(self, steps: int = 1) -> None:
        """Pay for steps before they are done; raises OutOfFuel."""
        self.steps -= steps
        if self.steps < 0:
            raise OutOfFuel(f"the script takes more than {self.total:,} steps")
        self._until_pause -= steps
        if self._until_pause < 0:
            self._until_pause = PAUSE_STEPS
            self._pause()

    def read(self, size: int) -> None:
        """Pay for going through ``size`` bytes or characters of a value; raises OutOfFuel."""
        self.spend(1 + size // STEP_BYTES)

    def build(self, size: int) -> None:
        """Pay for a value of about ``size`` bytes before it is built; raises OutOfFuel.

        A text's size is its characters, a list's ``CELL`` for each entry.
        """
        self.held += size
        if self.held > self._memory:
            raise OutOfFuel(f"the script builds values of more than {self._memory:,} bytes")
        if size >= STEP_BYTES:
            self.spend(size // STEP_BYTES)

    def portions(self, values: Iterable[T], per_step: int = 1) -> Iterator[tuple[T, ...]]:
        """Yield ``PORTION`` entries at a time, and pay for each portion before; raises OutOfFuel.

        Args:
            values: not to be changed meanwhile, as no value ever is.
            per_step: entries that are gone through for a step.
        """
        rest = iter(values)
        while portion := tuple(islice(rest, PORTION)):
            self.spend(1 + len(portion) // per_step)
            yield portion

    @contextmanager
    def scratch(self) -> Iterator[None]:
        """Give back at the end what was built within: a template's intermediate values."""
        before = self.held
        try:
            yield
        finally:
            self.held = before
