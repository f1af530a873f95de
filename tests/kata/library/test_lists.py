from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.errors import OutOfFuel, ScriptError
from hookferry.kata.fuel import Fuel
from hookferry.kata.templates.library import arrays, lists
from kata.library.rendering import a_run
from kata.templates.rendering import rendered as render


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ {b: 2, a: 1}|sort|json_encode }}", '{"a":1,"b":2}'),
        ("{{ ['10', '9', 'a']|sort|join(',') }}", "9,10,a"),
        ("{{ ['b', 'a']|sort((a, b) => b <=> a)|join }}", "ba"),
        ("{{ [3, 1, 2]|sort|reverse|join }}", "321"),
        ("{{ {a: 1, b: 2}|reverse|json_encode }}", '{"b":2,"a":1}'),
        ("{{ {a: 1, b: 2, c: 3}|slice(1, 1)|json_encode }}", '{"b":2}'),
        ("{{ [1, 2, 3, 4]|slice(0, -1)|join }}", "123"),
        ("{{ [1, 2]|slice(5)|json_encode }}", "[]"),
        ("{{ ['a']|merge({k: 'b'})|json_encode }}", '{"0":"a","k":"b"}'),
        ("{{ []|merge({k: 'b'})|json_encode }}", '{"k":"b"}'),
        ("{{ missing|merge([1])|merge([2], [3])|join }}", "123"),
        ("{{ [0, 1, '', 2]|filter|join(',') }}", "1,2"),
        ("{{ {a: 1}|map(v => v + 1)|json_encode }}", '{"a":2}'),
        ("{{ [1, 2]|reduce((c, v, k) => c ~ k ~ v, '') }}", "0112"),
        ("{{ [[1, 2], [3]]|column(1)|join }}", "2"),
        ("{{ {a: 1, b: 2}|first }}{{ {a: 1, b: 2}|last }}{{ []|first }}", "12"),
        ("{{ missing|map(v => v)|json_encode }}", "[]"),
        ("{{ 0|default('x') }}{{ false|default('y') }}{{ []|default('z') }}", "0yz"),
        ("{{ {b: 2, a: 1}|map((v, k) => k ~ '=' ~ v)|sort|join('&') }}", "a=1&b=2"),
        ("{{ array_diff({a: 1, b: 2}, [1])|json_encode }}", '{"b":2}'),
        ("{{ array_intersect([1, 2, 3], [3, 2], ['2'])|json_encode }}", "[2]"),
    ],
)
def test_lists_and_dictionaries(template: str, text: str) -> None:
    assert render(template) == text


@given(st.lists(st.integers(-1000, 1000)))
def test_sorting_is_by_value(values: list[int]) -> None:
    before = list(values)
    assert lists.sort(a_run(), values) == sorted(values)
    assert values == before


@given(st.lists(st.sampled_from(["b", "a", "é", "aa", "Z"])))
def test_texts_are_sorted_by_their_characters(values: list[str]) -> None:
    assert lists.sort(a_run(), values) == sorted(values)
    assert arrays.array_unique(a_run(), values) == list(dict.fromkeys(values))


@given(st.lists(st.integers(), max_size=20), st.integers(1, 7))
def test_batches_join_to_the_list_again(values: list[int], size: int) -> None:
    rows = lists.batch(a_run(), values, size)
    assert [value for row in rows for value in row] == values
    assert all(len(row) == size for row in rows[:-1])


@given(st.lists(st.integers()), st.integers(-9, 9), st.none() | st.integers(-9, 9))
def test_a_slice_of_a_list_is_that_of_a_text(values: list[int], start: int, size: int) -> None:
    text = "".join(chr(0x4E00 + place) for place in range(len(values)))
    cut = lists.slice_of(a_run(), text, start, size)
    assert lists.slice_of(a_run(), values, start, size) == [values[ord(c) - 0x4E00] for c in cut]


def test_nothing_that_is_given_is_changed() -> None:
    values, other = {"a": [1]}, {"b": 2}
    lists.merge(a_run(), values, other)
    arrays.array_fill_keys(a_run(), ["x"], values)
    assert values == {"a": [1]}
    assert other == {"b": 2}


@pytest.mark.parametrize("filter", ["map", "reduce", "sort"])
def test_what_wants_an_arrow_function_says_so(filter: str) -> None:
    with pytest.raises(ScriptError, match="wants an arrow function such as"):
        render(f"{{{{ [1]|{filter}('upper') }}}}")


def test_a_list_that_doubles_ends_the_run() -> None:
    with pytest.raises(OutOfFuel, match="bytes"):
        render(
            "{% set a = [1] %}{% for i in 1..21 %}{% set a = a|merge(a) %}{% endfor %}",
            Fuel(steps=10**9),
        )


def test_comparing_long_texts_is_paid_for() -> None:
    with pytest.raises(OutOfFuel):
        render("{% set a = 'a'|repeat(1000000) %}{{ range(1, 2000)|map(v => a ~ '')|sort|length }}")
    with pytest.raises(OutOfFuel):
        render("{% set a = 'a'|repeat(1000000) %}{{ array_unique(range(1, 2000)|map(v => a)) }}")
