"""Bodies as data: what a caught request's bytes say, whatever they are and claim to be."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example as explicitly
from hypothesis import given, settings
from hypothesis import strategies as st
from rendered import event

from hookferry.domain.request import Caught
from hookferry.wire import bodies
from hookferry.wire.bodies import MAX_GROWTH, as_data, codings, data_of, form_of, read, unparseable
from hookferry.wire.bodies.form_fields import MAX_FIELDS, MAX_FORM
from hookferry.wire.bodies.media_types import MAX_CONTENT_TYPE
from hookferry.wire.bodies.multipart_fields import MAX_PART_HEADER, MAX_PARTS, MAX_VALUE
from hookferry.wire.bodies.xml_elements import MAX_BYTES, MAX_DEPTH, MAX_NODES

JSON = b"application/json"
FORM = b"application/x-www-form-urlencoded"
PARTS = b"multipart/form-data; boundary=xyz"
XML = b"application/xml"
TEXT = b"text/plain"


def said(content_type: bytes | None, body: bytes, encoding: bytes | None = None) -> Any:
    """Return a body's form and its data, decoded."""
    form = form_of(content_type, body, encoding)
    return form, json.loads(read(form, content_type, body))


def parts(*given: tuple[bytes, bytes], end: bytes = b"--xyz--\r\n") -> bytes:
    """Return a multipart body of parts: what follows ``form-data``, and the content."""
    return (
        b"".join(
            b"--xyz\r\nContent-Disposition: form-data%b\r\n\r\n%b\r\n" % part for part in given
        )
        + end
    )


# --------------------------------------------------------------------------- JSON


@pytest.mark.parametrize(
    "content_type",
    [
        JSON,
        b"application/json; charset=utf-8",
        b"APPLICATION/JSON",
        b"text/json",
        b"application/vnd.github.v3+json",
        b"application/cloudevents+json; charset=UTF-8",
        None,
    ],
)
def test_a_json_body_is_its_own_data_byte_for_byte(content_type: bytes | None) -> None:
    body = b' {"n" : 1.0e2,\n "n":2, "big":123456789012345678901234567890} '
    assert form_of(content_type, body) == "json"
    assert read("json", content_type, body) is body


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1',
        b"{'a':1}",
        b'{"a":1}{"b":2}',
        b'{"a":NaN}',
        b'"\x01"',
        b"[" * 5_000 + b"]" * 5_000,
    ],
)
def test_what_only_looks_like_json_is_text(body: bytes) -> None:
    assert said(JSON, body) == ("text", body.decode())
    assert unparseable(JSON, body) is not None


@pytest.mark.parametrize(
    "body", [b'{"a":"\xff"}', b'{"a":"\xed\xa0\x80"}', '{"a":1}'.encode("utf-16")]
)
def test_json_that_is_not_utf_8_is_bytes(body: bytes) -> None:
    assert said(JSON, body) == ("binary", {"base64": base64.b64encode(body).decode()})
    assert "UTF-8" in (unparseable(JSON, body) or "")


@settings(max_examples=1_000, deadline=None)
@given(st.text('{}[]":,0019eE+-.truefalsn\\ud8 \t\x01\x0cé', max_size=12).map(str.encode))
@explicitly(b'{"a":01}')
@explicitly(b"1e999")
@explicitly(b'"\\ud800"')
@explicitly(b'"\\x"')
@explicitly(b"\xc2\xa0{}")
def test_what_is_taken_for_json_is_json_to_every_reader(body: bytes) -> None:
    if form_of(JSON, body) == "json":
        json.loads(body)


def test_a_byte_order_mark_before_json_is_passed_over() -> None:
    assert said(JSON, b'\xef\xbb\xbf{"a":1}') == ("bom+json", {"a": 1})


@pytest.mark.parametrize(
    "content_type", [FORM, b"text/plain; charset=UTF-8", b"application/octet-stream"]
)
def test_an_object_under_a_type_that_clients_send_by_default_is_json(content_type: bytes) -> None:
    # curl -d says form, Amazon's SNS says text/plain.
    assert said(content_type, b'{"Type":"Notification"}') == ("json", {"Type": "Notification"})
    assert unparseable(content_type, b'{"Type":"Notification"}') is None
    assert said(content_type, b"12")[0] != "json"


# --------------------------------------------------------------------------- forms


def test_a_form_is_an_object_and_a_repeated_name_a_list() -> None:
    body = b"a=1&b=x+y&a=2&empty=&bare&%C3%A9=%26&&a=3"
    assert said(FORM, body) == (
        "form",
        {"a": ["1", "2", "3"], "b": "x y", "empty": "", "bare": "", "é": "&"},
    )


