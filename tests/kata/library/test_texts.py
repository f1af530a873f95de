from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.errors import OutOfFuel, ScriptError
from hookferry.kata.templates.library import texts
from kata.library.rendering import a_run
from kata.templates.rendering import rendered as render


def test_null_is_an_empty_text() -> None:
    assert render("[{{ missing|upper }}{{ missing|trim }}{{ missing|length }}]") == "[0]"


def test_a_number_is_printed_before_it_is_cut() -> None:
    assert render("{{ 12345|slice(1, 2) }}") == "23"


@pytest.mark.parametrize("filter", ["upper", "trim", "split(',')", "sha1", "e", "base64_encode"])
def test_a_list_is_no_text(filter: str) -> None:
    with pytest.raises(ScriptError, match="wants a text, not a list"):
        render(f"{{{{ [1]|{filter} }}}}")


def test_a_split_with_a_negative_limit_leaves_the_last_parts_out() -> None:
    assert render("{{ 'a,b,c,d'|split(',', -1)|join('-') }}") == "a-b-c"


def test_a_split_without_a_delimiter_is_into_characters_or_pieces() -> None:
    assert render("{{ 'abc'|split('')|join('-') }}") == "a-b-c"
    assert render("{{ 'abcde'|split('', 2)|join('-') }}") == "ab-cd-e"


def test_replacing_takes_the_longest_key_and_looks_at_nothing_twice() -> None:
    assert render("{{ 'abcab'|replace({'a': 'b', 'ab': 'c', 'c': 'a'}) }}") == "cac"


@given(st.text(), st.text(min_size=1))
def test_parts_of_a_split_join_to_the_text_again(said: str, mark: str) -> None:
    assert texts.join(a_run(), texts.split(a_run(), said, mark), mark) == said


@given(st.text(), st.dictionaries(st.text(min_size=1), st.text(), max_size=1))
def test_replacing_one_key_is_replacing_it_everywhere(said: str, pairs: dict[str, str]) -> None:
    expected = said
    for old, new in pairs.items():
        expected = said.replace(old, new)
    assert texts.replace(a_run(), said, pairs) == expected


def test_a_word_that_truncation_would_cut_can_be_kept() -> None:
    assert render("{{ 'one two three'|truncate(5, true) }}") == "one two..."


def test_the_first_lines_can_stay_where_they_are() -> None:
    assert render("{{ 'a\nb\nc'|indent('  ', 1) }}") == "a\n  b\n  c"


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ '%2$s %1$s'|format('a', 'b') }}", "b a"),
        ("{{ '%d%%'|format('12 ') }}", "12%"),
        ("{{ '%+05d|%-6s|%06.2f'|format(42, 'ab', -1.5) }}", "+0042|ab    |-01.50"),
        ("{{ \"%'*8s\"|format('x') }}", "*******x"),
        ("{{ '%.2s'|format('abc') }}", "ab"),
    ],
)
def test_a_format_is_filled_in_as_by_sprintf(template: str, text: str) -> None:
    assert render(template) == text


def test_a_format_with_too_few_values_is_refused() -> None:
    with pytest.raises(ScriptError, match="no value for '%s'"):
        render("{{ '%s %s'|format('a') }}")


def test_and_is_put_between_the_last_two() -> None:
    assert render("{{ ['a', 'b', 'c']|join(', ', and=' and ') }}") == "a, b and c"
    assert render("{{ ['a']|join(', ', ' and ') }}") == "a"


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'a'|repeat(999999999) }}",
        "{{ 'a'|repeat(4000000)|replace({'a': 'b'|repeat(1000)}) }}",
        "{{ 'a\n'|repeat(100000)|indent('x'|repeat(1000)) }}",
        "{{ 'a'|repeat(5000000)|split('') }}",
    ],
)
def test_a_text_beyond_the_budget_is_not_built(template: str) -> None:
    with pytest.raises(OutOfFuel):
        render(template)


def test_a_text_is_paid_for_before_it_is_repeated() -> None:
    with pytest.raises(OutOfFuel, match="bytes"):
        texts.repeat(a_run(steps=10**9), "abcdefgh", 3 * 1024 * 1024)


def test_looking_for_many_keys_at_once_is_paid_for() -> None:
    with pytest.raises(OutOfFuel):
        render("{{ 'a'|repeat(100000)|replace(array_fill_keys(range(1, 100), 'x'))|length }}")
