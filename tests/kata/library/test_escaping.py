from __future__ import annotations

import html
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.errors import ScriptError
from hookferry.kata.templates.library.escaping import escape, striptags
from kata.library.rendering import a_run
from kata.templates.rendering import rendered as render

CHARACTERS = st.characters(exclude_categories=["Cs"])


@given(st.text(CHARACTERS))
def test_escaped_html_has_no_markup_and_reads_as_the_text(said: str) -> None:
    written = escape(a_run(), said)
    assert not set("<>\"'") & set(written)
    assert html.unescape(written) == html.unescape(html.escape(said))


@given(st.text(CHARACTERS))
def test_text_escaped_for_javascript_is_read_back_as_a_string(said: str) -> None:
    written = escape(a_run(), said, "js")
    assert not set("<>\"'&\n\u2028") & set(written)
    assert json.loads(f'"{written}"') == said


@given(st.text(CHARACTERS))
def test_an_escaped_attribute_has_nothing_that_ends_it(said: str) -> None:
    assert not set("<>\"' =\t\n`") & set(escape(a_run(), said, "html_attr"))


def test_css_is_escaped_by_code_points() -> None:
    assert render("{{ 'a;b'|e('css') }}") == "a\\3B b"


def test_an_unknown_strategy_is_refused_with_those_there_are() -> None:
    with pytest.raises(ScriptError, match="html, js, css, html_attr, url"):
        render("{{ 'a'|e('xml') }}")


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("a<b>c</b>d", "acd"),
        ("a<!-- <b> -->c", "ac"),
        ("a <unclosed", "a "),
        ("1 > 0", "1 > 0"),
    ],
)
def test_tags_and_comments_are_taken_out(said: str, text: str) -> None:
    assert striptags(a_run(), said) == text
