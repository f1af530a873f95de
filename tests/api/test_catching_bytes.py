"""Bytes in, bytes kept, bytes forwarded: for everything that HTTP lets a request be.

Whatever is sent to a source is sent through both server routes, and compared three times: with
the record of the request, with the payload of the event, with what a ``raw`` webhook sends on.
"""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hookferry import ids
from hookferry.domain.request import Verdict
from hookferry.engine.masking import is_credential

from .caught import Source, converse, read_answer
from .kit import House, until

TCHAR = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
VISIBLE = bytes(range(0x21, 0x7F))
METHODS = (b"POST", b"PUT", b"PATCH", b"DELETE", b"GET", b"HEAD", b"OPTIONS", b"PROPFIND")


def of_bytes(alphabet: bytes, **size: int) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(alphabet), **size).map(bytes)


# A name that begins so is neither the server's nor a profile's, so that it must be forwarded.
names = of_bytes(TCHAR, max_size=12).map(lambda rest: b"X" + rest)
names = names.filter(lambda name: not is_credential(name.decode().lower()))
# RFC 9110 section 5.5: visible, obs-text, and blanks within.
texts = of_bytes(VISIBLE + bytes(range(0x80, 0x100)), max_size=30)
values = st.lists(texts, max_size=3).map(lambda parts: b" \t ".join(parts).strip(b" \t"))
kinds = st.sampled_from(
    [
        (b"application/json", b""),
        (b"application/x-www-form-urlencoded", b""),
        (b"text/xml; charset=utf-16", b""),
        (b"text/plain; charset=\xff", b""),
        (b"multipart/form-data; boundary=b", b""),
        (b"multipart/form-data", b""),
        (b"application/json", b"gzip"),
        (b"", b"br"),
        (b"image/png", b"identity, gzip"),
    ]
)
MULTIPART = (
    b'--b\r\nContent-Disposition: form-data; name="f"; filename="\xff.bin"\r\n\r\n'
    b"\0\r\n--not-b\r\n--b--\r\n"
)
bodies = st.one_of(
    st.binary(max_size=300),
    st.binary(max_size=300).map(gzip.compress),
    st.sampled_from([MULTIPART, b"\0", b"\r\n", b"\xff\xfe", b"{", b'{"a":1.0}', b"0\r\n\r\n"]),
)
segments = st.one_of(
    of_bytes(VISIBLE.replace(b"?", b"").replace(b"#", b""), max_size=8),
    st.sampled_from(
        [b"", b".", b"..", b"%2F", b"%2e%2E", b"%00", b"%FF%fe", b"%zz", b"%", b";a=b"]
    ),
)
paths = st.lists(segments, max_size=4).map(lambda parts: b"".join(b"/" + part for part in parts))
queries = st.one_of(
    of_bytes(VISIBLE.replace(b"#", b""), max_size=20),
    st.sampled_from([b"", b"a=%FF&a=%00", b"?", b"a=1&a=2&=&&", b"%", b"x=/../"]),
)


