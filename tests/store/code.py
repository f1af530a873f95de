"""Python that is done wherever a ledger's writer is."""

from __future__ import annotations

from typing import Any


class Code:
    """An expression for a callable, evaluated where it arrives.

    A writer in a process of its own can import what hookferry has, and nothing that a test has.
    """

    def __init__(self, expression: str) -> None:
        self._expression = expression

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, (self._expression,)

    def __call__(self, *args: object) -> Any:
        return eval(self._expression)(*args)
