"""Annotations: what ``@`` and a name behind a key make of its value, from left to right.

The semantics are those of Cerb's reference (https://cerb.ai/docs/kata/#annotation-reference). Where
it is silent about bad values, ``@int`` and ``@float`` cast as PHP does, and ``@json``, ``@base64``
and ``@date`` refuse what is none instead of going on with nothing.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, Final, NamedTuple

from hookferry.errors import ScriptError, ScriptRefused
from hookferry.kata.casts import cast_decimal, cast_whole
from hookferry.kata.dates import read_date
from hookferry.kata.fuel import CELL, Fuel
from hookferry.kata.parser import parse
from hookferry.kata.problems import refusal
from hookferry.kata.references import resolve
from hookferry.kata.templates.library.encodings import base64_decode
from hookferry.kata.templates.library.json_texts import json_decode
from hookferry.kata.templates.registry import Run
from hookferry.kata.tree import ANNOTATIONS as NAMES
from hookferry.kata.tree import Tree
from hookferry.kata.values import Value, text_of

MAX_PATH: Final = 1_024
"""Characters of a path of ``@key``."""

Scope = Mapping[str, Value]
Call = Callable[[Value, Scope, Run], Value]


class Removal(Enum):
    """What is there instead of a value whose key is to be left out: as a condition, it says no."""

    REMOVED = "removed"

    def __bool__(self) -> bool:
        return False


REMOVED: Final = Removal.REMOVED
"""The key is left out: ``@optional`` met an empty value."""


class Example(NamedTuple):
    """A text of KATA and the value of its first key; executed by the test suite."""

    kata: str
    value: Value


class Annotation(NamedTuple):
    """An annotation and its documentation."""

    name: str
    call: Call
    doc: str
    """One sentence or a few, for the reference."""
    examples: tuple[Example, ...]


ANNOTATIONS: Final[dict[str, Annotation]] = {}
EXAMPLE_SCOPE: Final[Scope] = {"response": {"status": 200, "body": '{"ok": true}'}, "tags": ["a"]}
"""The placeholders that the examples see."""
EXAMPLE_NOW: Final = 1_772_359_200.0
"""When the examples run: 2026-03-01 10:00 UTC."""

_NODE_STEPS: Final = 5
"""What a node of a tree that a run reads costs beside its line."""
_FALSE: Final = frozenset(["", "0", "false", "off", "no", "n"])
_TRIMMED: Final = " \n\r\t\v\0"
"""What PHP's trim takes away."""
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_\s-]*=*")


def apply(annotations: Iterable[str], value: Value, scope: Scope, run: Run) -> Value:
    """Apply annotations to a value, one after the other.

    Args:
        annotations: known ones; the parser sees to it.
        value: a text, unless an annotation before made it something else.
        scope: what ``@key`` copies from.
        run: pays, and knows the time.

    Returns:
        The value, or ``REMOVED``.

    Raises:
        ScriptError: the value is not what an annotation reads.
        OutOfFuel: the run can't pay for it.
    """
    for name in annotations:
        run.fuel.spend()
        value = ANNOTATIONS[name].call(value, scope, run)
        if value is REMOVED:
            break
    return value


def register(name: str, *examples: tuple[str, Value]) -> Callable[[Call], Call]:
    """Register an annotation; its docstring is the reference's text."""

    def add(call: Call) -> Call:
        doc = inspect.getdoc(call)
        if name not in NAMES or not doc or not examples:
            raise TypeError(f"@{name} needs a place in the tree's names, a docstring, an example")
        ANNOTATIONS[name] = Annotation(name, call, doc, tuple(Example(*each) for each in examples))
        return call

    return add


@register("text", ("a@text: 1.50", "1.50"), ("a@text:\n  two\n  lines", "two\nlines"))
def _text(value: Value, scope: Scope, run: Run) -> Value:
    """Leave the value as it is: for text blocks, and to say that a value is meant as text."""
    return value


@register("raw", ("a@raw: {{not rendered}}", "{{not rendered}}"))
def _raw(value: Value, scope: Scope, run: Run) -> Value:
    """Don't render the text as a template; annotations beside it are applied."""
    return value


