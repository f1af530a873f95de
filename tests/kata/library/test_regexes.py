from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.errors import OutOfFuel, ScriptError
from hookferry.kata.templates.library.regexes import regexp_match_all
from kata.library.rendering import a_run
from kata.templates.rendering import rendered as render

HEADERS = "X-Mailer: Cerb\nFrom: customer@x.example\nTo: support@x.example\n"


def test_headers_are_taken_apart_by_group() -> None:
    assert regexp_match_all(a_run(), "#^(.*?): (.*?)$#m", HEADERS) == [
        ["X-Mailer: Cerb", "From: customer@x.example", "To: support@x.example"],
        ["X-Mailer", "From", "To"],
        ["Cerb", "customer@x.example", "support@x.example"],
    ]


def test_a_group_may_have_a_name() -> None:
    assert render("{{ 'id=7'|regexp('/id=(?P<id>\\\\d+)/', 'id') }}") == "7"


@pytest.mark.parametrize("group", ["9", "'none'", "-1", "2"])
def test_a_group_that_there_is_not_is_empty(group: str) -> None:
    assert render("[{{ 'id=7'|regexp('/id=(\\\\d+)(x)?/', " + group + ") }}]") == "[]"


@given(st.text("ab1é ", max_size=20), st.sampled_from(["a*", "[ab]+", "é", r"\d?b", "(a)(b)?"]))
def test_all_matches_are_those_of_other_engines(said: str, pattern: str) -> None:
    expected = [found[0] for found in re.finditer(pattern, said)]
    matched = regexp_match_all(a_run(), f"/{pattern}/", said, 0)
    # Engines differ in whether an empty match may follow another one at once.
    assert [each for each in matched if each] == [each for each in expected if each]


def test_nothing_that_matches_is_an_empty_list() -> None:
    assert regexp_match_all(a_run(), "/x/", "abc") == []
    assert regexp_match_all(a_run(), "/x/", "abc", 0) == []


def test_a_search_again_and_again_is_paid_for() -> None:
    with pytest.raises(OutOfFuel):
        render("{{ regexp_match_all('/a(?:.*z)?/', 'a'|repeat(20000))|length }}")


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(ScriptError, match="not a regular expression"):
        render("{{ 'a'|regexp('/(a/') }}")
