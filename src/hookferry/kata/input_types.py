"""The types of a script's inputs: what a value has to be, and what it becomes.

The types are Cerb's (https://cerb.ai/docs/automations/#inputs).
"""

from __future__ import annotations

import inspect
import ipaddress
import math
import re
from collections.abc import Callable
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from hookferry.errors import ScriptError
from hookferry.kata.annotations import says_yes
from hookferry.kata.dates import read_date
from hookferry.kata.fuel import CELL
from hookferry.kata.templates.library.coercion import numeric
from hookferry.kata.templates.library.mail import validate_email
from hookferry.kata.templates.registry import Run
from hookferry.kata.values import Value, kind_of, text_of

MAX_ID: Final = 255
"""Characters of a record's id."""
MAX_WORD: Final = 2_048
"""Characters of an address or name of any type."""

Read = Callable[[Run, Value], Value]
"""Brings a value into the form of a type; raises ScriptError with what the value has to be."""


class InputType(NamedTuple):
    """A type of ``text/`` inputs, or a kind of inputs."""

    read: Read
    doc: str
    """One sentence, for the reference."""


TYPES: Final[dict[str, InputType]] = {}
"""What ``type:`` of a ``text/`` input may be."""
KINDS: Final[dict[str, InputType]] = {}
"""What stands before an input's name."""

_RECORD_TYPE: Final = re.compile(r"[a-z][a-z0-9_.]{0,127}")
_URI: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,254}")


def register(registry: dict[str, InputType], name: str) -> Callable[[Read], Read]:
    """Register what reads a type; its docstring is the reference's text."""

    def add(read: Read) -> Read:
        registry[name] = InputType(read, inspect.getdoc(read) or "")
        return read

    return add


def _word(value: Value, wanted: str) -> str:
    """Return the text of a value of which only texts make sense."""
    if isinstance(value, list | dict | bool):
        raise ScriptError(f"has to be {wanted}, not {kind_of(value)}")
    text = text_of(value)
    if len(text) > MAX_WORD:
        raise ScriptError(f"has to be {wanted}, of at most {MAX_WORD:,} characters")
    return text.strip()


@register(TYPES, "freeform")
@register(KINDS, "text")
def _freeform(run: Run, value: Value) -> Value:
    """Any text; numbers are printed."""
    if isinstance(value, list | dict):
        raise ScriptError(f"has to be a text, not {kind_of(value)}")
    return text_of(value)


@register(TYPES, "bool")
def _bool(run: Run, value: Value) -> Value:
    """Yes or no, as ``@bool`` reads it."""
    return says_yes(value, run.fuel)


@register(TYPES, "date")
def _date(run: Run, value: Value) -> Value:
    """A date, absolute or relative to now; becomes Unix seconds."""
    run.fuel.spend(20)
    try:
        return math.floor(read_date(value, run.now))
    except ScriptError as error:
        raise ScriptError(f"has to be a date: {error.detail}") from None


@register(TYPES, "decimal")
def _decimal(run: Run, value: Value) -> Value:
    """A number, with or without decimals."""
    found = numeric(value)
    if found is None or not math.isfinite(found):
        raise ScriptError("has to be a number such as 12.50")
    return float(found)


@register(TYPES, "number")
def _number(run: Run, value: Value) -> Value:
    """A whole number."""
    found = numeric(value)
    if found is None or not math.isfinite(found) or found != int(found):
        raise ScriptError("has to be a whole number such as 12")
    return int(found)


@register(TYPES, "timestamp")
def _timestamp(run: Run, value: Value) -> Value:
    """Unix seconds."""
    found = numeric(value)
    if found is None or not 0 <= found < 2**53:
        raise ScriptError("has to be Unix seconds such as 1772359200")
    return int(found)


@register(TYPES, "email")
def _email(run: Run, value: Value) -> Value:
    """An email address."""
    text = _word(value, "an email address")
    if not validate_email(run, text):
        raise ScriptError("has to be an email address such as kina@cerb.example")
    return text


@register(TYPES, "geopoint")
def _geopoint(run: Run, value: Value) -> Value:
    """Latitude and longitude, as a text or a dictionary; becomes a dictionary of both."""
    if isinstance(value, dict):
        parts = [value.get("latitude"), value.get("longitude")]
    else:
        parts = [*_word(value, "a place").split(",", 2)]
    found = [numeric(part) for part in parts]
    if len(found) == 2:
        latitude, longitude = found
        if latitude is not None and longitude is not None:  # noqa: SIM102 - types first
            if abs(latitude) <= 90 and abs(longitude) <= 180:
                return {"latitude": float(latitude), "longitude": float(longitude)}
    raise ScriptError("has to be latitude, longitude such as 34.05, -118.24")


def _address(value: Value, version: int | None, example: str) -> str:
    text = _word(value, "an IP address")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        address = None
    if address is None or (version is not None and address.version != version) or "%" in text:
        raise ScriptError(f"has to be an IP address such as {example}")
    return text


@register(TYPES, "ip")
def _ip(run: Run, value: Value) -> Value:
    """An IP address, of version 4 or 6."""
    return _address(value, None, "192.0.2.1 or 2001:db8::1")


@register(TYPES, "ipv4")
def _ipv4(run: Run, value: Value) -> Value:
    """An IP address of version 4."""
    return _address(value, 4, "192.0.2.1")


@register(TYPES, "ipv6")
def _ipv6(run: Run, value: Value) -> Value:
    """An IP address of version 6."""
    return _address(value, 6, "2001:db8::1")


@register(TYPES, "record_type")
def _record_type(run: Run, value: Value) -> Value:
    """The name of a type of records."""
    text = _word(value, "a type of records")
    if not _RECORD_TYPE.fullmatch(text):
        raise ScriptError("has to be a type of records such as automation")
    return text


@register(TYPES, "uri")
def _uri(run: Run, value: Value) -> Value:
    """What names a record: letters, digits and ``. _ : / -``."""
    text = _word(value, "a URI")
    if not _URI.fullmatch(text):
        raise ScriptError("has to be a URI such as cerb:automation:example.name")
    return text


@register(TYPES, "url")
def _url(run: Run, value: Value) -> Value:
    """An address of the web, with ``http://`` or ``https://``."""
    text = _word(value, "a URL")
    try:
        parts = urlsplit(text)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port  # says whether it is one
    except ValueError:
        is_one = False
    if not is_one or any(character.isspace() for character in text):
        raise ScriptError("has to be a URL such as https://cerb.example/")
    return text


@register(KINDS, "array")
def _array(run: Run, value: Value) -> Value:
    """A list or a dictionary."""
    if not isinstance(value, list | dict):
        raise ScriptError(f"has to be a list or a dictionary, not {kind_of(value)}")
    return value


@register(KINDS, "record")
def _record(run: Run, value: Value) -> Value:
    """The id of a record."""
    if isinstance(value, float):
        raise ScriptError("has to be the id of a record, not a decimal")
    text = _word(value, "the id of a record")
    if not 0 < len(text) <= MAX_ID:
        raise ScriptError(f"has to be the id of a record, of 1 to {MAX_ID} characters")
    return text


@register(KINDS, "records")
def _records(run: Run, value: Value) -> Value:
    """Ids of records, as a list or a text with commas; becomes a list."""
    if isinstance(value, str):
        run.fuel.build(len(value) + CELL * (1 + value.count(",")))
        value = [part for part in value.split(",") if part.strip()]
    if not isinstance(value, list):
        value = [value]
    run.fuel.spend(2 * len(value))
    return [_record(run, item) for item in value]