@register("ref", ("a@ref: colors\n&colors@csv: red, blue", ["red", "blue"]))
def _ref(value: Value, scope: Scope, run: Run) -> Value:
    """Copy what a top-level ``&name:`` contains, or a part of it: ``name.part``."""
    return value


@register("trim", ("a@trim:\n  \n  x\n  ", "x"))
def _trim(value: Value, scope: Scope, run: Run) -> Value:
    """Take away whitespace at both ends of a text."""
    if not isinstance(value, str):
        return value
    run.fuel.build(len(value))
    return value.strip(_TRIMMED)


@register(
    "bool",
    *((f"a@bool: {word}", True) for word in ("yes", "1", "on", "anything")),
    *((f"a@bool: {word}", False) for word in ("no", "0", "off", "False", "n", "")),
)
def _bool(value: Value, scope: Scope, run: Run) -> Value:
    """Turn into true or false. False are: empty, ``0``, ``false``, ``off``, ``no``, ``n``."""
    return says_yes(value, run.fuel)


@register("bit", ("a@bit: yes", 1), ("a@bit: no", 0))
def _bit(value: Value, scope: Scope, run: Run) -> Value:
    """Turn into 1 or 0, by the rule of ``@bool``."""
    return int(says_yes(value, run.fuel))


@register(
    "int",
    *(("a@int: 123", 123), ("a@int: 12abc", 12), ("a@int: 12.9", 12), ("a@int: 1e3", 1000)),
    *(("a@int: -7", -7), ("a@int: abc", 0), ("a@int:", 0)),
)
def _int(value: Value, scope: Scope, run: Run) -> Value:
    """Turn into a whole number: the digits that the text begins with, else 0."""
    return cast_whole(value)


@register("float", ("a@float: 1.50", 1.5), ("a@float: 12.5%", 12.5), ("a@float: $5", 0.0))
def _float(value: Value, scope: Scope, run: Run) -> Value:
    """Turn into a decimal number: the number that the text begins with, else 0."""
    return cast_decimal(value)


@register(
    "json",
    ('a@json: {"b": [1, null]}', {"b": [1, None]}),
    ("a@key,json: response:body", {"ok": True}),
    ("a@json:", None),
)
def _json(value: Value, scope: Scope, run: Run) -> Value:
    """Read a JSON text; an empty one is null. What is no text stays as it is.

    A text that is no JSON is an error, which only the ``on_error:`` of a command whose own inputs
    it is in can catch; elsewhere, as under ``set:``, it ends the run, and whoever waits gets 500.
    Where it may be none, ask ``json_decode()``, which is null then.
    """
    if not isinstance(value, str):
        return value
    run.fuel.read(len(value))
    stripped = value.strip()
    if not stripped:
        return None
    decoded = json_decode(run, stripped)
    if decoded is None and stripped != "null":
        raise ScriptError(f"@json wants JSON, and this is none: {stripped[:60]!r}")
    return decoded


@register("csv", ("a@csv: red, green,blue", ["red", "green", "blue"]), ("a@csv:", []))
def _csv(value: Value, scope: Scope, run: Run) -> Value:
    """Split a text at its commas into a list; empty entries are left out."""
    return _split(value, ",", run.fuel)


@register("list", ("a@list:\n  red\n  green\n\n  blue", ["red", "green", "blue"]), ("a@list:", []))
def _list(value: Value, scope: Scope, run: Run) -> Value:
    """Split a text into a list, an entry a line; empty lines are left out."""
    return _split(value, "\n", run.fuel)


@register("date", ("a@date: 2026-03-01 12:00", 1_772_366_400), ("a@date: +2 hours", 1_772_366_400))
def _date(value: Value, scope: Scope, run: Run) -> Value:
    """Turn a date, absolute or relative to now, into Unix seconds; UTC where it names no zone."""
    if value is None or (isinstance(value, str) and not value.strip()):
        raise ScriptError(
            "@date wants a date and got nothing; where it may be empty, write @optional,date"
        )
    run.fuel.spend(20)
    return math.floor(read_date(value, run.now))


