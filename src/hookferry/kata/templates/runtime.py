"""What a template has at hand while it is rendered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from hookferry.kata.templates.registry import Run
from hookferry.kata.values import Value

CELLS_A_STEP: Final = 32
"""Variables that are copied for a step."""


class Frame:
    """The variables of a template and what pays.

    Args:
        run: the run.
        scope: variables that come from outside; never changed.
        local: the template's own, which hide those.
    """

    __slots__ = ("fuel", "local", "run", "scope")

    def __init__(self, run: Run, scope: Mapping[str, Value], local: dict[str, Value]) -> None:
        self.run = run
        self.fuel = run.fuel
        self.scope = scope
        self.local = local

    def snapshot(self) -> dict[str, Value]:
        """Return a copy of the template's own variables, paid for."""
        self.fuel.spend(1 + len(self.local) // CELLS_A_STEP)
        return self.local.copy()

    def inner(self) -> Frame:
        """Return a frame whose variables begin as these are."""
        return Frame(self.run, self.scope, self.snapshot())

    def variables(self) -> dict[str, Value]:
        """Return all variables, paid for."""
        self.fuel.spend(1 + (len(self.scope) + len(self.local)) // CELLS_A_STEP)
        return {**self.scope, **self.local}


Evaluation = Callable[[Frame], Value]
"""A compiled expression."""
Emission = Callable[[Frame, list[str]], None]
"""A compiled statement; appends what it prints."""


class Arrow:
    """An arrow function: called with more values than it names it drops the rest, as in PHP.

    The variables around it are those of the moment it was made.
    """

    __slots__ = ("_body", "_frame", "_names")

    def __init__(self, frame: Frame, names: tuple[str, ...], body: Evaluation) -> None:
        self._frame = frame.inner()
        self._names = names
        self._body = body

    def __call__(self, *values: Value) -> Value:
        """Return what it makes of values; names without one are null."""
        local = self._frame.local
        for at, name in enumerate(self._names):
            local[name] = values[at] if at < len(values) else None
        return self._body(self._frame)
