"""Conditions: the typed tree that is checked when it is saved and held against each event.

Parsing, evaluating and explaining the tree live here; the meaning of each operator is
``hookferry.match.operators``, expressions in CEL are ``hookferry.match.cel``. Neither a webhook
nor an engine is known here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import msgspec

from hookferry.errors import ConditionError, InvalidField
from hookferry.match.facts import MISSING, Facts, Path, nearest, shorten
from hookferry.match.operators import COMPARISONS, FLAGS, OPERATORS, Test

MAX_DEPTH = 10
"""How deep ``all``, ``any`` and ``not`` may be nested, and lists and objects in a value."""
MAX_NODES = 200
"""Comparisons and groups of one condition."""
MAX_PATTERNS = 20
"""Regular expressions of one condition: each holds up to 256 KB while the condition is in use."""
MAX_BYTES = 16 * 1024
"""Bytes of a condition as JSON."""
MAX_SHOWN = 200
"""Characters of a value in an explanation."""

_GROUPS = ("all", "any", "not")
_LEAF = ("path", "op", "value")
_encoder = msgspec.json.Encoder()


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison that was made, and what was seen."""

    at: str
    """Its position, such as ``condition.all[1]``."""
    path: str | None
    """None for an expression in CEL."""
    op: str
    value: str | None
    """What it was compared with: JSON, cut."""
    there: bool
    """Whether the path led to a value."""
    seen: str | None
    """The value it led to: JSON, cut."""
    holds: bool


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What a condition said of an event, and why."""

    holds: bool
    error: str | None = None
    """Why it could not be evaluated; it does not hold then."""
    checks: list[Check] = []
    """The comparisons that were made, in order. Evaluation stops where the answer is known, so
    the last one is the one that decided."""


class Condition(ABC):
    """A condition that has been checked."""

    __slots__ = ()

    @abstractmethod
    def holds(self, facts: Facts) -> bool:
        """Tell whether it holds for an event.

        Raises:
            ConditionError: it can't be evaluated for this event, and so does not hold.
        """

    @abstractmethod
    def trace(self, facts: Facts, checks: list[Check]) -> bool:
        """As ``holds``, and append each comparison made to ``checks``."""

    def explain(self, facts: Facts) -> Explanation:
        """Tell what it says of an event and which comparisons led to that."""
        checks: list[Check] = []
        try:
            return Explanation(holds=self.trace(facts, checks), checks=checks)
        except ConditionError as error:
            return Explanation(holds=False, error=error.detail, checks=checks)


class _All(Condition):
    __slots__ = ("_parts",)

    def __init__(self, parts: tuple[Condition, ...]) -> None:
        self._parts = parts

    def holds(self, facts: Facts) -> bool:
        for part in self._parts:  # noqa: SIM110 - no generator for each event
            if not part.holds(facts):
                return False
        return True

    def trace(self, facts: Facts, checks: list[Check]) -> bool:
        return all(part.trace(facts, checks) for part in self._parts)


class _Any(Condition):
    __slots__ = ("_parts",)

    def __init__(self, parts: tuple[Condition, ...]) -> None:
        self._parts = parts

    def holds(self, facts: Facts) -> bool:
        for part in self._parts:  # noqa: SIM110 - no generator for each event
            if part.holds(facts):
                return True
        return False

    def trace(self, facts: Facts, checks: list[Check]) -> bool:
        return any(part.trace(facts, checks) for part in self._parts)


class _Not(Condition):
    __slots__ = ("_part",)

    def __init__(self, part: Condition) -> None:
        self._part = part

    def holds(self, facts: Facts) -> bool:
        return not self._part.holds(facts)

    def trace(self, facts: Facts, checks: list[Check]) -> bool:
        return not self._part.trace(facts, checks)


class _Leaf(Condition):
    """Something that is asked about one path."""

    __slots__ = ("_at", "_find", "_op", "_path", "_wanted")

    def __init__(self, at: str, path: Path, op: str, wanted: Any) -> None:
        self._at = at
        self._path = path
        self._find = path.of
        self._op = op
        self._wanted = wanted

    def trace(self, facts: Facts, checks: list[Check]) -> bool:
        seen = self._find(facts)
        held = self.holds(facts)
        checks.append(
            Check(
                at=self._at,
                path=self._path.text,
                op=self._op,
                value=shown(self._wanted),
                there=seen is not MISSING,
                seen=None if seen is MISSING else shown(seen),
                holds=held,
            )
        )
        return held


class _Comparison(_Leaf):
    """Compares what is there with a value; what is not there satisfies no comparison."""

    __slots__ = ("_test",)

    def __init__(self, at: str, path: Path, op: str, wanted: Any, test: Test) -> None:
        super().__init__(at, path, op, wanted)
        self._test = test

    def holds(self, facts: Facts) -> bool:
        seen = self._find(facts)
        return seen is not MISSING and self._test(seen)


class _Exists(_Leaf):
    """Whether the path leads to a value; null is one."""

    __slots__ = ()

    def holds(self, facts: Facts) -> bool:
        return (self._find(facts) is not MISSING) is self._wanted


class _Changed(_Leaf):
    """Whether the publisher named the field among the event's ``changes``."""

    __slots__ = ("_name",)

    def __init__(self, at: str, path: Path, op: str, wanted: Any) -> None:
        super().__init__(at, path, op, wanted)
        self._find = _CHANGES.of  # what is looked at
        self._name = path.field_name

    def holds(self, facts: Facts) -> bool:
        changes = facts.meta.changes
        return changes is not None and (self._name in changes) is self._wanted


_CHANGES = Path("changes")


