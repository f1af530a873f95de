"""How a step of the scene fails."""

from __future__ import annotations


class Failed(Exception):
    """A step did not hold; the message says what was seen instead."""


def expect(holds: bool, seen: str) -> None:
    """Fail the step unless it holds."""
    if not holds:
        raise Failed(seen)
