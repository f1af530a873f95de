"""Conditions written in CEL, the Common Expression Language, through cel-expr-python (an extra).

Everything here fails closed: whatever is not the boolean true or false is a ConditionError. The
library bounds no work by itself, so what an expression may cost is bounded here: macros that loop
are off, and the work for an event (``hookferry.match.cel_weight``) is known before it is done.
"""

from __future__ import annotations

import functools
import importlib
import re
from typing import Any

from hookferry.errors import ConditionError, InvalidField
from hookferry.match.cel_weight import weight_of
from hookferry.match.conditions import Check, Condition
from hookferry.match.facts import Facts, shorten

MAX_SOURCE = 2 * 1024
"""Bytes of an expression as UTF-8."""
MAX_WORK = 4_000_000
"""Bytes of data times the weight of an expression: an event beyond it is not looked at."""
INSTALL = "pip install 'hookferry[cel]'"

_CONFIG = "stdlib:\n  include_macros: [has]\n"
"""Of the macros only ``has``: the others loop, and the library counts their rounds, not bytes
(measured: 23 s and 9 GB within its budget)."""
_AT = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): ([^\n]*)")
_NOISE = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$|(?<=out of range) for '.*")
"""Status words, and the data around a number that is too large."""
_LOOPS = ("all", "exists", "exists_one", "map", "filter")


class _Library:
    """The library and the one environment that every expression is compiled in."""

    def __init__(self) -> None:
        # Imported by name: it is an extra, and its wheel brings types for some platforms only.
        self.cel: Any = importlib.import_module("cel_expr_python.cel")
        self.env: Any = self.cel.NewEnv(
            config=self.cel.NewEnvConfigFromYaml(_CONFIG),
            variables={"event": self.cel.Type.DYN},
        )
        self.boolean: Any = self.cel.Type.BOOL
        self.error: Any = self.cel.Type.ERROR

    def activation(self, facts: Facts) -> Any:
        return self.env.Activation({"event": facts.members()})


@functools.cache
def _library() -> _Library:
    return _Library()


class CelCondition(Condition):
    """An expression that must come out true.

    Args:
        source: the expression; its one variable is ``event``.
        field: the input field to name in an error.

    Raises:
        InvalidField: it does not compile, its outcome can't be a boolean, its cost can't be
            bounded, or the extra is not installed.
    """

    __slots__ = ("_at", "_evaluate", "_library", "_most", "_source")

    def __init__(self, source: object, *, field: str = "condition.cel") -> None:
        if not isinstance(source, str) or not source.strip():
            raise InvalidField(
                'cel is an expression, such as "event.data.amount > 100"', field=field
            )
        if len(source.encode(errors="replace")) > MAX_SOURCE:
            raise InvalidField(f"an expression has at most {MAX_SOURCE:,} bytes", field=field)
        try:
            library = self._library = _library()
        except ImportError:
            raise InvalidField(
                f"conditions in CEL need an extra that this server lacks; install it with {INSTALL}"
                " and start again, or write the condition as a tree",
                field=field,
            ) from None
        self._source = source
        self._at = field
        try:
            compiled = library.env.compile(source)
            serialized = bytes(compiled.serialize())
        except Exception as error:  # the library raises RuntimeError and, for odd text, TypeError
            raise InvalidField(_told(source, str(error)), field=field) from None
        outcome = compiled.return_type().name()
        if outcome not in ("bool", "BOOL", "dyn", "DYN"):
            raise InvalidField(
                f"the expression's outcome is a {outcome.lower()}, and has to be true or false; "
                "compare it with something",
                field=field,
            )
        self._most = MAX_WORK // weight_of(serialized, field)
        self._evaluate = compiled.eval

    def holds(self, facts: Facts) -> bool:
        """Tell whether it comes out true; raises ConditionError for anything but true or false."""
        size = facts.size
        if size > self._most:
            raise ConditionError(
                f"the event's data has {size:,} bytes, and this expression looks at "
                f"{self._most:,} at most; fewer mentions of event, or a tree, look at more"
            )
        library = self._library
        activation = facts.shared(library.activation)
        try:
            outcome = self._evaluate(activation)
            kind = outcome.type()
            # An ERROR is a truthy object, and the type is the only thing that tells.
            if kind == library.boolean:
                return outcome.value() is True
            value = outcome.value() if kind == library.error else None
        except Exception as error:
            raise ConditionError(f"the expression failed: {_plain(str(error))}") from None
        if value is not None:
            raise ConditionError(_plain(str(value)))
        raise ConditionError(
            f"the expression came out as a {kind.name().lower()}, and not as true or false"
        )

    def trace(self, facts: Facts, checks: list[Check]) -> bool:
        """As ``holds``, and append the one check there is."""
        held = self.holds(facts)
        checks.append(
            Check(
                at=self._at,
                path=None,
                op="cel",
                value=shorten(self._source, 200),
                there=True,
                seen=None,
                holds=held,
            )
        )
        return held


def _told(source: str, message: str) -> str:
    """Return what is wrong with an expression, where, and what to do about it."""
    found = _AT.search(message)
    if found is None:
        return f"the expression can't be compiled: {_plain(message)}"
    line, column, what = int(found[1]), int(found[2]), found[3]
    place = f"line {line}, column {column}: " if line > 0 else ""
    return f"the expression can't be compiled: {place}{_plain(what)}{_hint(source, what)}"


def _hint(source: str, what: str) -> str:
    unknown = re.search(r"undeclared reference to '([^']*)'", what)
    if unknown is None:
        return ""
    if any(re.search(rf"\.\s*{loop}\s*\(", source) for loop in _LOOPS):
        return f"; {', '.join(_LOOPS)} are switched off: an expression may not loop"
    return "; the one variable is event, as in event.data.amount > 100"


def _plain(message: str) -> str:
    """Return a message of the library without its noise, on one line, cut."""
    return shorten(_NOISE.sub("", " ".join(message.split())), 300)