def parse_condition(document: object, field: str = "condition") -> Condition:
    """Turn a decoded JSON document into a condition that can be evaluated.

    Args:
        document: a tree (``{"all": [...]}``, ``{"any": [...]}``, ``{"not": {...}}`` or a leaf
            ``{"path", "op", "value"}``), or ``{"cel": "..."}``.
        field: the input field that holds it, for positions in errors.

    Raises:
        InvalidField: it can't be used; ``field`` is the exact position, such as
            ``condition.all[1].op``, and the detail the remedy.
    """
    try:
        size = len(_encoder.encode(document))
    except (TypeError, ValueError, RecursionError):
        raise InvalidField(f"{field} is not a JSON value that can be used", field=field) from None
    if size > MAX_BYTES:
        raise InvalidField(
            f"a condition has at most {MAX_BYTES:,} bytes as JSON, this one {size:,}", field=field
        )
    if isinstance(document, dict) and document.keys() == {"cel"}:
        from hookferry.match.cel import CelCondition  # loads a large library, where it is wanted

        return CelCondition(document["cel"], field=f"{field}.cel")
    return _Parser().node(document, field, 0)


class _Parser:
    """Counts while it descends."""

    def __init__(self) -> None:
        self._nodes = 0
        self._patterns = 0

    def node(self, document: object, at: str, depth: int) -> Condition:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise InvalidField(
                f"a condition has at most {MAX_NODES} comparisons and groups; use 'in' for a list "
                "of values",
                field=at,
            )
        if depth > MAX_DEPTH:
            raise InvalidField(
                f"groups are nested at most {MAX_DEPTH} deep; bring this one further up", field=at
            )
        if not isinstance(document, dict):
            raise InvalidField(f"{at} is not an object; {_SHAPES}", field=at)
        for group in _GROUPS:
            if group in document:
                return self._group(group, document, at, depth)
        if "cel" in document:
            raise InvalidField(
                'an expression in CEL is a condition of its own: {"cel": "..."} and nothing '
                "around or beside it; write its && and || there",
                field=f"{at}.cel",
            )
        self._patterns += document.get("op") == "matches"
        if self._patterns > MAX_PATTERNS:
            raise InvalidField(
                f"a condition has at most {MAX_PATTERNS} regular expressions; join some with '|'",
                field=f"{at}.op",
            )
        return _leaf(document, at)

    def _group(self, group: str, document: dict[str, Any], at: str, depth: int) -> Condition:
        at_group = f"{at}.{group}"
        if len(document) > 1:
            other = next(name for name in document if name != group)
            raise InvalidField(
                f"{group!r} stands alone in its object, here beside {shorten(other)!r}; put "
                'several into {"all": [...]} or {"any": [...]}',
                field=at,
            )
        inside = document[group]
        if group == "not":
            return _Not(self.node(inside, at_group, depth + 1))
        if not isinstance(inside, list) or not inside:
            raise InvalidField(
                f"{at_group} is a list of one or more conditions; {_SHAPES}", field=at_group
            )
        parts = tuple(
            self.node(part, f"{at_group}[{number}]", depth + 1)
            for number, part in enumerate(inside)
        )
        return _All(parts) if group == "all" else _Any(parts)


_SHAPES = (
    'a condition is {"path": "data.priority", "op": "equals", "value": "high"}, '
    '{"all": [...]}, {"any": [...]}, {"not": {...}}, or {"cel": "..."} alone'
)


def _leaf(document: dict[str, Any], at: str) -> Condition:
    for name in document:
        if name not in _LEAF:
            close = nearest(name, (*_GROUPS, *_LEAF, "cel"))
            hint = f"did you mean {close!r}?" if close else _SHAPES
            raise InvalidField(
                f"{shorten(name)!r} is not known here; {hint}", field=f"{at}.{shorten(name)}"
            )
    for name in ("path", "op"):
        if not isinstance(document.get(name), str):
            raise InvalidField(f"{name} is required and a string; {_SHAPES}", field=f"{at}.{name}")
    path = Path(document["path"], field=f"{at}.path")
    op = document["op"]
    at_value = f"{at}.value"
    if op in FLAGS:
        wanted = document.get("value", True)
        if not isinstance(wanted, bool):
            raise InvalidField(
                f"the value of {op!r} is true (also where it is left out) or false", field=at_value
            )
        return (_Exists if op == "exists" else _Changed)(at, path, op, wanted)
    if op not in COMPARISONS:
        close = nearest(op, OPERATORS)
        hint = f"did you mean {close!r}?" if close else f"known: {', '.join(OPERATORS)}"
        raise InvalidField(f"there is no operator {shorten(op)!r}; {hint}", field=f"{at}.op")
    if "value" not in document:
        raise InvalidField(f"{op!r} needs a value to compare with", field=at_value)
    wanted = document["value"]
    if _deeper_than(wanted, MAX_DEPTH):
        raise InvalidField(f"a value is nested at most {MAX_DEPTH} deep", field=at_value)
    return _Comparison(at, path, op, wanted, COMPARISONS[op](wanted, at_value))


def _deeper_than(value: object, limit: int) -> bool:
    inside = value.values() if isinstance(value, dict) else value
    if isinstance(inside, str) or not isinstance(inside, Iterable):
        return False
    return limit == 0 or any(_deeper_than(part, limit - 1) for part in inside)


def shown(value: object) -> str:
    """Return a value as JSON, cut."""
    # Long strings are cut before they are encoded: a megabyte is not written to show a line.
    cut = shorten(value, MAX_SHOWN) if isinstance(value, str) else value
    return shorten(_encoder.encode(cut).decode(), MAX_SHOWN)
