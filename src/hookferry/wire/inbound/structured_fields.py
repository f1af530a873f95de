"""Structured field values (RFC 8941): the dictionaries that signed requests carry.

Stricter than the RFC where being lenient would let two programs read one header differently: a key
or parameter given twice is refused, not overwritten.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from typing import NamedTuple

from hookferry.wire.inbound.encodings import decode_base64

MAX_MEMBERS = 64
"""Members of a dictionary, an inner list or parameters; signed requests have a dozen."""

_KEY = re.compile(r"[a-z*][a-z0-9_.*-]*")
_NUMBER = re.compile(r"-?[0-9]{1,15}(?![0-9.])|-?[0-9]{1,12}\.[0-9]{1,3}(?![0-9])")
_STRING = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*")
_BYTES = re.compile(r":([A-Za-z0-9+/=]*):")
_BOOLEAN = re.compile(r"\?([01])")


class Token(str):
    """A token, which is written without quotes."""

    __slots__ = ()


Bare = bool | int | float | str | bytes
"""``Token`` is a ``str``; bytes are a byte sequence."""
Parameters = Mapping[str, Bare]


class Item(NamedTuple):
    """A value with its parameters."""

    value: Bare
    parameters: Parameters


class InnerList(NamedTuple):
    """Several items with parameters of their own."""

    items: tuple[Item, ...]
    parameters: Parameters


class NotStructured(ValueError):
    """A header is no structured field of the expected type."""


def parse_dictionary(text: bytes) -> dict[str, Item | InnerList]:
    """Parse a dictionary (RFC 8941 section 4.2.2).

    Raises:
        NotStructured: it is none.
    """
    try:
        return _Parser(text.decode("ascii")).dictionary()
    except UnicodeDecodeError:
        raise NotStructured("it is not ASCII") from None


def serialize_item(item: Item) -> str:
    """Write an item (RFC 8941 section 4.1.3)."""
    return _bare(item.value) + _parameters(item.parameters)


def serialize_inner_list(inner: InnerList) -> str:
    """Write an inner list (RFC 8941 section 4.1.1.1)."""
    return f"({' '.join(map(serialize_item, inner.items))}){_parameters(inner.parameters)}"


def _parameters(parameters: Parameters) -> str:
    return "".join(
        f";{name}" if value is True else f";{name}={_bare(value)}"
        for name, value in parameters.items()
    )


def _bare(value: Bare) -> str:
    if isinstance(value, bool):
        return "?1" if value else "?0"
    if isinstance(value, bytes):
        return f":{_base64(value)}:"
    if isinstance(value, Token):
        return value
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return str(value)


def _base64(value: bytes) -> str:
    return binascii.b2a_base64(value, newline=False).decode()


class _Parser:
    """A cursor in a header's value."""

    def __init__(self, text: str) -> None:
        self._text = text.strip(" ")
        self._at = 0

    def dictionary(self) -> dict[str, Item | InnerList]:
        members: dict[str, Item | InnerList] = {}
        while self._at < len(self._text):
            key = self._match(_KEY, "a key")[0]
            if key in members:
                raise NotStructured(f"{key!r} is there more than once")
            if self._take("="):
                members[key] = self._inner_list() if self._take("(") else self._item()
            else:
                members[key] = Item(True, self._given_parameters())
            if len(members) > MAX_MEMBERS:
                raise NotStructured(f"it has more than {MAX_MEMBERS} members")
            self._blanks(" \t")
            if self._at == len(self._text):
                break
            if not self._take(","):
                raise self._unexpected("a comma")
            self._blanks(" \t")
            if self._at == len(self._text):
                raise NotStructured("it ends with a comma")
        return members

    def _inner_list(self) -> InnerList:
        items: list[Item] = []
        while True:
            self._blanks(" ")
            if self._take(")"):
                return InnerList(tuple(items), self._given_parameters())
            if items and self._text[self._at - 1] != " ":
                raise self._unexpected("a blank")
            items.append(self._item())
            if len(items) > MAX_MEMBERS:
                raise NotStructured(f"a list has more than {MAX_MEMBERS} items")

    def _item(self) -> Item:
        return Item(self._bare_item(), self._given_parameters())

    def _given_parameters(self) -> dict[str, Bare]:
        found: dict[str, Bare] = {}
        while self._take(";"):
            self._blanks(" ")
            name = self._match(_KEY, "a parameter")[0]
            if name in found:
                raise NotStructured(f"the parameter {name!r} is there more than once")
            found[name] = self._bare_item() if self._take("=") else True
            if len(found) > MAX_MEMBERS:
                raise NotStructured(f"it has more than {MAX_MEMBERS} parameters")
        return found

    def _bare_item(self) -> Bare:
        first = self._text[self._at : self._at + 1]
        if first == '"':
            return re.sub(r"\\(.)", r"\1", self._match(_STRING, "a string")[1])
        if first == ":":
            raw = decode_base64(self._match(_BYTES, "a byte sequence")[1].encode())
            if raw is None:
                raise NotStructured("a byte sequence is not base64")
            return raw
        if first == "?":
            return self._match(_BOOLEAN, "a boolean")[1] == "1"
        if first == "-" or first.isdigit():
            number = self._match(_NUMBER, "a number")[0]
            return float(number) if "." in number else int(number)
        return Token(self._match(_TOKEN, "a value")[0])

    def _match(self, pattern: re.Pattern[str], what: str) -> re.Match[str]:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise self._unexpected(what)
        self._at = found.end()
        return found

    def _take(self, character: str) -> bool:
        if self._text.startswith(character, self._at):
            self._at += 1
            return True
        return False

    def _blanks(self, blanks: str) -> None:
        while self._at < len(self._text) and self._text[self._at] in blanks:
            self._at += 1

    def _unexpected(self, wanted: str) -> NotStructured:
        return NotStructured(f"it needs {wanted} at character {self._at + 1}")