def test_the_payload_of_githubs_forms_stays_a_string_of_the_form() -> None:
    assert said(FORM, b"payload=%7B%22zen%22%3A1%7D") == ("form", {"payload": '{"zen":1}'})


def test_a_forms_bytes_that_are_not_utf_8_are_replaced_and_raw_ones_make_it_no_form() -> None:
    assert said(FORM, b"a=%ff") == ("form", {"a": "�"})
    assert said(FORM, b"a=\xff")[0] == "binary"
    assert "form" in (unparseable(FORM, b"a=\xff") or "")


def test_a_form_has_a_bounded_number_of_fields() -> None:
    assert form_of(FORM, b"&".join([b"a"] * MAX_FIELDS)) == "form"
    assert said(FORM, b"&".join([b"a"] * (MAX_FIELDS + 1)))[0] == "text"


def test_a_form_has_a_bounded_length() -> None:
    assert form_of(FORM, b"a" * MAX_FORM) == "form"
    assert form_of(FORM, b"a" * (MAX_FORM + 1)) == "text"
    assert "1,024 KB" in (unparseable(FORM, b"a" * (MAX_FORM + 1)) or "")


# --------------------------------------------------------------------------- multipart


def test_a_multipart_form_has_its_fields_and_its_files_described() -> None:
    picture = bytes(range(256))
    body = parts(
        (b'; name="a"', b"1"),
        (b'; name="a"', "zwei€".encode()),
        (b'; name="pic"; filename="p \xc3\xa9.png"\r\nContent-Type: image/png', picture),
    )
    assert said(b'Multipart/Form-Data; charset=utf-8; boundary="xyz"', body) == (
        "multipart",
        {
            "fields": {"a": ["1", "zwei€"]},
            "files": [
                {
                    "name": "pic",
                    "filename": "p é.png",
                    "content_type": "image/png",
                    "size": 256,
                    "sha256": hashlib.sha256(picture).hexdigest(),
                }
            ],
        },
    )


@pytest.mark.parametrize("content", [b"x" * (MAX_VALUE + 1), b"\xff\x00"])
def test_a_field_that_is_long_or_no_text_is_described_like_a_file(content: bytes) -> None:
    _, data = said(PARTS, parts((b'; name="f"', content)))
    assert data["fields"] == {}
    (file,) = data["files"]
    assert (file["name"], file["filename"], file["size"]) == ("f", None, len(content))


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (PARTS, parts((b'; name="a"', b"1"), end=b"")),  # it stops in the middle
        (b"multipart/form-data", parts((b'; name="a"', b"1"))),
        (b"multipart/form-data; boundary=" + b"x" * 71, b"--" + b"x" * 71 + b"--"),
        (PARTS, parts(*[(b"; name=a", b"")] * (MAX_PARTS + 1))),
        (PARTS, parts((b"; name=a; b=" + b"c" * MAX_PART_HEADER, b""))),
        (PARTS, b"--xyz\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n--xyz--"),
        (PARTS, b'{"a":1}'),
    ],
)
def test_a_multipart_body_that_is_not_whole_or_too_much_is_text(
    content_type: bytes, body: bytes
) -> None:
    assert form_of(content_type, body) == "text"
    assert "multipart" in (unparseable(content_type, body) or "")


def test_as_many_parts_as_are_allowed_are_read() -> None:
    assert form_of(PARTS, parts(*[(b"; name=a", b"")] * MAX_PARTS)) == "multipart"


# --------------------------------------------------------------------------- XML


def test_elements_are_objects_with_attributes_text_and_lists() -> None:
    body = b"""<?xml version="1.0"?><!-- an order --><order id="7" xmlns:x="urn:x">
      <item>pen</item><?p i?> <item>ink &amp; <![CDATA[<more>]]></item><item/>
      <note lang="en">soon</note> <x:mixed>a<b/>c</x:mixed> <pad> x </pad>
    </order>"""
    assert said(b"text/xml; charset=utf-8", body) == (
        "xml",
        {
            "order": {
                "@id": "7",
                "@xmlns:x": "urn:x",
                "item": ["pen", "ink & <more>", ""],
                "note": {"@lang": "en", "#text": "soon"},
                "x:mixed": {"b": "", "#text": "ac"},
                "pad": " x ",
            }
        },
    )
    assert said(b"application/soap+xml", b"<a/>") == ("xml", {"a": ""})


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "http://127.0.0.1/">]><a>&b;</a>',
        b"<!DOCTYPE a><a/>",
        b"<a>&b;</a>",
        b"<a><b></a>",
        b"<a/><b/>",
        b'<?xml version="1.0" encoding="punycode"?><a/>',
        b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1),
        b"<a>" + b"<b/>" * MAX_NODES + b"</a>",
        b"<a>" + b" " * MAX_BYTES + b"</a>",
    ],
)
def test_xml_that_declares_a_type_or_is_broken_or_too_much_is_text(body: bytes) -> None:
    assert said(XML, body) == ("text", body.decode())
    assert "XML" in (unparseable(XML, body) or "")


