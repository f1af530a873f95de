"""Regular expressions of users: RE2 syntax, time linear in the text, and both factors bounded.

RE2 never backtracks, but its linear time has a factor: the size of the compiled pattern. Measured:
a pattern of 61 characters (four times ``(x?){500}``) took 67 s on a megabyte.
"""

from __future__ import annotations

import re2  # type: ignore[import-untyped]  # ships no types

from hookferry.errors import ConditionError, InvalidField
from hookferry.match.facts import shorten

MAX_PATTERN = 500
"""Characters of a pattern."""
MAX_PROGRAM = 2_000
"""Instructions of a compiled pattern."""
MAX_WORK = 4_000_000
"""Instructions times bytes of text: beyond it a text is not searched (60 ms at worst)."""
_MEMORY = 1 << 18
"""Bytes of a compiled pattern and its cache of states; beyond them RE2 goes on, slower."""

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.never_capture = True
_OPTIONS.max_mem = _MEMORY


class Pattern:
    """A compiled regular expression.

    Args:
        source: RE2 syntax (no look-around, no back-references).
        field: the input field to name in an error.

    Raises:
        InvalidField: it is not one, or too large.
    """

    __slots__ = ("_search", "size")

    def __init__(self, source: str, *, field: str = "value") -> None:
        if len(source) > MAX_PATTERN:
            raise InvalidField(
                f"a regular expression has at most {MAX_PATTERN} characters", field=field
            )
        try:
            compiled = re2.compile(source, _OPTIONS)
        except (re2.error, UnicodeEncodeError) as error:
            raise InvalidField(
                f"{shorten(source)!r} is not a regular expression: {_said(error)}; the syntax is "
                "RE2's, which has no look-around and no back-references",
                field=field,
            ) from None
        self.size: int = max(compiled.programsize, 1)
        if self.size > MAX_PROGRAM:
            raise InvalidField(
                f"{shorten(source)!r} compiles to {self.size:,} instructions, and "
                f"{MAX_PROGRAM:,} are the limit; write shorter repetitions",
                field=field,
            )
        self._search = compiled.search

    def found_in(self, text: str) -> bool:
        """Tell whether the pattern is found anywhere in a text.

        Raises:
            ConditionError: the text is too long for a pattern of this size.
        """
        length = len(text) if text.isascii() else 4 * len(text)  # bytes of UTF-8, at most
        if self.size * length > MAX_WORK:
            raise ConditionError(
                f"the text has up to {length:,} bytes, and a regular expression of this size is "
                f"searched for in at most {MAX_WORK // self.size:,}"
            )
        return self._search(text) is not None


def _said(error: Exception) -> str:
    told = error.args[0] if error.args else ""
    return told.decode(errors="replace") if isinstance(told, bytes) else str(told)
