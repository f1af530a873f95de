"""Regular expressions of templates: RE2 syntax, with PHP's delimiters or without.

RE2 never backtracks, but its linear time has a factor: the size of the compiled pattern. Both are
bounded and paid for, compiling as well.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Any, Final

import re2  # type: ignore[import-untyped]  # ships no types

from hookferry.errors import ScriptError
from hookferry.kata.fuel import Fuel

MAX_PATTERN: Final = 500
"""Characters of a pattern."""
MAX_PROGRAM: Final = 2_000
"""Instructions of a compiled pattern."""
MAX_WORK: Final = 4_000_000
"""Instructions times bytes of text: beyond it a text is not searched (100 ms at worst)."""
WORK_A_STEP: Final = 200
"""Of those for a step; measured at 27 ns each where RE2 is slowest."""
COMPILING: Final = 50
"""Steps for a pattern that is not compiled yet."""
COMPILING_REPEATS: Final = 1_500
"""The same for one with ``{`` or classes of Unicode, which may take 13 ms."""
_CACHED: Final = 100
_MEMORY: Final = 1 << 18
"""Bytes of a compiled pattern and its cache of states; beyond them RE2 goes on, slower."""

_OPTIONS: Final = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.max_mem = _MEMORY
_DELIMITED: Final = re.compile(r"([/#~!@%,;|`])(.*)\1([a-zA-Z]*)", re.DOTALL)
_FLAGS: Final = {"i": "i", "m": "m", "s": "s", "U": "U", "u": "", "D": ""}
"""PHP's modifiers as RE2 writes them; texts are Unicode and ``$`` is the end without asking."""


class Pattern:
    """A compiled regular expression; ``compile_pattern`` makes it."""

    __slots__ = ("_compiled", "_size")

    def __init__(self, source: str) -> None:
        if len(source) > MAX_PATTERN:
            raise ScriptError(f"a regular expression has at most {MAX_PATTERN} characters")
        try:
            self._compiled = re2.compile(_bare(source), _OPTIONS)
        except (re2.error, UnicodeEncodeError) as error:
            raise ScriptError(
                f"{source!r} is not a regular expression: {_said(error)}; the syntax is RE2's, "
                "which has no look-around and no back-references"
            ) from None
        self._size = max(self._compiled.programsize, 1)
        if self._size > MAX_PROGRAM:
            raise ScriptError(
                f"{source!r} compiles to {self._size:,} instructions, and {MAX_PROGRAM:,} are the "
                "limit; write shorter repetitions"
            )

    def search(self, fuel: Fuel, text: str, at: int = 0) -> Any:
        """Return the first match in a text from an offset on, as ``re`` does; None without.

        Raises:
            ScriptError: the text is too long for a pattern of this size.
            OutOfFuel: the search costs more steps than there are.
        """
        length = len(text) - at
        work = self._size * (length if text.isascii() else 4 * length)
        if work > MAX_WORK:
            raise ScriptError(
                f"the text has {length:,} characters, and a regular expression of this size is "
                f"searched for in at most {MAX_WORK // self._size:,} bytes"
            )
        fuel.read(length)
        fuel.spend(work // WORK_A_STEP)
        try:
            return self._compiled.search(text, at)
        except UnicodeEncodeError:
            raise ScriptError("a regular expression searches text, and these are bytes") from None


_compiled: Final[OrderedDict[str, Pattern]] = OrderedDict()


def compile_pattern(fuel: Fuel, source: str) -> Pattern:
    """Return a pattern, compiled or as it was compiled before.

    Args:
        fuel: pays.
        source: RE2 syntax, as it is or between delimiters such as ``/`` and with PHP's modifiers
            ``i``, ``m``, ``s``, ``U``, ``u`` and ``D``.

    Raises:
        ScriptError: it is not one, or too large.
    """
    found = _compiled.get(source)
    if found is None:
        repeats = "{" in source or "\\p" in source.lower()
        fuel.spend(COMPILING_REPEATS if repeats else COMPILING)
        found = _compiled[source] = Pattern(source)
        if len(_compiled) > _CACHED:
            _compiled.popitem(last=False)
    else:
        _compiled.move_to_end(source)
    return found


def _bare(source: str) -> str:
    """Return a pattern without PHP's delimiters, its modifiers in front."""
    delimited = _DELIMITED.fullmatch(source)
    if delimited is None:
        return source
    _, inside, modifiers = delimited.groups()
    unknown = [each for each in modifiers if each not in _FLAGS]
    if unknown:
        raise ScriptError(
            f"the modifier {unknown[0]} of a regular expression is not known here; "
            f"known are {', '.join(_FLAGS)}"
        )
    flags = "".join(sorted({_FLAGS[each] for each in modifiers}))
    return f"(?{flags}){inside}" if flags else inside


def _said(error: Exception) -> str:
    told = error.args[0] if error.args else ""
    return told.decode(errors="replace") if isinstance(told, bytes) else str(told)