def test_xml_at_its_limits_is_read() -> None:
    assert form_of(XML, b"<a>" * MAX_DEPTH + b"</a>" * MAX_DEPTH) == "xml"
    assert form_of(XML, b"<a>" + b"<b/>" * (MAX_NODES - 1) + b"</a>") == "xml"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (XML, '<?xml version="1.0" encoding="ISO-8859-1"?><a>é</a>'.encode("latin-1")),
        (XML, "<a>é</a>".encode("utf-16")),
        (b"text/xml; charset=iso-8859-1", "<a>é</a>".encode("latin-1")),
        (XML, "\ufeff<a>é</a>".encode()),
    ],
)
def test_xml_is_read_in_the_charset_that_it_comes_in(content_type: bytes, body: bytes) -> None:
    assert said(content_type, body) == ("xml", {"a": "é"})


# --------------------------------------------------------------------------- text, bytes, nothing


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        (TEXT, "é\x00".encode(), "é\x00"),
        (b"text/csv; charset=iso-8859-1", b"\xe9", "é"),
        (b"text/plain; charset=windows-1252", b"\x80", "€"),
        (b"text/plain; charset=no-such", b"a", "a"),
        (b"text/plain; charset=punycode", b"a-0ga", "a-0ga"),
        (None, b"hello", "hello"),
        (b"application/x-yaml", b"a: 1", "a: 1"),
        (b"nonsense", b"a", "a"),
    ],
)
def test_text_is_a_string(content_type: bytes | None, body: bytes, text: str) -> None:
    assert said(content_type, body) == ("text", text)
    assert unparseable(content_type, body) is None


@pytest.mark.parametrize(
    ("content_type", "body"),
    [(b"image/png", b"abc"), (b"application/pdf", b"%PDF-1\xff"), (None, b"\x00\xff")],
)
def test_bytes_are_base64(content_type: bytes | None, body: bytes) -> None:
    assert said(content_type, body) == ("binary", {"base64": base64.b64encode(body).decode()})
    assert unparseable(content_type, body) is None


@pytest.mark.parametrize(
    ("content_type", "whole"),
    [(None, True), (FORM, True), (TEXT, True), (JSON, False), (XML, False), (PARTS, False)],
)
def test_nothing_is_null(content_type: bytes | None, whole: bool) -> None:
    assert said(content_type, b"") == ("empty", None)
    assert (unparseable(content_type, b"") is None) is whole


# --------------------------------------------------------------------------- compressed


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        (b"gzip", gzip.compress),
        (b"X-GZip ", gzip.compress),
        (b"deflate", zlib.compress),
        (b"deflate", lambda body: zlib.compress(body, wbits=-15)),
        (b"gzip", lambda body: gzip.compress(body[:3]) + gzip.compress(body[3:])),
    ],
)
def test_a_compressed_body_is_read_decompressed(encoding: bytes, compress: Any) -> None:
    form, data = said(JSON, compress(b'{"a":1}'), encoding)
    assert form.endswith("+json")
    assert data == {"a": 1}
    assert said(FORM, compress(b"a=1"), encoding)[1] == {"a": "1"}
    assert unparseable(JSON, compress(b'{"a":1}'), encoding) is None
    assert "JSON" in (unparseable(JSON, compress(b'{"a":'), encoding) or "")


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate", b"br", b"utf-8", b"identity"])
def test_a_body_without_the_coding_that_its_header_names_is_read_as_it_is(encoding: bytes) -> None:
    assert said(JSON, b'{"a":1}', encoding) == ("json", {"a": 1})


