from __future__ import annotations

import base64
from urllib.parse import parse_qsl, quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.errors import ScriptError
from hookferry.kata.templates.library import encodings
from hookferry.kata.templates.library.coercion import from_octets, octets
from kata.library.rendering import a_run
from kata.templates.rendering import rendered as render

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.binary())
def test_bytes_are_kept_as_text_and_given_back(data: bytes) -> None:
    assert octets(from_octets(data)) == data


@given(st.binary())
def test_bytes_survive_base64_in_both_alphabets(data: bytes) -> None:
    said = from_octets(data)
    plain = encodings.base64_encode(a_run(), said)
    assert plain == base64.b64encode(data).decode()
    assert encodings.base64_decode(a_run(), plain) == said
    coded = encodings.base64url_encode(a_run(), said)
    assert coded == base64.urlsafe_b64encode(data).decode().rstrip("=")
    assert encodings.base64url_decode(a_run(), coded) == said


@pytest.mark.parametrize("coded", ["YWI=", "YWI", "YW I\n", "Y-W.I=", "YWI=="])
def test_base64_is_read_leniently(coded: str) -> None:
    assert encodings.base64_decode(a_run(), coded.replace("-", "").replace(".", "")) == "ab"


@given(TEXTS)
def test_an_encoded_text_is_decoded_again(said: str) -> None:
    coded = encodings.url_encode(a_run(), said)
    assert coded == quote(said, safe="-._~")
    assert encodings.url_decode(a_run(), coded) == said


@given(st.dictionaries(TEXTS, TEXTS))
def test_a_dictionary_is_encoded_as_a_query_that_others_read(fields: dict[str, str]) -> None:
    query = encodings.url_encode(a_run(), fields)
    assert dict(parse_qsl(query, keep_blank_values=True)) == fields


def test_a_query_leaves_null_out_and_numbers_lists() -> None:
    assert render("{{ {a: null, b: true, c: false, d: {x: [1]}}|url_encode }}") == (
        "b=1&c=0&d%5Bx%5D%5B0%5D=1"
    )


def test_a_plus_is_a_blank_in_queries_only() -> None:
    assert render("{{ 'a+b'|url_decode }}") == "a+b"
    assert render("{{ 'k=a+b'|url_decode('json') }}") == '{"k":"a b"}'


def test_a_query_has_a_bound_of_fields() -> None:
    with pytest.raises(ScriptError, match="1000 fields"):
        render("{{ 'a=1&'|repeat(2000)|url_decode('json') }}")


def test_an_address_has_only_the_parts_that_it_has() -> None:
    assert render("{{ 'https://u:p@x.example:81/a?b#c'|parse_url|json_encode(64) }}") == (
        '{"scheme":"https","host":"x.example","port":81,"user":"u","pass":"p","path":"/a",'
        '"query":"b","fragment":"c"}'
    )
    assert render("{{ 'http://[x'|parse_url|json_encode }}") == "false"
    assert render("{{ 'http://x:99999/'|parse_url|json_encode }}") == "false"
