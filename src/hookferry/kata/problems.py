"""What is wrong with a script, each with its place and its remedy; all of it at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final, NamedTuple

from hookferry.errors import ScriptRefused

MAX_PROBLEMS: Final = 100
"""Problems that are listed: whoever has more begins with these."""

MAX_NAMES: Final = 100
"""Names that the nearest one is looked for among: each takes some microseconds."""
MAX_NAME: Final = 100
"""Characters of a name that are looked at."""
_NEAR: Final = 0.65
"""How alike names are, from 0 to 1, that one was written for another: ``foo`` is no ``bool``."""


class Problem(NamedTuple):
    """What is wrong at a place of a script; lines and columns count from 1."""

    line: int
    column: int
    message: str


def refusal(problems: Iterable[Problem]) -> ScriptRefused:
    """Return the error that lists problems from the top; the first is its detail."""
    listed = sorted(set(problems))[:MAX_PROBLEMS]
    first = listed[0]
    return ScriptRefused(
        f"line {first.line}, column {first.column}: {first.message}",
        problems=[problem._asdict() for problem in listed],
    )


def hint(name: str, known: Iterable[str]) -> str:
    """Return the remedy for an unknown name: the nearest known one, else all there are."""
    names = sorted(known)
    if len(names) > MAX_NAMES:
        return "check how it is written"
    close = difflib.get_close_matches(name[:MAX_NAME], names, n=1, cutoff=_NEAR)
    return f"did you mean {close[0]}?" if close else "known are " + ", ".join(names)