@dataclass(frozen=True)
class Sent:
    """A request as a test sends it."""

    method: bytes
    path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    chunks: int | None
    """Bytes in each chunk; None with a Content-Length."""
    trailer: bytes

    def wire(self, source: Source) -> bytes:
        rest = self.path + (b"?" + self.query if self.query else b"")
        if self.chunks is None:
            return source.message(self.body, self.headers, method=self.method, rest=rest)
        coded = [*self.headers, (b"Transfer-Encoding", b"chunked")]
        head = source.head(coded, length=None, method=self.method, rest=rest)
        pieces = [self.body[at : at + self.chunks] for at in range(0, len(self.body), self.chunks)]
        body = b"".join(b"%X;ext=1\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        return head + body + b"0\r\n" + self.trailer + b"\r\n"


@st.composite
def requests(draw: st.DrawFn) -> Sent:
    kind, coding = draw(kinds)
    headers = draw(st.lists(st.tuples(names, values), max_size=6))
    described = [(b"CONTENT-type", kind), (b"Content-Encoding", coding)]
    headers += [pair for pair in described if pair[1]]
    if headers and draw(st.booleans()):
        headers.append(headers[0])  # a repeat that is not beside the first
    return Sent(
        method=draw(st.sampled_from(METHODS)),
        path=draw(paths),
        query=draw(queries),
        headers=headers,
        body=draw(bodies),
        chunks=draw(st.one_of(st.none(), st.integers(1, 50))),
        trailer=draw(st.sampled_from([b"", b"X-Trailer: no header\r\n"])),
    )


def sent_by(forwarded: bytes) -> list[tuple[bytes, bytes]]:
    """The headers of a forwarded request that came with the caught one."""
    lines = forwarded.split(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    pairs = [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]
    return [p for p in pairs if p[0].upper().startswith((b"X", b"CONTENT-TYPE", b"CONTENT-ENC"))]


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sent=st.lists(requests(), min_size=1, max_size=4))
async def test_what_is_stored_and_forwarded_is_what_was_sent(
    hot_house: House, sent: list[Sent]
) -> None:
    house = hot_house
    if not house.services.directory.all_webhooks():
        await house.webhook("mirror", profile="raw", forward_headers=["*"])
    name = f"fuzzed {len(house.services.directory.all_sources())}"
    source = await Source.make(house, name=name)
    house.transport.sent.clear()

    answers = await converse(house.port, *(request.wire(source) for request in sent))

    assert [answer.status for answer in answers] == [204] * len(sent)
    kept = await source.requests()
    await until(lambda: len(house.transport.sent) == len(sent))
    forwarded = {}
    for request in house.transport.sent:
        [line] = [x for x in request.head.split(b"\r\n") if x.lower().startswith(b"webhook-id: ")]
        forwarded[line.partition(b": ")[2].decode()] = request
    for wanted, row in zip(sent, kept, strict=True):
        framing = {b"host", b"content-length", b"transfer-encoding"}
        came = [pair for pair in row.headers if pair[0].lower() not in framing]
        assert row.verdict is Verdict.ACCEPTED
        assert row.method.encode() == wanted.method
        assert (row.path, row.query) == (source.path.encode() + wanted.path, wanted.query)
        assert came == wanted.headers
        assert row.body == wanted.body
        assert row.event_id is not None
        out = forwarded[ids.encode("evt", row.event_id)]
        assert out.body == wanted.body
        assert sent_by(out.head) == wanted.headers


AMBIGUOUS = [
    b"X-Broken: a\0b",
    b"X-Broken: a\rb",
    b"X-Broken: a\nX-Smuggled: b",
    b"X-Broken : a",
    b"X-Fold: a\r\n b",
    b" X-Leading: a",
    b"X(Name: a",
    b"X-No-Colon",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
]


async def test_headers_that_no_two_programs_read_alike_are_refused(hot_house: House) -> None:
    source = await Source.make(hot_house)
    for line in AMBIGUOUS:
        message = source.message().replace(b"Host:", line + b"\r\nHost:", 1)
        answer = await hot_house.raw(message)
        assert answer.startswith(b"HTTP/1.1 400 "), line
    assert await source.requests() == []
    assert await hot_house.events() == []


async def test_request_targets_that_http_does_not_know_are_refused(hot_house: House) -> None:
    source = await Source.make(hot_house)
    for rest in (b"/a#b", b"/a?b#c", b"/\xc3\xa4", b"?q=\xff", b"/a b", b"/a\x7f"):
        answer = await hot_house.raw(source.message(rest=rest))
        assert answer.startswith(b"HTTP/1.1 400 "), rest
    assert await source.requests() == []


async def test_a_target_in_absolute_form_leads_to_its_source(hot_house: House) -> None:
    """RFC 9112 section 3.2.2: a server must accept it, which proxies send."""
    source = await Source.make(hot_house)
    message = source.message(b"x", rest=b"/a%2Fb?c=d").replace(
        b"POST /", b"POST http://hooks.example/", 1
    )
    [answer] = await converse(hot_house.port, message)
    assert answer.status == 204
    [request] = await source.requests()
    assert request.path == source.path.encode() + b"/a%2Fb"
    assert request.query == b"c=d"


async def test_a_204_says_no_length_and_the_next_answer_follows_at_once(hot_house: House) -> None:
    source = await Source.make(hot_house)
    no_body, body = await converse(
        hot_house.port, source.message(), source.message().replace(b"/webhooks/", b"/webhooks/0")
    )
    assert no_body.status == 204
    assert no_body.values(b"content-length") == no_body.values(b"transfer-encoding") == []
    assert (body.status, len(body.body)) == (404, int(body.values(b"content-length")[0]))


async def test_a_body_of_the_largest_size_is_kept_whole_and_one_byte_more_is_refused(
    hot_house: House,
) -> None:
    source = await Source.make(hot_house, max_body=100_000)
    body = bytes(range(256)) * 400
    [answer] = await converse(hot_house.port, source.message(body[:100_000]))
    assert answer.status == 204
    reader, writer = await asyncio.open_connection("127.0.0.1", hot_house.port)
    writer.write(source.head([(b"Transfer-Encoding", b"chunked")], length=None))
    writer.write(b"186a1\r\n" + body[:100_001])
    assert (await read_answer(reader)).status == 413
    writer.close()
    kept, refused = await source.requests(2)
    assert kept.body == body[:100_000]
    assert (refused.verdict, refused.reason, refused.body) == (
        Verdict.REJECTED,
        "payload_too_large",
        b"",
    )
