"""JSON Patch as SuperOffice's API takes it: RFC 6902 without ``move`` and ``copy``."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from hookferry.api.dialects.json_patch import apply_patch
from hookferry.errors import Conflict, InvalidField

DOCUMENT = {"Name": "n", "Flag": True, "Null": None, "List": ["a", "b"], "Map": {"x": {"y": [1]}}}
NAMES = {name.lower(): name for name in DOCUMENT}


@pytest.mark.parametrize(
    ("operation", "changed"),
    [
        ({"op": "replace", "path": "/Name", "value": "m"}, {"Name": "m"}),
        ({"op": "replace", "path": "name", "value": None}, {"Name": None}),
        ({"op": "add", "path": "/New", "value": 1}, {"New": 1}),
        ({"op": "add", "path": "/LIST/-", "value": "c"}, {"List": ["a", "b", "c"]}),
        ({"op": "add", "path": "/List/0", "value": "c"}, {"List": ["c", "a", "b"]}),
        ({"op": "add", "path": "/List/2", "value": "c"}, {"List": ["a", "b", "c"]}),
        ({"op": "remove", "path": "/List/0"}, {"List": ["b"]}),
        ({"op": "replace", "path": "/List/1", "value": {"c": 1}}, {"List": ["a", {"c": 1}]}),
        ({"op": "add", "path": "/Map/a~1b~0", "value": 1}, {"Map": {"x": {"y": [1]}, "a/b~": 1}}),
        ({"op": "replace", "path": "/Map/x/y/0", "value": 2}, {"Map": {"x": {"y": [2]}}}),
        ({"op": "remove", "path": "/Map/x"}, {"Map": {}}),
        ({"op": "test", "path": "/Map", "value": {"x": {"y": [1]}}}, {}),
        ({"op": "test", "path": "/Null", "value": None}, {}),
    ],
)
def test_an_operation_changes_what_it_names(
    operation: dict[str, Any], changed: dict[str, Any]
) -> None:
    before = copy.deepcopy(DOCUMENT)
    assert apply_patch(DOCUMENT, [operation], NAMES) == before | changed
    assert before == DOCUMENT, "the document given is not changed"


def test_operations_apply_in_order() -> None:
    patch = [
        {"op": "add", "path": "/Map/z", "value": {"b": [1]}},
        {"op": "replace", "path": "/Map/z/b/0", "value": 2},
        {"op": "test", "path": "/Map/z", "value": {"b": [2]}},
        {"op": "remove", "path": "/Map/x"},
    ]
    assert apply_patch(DOCUMENT, patch, NAMES)["Map"] == {"z": {"b": [2]}}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/Name", "value": "N"},
        {"op": "test", "path": "/Flag", "value": 1},
        {"op": "test", "path": "/List", "value": ["b", "a"]},
    ],
)
def test_a_test_that_fails_is_a_conflict(operation: dict[str, Any]) -> None:
    with pytest.raises(Conflict):
        apply_patch(DOCUMENT, [operation], NAMES)


@pytest.mark.parametrize(
    ("operation", "field"),
    [
        ("x", "[0]"),
        ([], "[0]"),
        ({}, "[0].op"),
        ({"op": "move", "from": "/Name", "path": "/New"}, "[0].op"),
        ({"op": "copy", "from": "/Name", "path": "/New"}, "[0].op"),
        ({"op": ["add"], "path": "/New", "value": 1}, "[0].op"),
        ({"op": "replace", "path": "/Name"}, "[0].value"),
        ({"op": "add", "path": "/New"}, "[0].value"),
        ({"op": "test", "path": "/Name"}, "[0].value"),
        ({"op": "remove"}, "[0].path"),
        ({"op": "remove", "path": 1}, "[0].path"),
        ({"op": "replace", "path": "", "value": {}}, "[0].path"),
        ({"op": "replace", "path": "/", "value": {}}, "[0].path"),
        ({"op": "add", "path": "/" + "x/" * 40, "value": {}}, "[0].path"),
        ({"op": "replace", "path": "/New", "value": 1}, "[0].path"),
        ({"op": "remove", "path": "/New"}, "[0].path"),
        ({"op": "test", "path": "/New", "value": None}, "[0].path"),
        ({"op": "add", "path": "/Name/x", "value": 1}, "[0].path"),
        ({"op": "add", "path": "/Null/x", "value": 1}, "[0].path"),
        ({"op": "replace", "path": "/List/2", "value": 1}, "[0].path"),
        ({"op": "replace", "path": "/List/-", "value": 1}, "[0].path"),
        ({"op": "remove", "path": "/List/01"}, "[0].path"),
        ({"op": "remove", "path": "/List/-1"}, "[0].path"),
        ({"op": "remove", "path": "/List/\u0661"}, "[0].path"),
        ({"op": "remove", "path": "/List/" + "9" * 5_000}, "[0].path"),
        ({"op": "add", "path": "/List/3", "value": 1}, "[0].path"),
        ({"op": "add", "path": "/List/0/x", "value": 1}, "[0].path"),
    ],
)
def test_what_is_no_operation_is_refused_with_its_place(operation: Any, field: str) -> None:
    with pytest.raises(InvalidField) as refused:
        apply_patch(DOCUMENT, [operation], NAMES)
    assert refused.value.field == field


def test_a_patch_has_an_end() -> None:
    most = [{"op": "test", "path": "/Name", "value": "n"}] * 1_000
    assert apply_patch(DOCUMENT, most, NAMES) == DOCUMENT
    with pytest.raises(InvalidField):
        apply_patch(DOCUMENT, most * 2, NAMES)
