"""Conditions in CEL fail closed: only true is true, and no expression can take long."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookferry.errors import ConditionError, InvalidField
from hookferry.match import cel
from hookferry.match.conditions import parse_condition
from hookferry.match.facts import Facts

from .events import events, facts

DATA = {
    "amount": 120,
    "price": 2.5,
    "name": "Jo",
    "tags": ["red", "blue"],
    "a.b": 1,
    "nothing": None,
    "paid": True,
}


def holds(source: str, event: Facts | None = None) -> bool:
    return parse_condition({"cel": source}).holds(event or facts(DATA, changes=["name"]))


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("event.data.amount > 100", True),
        ("event.data.amount > 119.5", True),
        ("event.data.amount < 100", False),
        ("event.type == 'order.paid' && event.data.price * 2.0 == 5.0", True),
        ("event.type.startsWith('order.') && event.data.name.size() == 2", True),
        ("'red' in event.data.tags", True),
        ("'amount' in event.data", True),
        ("has(event.data.amount)", True),
        ("has(event.data.missing)", False),
        ("has(event.actor)", False),
        ("'name' in event.changes", True),
        ("event.data['a.b'] == 1", True),
        ("event.data.tags[1] == 'blue'", True),
        ("event.data.nothing == null", True),
        ("event.data.paid", True),
        ("event.data.name.matches('^J')", True),
        ("event.data.name.contains('oo')", False),
        ("event.data.missing == 1 || true", True),
        ("event.data.missing == 1 && false", False),
        ("timestamp('2026-01-31T09:30:00Z') < timestamp('2026-02-01T00:00:00Z')", True),
        ("event.data.amount > 100 ? event.data.name == 'Jo' : false", True),
    ],
)
def test_an_expression_over_the_event_is_true_or_false(source: str, wanted: bool) -> None:
    assert holds(source) is wanted


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("event.data.missing == 1", "missing"),
        ("!event.data.missing", "missing"),
        ("event.data.missing != 1", "missing"),
        ("event.data.name + 1 == 2", "overload"),
        ("event.data.name > 1", "overload"),
        ("event.data.amount / 0 == 1", "divide by zero"),
        ("event.data.tags[7] == 'red'", "index"),
        ("event.data.amount", "came out as a"),
        ("event.data.name", "came out as a"),
        ("event.data", "came out as a"),
        ("event.data.nothing", "came out as a"),
        ("timestamp(event.data.name) == timestamp(event.data.name)", "imestamp"),
    ],
)
def test_an_error_or_anything_but_a_boolean_is_no_match_with_the_reason(
    source: str, reason: str
) -> None:
    with pytest.raises(ConditionError, match=reason):
        holds(source)
    told = parse_condition({"cel": source}).explain(facts(DATA))
    assert (told.holds, reason in (told.error or "")) == (False, True)


def test_an_integer_beyond_64_bits_is_an_error_and_the_data_is_not_in_its_reason() -> None:
    for source in ("event.data.id > 1", "event.data.name == 'Jo'"):
        with pytest.raises(ConditionError, match="out of range") as failed:
            holds(source, facts({"id": 2**64, "name": "Jo Bloggs"}))
        assert "Bloggs" not in failed.value.detail
    assert holds("event.data.id > 1", facts({"id": 2**64 - 1}))


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        (5, "event.data.amount > 100"),
        ("", "event.data.amount > 100"),
        ("  ", "event.data.amount > 100"),
        ("1 +", "line 1, column 4"),
        ("event.data.amount >\n\n > 1", "line 3, column 2"),
        ("data.amount > 1", "the one variable is event"),
        ("event.data.tags.exists(t, t == 'red')", "may not loop"),
        ("event.data.tags.map(t, t + t) == []", "may not loop"),
        ("[1, 2].all(x, x > 0)", "may not loop"),
        ("'a' + 1 == 'b'", "overload"),
        ("'yes'", "true or false"),
        ("1 + 1", "true or false"),
        ("event.data.name.matches(event.data.price)", "in quotes"),
        ("event.data.name.matches(true ? 'a' : 'b')", "in quotes"),
        ("matches('a', event.data.name)", "in quotes"),
        ("event.data.name.contains(event.data.name)", "in quotes"),
        ("[event.data.name.contains('a' + event.data.name)] == []", "in quotes"),
        ("{'k': event.data.name.contains(event.data.name)} == {}", "in quotes"),
        ("event.data.name.matches('(a')", "RE2"),
        ("event.data.name.matches('(x?){500}(x?){500}')", "instructions"),
        ("event.data == '" + "x" * 2048 + "'", "2,048 bytes"),
        ("event.data == '" + "ü" * 1024 + "'", "2,048 bytes"),
        ("(" * 200 + "true" + ")" * 200, "recursion"),
    ],
)
def test_what_does_not_compile_or_can_not_be_bounded_is_refused_when_saved(
    source: object, remedy: str
) -> None:
    with pytest.raises(InvalidField) as refused:
        parse_condition({"cel": source})
    assert refused.value.field == "condition.cel"
    assert remedy in refused.value.detail, refused.value.detail
    assert len(refused.value.detail) < 600


def test_an_expression_that_looks_often_is_not_held_against_a_large_event() -> None:
    often = " || ".join(["event.data != event.data"] * 60)
    assert holds(often, facts({"a": "x" * 10_000})) is False
    with pytest.raises(ConditionError, match="looks at 33,333 at most"):
        holds(often, facts({"a": "x" * 50_000}))
    assert holds("event.data.a != 'y'", facts({"a": "x" * 1_000_000})) is True


def test_the_patterns_and_texts_searched_for_count_as_work() -> None:
    large = facts({"a": "x" * 100_000})
    assert holds("event.data.a.matches('^x')", large) is True
    for source in (
        "event.data.a.matches('(x?){99}y')",
        "event.data.a.contains('" + "xy" * 500 + "')",
    ):
        with pytest.raises(ConditionError, match="at most"):
            holds(source, large)


def test_the_conditions_of_an_event_share_one_activation(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    members = Facts.members

    def counted(self: Facts) -> dict[str, Any]:
        made.append(self)
        return members(self)

    monkeypatch.setattr(Facts, "members", counted)
    event = facts(DATA)
    for limit in range(5):
        assert holds(f"event.data.amount > {limit}", event)
    assert made == [event]


def test_without_the_extra_the_error_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load = importlib.import_module

    def missing(name: str, package: str | None = None) -> ModuleType:
        if name.startswith("cel_expr_python"):
            raise ModuleNotFoundError(name)
        return load(name, package)

    monkeypatch.setattr(importlib, "import_module", missing)
    cel._library.cache_clear()
    with pytest.raises(InvalidField) as refused:
        parse_condition({"cel": "true"})
    assert "pip install 'hookferry[cel]'" in refused.value.detail
    assert refused.value.field == "condition.cel"
    monkeypatch.undo()
    assert holds("true")


# ------------------------------------------------------------------ properties

atoms = st.sampled_from(
    [
        "event",
        "event.data",
        "event.data.a",
        "event.data.a.b",
        "event.data[0]",
        "event.data['a.b']",
        "event.changes",
        "event.actor.id",
        "event.type",
        "has(event.data.a)",
    ]
) | st.builds(  # of a type that is not known before it is evaluated, so that it gets that far
    "dyn({})".format,
    st.sampled_from(["1", "-1", "9223372036854775807", "2.5", "1u", "'a'", "b'a'", "null", "true"])
    | st.sampled_from(["[]", "{}", "[1, 'a']", "{'a': 1}", "duration('1s')"])
    | st.just("timestamp('2026-01-31T09:30:00Z')"),
)
operators = st.sampled_from(
    ["==", "!=", "<", "<=", ">", ">=", "&&", "||", "+", "-", "*", "/", "%", "in"]
)
functions = st.sampled_from(["size", "string", "int", "double", "bytes", "type", "!", "-", "dyn"])
methods = st.sampled_from(
    ["size()", "startsWith('a')", "contains('a')", "matches('a')", "b", "a[0]"]
)
expressions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds("dyn({} {} {})".format, inner, operators, inner),
        st.builds("dyn({}({}))".format, functions, inner),
        st.builds("dyn({}.{})".format, inner, methods),
        st.builds("dyn({} ? {} : {})".format, inner, inner, inner),
        st.builds("dyn([{}, {}])".format, inner, inner),
    ),
    max_leaves=6,
)
sources = expressions | st.builds("{} {} {}".format, expressions, operators, expressions)


@settings(max_examples=300, deadline=None)
@given(sources | st.text(max_size=40), events)
def test_any_expression_is_refused_or_true_or_false_or_an_error_that_does_not_match(
    source: str, event: Facts
) -> None:
    try:
        condition = parse_condition({"cel": source})
    except InvalidField:
        return
    told = condition.explain(event)
    outcome: tuple[bool, str | None]
    try:
        outcome = condition.holds(event), None
    except ConditionError as error:
        outcome = False, error.detail
    assert outcome[0] is True or outcome[0] is False
    assert (told.holds, told.error) == outcome
