"""What an expression in CEL may cost, read from its syntax tree.

The library tells the tree as a serialized ``cel.expr.CheckedExpr`` (cel-spec, syntax.proto). The
few fields that matter are read here from the protobuf wire format; evaluating is
``hookferry.match.cel``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from hookferry.errors import InvalidField
from hookferry.match.regexes import Pattern

NEEDLE = 16
"""Characters of a literal in ``contains`` that weigh as much as reading the event once."""

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_ANY_VALUE = 2
_CHECKED_EXPR = 4
_CONSTANT, _IDENTIFIER, _SELECT, _CALL, _LIST, _STRUCT, _LOOP = 3, 4, 5, 6, 7, 8, 9
_STRING = 6


def weight_of(serialized: bytes, field: str) -> int:
    """Return how much work an expression is, in readings of the whole event.

    Args:
        serialized: the expression as the library serializes it.
        field: the input field to name in an error.

    Raises:
        InvalidField: its work can't be bounded: it loops, or searches for what is no literal.
    """
    checked = _only(_fields(serialized), _ANY_VALUE)
    return max(_weigh(_only(_fields(checked), _CHECKED_EXPR), field), 1)


class _Field(NamedTuple):
    number: int
    bytes: bytes


def _weigh(expression: bytes, field: str) -> int:
    # At most 32 deep: the library's own limit on what it parses.
    for kind, inside in _fields(expression):
        parts = _fields(inside)
        if kind == _IDENTIFIER:
            return 1
        if kind == _SELECT:
            return _weigh(_only(parts, 1), field)
        if kind == _CALL:
            return _weigh_call(parts, field)
        if kind == _LIST:
            return sum(_weigh(part.bytes, field) for part in parts if part.number == 1)
        if kind == _STRUCT:
            return sum(
                _weigh(side.bytes, field)
                for entry in parts
                if entry.number == 2
                for side in _fields(entry.bytes)
                if side.number in (3, 4)
            )
        if kind == _LOOP:
            raise InvalidField("an expression may not loop over a list", field=field)
    return 0


def _weigh_call(parts: list[_Field], field: str) -> int:
    name = _only(parts, 2).decode()
    operands = [part.bytes for part in parts if part.number in (1, 3)]
    weight = sum(_weigh(operand, field) for operand in operands)
    if name in ("matches", "contains"):
        wanted = _literal(operands[-1])
        if wanted is None:
            raise InvalidField(
                f"{name}() takes a text in quotes, such as data.name.{name}('a'), and nothing that "
                "is computed: the time that would take can't be bounded",
                field=field,
            )
        if name == "matches":
            return weight + Pattern(wanted, field=field).size
        return weight + len(wanted) // NEEDLE
    return weight


def _literal(expression: bytes) -> str | None:
    for kind, inside in _fields(expression):
        if kind == _CONSTANT:
            for number, text in _fields(inside):
                if number == _STRING:
                    return text.decode()
    return None


def _only(fields: list[_Field], number: int) -> bytes:
    return next((field.bytes for field in fields if field.number == number), b"")


def _fields(message: bytes) -> list[_Field]:
    return list(_read(message))


def _read(message: bytes) -> Iterator[_Field]:
    """Yield the length-delimited fields of a protobuf message (protobuf.dev, "Encoding")."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        if tag & 7 == _LENGTH:
            length, at = _varint(message, at)
            yield _Field(tag >> 3, message[at : at + length])
            at += length
        elif tag & 7 == _VARINT:
            _, at = _varint(message, at)
        else:
            at += {_FIXED64: 8, _FIXED32: 4}[tag & 7]


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
