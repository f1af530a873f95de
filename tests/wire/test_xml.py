"""JSON as XML and back: well-formed whatever it holds, readable where it is ordinary."""

import json
import math
import sys
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hookferry.wire.xml import from_json, to_json

HEAD = b'<?xml version="1.0" encoding="utf-8"?>'
# Surrogates too: JSON can say them, in escapes.
ANY_TEXT = st.text(
    st.characters(exclude_categories=()) | st.sampled_from("\x00\r\n\t &<>]\"'\ufffe")
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**300, 10**400)
    | st.floats(allow_nan=False, allow_infinity=False)
    | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(ANY_TEXT, inner, max_size=5),
    max_leaves=30,
)
NAMES = st.sampled_from(
    ["", " ", "xml", "XMLa", "a b", "a:b", "1", "item", "member", "key", "type"]
)


def written(value: object) -> bytes:
    document = from_json(json.dumps(value).encode(), "record")
    assert document.startswith(HEAD)
    return document.removeprefix(HEAD)


def judged(document: bytes) -> ElementTree.Element:
    """Have another parser's tree builder take it."""
    return ElementTree.fromstring(document)


@given(JSON)
@example({"a": "<&>\"'"})
def test_any_json_becomes_well_formed_xml_and_reads_back_as_it_was(value: object) -> None:
    document = from_json(json.dumps(value).encode(), "record")
    assert judged(document).tag == "record"
    assert json.loads(to_json(document)) == value


@given(st.dictionaries(NAMES | ANY_TEXT, JSON, min_size=1, max_size=5))
def test_any_key_becomes_an_element_and_reads_back(value: dict[str, object]) -> None:
    document = from_json(json.dumps(value).encode(), "record")
    assert len(judged(document)) == len(value)
    assert list(json.loads(to_json(document))) == list(value)


@given(JSON, st.sampled_from([None, 0, 2]), st.booleans())
def test_how_the_json_was_laid_out_makes_no_difference(
    value: object, indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    spread = text.encode("utf-8", "surrogatepass")
    try:
        spread.decode()
    except UnicodeDecodeError:
        return  # not UTF-8, so it would not have been accepted
    assert from_json(spread, "r") == from_json(json.dumps(value).encode(), "r")


def test_ordinary_documents_are_readable() -> None:
    value = {"h_pk": "IN1", "größe": "5 m²", "tags": ["a", ""], "n": 1.5, "ok": True, "no": None}
    assert written(value).decode() == (
        "<record><h_pk>IN1</h_pk><größe>5 m²</größe>"
        '<tags type="array"><item>a</item><item></item></tags>'
        '<n type="number">1.5</n><ok type="boolean">true</ok><no type="null"/></record>'
    )


@pytest.mark.parametrize(
    ("value", "document"),
    [
        ("", b"<record></record>"),
        ({}, b'<record type="object"/>'),
        ([], b'<record type="array"/>'),
        ([[]], b'<record type="array"><item type="array"/></record>'),
        (None, b'<record type="null"/>'),
        (0, b'<record type="number">0</record>'),
        ({"": 1}, b'<record><member key="" type="number">1</member></record>'),
        ({"a b": ""}, b'<record><member key="a b"></member></record>'),
        ({'"': ""}, b'<record><member key="\\&quot;"></member></record>'),
        ({"member": ""}, b"<record><member></member></record>"),
        ({"\x00": ""}, b'<record><member key="\\u0000"></member></record>'),
        ("a\x00\\b", b'<record escaped="json">a\\u0000\\\\b</record>'),
        ("\ufffe", b'<record escaped="json">\\ufffe</record>'),
        ("a\r\nb\tc", b"<record>a&#13;\nb\tc</record>"),
        ("]]>", b"<record>]]&gt;</record>"),
        ("  ", b"<record>  </record>"),
        ("&amp;", b"<record>&amp;amp;</record>"),
    ],
)
def test_the_corners(value: object, document: bytes) -> None:
    assert written(value) == document
    judged(document)
    assert json.loads(to_json(document)) == value


def test_numbers_keep_every_digit_both_ways() -> None:
    text = b"[1e400,-0.0,12345678901234567890.1000,1E+2," + b"9" * 6000 + b"]"
    assert to_json(from_json(text, "r")) == text


def test_a_key_given_twice_stays_twice_as_in_the_json() -> None:
    assert to_json(from_json(b'{"a":1,"a":2}', "r")) == b'{"a":1,"a":2}'


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_depth_is_no_matter_in_either_direction(opening: bytes, closing: bytes) -> None:
    depth = sys.getrecursionlimit() * 20
    text = opening * depth + b'"x"' + closing * depth
    assert to_json(from_json(text, "r")) == text


def test_an_indented_document_is_read_too() -> None:
    document = from_json(b'{"a":{"b":["x",{}]},"c":1}', "r")
    root = judged(document)
    ElementTree.indent(root)
    assert to_json(ElementTree.tostring(root)) == b'{"a":{"b":["x",{}]},"c":1}'


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b"", "not well-formed"),
        (b"<a><b></a>", "not well-formed"),
        (b"<a>\x00</a>", "not well-formed"),
        (b"\xff\xfe<", "not well-formed"),
        (b"<!DOCTYPE a><a/>", "document type"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "document type"),
        (b"<a>text<b/></a>", "text beside"),
        (b'<a type="number">1 2</a>', "not of type"),
        (b'<a type="number">NaN</a>', "not of type"),
        (b'<a type="number">\xd9\xa3</a>', "not of type"),
        (b'<a type="boolean">yes</a>', "not of type"),
        (b'<a type="null">x</a>', "not of type"),
        (b'<a type="date">x</a>', "not of type"),
        (b'<a type="number"><b/></a>', "child elements"),
        (b'<a escaped="json">"</a>', "JSON string"),
        (b'<a escaped="json">a"+"b</a>', "JSON string"),
        (b'<a><member key="&quot;"/></a>', "JSON string"),
    ],
)
def test_what_is_not_such_a_document_is_refused_with_the_reason(document: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        to_json(document)


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_raise_anything_else(document: bytes) -> None:
    with pytest.raises(ValueError):
        to_json(document)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_read_back_to_the_bit(number: float) -> None:
    assert math.copysign(1, json.loads(to_json(from_json(json.dumps(number).encode(), "r")))) == (
        math.copysign(1, number)
    )
