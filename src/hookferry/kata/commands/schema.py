"""Schemas of documents that ``kata.parse`` reads
(https://cerb.ai/docs/automations/commands/kata.parse/)."""

from __future__ import annotations

from typing import Final

from hookferry.errors import ScriptError
from hookferry.kata.annotations import says_yes
from hookferry.kata.fuel import Fuel
from hookferry.kata.problems import hint
from hookferry.kata.values import Value, kind_of

_TYPES: Final = {
    "array": (list, dict),
    "bool": (bool,),
    "list": (list,),
    "object": (dict,),
    "text": (str, int, float),
    # As Cerb's own example has it.
    "string": (str, int, float),
}


def check(document: Value, schema: Value, fuel: Fuel) -> None:
    """Hold a document against a schema.

    Raises:
        ScriptError: it does not fit, or the schema is none; the first thing that is wrong.
        OutOfFuel: there is more of it than the budget has.
    """
    _check_object(document, schema, "", fuel)


def _dictionary(value: Value, what: str) -> dict[str, Value]:
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        raise ScriptError(f"schema: {what} has keys under it, and is {kind_of(value)}")
    return value


def _check_object(value: dict[str, Value], schema: Value, path: str, fuel: Fuel) -> None:
    attributes = _dictionary(_dictionary(schema, "schema:").get("attributes"), "attributes:")
    known = {key: _dictionary(attribute, f"{key}:") for key, attribute in attributes.items()}
    seen = set()
    for name, inner in value.items():
        fuel.spend()
        key, _, _ = name.partition("/")
        at = f"{path}{name}"
        if key not in known:
            raise ScriptError(f"kata: the schema has no key {at}; take it out, or add it there")
        attribute = known[key]
        if key in seen and not _says(attribute, "multiple", fuel):
            raise ScriptError(f"kata: {at} is there a second time; {key}: can be there once")
        seen.add(key)
        _check_value(inner, _dictionary(attribute.get("types"), "types:"), at, fuel)
    for key, attribute in known.items():
        if key not in seen and _says(attribute, "required", fuel):
            raise ScriptError(f"kata: {path}{key} is missing; it is required")


def _says(attribute: dict[str, Value], key: str, fuel: Fuel) -> bool:
    return says_yes(attribute.get(key), fuel)


def _check_value(value: Value, types: dict[str, Value], path: str, fuel: Fuel) -> None:
    fuel.spend(1 + len(types))
    for name in types:
        if name not in _TYPES:
            raise ScriptError(f"schema: there is no type {name}; {hint(name, _TYPES)}")
    fitting = [name for name in types if _fits(value, name)]
    if types and not fitting:
        raise ScriptError(f"kata: {path} is {kind_of(value)}; it has to be {' or '.join(types)}")
    if "object" in fitting:
        _check_object(value or {}, types["object"], f"{path}:", fuel)


def _fits(value: Value, name: str) -> bool:
    if name != "bool" and isinstance(value, bool):
        return False
    return isinstance(value, _TYPES[name]) or (name == "object" and value == "")
