"""Schemas of event types: nothing is fetched, nothing takes long, nothing is echoed."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookferry.errors import InvalidField
from hookferry.match.schema_tree import MAX_DEPTH, MAX_PATTERNS, MAX_WEIGHT
from hookferry.match.schemas import MAX_BYTES, Schema

from .events import encode, names, values

ORDER = {
    "type": "object",
    "properties": {
        "email": {"type": "string", "format": "email"},
        "items": {
            "type": "array",
            "items": {"type": "object", "properties": {"count": {"type": "integer"}}},
        },
    },
    "required": ["email"],
    "additionalProperties": False,
}


def said(schema: Any, data: object) -> str | None:
    found = Schema(schema).violation(data, len(encode(data)))
    return None if found is None else str(found)


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ({"email": "jo@example.com"}, None),
        ({"email": "jo@example.com", "items": [{"count": 2**70}]}, None),
        ({}, 'data: "email" is a required property'),
        (5, 'data: the value is not of type "object"'),
        ({"email": "jo"}, 'data.email: the value is not a "email"'),
        (
            {"email": "jo@example.com", "items": [{}, {"count": "five"}]},
            'data.items.1.count: the value is not of type "integer"',
        ),
        (
            {"email": "jo@example.com", "extra": 1},
            "data: Additional properties are not allowed ('extra' was unexpected)",
        ),
    ],
)
def test_a_violation_names_the_place_and_what_is_wrong_there(
    data: object, wanted: str | None
) -> None:
    assert said(ORDER, data) == wanted


def test_a_violation_never_echoes_the_value_and_is_short() -> None:
    for data in ({"email": "x" * 10_000}, {"email": "a@b.c", "k" * 10_000: 1}, "s" * 10_000):
        text = said(ORDER, data) or ""
        assert 0 < len(text) < 500
        assert "xxx" not in text
        assert "sss" not in text


@pytest.mark.parametrize(
    ("schema", "field", "remedy"),
    [
        ({"type": "objct"}, "schema.type", "objct"),
        ({"properties": {"a": {"minLength": -1}}}, "schema.properties.a.minLength", "minimum"),
        ({"properties": 5}, "schema.properties", "object"),
        ({"pattern": "(a"}, "schema.pattern", "regular expression"),
        ({"pattern": "a(?=b)"}, "schema.pattern", "look-around"),
        ({"pattern": r"(a)\1"}, "schema.pattern", "back-references"),
        ({"pattern": r"(\w{100}){100}"}, "schema.pattern", "100 KB"),
        ({"patternProperties": {"(": {}}}, "schema.patternProperties.(", "regular expression"),
        ({"$schema": "https://example.com/mine"}, "schema", "meta-schema"),
        ({"$ref": "#/$defs/no"}, "schema.$ref", "'$defs'"),
        ({"$ref": "#nowhere"}, "schema.$ref", "'$defs'"),
        ({"items": {"$ref": "other.json"}}, "schema.items.$ref", "none is ever fetched"),
        ({"$ref": "file:///etc/hostname"}, "schema.$ref", "none is ever fetched"),
        ({"$ref": "https://json-schema.org/draft/2020-12/schema"}, "schema.$ref", "none is ever"),
        ({"$defs": {"a": {"$id": "b", "type": "object"}}}, "schema.$defs.a.$id", "only the root"),
        ({"anyOf": [{}, {"$dynamicRef": "//x/y"}]}, "schema.anyOf[1].$dynamicRef", "another"),
        (
            {"properties": {f"p{n}": {"pattern": "a"} for n in range(MAX_PATTERNS + 1)}},
            f"schema.properties.p{MAX_PATTERNS}",
            "100 regular expressions",
        ),
        ({"enum": ["x" * MAX_BYTES]}, "schema", "65,536 bytes"),
    ],
)
def test_what_is_no_schema_or_refers_elsewhere_is_refused_with_its_position(
    schema: dict[str, Any], field: str, remedy: str
) -> None:
    with pytest.raises(InvalidField) as refused:
        Schema(schema)
    assert (refused.value.field, remedy in refused.value.detail) == (field, True), (
        refused.value.detail
    )
    assert len(refused.value.detail) < 600


def test_no_reference_is_ever_fetched() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/schema.json"
        for schema in ({"$ref": address}, {"$schema": address}, {"$id": address, "$ref": "x.json"}):
            with contextlib.suppress(InvalidField):
                Schema(schema).violation(5, 1)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_references_stay_inside_by_pointer_anchor_or_the_roots_own_name() -> None:
    for reference in ("#/$defs/n", "#n", "https://example.com/s#/$defs/n"):
        schema = {
            "$id": "https://example.com/s",
            "$defs": {"n": {"$anchor": "n", "type": "integer"}},
            "properties": {"a": {"$ref": reference}},
        }
        assert said(schema, {"a": 1}) is None
        assert said(schema, {"a": "x"}) == 'data.a: the value is not of type "integer"'


@pytest.mark.parametrize(
    ("draft", "schema"),
    [
        ("http://json-schema.org/draft-04/schema#", {"maximum": 5, "exclusiveMaximum": True}),
        ("http://json-schema.org/draft-06/schema#", {"exclusiveMaximum": 5}),
        ("http://json-schema.org/draft-07/schema#", {"if": True, "then": {"maximum": 4}}),
        ("https://json-schema.org/draft/2019-09/schema", {"exclusiveMaximum": 5}),
        ("https://json-schema.org/draft/2020-12/schema", {"exclusiveMaximum": 5}),
    ],
)
def test_every_draft_from_4_on_is_known(draft: str, schema: dict[str, Any]) -> None:
    assert said({"$schema": draft, **schema}, 5) is not None
    assert said({"$schema": draft, **schema}, 4) is None


def chain(length: int, below: bool) -> dict[str, Any]:
    """Each definition refers to the next one twice, for the same value or for a part of it."""
    defs: dict[str, Any] = {}
    for number in range(length):
        following: dict[str, Any] = {"$ref": f"#/$defs/d{number + 1}"}
        if below:
            following = {"properties": {"x": following}, "required": ["x"]}
        defs[f"d{number}"] = {"anyOf": [following, following]}
    defs[f"d{length}"] = {"type": "string"}
    return {"$ref": "#/$defs/d0", "$defs": defs}


@pytest.mark.parametrize("below", [False, True])
def test_alternatives_that_multiply_are_refused(below: bool) -> None:
    with pytest.raises(InvalidField, match="fewer alternatives") as refused:
        Schema(chain(15, below))
    assert refused.value.field == "schema"
    Schema(chain(7, below))


def test_a_schema_that_refers_to_itself_twice_is_checked_without_walking_every_way() -> None:
    one = {"type": "object", "properties": {"l": {"$ref": "#"}}, "required": ["l"]}
    data: Any = 5
    for _ in range(200):
        data = {"l": data}
    assert said({"anyOf": [one, dict(one)]}, data) == "data: it is not as the schema says"
    tree = {"type": "object", "additionalProperties": {"$ref": "#"}}
    assert said(tree, {"a": {"b": 5}}) == 'data.a.b: the value is not of type "object"'


def test_schemas_nested_too_deep_are_refused() -> None:
    schema: dict[str, Any] = {}
    for _ in range(MAX_DEPTH + 1):
        schema = {"not": schema}
    with pytest.raises(InvalidField, match="64 deep"):
        Schema(schema)
    for _ in range(2000):
        schema = {"not": schema}
    with pytest.raises(InvalidField, match="too deep"):
        Schema(schema)


def test_data_too_large_for_a_heavy_schema_is_not_looked_at() -> None:
    heavy = Schema({"items": {"anyOf": [{"const": i} for i in range(MAX_WEIGHT - 10)]}})
    assert heavy.violation([5] * 100, 200) is None
    found = heavy.violation([-1] * 200_000, 600_000)
    assert "fewer alternatives" in str(found)


def test_the_library_still_refuses_to_fetch_and_to_backtrack() -> None:
    """Seams of jsonschema-rs that the pinned version is relied on for."""
    with pytest.raises(jsonschema_rs.ValidationError, match="Retrieval is disabled"):
        jsonschema_rs.validator_for({"$ref": "http://127.0.0.1:9/x"}, offline=True)
    with pytest.raises(jsonschema_rs.ValidationError, match="regex"):
        jsonschema_rs.validator_for(
            {"pattern": "a(?=b)"}, pattern_options=jsonschema_rs.RegexOptions()
        )


keywords = st.sampled_from(
    ["type", "properties", "items", "anyOf", "allOf", "not", "enum", "const", "required"]
) | st.sampled_from(
    ["$ref", "$defs", "$id", "pattern", "minimum", "maxLength", "additionalProperties", "format"]
)
schemas = st.recursive(
    values | st.sampled_from(["object", "string", "#", "#/$defs/a", "email", ["a"]]),
    lambda inner: (
        st.dictionaries(keywords | names, inner, max_size=4) | st.lists(inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(keywords, schemas, max_size=4) | st.booleans(), values)
def test_any_document_is_refused_or_checks_any_data_without_an_exception(
    document: dict[str, Any] | bool, data: object
) -> None:
    try:
        schema = Schema(document)
    except InvalidField as refused:
        field = refused.field or ""
    else:
        field = "schema"
        found = schema.violation(data, len(encode(data)))
        assert found is None or found.at.startswith("data")
    assert field.startswith("schema")
