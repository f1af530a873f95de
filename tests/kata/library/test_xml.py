from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.errors import OutOfFuel, ScriptError
from hookferry.kata.templates.library import xml_texts
from kata.library.rendering import a_run
from kata.templates.rendering import rendered as render

DOCUMENT = """<?xml version="1.0" encoding="iso-8859-1"?>
<movies>
  <movie rating="R"><title runtime="177">The Godfather</title><year>1972</year></movie>
  <movie rating="PG"><title runtime="81">Töy Story</title><year>1995</year></movie>
  <!-- a comment -->
  <note>a &lt; b<![CDATA[ & <c>]]></note>
</movies>"""
NAMES = st.sampled_from(["a", "b", "soap:Body", "é", "x-1"])
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"))
ELEMENTS: st.SearchStrategy[Any] = st.recursive(
    TEXTS.filter(lambda said: said.strip(" \t\r\n") == said),
    lambda inner: st.dictionaries(
        NAMES, inner | st.lists(inner, min_size=2, max_size=3), min_size=1, max_size=3
    ),
    max_leaves=8,
)


def found(path: str, document: str = DOCUMENT) -> list[Any]:
    """Return what a path finds."""
    run = a_run()
    return xml_texts.xml_xpath(run, xml_texts.xml_decode(run, document), path)


@given(st.dictionaries(NAMES, ELEMENTS, min_size=1, max_size=3))
def test_what_is_written_is_read_back(value: dict[str, Any]) -> None:
    written = xml_texts.xml_encode(a_run(), value, "root")
    assert xml_texts.xml_decode(a_run(), written) == {"#name": "root"} | value


@given(TEXTS, TEXTS)
def test_other_readers_read_what_is_written(attribute: str, said: str) -> None:
    written = xml_texts.xml_encode(a_run(), {"@a": attribute, "b": said}, "root")
    read = ElementTree.fromstring(written)
    assert read.get("a") == attribute
    assert (read.findtext("b") or "") == said


def test_elements_are_read_by_name() -> None:
    template = "{% set xml = xml_decode(text) %}{{ xml.movie[1].year }} {{ xml.note }}"
    assert render(template, text=DOCUMENT) == "1995 a < b & <c>"


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("movie/year", ["1972", "1995"]),
        ("/movies/movie/year", ["1972", "1995"]),
        ("//year", ["1972", "1995"]),
        ("//movie[2]/year", ["1995"]),
        ("//movie[last()]/year", ["1995"]),
        ("movie[@rating='R']/year", ["1972"]),
        ('movie[year="1995"]/@rating', ["PG"]),
        ("movie[year=1995]/@rating", ["PG"]),
        ("movie[year!='1995']/@rating", ["R"]),
        ("//title[@runtime]/text()", ["The Godfather", "Töy Story"]),
        ("//year[.='1972']/../@rating", ["R"]),
        ("//@runtime", ["177", "81"]),
        ("//year/..//@*", ["R", "177", "PG", "81"]),
        ("//year/../../note", ["a < b & <c>"]),
        ("*/year", ["1972", "1995"]),
        ("./movie[@rating][1]/year", ["1972"]),
        ("//nothing", []),
        ("movie[9]", []),
        ("/movie", []),
        ("//note/@id", []),
    ],
)
def test_paths_find_what_xpath_does(path: str, values: list[str]) -> None:
    assert sorted(found(path)) == sorted(values)


def test_an_element_that_was_found_can_be_searched_and_written() -> None:
    first = found("//title")[0]
    assert first == {"#name": "title", "@runtime": "177", "#text": "The Godfather"}
    assert xml_texts.xml_encode(a_run(), first) == (
        '<?xml version="1.0"?>\n<title runtime="177">The Godfather</title>'
    )
    assert xml_texts.xml_xpath(a_run(), found("movie")[1], "year") == ["1995"]


@pytest.mark.parametrize(
    "path",
    ["", "//", "a b", "a[", "a[position()>1]", "ancestor::a", "a|b", "a//", "count(a)", "//@"],
)
def test_a_path_that_is_not_understood_is_refused(path: str) -> None:
    with pytest.raises(ScriptError, match="XPath"):
        found(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<a>",
        "<a></b>",
        "no xml",
        "<a/><b/>",
        "<a>&nbsp;</a>",
        "<a>\udc80</a>",
        "<a>\x00</a>",
    ],
)
def test_what_is_no_xml_is_refused(text: str) -> None:
    with pytest.raises(ScriptError, match="wants XML"):
        xml_texts.xml_decode(a_run(), text)


def test_a_document_type_declaration_is_refused() -> None:
    bomb = '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><a>&c;</a>'
    with pytest.raises(ScriptError, match="document type"):
        xml_texts.xml_decode(a_run(), bomb)
    with pytest.raises(ScriptError, match="document type"):
        xml_texts.xml_decode(a_run(), '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>')


def test_documents_are_bounded() -> None:
    assert xml_texts.xml_decode(a_run(), "<a>" * 32 + "</a>" * 32)
    with pytest.raises(ScriptError, match="32 levels"):
        xml_texts.xml_decode(a_run(), "<a>" * 33 + "</a>" * 33)
    with pytest.raises(ScriptError, match="bytes"):
        xml_texts.xml_decode(a_run(), f"<a>{' ' * 1024 * 1024}</a>")
    with pytest.raises(OutOfFuel):
        xml_texts.xml_decode(a_run(), f"<a>{'<b/>' * 40_000}</a>")


def test_a_path_that_visits_too_much_ends_the_run() -> None:
    with pytest.raises(OutOfFuel):
        found("//*//*/..//*//*/..//*//*", f"<a>{'<b><c/></b>' * 2_000}</a>")


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ({"e-mail (work)": 1}, "a"),
        ({"@a b": 1}, "a"),
        ("x", "a b"),
        ("x", ""),
        ({"xml": 1}, "a"),
        ("\x00", "a"),
        ("\udc80", "a"),
        ({"@a": []}, "a"),
        ({"#text": {}}, "a"),
        ({"a": 1}, None),
    ],
)
def test_what_xml_can_not_hold_is_refused(value: Any, name: str | None) -> None:
    with pytest.raises(ScriptError, match="xml_encode"):
        xml_texts.xml_encode(a_run(), value, name)


def test_numbers_and_truths_are_written() -> None:
    assert xml_texts.xml_encode(a_run(), {"n": 1.5, "t": True, "f": False, "z": None}, "a") == (
        "<a><n>1.5</n><t>true</t><f>false</f><z/></a>"
    )
