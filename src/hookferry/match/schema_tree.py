"""What a JSON Schema refers to, and what checking against it may cost.

Reads a schema as a tree of subschemas (JSON Schema 2020-12 core section 10 and the older drafts'
names for the same); validating is ``hookferry.match.schemas``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hookferry.errors import InvalidField
from hookferry.match.facts import shorten

MAX_DEPTH = 64
"""How deep schemas may be nested in one another, references followed."""
MAX_WEIGHT = 1_000
"""How many subschemas may look at one value."""

MAX_PATTERNS = 100
"""Regular expressions in a schema: each holds memory as long as the schema is in use."""

Schema = dict[str, Any] | bool

_PER_KEY = 3
"""What a regular expression costs that is searched for in a key, in subschemas."""

_BESIDE = ("not", "if", "then", "else")
"""Keywords with a schema for the same value."""
_BESIDE_LISTS = ("allOf", "anyOf", "oneOf")
_BESIDE_MAPS = ("dependentSchemas", "dependencies")
_BELOW = ("items", "additionalItems", "additionalProperties")
"""Keywords with a schema for the value's parts; of one schema, each part meets one of them."""
_BELOW_TOO = (
    "contains",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
)
"""Keywords with a schema for parts that another keyword may look at as well."""
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_ANCHORS = ("$anchor", "$dynamicAnchor")
_STORES = ("$defs", "definitions")


class SchemaTree:
    """A schema whose references have been followed.

    Args:
        document: the schema.
        field: the input field that holds it, for positions in errors.

    Attributes:
        weight: how many of its subschemas may look at one value of the data, at most.
        recursive: whether it refers to itself.

    Raises:
        InvalidField: it refers to another document or to nothing, or costs too much.
    """

    def __init__(self, document: Schema, field: str) -> None:
        self._root = document
        self._field = field
        self._weights: dict[int, int] = {}
        self._open: set[int] = set()
        self._anchors: dict[str, tuple[Schema, str]] = {}
        self._patterns = 0
        self.recursive = False
        self._identity = ""
        if isinstance(document, dict):
            identity = document.get("$id", document.get("id"))
            self._identity = identity.rstrip("#") if isinstance(identity, str) else ""
        self._collect(document, field, 0)
        self.weight = self._weigh(document, field, 0)
        if self.weight > MAX_WEIGHT:
            raise InvalidField(
                f"up to {self.weight:,} parts of this schema look at one value, and "
                f"{MAX_WEIGHT:,} are the limit; say it with fewer alternatives",
                field=field,
            )

    def _collect(self, schema: Schema, at: str, depth: int) -> None:
        """Find the anchors, and refuse what can't be followed."""
        if depth > MAX_DEPTH:
            raise InvalidField(f"schemas are nested at most {MAX_DEPTH} deep", field=self._field)
        if not isinstance(schema, dict):
            return
        for name in ("$id", "id"):
            if at != self._field and isinstance(schema.get(name), str):
                raise InvalidField(
                    f"only the root of a schema may have an {name}; refer to a part of it with "
                    "'#/$defs/name'",
                    field=f"{at}.{name}",
                )
        for name in _ANCHORS:
            if isinstance(schema.get(name), str):
                self._anchors[schema[name]] = (schema, at)
        self._patterns += "pattern" in schema
        keyed = schema.get("patternProperties")
        self._patterns += len(keyed) if isinstance(keyed, dict) else 0
        if self._patterns > MAX_PATTERNS:
            raise InvalidField(
                f"a schema has at most {MAX_PATTERNS} regular expressions; refer to one with "
                "'$ref' where it is needed again",
                field=at,
            )
        for part, where in _stored(schema, at):
            self._collect(part, where, depth + 1)
        for part, where, _ in _parts(schema, at):
            self._collect(part, where, depth + 1)

    def _weigh(self, schema: Schema, at: str, depth: int) -> int:
        """Return how many subschemas may look at one value below (or at) ``schema``'s own."""
        if not isinstance(schema, dict):
            return 1
        if depth > MAX_DEPTH:
            raise InvalidField(
                f"schemas are nested at most {MAX_DEPTH} deep, references followed", field=at
            )
        key = id(schema)
        if key in self._open:
            self.recursive = True  # the library looks at a value once for each such reference
            return 1
        known = self._weights.get(key)
        if known is not None:
            return known
        self._open.add(key)
        weight, below = 1, 0
        if isinstance(schema.get("pattern"), str):
            weight += 1
        patterns = schema.get("patternProperties")
        if isinstance(patterns, dict):
            weight += _PER_KEY * len(patterns)  # each is searched for in each of the keys
        for part, where, disjoint in _parts(schema, at):
            part_weight = self._weigh(part, where, depth + 1)
            if disjoint:
                below = max(below, part_weight)
            else:
                weight += part_weight
        for name in _REFERENCES:
            if isinstance(schema.get(name), str):
                target, where = self._resolve(schema[name], f"{at}.{name}")
                weight += self._weigh(target, where, depth + 1)
        self._open.discard(key)
        self._weights[key] = weight + below
        return weight + below

    def _resolve(self, reference: str, at: str) -> tuple[Schema, str]:
        document, _, fragment = reference.partition("#")
        if document and document != self._identity:
            raise InvalidField(
                f"{shorten(reference)!r} is another document, and none is ever fetched; put what "
                "it says into this schema and refer to it with '#/$defs/name'",
                field=at,
            )
        if fragment in self._anchors:
            return self._anchors[fragment]
        found: Any = self._root
        where = self._field
        for step in (
            fragment.split("/")[1:] if fragment.startswith("/") else [fragment] * bool(fragment)
        ):
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict) and name in found:
                found, where = found[name], f"{where}.{name}"
            elif isinstance(found, list) and name.isdigit() and int(name) < len(found):
                found, where = found[int(name)], f"{where}[{name}]"
            else:
                found = None
                break
        if not isinstance(found, dict | bool):
            raise InvalidField(
                f"{shorten(reference)!r} leads to no schema here; define it under '$defs'", field=at
            )
        return found, where