@register(
    "key",
    ("a@key: response:status", 200),
    ("a@key: response.status", 200),
    ("a@key: tags.0", "a"),
    ("a@key,text: missing", None),
)
def _key(value: Value, scope: Scope, run: Run) -> Value:
    """Copy a value of any type from a placeholder; null where there is none.

    The path is written with colons, or with dots where no key has one: ``response:body``.
    """
    return look_up(text_of(value).strip(), scope, run.fuel)


@register("base64", ("a@base64: c2VjcmV0", "secret"), ("a@base64: w6k", "é"))
def _base64(value: Value, scope: Scope, run: Run) -> Value:
    """Decode base64 in either alphabet, padded or not; the text may be of any bytes."""
    coded = text_of(value).rstrip()
    run.fuel.read(len(coded))
    if not _BASE64.fullmatch(coded):
        raise ScriptError(f"@base64 wants base64, and this is none: {coded[:60]!r}")
    return base64_decode(run, coded)


@register("kata", ("a@kata:\n  b@int: 5\n  c:\n    d: x", {"b": 5, "c": {"d": "x"}}))
def _kata(value: Value, scope: Scope, run: Run) -> Value:
    """Read a text as KATA: a dictionary, its annotations applied and no templates rendered."""
    if not isinstance(value, str):
        return value
    try:
        tree, problems = resolve(parse(value, fuel=run.fuel))
        if problems:
            raise refusal(problems)
    except ScriptRefused as refused:
        raise ScriptError(f"@kata wants KATA: {refused.detail}") from None
    return _values(tree, run)


@register(
    "optional",
    ("a@optional: x", "x"),
    ("a@optional:", REMOVED),
    ("a@trim,optional:\n   \n ", REMOVED),
    ("a@int,optional:", 0),
)
def _optional(value: Value, scope: Scope, run: Run) -> Value:
    """Leave the key out where the value is empty at this point: null, or without content."""
    return REMOVED if value is None or value in ("", [], {}) else value


def says_yes(value: Value, fuel: Fuel) -> bool:
    """Tell what ``@bool`` makes of a value; rules and conditions go by it too."""
    if not isinstance(value, str):
        return bool(value)
    fuel.read(len(value))
    return value.strip().lower() not in _FALSE


def look_up(path: str, scope: Scope, fuel: Fuel) -> Value:
    """Return what is at a path of ``@key``, None where it leads nowhere.

    Raises:
        ScriptError: it is too long.
    """
    if len(path) > MAX_PATH:
        raise ScriptError(f"a path has at most {MAX_PATH:,} characters")
    if path in scope:
        return scope[path]
    first, *names = path.split(":" if ":" in path else ".")
    fuel.spend(len(names))
    value = scope.get(first)
    for name in names:
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isascii() and name.isdigit() and len(name) < 9:
            index = int(name)
            value = value[index] if index < len(value) else None
        else:
            return None
    return value


def _split(value: Value, mark: str, fuel: Fuel) -> Value:
    """Return the entries of a text without the empty ones; a list stays as it is."""
    if isinstance(value, list):
        return value
    text = text_of(value)
    count = 1 + text.count(mark)
    fuel.build(len(text) + CELL * count)
    fuel.spend(count // 8)
    entries = (entry.strip(_TRIMMED) for entry in text.split(mark))
    return [entry for entry in entries if entry]


def _values(tree: Tree, run: Run) -> dict[str, Value]:
    """Return what is in a tree that a run read; as deep as the parser allows, no deeper."""
    found: dict[str, Value] = {}
    for node in tree.children:
        run.fuel.spend(_NODE_STEPS)
        value: Any = node.text or ""
        if node.children:
            value = _values(node, run)
        elif "kata" in node.annotations:
            raise ScriptError("@kata reads no KATA within KATA; leave the inner @kata out")
        else:
            # Placeholders are not to be had by who may only have written a part of the text.
            value = apply(node.annotations, value, {}, run)
        if value is not REMOVED:
            run.fuel.build(CELL + len(node.name) + len(node.text or ""))
            found[node.name] = value
    return found
