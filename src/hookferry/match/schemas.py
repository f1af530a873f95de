"""JSON Schemas of event types: compiled when they are saved, held against the data of events.

Nothing is ever fetched: references stay inside the schema (``hookferry.match.schema_tree``), and
the library is told to be offline as well. Regular expressions run in linear time, without
look-around. What a violation leads to is the engine's decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jsonschema_rs
import msgspec

from hookferry.errors import InvalidField
from hookferry.match.facts import shorten
from hookferry.match.schema_tree import SchemaTree

MAX_BYTES = 64 * 1024
"""Bytes of a schema as JSON."""
MAX_WORK = 50_000_000
"""Bytes of data times the schema's weight: data beyond it is not looked at."""
_PROGRAM_BYTES = 100_000
"""Of one compiled regular expression."""
_STATES_BYTES = 250_000
"""Of the cache that a regular expression searches with."""
_CUT = 200
_HIDDEN = "the value"
_EXPONENTIAL = ("allOf", "anyOf", "oneOf", "not", "if", "contains")

_PATTERNS = jsonschema_rs.RegexOptions(size_limit=_PROGRAM_BYTES, dfa_size_limit=_STATES_BYTES)
_encoder = msgspec.json.Encoder()


class Violation(msgspec.Struct, frozen=True):
    """How data breaks a schema: the first thing that is wrong with it."""

    at: str
    """Where in the data, such as ``data.items.0.sku``."""
    what: str
    """What is wrong there; never the value itself."""

    def __str__(self) -> str:
        return f"{self.at}: {self.what}"


class Schema:
    """A compiled schema.

    Args:
        document: a JSON Schema of draft 4, 6, 7, 2019-09 or 2020-12 (the default).
        field: the input field that holds it, for positions in errors.

    Raises:
        InvalidField: it is not a schema, refers to another document, or costs too much.
    """

    __slots__ = ("_is_valid", "_most", "_named", "_validate")

    def __init__(self, document: dict[str, Any] | bool, field: str = "schema") -> None:
        try:
            encoded = _encoder.encode(document)
        except RecursionError:
            raise InvalidField("this schema is nested too deep", field=field) from None
        if len(encoded) > MAX_BYTES:
            raise InvalidField(
                f"a schema has at most {MAX_BYTES:,} bytes as JSON, this one {len(encoded):,}",
                field=field,
            )
        tree = SchemaTree(document, field)
        self._most = MAX_WORK // tree.weight
        # To tell what is wrong the library walks all alternatives of a schema that refers to
        # itself, each time anew: twice the time for each level of the data.
        self._named = not tree.recursive or not any(
            f'"{name}"'.encode() in encoded for name in _EXPONENTIAL
        )
        try:
            compiled = jsonschema_rs.validator_for(
                document,
                offline=True,
                validate_formats=True,
                mask=_HIDDEN,
                pattern_options=_PATTERNS,
            )
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            raise _refusal(error, field) from None
        self._is_valid = compiled.is_valid
        self._validate = compiled.validate

    def violation(self, data: Any, size: int) -> Violation | None:
        """Return how data breaks the schema, None where it does not.

        Args:
            data: the decoded data.
            size: its bytes as JSON.
        """
        if size > self._most:
            return Violation(
                "data",
                f"it has {size:,} bytes, and this schema can be held against {self._most:,} at "
                "most; fewer alternatives in the schema allow more",
            )
        try:
            if self._is_valid(data):
                return None
            if not self._named:
                return Violation("data", "it is not as the schema says")
            self._validate(data)
        except jsonschema_rs.ValidationError as error:
            return Violation(_place("data", error.instance_path), shorten(error.message, _CUT))
        except ValueError as error:
            return Violation("data", f"it can't be checked: {shorten(str(error), _CUT)}")
        return None


def _refusal(error: Exception, field: str) -> InvalidField:
    if not isinstance(error, jsonschema_rs.ValidationError):
        return InvalidField(f"this schema can't be used: {shorten(str(error), _CUT)}", field=field)
    at = _place(field, error.instance_path)
    # Of the schema itself: what is wrong may be shown.
    what = shorten(error.message.replace(_HIDDEN, shorten(str(error.instance), 80)), _CUT)
    if error.kind.name == "format":
        what = (
            f"{shorten(str(error.instance))!r} is not a regular expression that can be used: no "
            f"look-around, no back-references, {_PROGRAM_BYTES // 1000} KB compiled"
        )
    return InvalidField(f"{at} is not JSON Schema: {what}", field=at)


def _place(root: str, path: Sequence[str | int]) -> str:
    return shorten(".".join((root, *map(str, path))), _CUT)