@pytest.mark.parametrize("body", [b"", b" ", b"a" * 30, b"\x1f\x8b\x08trunc"])
def test_a_coding_that_is_not_there_is_said(body: bytes) -> None:
    if body:
        assert "gzip" in (unparseable(TEXT, body, b"gzip") or "")
    else:
        assert unparseable(TEXT, body, b"gzip") is None


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(bytes(codings.MAX_DECODED + 1), mtime=0),
        gzip.compress(bytes(codings.FREE + 1), mtime=0),  # a ratio above what is read
        gzip.compress(b"", mtime=0) * (codings.MAX_MEMBERS + 1),
    ],
)
def test_a_body_that_has_too_much_in_it_is_bytes(body: bytes) -> None:
    assert said(JSON, body, b"gzip") == ("binary", {"base64": base64.b64encode(body).decode()})
    assert "compressed" in (unparseable(JSON, body, b"gzip") or "")
    # Also for who says that it is something else.
    assert json.loads(read("gzip+json", JSON, body)) == {"base64": base64.b64encode(body).decode()}


def test_inflating_stops_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    produced: list[int] = []

    class Counting:
        def __init__(self, wbits: int) -> None:
            self._inner = zlib_decompressobj(wbits)

        def decompress(self, data: bytes, most: int) -> bytes:
            out: bytes = self._inner.decompress(data, most)
            produced.append(len(out))
            return out

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

    zlib_decompressobj = zlib.decompressobj
    bomb = gzip.compress(bytes(4 * codings.MAX_DECODED), 1)
    monkeypatch.setattr(codings.zlib, "decompressobj", Counting)
    assert form_of(JSON, bomb, b"gzip") == "binary"
    assert sum(produced) <= codings.MAX_DECODED + 1


# --------------------------------------------------------------------------- events


def caught(form: str, *headers: tuple[bytes, bytes]) -> Caught:
    return Caught(request_id=1, source_id=2, form=form, headers=headers)


def test_the_data_of_a_published_event_are_its_payload() -> None:
    published = event("a.b", b"{}")
    assert data_of(published) is published.payload
    assert as_data(published) is published


def test_the_data_of_a_caught_event_are_what_its_body_says() -> None:
    was_json = event("a.b", b"[1]", caught=caught("json"))
    assert data_of(was_json) is was_json.payload
    assert as_data(was_json) is was_json
    form = event("a.b", b"a=1", caught=caught("form", (b"Content-Type", FORM)))
    assert data_of(form) == b'{"a":"1"}'
    latin = caught(
        "text", (b"CONTENT-TYPE", b"text/plain; charset=latin-1"), (b"content-type", b"x")
    )
    assert data_of(event("a.b", b"\xe9", caught=latin)) == '"é"'.encode()


def test_an_event_as_data_has_the_same_data_and_all_else() -> None:
    form = event("a.b", b"a=1", caught=caught("form", (b"Content-Type", FORM)), hops=2)
    shown = as_data(form)
    assert (shown.payload, data_of(shown)) == (b'{"a":"1"}', b'{"a":"1"}')
    assert (shown.id, shown.type, shown.meta.hops) == (form.id, form.type, 2)
    assert as_data(shown) is shown


# --------------------------------------------------------------------------- as documented

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "forwarding.md").read_text()


def example(language: str) -> str:
    """Return the text of the page's one block in a language."""
    (block,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.M | re.S)
    return str(block)


def test_the_xml_of_the_page_is_read_as_the_page_says() -> None:
    columns = [
        re.split(r" {3,}", line.strip(), maxsplit=1) for line in example("text").splitlines()
    ]
    document, data = (" ".join(column) for column in zip(*columns, strict=True))
    assert said(XML, document.encode()) == ("xml", json.loads(data))


def test_the_multipart_form_of_the_page_is_read_as_the_page_says() -> None:
    body = parts(
        (b"; name=title", b"Greeting"),
        (b"; name=tag", b"a"),
        (b'; name="scan"; filename="hello.txt"\r\nContent-Type: text/plain', b"hello"),
        (b"; name=tag", b"b"),
    )
    assert said(PARTS, body) == ("multipart", json.loads(example("json")))


def test_the_page_has_each_form_and_each_limit() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.M)) == {
        *("json", "form", "multipart", "xml", "text", "binary", "empty")
    }
    for limit in (
        f"up to {MAX_FIELDS:,} fields and {MAX_FORM >> 20} MB",
        f"up to {MAX_PARTS:,} parts whose header lines have up to {MAX_PART_HEADER:,} bytes",
        f"up to {MAX_BYTES >> 20} MB, {MAX_DEPTH} levels, {MAX_NODES:,} elements and attributes",
        f"longer than {MAX_VALUE >> 10} KB",
        f"up to {codings.MAX_DECODED >> 20} MB, at most {codings.MAX_RATIO} bytes for each",
        f"({codings.FREE >> 10} KB in any case), and {codings.MAX_MEMBERS} gzip members",
        f"at most {MAX_GROWTH} bytes for each of the body",
    ):
        assert limit in PAGE


