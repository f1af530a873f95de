"""What is wrong with a document that msgspec refuses, said so that its author can mend it.

Names the field by its path, the nearest known name, and what the field may be. The rules of single
fields are with those who own them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NoReturn

import msgspec
from msgspec import inspect

from hookferry.errors import InvalidField, UnknownField

_AT = re.compile(r" - at `\$\.?(?:\[\.\.\.\]\.?)?([^`]*)`$")
_UNKNOWN = re.compile(r"Object contains unknown field `([^`]*)`")
_CHOICE = re.compile(r"Invalid enum value (.*?)(?: - at `.*)?$")
_INDEX = re.compile(r"\[[^\]]*\]")
_Items = inspect.ListType | inspect.SetType | inspect.FrozenSetType | inspect.VarTupleType
_NO_FORMS: Mapping[str, str] = {}


def explain_validation(
    error: msgspec.ValidationError,
    struct: type[msgspec.Struct],
    forms: Mapping[str, str] = _NO_FORMS,
) -> NoReturn:
    """Raise the error of our tree that says what msgspec found wrong with a ``struct``.

    Args:
        error: what it found.
        struct: what the document should have been.
        forms: how fields are written, by their path, for those whose type alone does not say it.
    """
    text = str(error)
    at = _AT.search(text)
    place = at.group(1) if at else ""
    unknown = _UNKNOWN.match(text)
    if unknown:
        name = unknown.group(1)
        near = UnknownField.near(name, _fields(struct, place), where=place or "the body")
        raise UnknownField(near.detail, field=".".join(filter(None, (place, name)))) from None
    missing = re.match(r"Object missing required field `([^`]*)`", text)
    if missing:
        field = ".".join(filter(None, (place, missing.group(1))))
        raise InvalidField(f"{field} is missing, and required", field=field) from None
    choices = _choices(struct, place)
    if choices:
        given = _CHOICE.match(text)
        but = f", not {given.group(1)}" if given else ""
        raise InvalidField(f"{place} is one of {choices}{but}", field=place) from None
    name = _INDEX.sub("", place)
    if name in forms:
        raise InvalidField(f"{name or 'the body'} is {forms[name]}", field=place or None) from None
    raise InvalidField(_AT.sub("", text), field=place or None) from None


def _types(struct: type[msgspec.Struct], place: str) -> list[inspect.Type]:
    """Return what the value at a path of a struct may be."""
    found: list[inspect.Type] = [inspect.type_info(struct)]
    for name in filter(None, place.split(".")):
        fields = [f for t in found if isinstance(t, inspect.StructType) for f in t.fields]
        found = [f.type for f in fields if f.encode_name == _INDEX.sub("", name)]
        found = [t for f in found for t in (f.types if isinstance(f, inspect.UnionType) else (f,))]
        if _INDEX.search(name):
            found = [t.item_type for t in found if isinstance(t, _Items)]
    return found


def _fields(struct: type[msgspec.Struct], place: str) -> list[str]:
    types = _types(struct, place)
    return [f.encode_name for t in types if isinstance(t, inspect.StructType) for f in t.fields]


def _choices(struct: type[msgspec.Struct], place: str) -> str:
    """Return the values that a path of a struct may have, or nothing where they are no list."""
    choices: list[object] = []
    for kind in _types(struct, place):
        if isinstance(kind, inspect.LiteralType):
            choices += kind.values
        elif isinstance(kind, inspect.EnumType):
            choices += [member.value for member in kind.cls]
    return ", ".join(map(repr, choices))
