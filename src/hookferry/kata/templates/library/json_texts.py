"""JSON: written as PHP writes it, read, and made readable."""

from __future__ import annotations

import json
import re
from typing import Final

import msgspec

from hookferry.errors import ScriptError
from hookferry.kata.fuel import CELL
from hookferry.kata.templates.library.coercion import octets, text
from hookferry.kata.templates.library.coercion import whole as whole_number
from hookferry.kata.templates.registry import Run, register
from hookferry.kata.values import MAX_DEPTH, Value, size_of

_UNESCAPED_SLASHES: Final = 64
_PRETTY_PRINT: Final = 128
_UNESCAPED_UNICODE: Final = 256
_WHOLE_DECIMAL: Final = re.compile(r'("(?:[^"\\]|\\.)*")|(\d)\.0(?![\d])')
_decode: Final = msgspec.json.Decoder().decode


@register(
    "filter",
    "json_encode",
    examples=(
        ("{{ {name: 'Joe', id: 54321}|json_encode }}", '{"name":"Joe","id":54321}'),
        ("{{ 'a/é'|json_encode }}", '"a\\/\\u00e9"'),
        ("{{ 'a/é'|json_encode(320) }}", '"a/é"'),
    ),
)
def json_encode(run: Run, value: Value, options: Value = 0) -> str:
    r"""Return a value as JSON. As in PHP, ``/`` is ``\/`` and letters beyond ASCII are escaped.

    Options are PHP's, added up: 64 leaves slashes, 256 leaves letters, 128 breaks it into lines.
    """
    flags = whole_number(options, "|json_encode")
    size = size_of(value, run.fuel)
    run.fuel.build(size)
    unicode = bool(flags & _UNESCAPED_UNICODE)
    written = _dumped(value, unicode)
    if ".0" in written:
        run.fuel.spend(len(written) // 10)
        written = _WHOLE_DECIMAL.sub(lambda found: found[1] or found[2], written)
    if not flags & _UNESCAPED_SLASHES:
        written = written.replace("/", "\\/")
    if flags & _PRETTY_PRINT:
        run.fuel.build(size)
        written = msgspec.json.format(written, indent=4)
    run.fuel.build(max(len(written) - size, 0))
    return written


def _dumped(value: Value, unicode: bool) -> str:
    try:
        written = json.dumps(
            value, ensure_ascii=not unicode, separators=(",", ":"), allow_nan=False
        )
    except TypeError:
        raise ScriptError("|json_encode can't write a function") from None
    except ValueError:
        raise ScriptError("|json_encode can't write a number that is not finite") from None
    if "\\ud" in written or unicode:
        _refuse_octets(value)
    return written


def _refuse_octets(value: Value) -> None:
    try:
        msgspec.json.encode(value)
    except UnicodeEncodeError:
        raise ScriptError(
            "|json_encode can't write bytes that are no text; use |base64_encode first"
        ) from None


@register(
    "filter",
    "json_pretty",
    examples=(
        (
            "{{ {a: [1], b: '/é'}|json_encode|json_pretty }}",
            '{\n  "a": [\n    1\n  ],\n  "b": "/é"\n}',
        ),
        ("{{ {a: {}}|json_pretty }}", '{\n  "a": {}\n}'),
    ),
)
def json_pretty(run: Run, value: Value) -> str:
    """Return a JSON text (or a list or dictionary) in lines, two blanks a level, keys in order."""
    if isinstance(value, list | dict):
        value = json_encode(run, value)
    said = text(run, value, "|json_pretty")
    decoded = _read(run, said)
    if decoded is None and said.strip() != "null":
        raise ScriptError("|json_pretty wants a JSON text: write |json_encode|json_pretty")
    # A level is two blanks for every line, and as many lines as there are values.
    run.fuel.spend(_count(said) // 3)
    run.fuel.build(len(said) + 2 * _levels(decoded) * _count(said))
    return msgspec.json.format(msgspec.json.encode(decoded), indent=2).decode()


@register(
    "function",
    "json_decode",
    examples=(
        ("{{ json_decode('{\"id\": 12345}').id }}", "12345"),
        ("{{ json_decode('no json') is null ? 'none' }}", "none"),
    ),
)
def json_decode(run: Run, json: Value) -> Value:
    """Return what a JSON text says; null where it is none. A list or dictionary stays as it is."""
    if isinstance(json, list | dict):
        return json
    return _read(run, text(run, json, "json_decode"))


def _count(said: str) -> int:
    """Return about how many values a JSON text has, and no fewer."""
    return 1 + said.count(",") + said.count("[") + said.count("{")


def _read(run: Run, said: str) -> Value:
    """Return what a JSON text says, paid for; None where it is none."""
    count = _count(said)
    run.fuel.spend(count // 3)
    run.fuel.build(len(said) + CELL * count)
    try:
        decoded = _decode(octets(said))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    except RecursionError:
        raise _too_deep() from None
    _levels(decoded)
    return decoded


def _levels(value: Value) -> int:
    """Return how deep a value is that was read from text, level by level."""
    level = [value]
    for depth in range(MAX_DEPTH):
        level = [
            item
            for outer in level
            if isinstance(outer, list | dict)
            for item in (outer if isinstance(outer, list) else outer.values())
            if isinstance(item, list | dict)
        ]
        if not level:
            return depth + 1
    raise _too_deep()


def _too_deep() -> ScriptError:
    return ScriptError(f"a value has at most {MAX_DEPTH} levels")