def test_the_data_of_few_and_short_bodies_are_remembered() -> None:
    bodies._remembered.cache_clear()
    for number in range(2 * bodies.REMEMBERED):
        assert said(FORM, b"n=%d" % number) == ("form", {"n": str(number)})
    assert bodies._remembered.cache_info().currsize == bodies.REMEMBERED
    bodies._remembered.cache_clear()
    said(FORM, b"n=" + b"1" * bodies.REMEMBERED_BYTES)
    assert bodies._remembered.cache_info().currsize == 0


# --------------------------------------------------------------------------- whatever comes

TYPES = st.sampled_from(
    [
        JSON,
        FORM,
        PARTS,
        XML,
        TEXT,
        b"text/xml; charset=utf-16",
        b"text/plain; charset=shift_jis",
        b"image/png",
        b"application/octet-stream",
        b'multipart/form-data; boundary="-"',
        b";;;=",
    ]
)
BODIES = (
    st.binary(max_size=200)
    | st.lists(
        st.sampled_from(
            [
                *[b"<a", b' b="', b'"', b">", b"</a>", b"<!DOCTYPE a>", b"&#0;", b"<?xml", b"]]>"],
                *[b"--xyz", b"--xyz--", b"\r\n", b"Content-Disposition: form-data", b"; name=a"],
                *[b"; filename*=utf-8''x", b"Content-Length: 1", b"---", b"&", b"=", b"%0", b"%ff"],
                *[
                    b"{",
                    b"}",
                    b"[",
                    b":",
                    b",",
                    b"1",
                    b"e",
                    b"\\u",
                    b"\xff",
                    b"\x00",
                    b"\xef\xbb\xbf",
                ],
            ]
        ),
        max_size=30,
    ).map(b"".join)
    | st.text(max_size=60).map(str.encode)
)
ENCODINGS = st.sampled_from([None, b"gzip", b"deflate", b"br", b"\xff"])


@settings(max_examples=600, deadline=None)
@given(
    st.none() | TYPES | st.binary(max_size=60),
    BODIES,
    ENCODINGS,
    st.sampled_from([None, gzip.compress, zlib.compress]),
)
def test_whatever_comes_is_read_and_always_the_same(
    content_type: bytes | None, body: bytes, encoding: bytes | None, compress: Any
) -> None:
    plain = len(body)
    if compress is not None:
        body = compress(body)
    form = form_of(content_type, body, encoding)
    data = read(form, content_type, body)
    json.loads(data)
    assert form_of(content_type, body, encoding) == form
    assert read(form, content_type, body) == data
    assert len(data) <= MAX_GROWTH * max(len(body), plain) + 64
    unparseable(content_type, body, encoding)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["json", "form", "multipart", "xml", "text", "binary", "empty", "gzip", "bom", "", "?"]
        ).filter(lambda name: name != "json"),
        min_size=1,
        max_size=3,
    ),
    st.none() | TYPES,
    BODIES,
)
def test_a_body_that_is_not_of_the_form_it_is_said_to_have_is_read_all_the_same(
    names: list[str], content_type: bytes | None, body: bytes
) -> None:
    json.loads(read("+".join(names), content_type, body))


@given(st.binary(max_size=100))
def test_a_content_type_is_looked_at_to_a_limit(tail: bytes) -> None:
    long = JSON + b";" + b"x=y;" * MAX_CONTENT_TYPE
    assert form_of(long + tail, b"{}") == "json"


def test_data_that_grow_most_keep_to_their_bound() -> None:
    for content_type, body in [
        (TEXT, b"\x00" * 1000),
        (FORM, b"&".join(b"%d" % n for n in range(1000))),
        (FORM, b"\x01&\x02=" + b"\x03" * 1000),
        (XML, b"<a>" + b"".join(b"<b%d/>" % n for n in range(1000)) + b"</a>"),
        (XML, b"<a " + b" ".join(b'c%d=""' % n for n in range(1000)) + b"/>"),
        (XML, b"<a>" + b"<b>x<c/></b>" * 1000 + b"</a>"),
        (PARTS, parts(*[(b";name=a;filename=b", b"")] * MAX_PARTS)),
        (b"image/png", b"\xff" * 1000),
    ]:
        form = form_of(content_type, body)
        assert form != "text" or content_type == TEXT
        assert len(read(form, content_type, body)) <= MAX_GROWTH * len(body) + 64
