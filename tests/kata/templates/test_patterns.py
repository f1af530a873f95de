"""Regular expressions of templates: how they are written, and what they may cost."""

from __future__ import annotations

import pytest

from hookferry.errors import OutOfFuel, ScriptError
from hookferry.kata.fuel import Fuel
from hookferry.kata.templates import patterns
from hookferry.kata.templates.patterns import MAX_PATTERN, MAX_WORK, compile_pattern


def found(source: str, text: str) -> bool:
    fuel = Fuel()
    return compile_pattern(fuel, source).search(fuel, text) is not None


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("/^A.c$/i", "abc"),
        ("^a.c$", "abc"),
        ("#^a/b$#", "a/b"),
        ("/a\\/b/", "a/b"),
        ("~^b$~m", "a\nb"),
        ("/a.b/s", "a\nb"),
        ("/^é$/u", "é"),
        ("/^a$/D", "a"),
        ("/(?i)A/", "a"),
        ("[a-z]+", "a"),
        ("", "a"),
        ("/", "a/b"),
    ],
)
def test_delimiters_and_modifiers_are_those_of_php(source: str, text: str) -> None:
    assert found(source, text)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("/a/x", "the modifier x of a regular expression is not known here"),
        ("/(/", "is not a regular expression"),
        ("/(?=a)/", "no look-around"),
        ("/(a)\\1/", "no back-references"),
        ("/\udc80/", "is not a regular expression"),
        ("a" * (MAX_PATTERN + 1), "at most 500 characters"),
        ("/(a{100}){9}" + "(b{100}){9}" * 3 + "/", "instructions"),
    ],
)
def test_what_is_no_pattern_is_told(source: str, message: str) -> None:
    with pytest.raises(ScriptError) as refused:
        found(source, "a")
    assert message in refused.value.detail


def test_bytes_are_not_searched() -> None:
    with pytest.raises(ScriptError, match="these are bytes"):
        found("/a/", "\udc80")


def test_a_search_goes_on_from_an_offset() -> None:
    fuel = Fuel()
    match = compile_pattern(fuel, "/b(.)/").search(fuel, "abcabd", 3)
    assert (match.start(), match.group(1)) == (4, "d")


def test_a_search_costs_the_pattern_times_the_text() -> None:
    fuel = Fuel(steps=1_000)
    pattern = compile_pattern(Fuel(), "/(x?){100}y/")
    with pytest.raises(OutOfFuel):
        pattern.search(fuel, "x" * 2_000)


def test_a_text_too_long_for_a_pattern_is_not_searched() -> None:
    with pytest.raises(ScriptError, match="searched for in at most"):
        found("/(x?){100}y/", "x" * (MAX_WORK // 100))


def test_compiling_costs_more_than_finding_what_was_compiled() -> None:
    patterns._compiled.clear()
    first, again = Fuel(), Fuel()
    compile_pattern(first, "/a{2}/")
    compile_pattern(again, "/a{2}/")
    assert first.used > 1_000
    assert again.used == 0


def test_patterns_are_kept_up_to_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    patterns._compiled.clear()
    monkeypatch.setattr(patterns, "_CACHED", 2)
    kept = compile_pattern(Fuel(), "/a/")
    compile_pattern(Fuel(), "/b/")
    assert compile_pattern(Fuel(), "/a/") is kept
    compile_pattern(Fuel(), "/c/")
    assert len(patterns._compiled) == 2
    assert compile_pattern(Fuel(), "/a/") is kept