def _stored(schema: dict[str, Any], at: str) -> Iterator[tuple[Schema, str]]:
    for name in _STORES:
        yield from _of_map(schema, name, at)


def _parts(schema: dict[str, Any], at: str) -> Iterator[tuple[Schema, str, bool]]:
    """Yield the subschemas that apply, their position, and whether they share no value."""
    for name in _BESIDE + _BELOW_TOO:
        if isinstance(schema.get(name), dict):
            yield schema[name], f"{at}.{name}", False
    for name in _BESIDE_LISTS:
        for part, where in _of_list(schema, name, at):
            yield part, where, False
    for name in (*_BESIDE_MAPS, "patternProperties"):
        for part, where in _of_map(schema, name, at):
            yield part, where, False
    for name in _BELOW:
        if isinstance(schema.get(name), dict):
            yield schema[name], f"{at}.{name}", True
    for name in ("prefixItems", "items"):
        for part, where in _of_list(schema, name, at):
            yield part, where, True
    for part, where in _of_map(schema, "properties", at):
        yield part, where, True


def _of_map(schema: dict[str, Any], name: str, at: str) -> Iterator[tuple[Schema, str]]:
    inside = schema.get(name)
    if isinstance(inside, dict):
        for key, part in inside.items():
            if isinstance(part, dict | bool):
                yield part, f"{at}.{name}.{shorten(key)}"


def _of_list(schema: dict[str, Any], name: str, at: str) -> Iterator[tuple[Schema, str]]:
    inside = schema.get(name)
    if isinstance(inside, list):
        for number, part in enumerate(inside):
            if isinstance(part, dict | bool):
                yield part, f"{at}.{name}[{number}]"
