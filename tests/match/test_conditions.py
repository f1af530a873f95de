"""Conditions say what SEMANTICS section 7 says: checked when saved, failing closed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookferry.errors import ConditionError, InvalidField
from hookferry.match.conditions import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_NODES,
    MAX_PATTERNS,
    MAX_SHOWN,
    Condition,
    parse_condition,
)
from hookferry.match.facts import MAX_STEPS, Facts
from hookferry.match.operators import COMPARISONS, MAX_LISTED, OPERATORS

from .events import events, facts, names, scalars, values

DATA = {
    "priority": "high",
    "count": 5,
    "price": 2.5,
    "big": 2**70,
    "paid": True,
    "nothing": None,
    "name": "Ärger im Büro",
    "tags": ["red", 1, None, {"k": [1]}],
    "items": [{"sku": "a-1"}, {"sku": "b-2"}],
    "a.b": "dotted",
    "0": "zero",
}


def leaf(path: str, op: str, *value: Any) -> dict[str, Any]:
    return {"path": path, "op": op} | ({"value": value[0]} if value else {})


def holds(document: object, event: Facts) -> bool:
    return parse_condition(document).holds(event)


@pytest.mark.parametrize(
    ("path", "op", "value", "wanted"),
    [
        ("data.priority", "equals", "high", True),
        ("data.priority", "equals", "High", False),
        ("data.count", "equals", 5.0, True),
        ("data.count", "equals", "5", False),
        ("data.paid", "equals", True, True),
        ("data.paid", "equals", 1, False),
        ("data.count", "equals", True, False),
        ("data.big", "equals", 2**70, True),
        ("data.nothing", "equals", None, True),
        ("data.tags", "equals", ["red", 1, None, {"k": [1.0]}], True),
        ("data.tags", "equals", ["red", True, None, {"k": [1]}], False),
        ("data.items", "equals", [{"sku": "a-1"}], False),
        ("data.priority", "not_equals", "low", True),
        ("data.priority", "not_equals", "high", False),
        ("data.priority", "not_equals", 5, False),
        ("data.priority", "not_equals", None, True),
        ("data.nothing", "not_equals", "high", True),
        ("data.nothing", "not_equals", None, False),
        ("data.count", "greater", 4, True),
        ("data.count", "greater", 5, False),
        ("data.count", "greater_or_equal", 5, True),
        ("data.count", "less", 5.5, True),
        ("data.count", "less_or_equal", 4, False),
        ("data.big", "greater", 1.5, True),
        ("data.paid", "greater", 0, False),
        ("data.count", "greater", "4", False),
        ("data.priority", "greater", "a", True),
        ("data.priority", "less", "a", False),
        ("data.name", "contains", "im", True),
        ("data.name", "contains", "IM", False),
        ("data.name", "contains", 5, False),
        ("data.tags", "contains", "red", True),
        ("data.tags", "contains", None, True),
        ("data.tags", "contains", {"k": [1]}, True),
        ("data.tags", "contains", True, False),
        ("data.count", "contains", 5, False),
        ("data.name", "not_contains", "xyz", True),
        ("data.name", "not_contains", "im", False),
        ("data.name", "not_contains", 5, False),
        ("data.tags", "not_contains", "blue", True),
        ("data.tags", "not_contains", "red", False),
        ("data.count", "not_contains", 7, False),
        ("data.name", "starts_with", "Är", True),
        ("data.name", "ends_with", "Büro", True),
        ("data.name", "ends_with", "Buro", False),
        ("data.tags", "starts_with", "red", False),
        ("data.name", "matches", "^Ä.*o$", True),
        ("data.name", "matches", "B.ro", True),
        ("data.name", "matches", "(?i)BÜRO", True),
        ("data.name", "matches", "^im", False),
        ("data.count", "matches", "5", False),
        ("data.priority", "in", ["low", "high"], True),
        ("data.count", "in", ["5", 5.0], True),
        ("data.paid", "in", [1, "true"], False),
        ("data.priority", "not_in", ["low", "mid"], True),
        ("data.priority", "not_in", ["low", "high"], False),
        ("data.priority", "not_in", [1, 2], False),
        ("data.priority", "not_in", [1, "low"], True),
        ("data.nothing", "exists", True, True),
        ("data.nothing", "exists", False, False),
        ("data.none", "exists", True, False),
        ("data.none", "exists", False, True),
        ("data.items.0.sku", "equals", "a-1", True),
        ("data.items.1.sku", "equals", "b-2", True),
        ("data.items.2.sku", "exists", True, False),
        ("data.items.-1.sku", "exists", True, False),
        ("data.items.00.sku", "exists", True, False),
        ("data.items.sku", "exists", True, False),
        ("data.name.0", "exists", True, False),
        ("data.0", "equals", "zero", True),
        (r"data.a\.b", "equals", "dotted", True),
        ("data.a.b", "exists", True, False),
        ("data", "exists", True, True),
    ],
)
def test_each_operator_compares_values_of_one_type_and_is_false_for_others(
    path: str, op: str, value: object, wanted: bool
) -> None:
    assert holds(leaf(path, op, value), facts(DATA)) is wanted


@pytest.mark.parametrize("op", COMPARISONS)
def test_what_is_not_there_satisfies_no_comparison_not_even_a_negative_one(op: str) -> None:
    value: Any = ["x"] if op in ("in", "not_in") else "x"
    for path in ("data.missing", "data.priority.deeper", "actor.id", "headers.x-request-id"):
        assert holds(leaf(path, op, value), facts(DATA)) is False
        assert holds({"not": leaf(path, op, value)}, facts(DATA)) is True


def test_every_part_of_an_event_can_be_asked_for() -> None:
    event = facts(
        {"a": 1},
        external_id="mine-1",
        application="shop",
        entity="Orders",
        primary_key=7,
        changes=["status", "address.city"],
        channels=["eu"],
        actor_id="u1",
        actor_name="Jo",
        occurred_at_ms=1_769_851_800_123,
    )
    for path, value in (
        ("type", "order.paid"),
        ("id", "mine-1"),
        ("application", "shop"),
        ("entity", "Orders"),
        ("primary_key", 7),
        ("changes", ["status", "address.city"]),
        ("changes.0", "status"),
        ("channels.0", "eu"),
        ("actor.id", "u1"),
        ("actor.name", "Jo"),
        ("occurred_at", "2026-01-31T09:30:00.123Z"),
        ("data.a", 1),
    ):
        assert holds(leaf(path, "equals", value), event), path
        if path not in ("type", "data.a"):
            assert not holds(leaf(path, "exists"), facts({}, type="order.paid")), path


@pytest.mark.parametrize(
    ("changes", "path", "value", "wanted"),
    [
        (["status"], "data.status", True, True),
        (["status"], "data.other", True, False),
        (["status"], "data.other", False, True),
        (["address.city"], "data.address.city", True, True),
        (["a.b"], r"data.a\.b", True, True),
        (["entity"], "entity", True, True),
        (None, "data.status", True, False),
        (None, "data.status", False, False),
    ],
)
def test_changed_asks_whether_the_publisher_names_the_field_among_the_changes(
    changes: list[str] | None, path: str, value: bool, wanted: bool
) -> None:
    event = facts({"status": 1}, changes=changes)
    assert holds(leaf(path, "changed", value), event) is wanted


def test_groups_are_and_or_and_not() -> None:
    yes, no = leaf("data.a", "equals", 1), leaf("data.a", "equals", 2)
    event = facts({"a": 1})
    for document, wanted in (
        ({"all": [yes, yes]}, True),
        ({"all": [yes, no]}, False),
        ({"any": [no, yes]}, True),
        ({"any": [no, no]}, False),
        ({"not": no}, True),
        ({"not": {"all": [yes, {"any": [no, {"not": yes}]}]}}, True),
    ):
        assert holds(document, event) is wanted


def deep(levels: int) -> dict[str, Any]:
    document = leaf("data.a", "exists")
    for _ in range(levels):
        document = {"not": document}
    return document


@pytest.mark.parametrize(
    ("document", "field", "remedy"),
    [
        (5, "condition", "is not an object"),
        ([], "condition", "is not an object"),
        ({}, "condition.path", "path is required"),
        ({"all": []}, "condition.all", "one or more"),
        ({"any": {}}, "condition.any", "one or more"),
        ({"not": [1]}, "condition.not", "not an object"),
        ({"all": [{"path": "data.a", "op": "exists"}, 7]}, "condition.all[1]", "not an object"),
        (
            {"all": [{"any": [leaf("data.a", "grater", 1)]}]},
            "condition.all[0].any[0].op",
            "'greater'",
        ),
        ({"all": [leaf("data.a", "exists")], "any": []}, "condition", "stands alone"),
        ({"pth": "data.a", "op": "exists"}, "condition.pth", "did you mean 'path'"),
        ({"al": []}, "condition.al", "did you mean 'all'"),
        ({"path": 5, "op": "exists"}, "condition.path", "a string"),
        (leaf("data.a", "equals"), "condition.value", "needs a value"),
        (leaf("data.a", "~", 1), "condition.op", "known: equals"),
        (leaf("data.a", "greater", True), "condition.value", "number or a string"),
        (leaf("data.a", "starts_with", 1), "condition.value", "a string"),
        (leaf("data.a", "in", "x"), "condition.value", "a list"),
        (leaf("data.a", "in", []), "condition.value", "1 to 200"),
        (leaf("data.a", "in", [1] * (MAX_LISTED + 1)), "condition.value", "1 to 200"),
        (leaf("data.a", "exists", 1), "condition.value", "true"),
        (leaf("data.a", "matches", "(a"), "condition.value", "RE2"),
        (leaf("data.a", "matches", "a(?=b)"), "condition.value", "look-around"),
        (leaf("data.a", "matches", "(x?){500}" * 2), "condition.value", "instructions"),
        (leaf("data.a", "matches", "x" * 501), "condition.value", "500 characters"),
        (leaf("data.a", "equals", [[[[[[[[[[[1]]]]]]]]]]]), "condition.value", "10 deep"),
        (leaf("data.a", "equals", "x" * MAX_BYTES), "condition", "16,384 bytes"),
        (leaf("status", "exists"), "condition.path", "'data.status'"),
        (leaf("dta.status", "exists"), "condition.path", "did you mean 'data'"),
        (leaf("type.x", "exists"), "condition.path", "has no parts"),
        (leaf("actor", "exists"), "condition.path", "'actor.id'"),
        (leaf("actor.email", "exists"), "condition.path", "'actor.name'"),
        (leaf("headers", "exists"), "condition.path", "names no header"),
        (leaf("", "exists"), "condition.path", "1 to 16 names"),
        (leaf("data..a", "exists"), "condition.path", "1 to 16 names"),
        (leaf("data" + ".a" * (MAX_STEPS + 1), "exists"), "condition.path", "1 to 16 names"),
        (leaf("data." + "a" * 300, "exists"), "condition.path", "256 characters"),
        ({"any": [{"cel": "true"}]}, "condition.any[0].cel", "a condition of its own"),
        ({"cel": "true", "all": []}, "condition", "stands alone"),
        (
            {"all": [leaf("data.a", "matches", "a")] * (MAX_PATTERNS + 1)},
            f"condition.all[{MAX_PATTERNS}].op",
            "join some",
        ),
        (deep(MAX_DEPTH + 1), "condition" + ".not" * (MAX_DEPTH + 1), "10 deep"),
        (
            {"any": [leaf("data.a", "exists")] * MAX_NODES},
            f"condition.any[{MAX_NODES - 1}]",
            "use 'in'",
        ),
    ],
)
def test_what_can_not_be_used_is_refused_with_its_position_and_a_remedy(
    document: object, field: str, remedy: str
) -> None:
    with pytest.raises(InvalidField) as refused:
        parse_condition(document)
    assert (refused.value.field, remedy in refused.value.detail) == (field, True), (
        refused.value.detail
    )
    assert len(refused.value.detail) < 500


def test_a_document_at_its_limits_is_taken() -> None:
    parse_condition(deep(MAX_DEPTH))
    parse_condition({"any": [leaf("data.a", "exists")] * (MAX_NODES - 1)})
    parse_condition(leaf("data" + ".a" * MAX_STEPS, "in", list(range(MAX_LISTED))))


def test_a_text_too_long_for_its_pattern_is_not_searched_and_that_is_no_match() -> None:
    condition = parse_condition(leaf("data.a", "matches", r"\p{L}+x"))
    assert condition.holds(facts({"a": "ax"}))
    for document in (
        leaf("data.a", "matches", r"\p{L}+x"),
        {"not": leaf("data.a", "matches", "(x?){99}")},
    ):
        with pytest.raises(ConditionError, match="at most"):
            holds(document, facts({"a": "x" * 100_000}))


def test_data_that_can_not_be_held_is_no_match_with_a_reason() -> None:
    event = Facts("order.paid", b'{"a": 1e400}', facts().meta)
    with pytest.raises(ConditionError, match="can't be read"):
        holds({"not": leaf("data.a", "exists")}, event)
    assert holds(leaf("type", "equals", "order.paid"), event)


def test_an_explanation_names_the_comparisons_made_and_the_last_one_decided() -> None:
    document = {
        "all": [
            leaf("type", "starts_with", "order."),
            {"any": [leaf("data.total", "greater", 100), leaf("data.vip", "equals", True)]},
            leaf("data.never", "exists"),
        ]
    }
    told = parse_condition(document).explain(facts({"total": 50}))
    assert told.holds is False
    assert told.error is None
    assert [(c.at, c.there, c.seen, c.holds) for c in told.checks] == [
        ("condition.all[0]", True, '"order.paid"', True),
        ("condition.all[1].any[0]", True, "50", False),
        ("condition.all[1].any[1]", False, None, False),
    ]


def test_an_explanation_never_shows_a_large_value_whole() -> None:
    told = parse_condition(leaf("data.a", "equals", "y" * 5000)).explain(facts({"a": "x" * 10**6}))
    [check] = told.checks
    assert len(check.seen or "") <= MAX_SHOWN
    assert len(check.value or "") <= MAX_SHOWN


def test_an_explanation_says_why_a_condition_could_not_be_evaluated() -> None:
    told = parse_condition(leaf("data.a", "matches", "(x?){99}")).explain(facts({"a": "x" * 10**6}))
    assert (told.holds, told.checks) == (False, [])
    assert "at most" in (told.error or "")


# ------------------------------------------------------------------ properties

paths = st.sampled_from(
    [
        "type",
        "data",
        "data.a",
        "data.a.b",
        r"data.a\.b",
        "data.0",
        "data.items.0.a",
        "changes",
        "changes.0",
        "channels.1",
        "actor.id",
        "actor.name",
        "entity",
        "primary_key",
        "application",
        "occurred_at",
        "id",
        "headers.x",
    ]
)
operands = values | st.lists(scalars, max_size=5) | st.sampled_from(["^a", "(", "a|b", "[", True])
leaves = st.fixed_dictionaries(
    {"path": paths, "op": st.sampled_from(OPERATORS)}, optional={"value": operands}
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"all": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"any": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"not": inner}),
    ),
    max_leaves=6,
)
keys = st.sampled_from(["all", "any", "not", "path", "op", "value", "cel"]) | names
documents = trees | st.recursive(
    scalars | trees | st.sampled_from(OPERATORS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


def parsed(document: object) -> Condition | None:
    try:
        return parse_condition(document)
    except InvalidField as refused:
        field = refused.field or ""
    assert field.startswith("condition")
    return None


@settings(max_examples=250, deadline=None)
@given(documents, events)
def test_any_document_is_refused_or_evaluates_for_any_event_without_an_exception(
    document: object, event: Facts
) -> None:
    condition = parsed(document)
    if condition is None:
        return
    told = condition.explain(event)
    outcome: tuple[bool, str | None]
    try:
        outcome = condition.holds(event), None
    except ConditionError as error:
        outcome = False, error.detail
    assert (told.holds, told.error) == outcome
    assert told.checks or told.error


@settings(max_examples=100, deadline=None)
@given(trees, trees, events)
def test_not_any_is_all_not(one: object, other: object, event: Facts) -> None:
    if parsed(one) is None or parsed(other) is None:
        return
    assert holds({"not": {"any": [one, other]}}, event) is holds(
        {"all": [{"not": one}, {"not": other}]}, event
    )


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["equals", "contains", "in"]), paths, operands, events)
def test_a_negative_comparison_never_holds_together_with_its_positive(
    op: str, path: str, value: object, event: Facts
) -> None:
    if parsed(leaf(path, op, value)) is None:
        return
    both = {"all": [leaf(path, op, value), leaf(path, f"not_{op}", value)]}
    assert holds(both, event) is False
