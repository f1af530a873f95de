"""One request on its way to the local program: its bytes, its limits, and what came of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from crash.kit import free_port
from hookferry.cli.listening.forwarding import KEPT, READ, Forwarder
from hookferry.client.listening import StreamedRequest
from hookferry.testing import Receiver


def request(
    method: str = "POST",
    path: str = "",
    query: str = "",
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
) -> StreamedRequest:
    return StreamedRequest(
        id="req_0aksm8e640000",
        verdict="accepted",
        method=method,
        path=path,
        query=query,
        headers=list(headers),
        body=body,
    )


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


async def send(
    receiver: Receiver,
    sent: StreamedRequest,
    *,
    at: str = "",
    again: bool = False,
    with_path: bool = True,
) -> None:
    forwarder = Forwarder(receiver.url + at, timeout=5.0, with_path=with_path)
    await forwarder.send(sent, again=again)
    await forwarder.aclose()


async def test_headers_go_as_they_came_but_for_those_of_the_callers_connection(
    receiver: Receiver,
) -> None:
    kept = [
        ("X-TWO", "b"),
        ("x-two", "\xe9"),
        ("Content-Type", "a/b"),
        ("Authorization", "Basic x"),
    ]
    dropped = [
        ("Host", "hooks.example"),
        ("Connection", "keep-alive, X-Hop"),
        ("X-Hop", "1"),
        ("Transfer-Encoding", "chunked"),
        ("Hookferry-Redelivery", "true"),  # a caller can't make it look like one
        ("hookferry-request", "req_other"),
    ]
    await send(receiver, request(headers=[*kept, *dropped], body=b"\x00\xff"))
    [got] = receiver.requests
    assert got.body == b"\x00\xff"
    assert got.headers == (
        ("Host", receiver.url.removeprefix("http://")),
        *kept,
        ("Hookferry-Request", "req_0aksm8e640000"),
        ("Content-Length", "2"),
        ("Connection", "close"),
    )


@pytest.mark.parametrize(
    ("at", "path", "query", "arrives"),
    [
        ("", "", "", "/"),
        ("", "/a%2Fb//c", "x=%20&x=", "/a%2Fb//c?x=%20&x="),
        ("/base/?k=1", "/a", "b=2", "/base/a?k=1&b=2"),
        ("/base", "/", "", "/base"),
        ("/base?k=1", "", "b", "/base?k=1&b"),
        ("/", "/webhooks/1", "", "/webhooks/1"),
    ],
)
async def test_path_and_query_follow_those_of_the_url(
    receiver: Receiver, at: str, path: str, query: str, arrives: str
) -> None:
    await send(receiver, request(path=path, query=query), at=at)
    assert receiver.requests[0].path == arrives


async def test_a_path_can_be_left_out(receiver: Receiver) -> None:
    await send(receiver, request(path="/a", query="b=2"), at="/base", with_path=False)
    assert receiver.requests[0].path == "/base?b=2"


@pytest.mark.parametrize(
    ("method", "body", "length"),
    [("GET", b"", None), ("HEAD", b"", None), ("POST", b"", "0"), ("DELETE", b"x", "1")],
)
async def test_methods_are_kept_and_framed_as_they_should_be(
    receiver: Receiver, method: str, body: bytes, length: str | None
) -> None:
    await send(receiver, request(method, body=body), again=True)
    [got] = receiver.requests
    assert (got.method, got.body, got.header("content-length")) == (method, body, length)
    assert got.header("hookferry-redelivery") == "true"


async def test_answers_are_kept_up_to_their_limit_and_redirects_are_not_followed(
    receiver: Receiver,
) -> None:
    forwarder = Forwarder(receiver.url, timeout=5.0)
    receiver.answer_next(1, 302, {"Location": receiver.url + "/other"}, bytes(KEPT))
    receiver.answer_next(1, 200, {}, bytes(KEPT + 1))
    receiver.answer_next(1, 200, {}, bytes(READ + KEPT))
    first = await forwarder.send(request(), again=False)
    assert (first.status, len(first.body), first.truncated) == (302, KEPT, False)
    assert dict(first.headers)["Location"] == receiver.url + "/other"
    for _ in range(2):
        longer = await forwarder.send(request(), again=False)
        assert (longer.status, len(longer.body), longer.truncated) == (200, KEPT, True)
    await forwarder.aclose()
    assert receiver.total == 3


async def test_what_went_wrong_is_told_apart(receiver: Receiver) -> None:
    forwarder = Forwarder(receiver.url, timeout=0.2)
    receiver.close_next(1)
    cut = await forwarder.send(request(), again=False)
    assert (cut.status, cut.error, cut.cut, cut.unreached) == (
        None,
        "connection_closed",
        True,
        False,
    )
    receiver.hang_next(1)
    late = await forwarder.send(request(), again=False)
    assert (late.error, late.cut, late.unreached) == ("timeout", False, False)
    odd = await forwarder.send(request(method="A B"), again=False)
    assert (odd.error, odd.cut, odd.unreached) == ("not_sendable", False, False)
    await forwarder.aclose()
    nobody = Forwarder(f"http://localhost:{free_port()}", timeout=5.0)
    refused = await nobody.send(request(), again=False)
    assert (refused.error, refused.cut, refused.unreached) == ("connection_refused", False, True)
    await nobody.aclose()
