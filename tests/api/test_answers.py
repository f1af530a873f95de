"""Programs that listen to a source answer its callers: who waits, for whom, and for how long."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from hookferry.catch.replies import MAX_BODY, MAX_HEADER
from hookferry.client import ApiError, AsyncClient, Source
from hookferry.client.listening import StreamedRequest

from .kit import House, until


@pytest.fixture
async def client(house: House) -> AsyncIterator[AsyncClient]:
    key = house.client.headers["Authorization"].removeprefix("Bearer ")
    async with AsyncClient(str(house.client.base_url), api_key=key) as client:
        yield client


class Listener:
    """A program that listens, and is told of requests one at a time."""

    def __init__(self, client: AsyncClient, source: str, answer: bool) -> None:
        self._following = client.listening.follow(source, answer=answer)

    async def request(self) -> StreamedRequest:
        async with asyncio.timeout(30):  # of a machine that does much else
            async for request in self._following:
                if request is not None:
                    return request
        raise EOFError

    async def close(self) -> None:
        await self._following.aclose()

    async def connect(self) -> None:
        assert await anext(self._following) is None


def path_of(source: Source) -> str:
    return urlsplit(source.url).path


@asynccontextmanager
async def listening(
    house: House, client: AsyncClient, source: str, *, answer: bool = True
) -> AsyncIterator[Listener]:
    made = Listener(client, source, answer)
    await made.connect()
    await until(lambda: house.services.catching.streams.count == 1)
    try:
        yield made
    finally:
        await made.close()


async def test_the_listeners_answer_is_the_callers_and_the_first_one_counts(
    house: House, client: AsyncClient
) -> None:
    source = await client.sources.create("shop", event_type="order.paid")
    async with listening(house, client, source.id) as listener:
        calling = asyncio.create_task(house.client.post(path_of(source), content=b"x"))
        request = await listener.request()
        assert (request.body, request.event_type) == (b"x", "order.paid")
        headers = [("Content-Type", "text/html"), ("Set-Cookie", "a=b"), ("X-Own", "1")]
        headers.append(("Retry-After", "1\r\nX-Split: 1"))
        first = await client.listening.answer(request.id, 418, headers=headers, body=b"\x00pot")
        assert first.taken
        caller = await calling
        assert (caller.status_code, caller.content) == (418, b"\x00pot")
        assert caller.headers["content-type"] == "text/html"
        assert caller.headers["x-content-type-options"] == "nosniff"
        assert not {"set-cookie", "x-own", "retry-after", "x-split"} & set(caller.headers)
        assert not (await client.listening.answer(request.id, 200)).taken
    view = (await house.client.get(f"/api/v1/requests/{request.id}")).json()
    assert (view["status"], view["answered_by"]) == (418, "listener")


async def test_nobody_waits_for_those_who_only_watch_or_have_left(
    house: House, client: AsyncClient
) -> None:
    source = await client.sources.create("shop")
    listeners = house.services.catching.listeners
    number = (await house.store.changes(0)).sources[0].id
    async with listening(house, client, source.id, answer=False):
        assert not listeners.answering(number)
        assert (await house.client.post(path_of(source))).status_code == 204
    async with listening(house, client, source.id) as listener:
        assert listeners.answering(number)
        await listener.close()
        await until(lambda: not listeners.answering(number))
        assert (await house.client.post(path_of(source))).status_code == 204


async def test_a_caller_whose_listener_is_silent_gets_the_late_answer(
    house: House, client: AsyncClient
) -> None:
    source = await client.sources.create("shop", respond={"deadline": 0.1})
    async with listening(house, client, source.id) as listener:
        assert (await house.client.post(path_of(source))).status_code == 202
        request = await listener.request()
        assert not (await client.listening.answer(request.id, 200)).taken


@pytest.mark.parametrize(
    ("wrong", "status", "field"),
    [
        ({"status": 199}, 422, "status"),
        ({"status": 600}, 422, "status"),
        ({"status": 200, "headers": [["Content-Type", "a" * (MAX_HEADER + 1)]]}, 422, "headers"),
        ({"status": 204, "body": "eA=="}, 422, "body"),
        ({"status": 200, "body": base64.b64encode(bytes(MAX_BODY + 1)).decode()}, 413, None),
        ({"status": 200, "body": "not base64"}, 422, "body"),
        ({"body": ""}, 422, "status"),
        ({"status": 200, "extra": 1}, 422, "extra"),
    ],
)
async def test_an_answer_that_is_none_is_refused_and_the_caller_waits_on(
    house: House, client: AsyncClient, wrong: dict[str, Any], status: int, field: str | None
) -> None:
    source = await client.sources.create("shop")
    async with listening(house, client, source.id) as listener:
        calling = asyncio.create_task(house.client.post(path_of(source), content=b"x"))
        request = await listener.request()
        path = f"/api/v1/requests/{request.id}/answer"
        refused = await house.client.post(path, json=wrong)
        assert refused.status_code == status, refused.text
        if field is not None:
            assert refused.json().get("field") == field, refused.text
        assert (await client.listening.answer(request.id, 200, body=bytes(MAX_BODY))).taken
        assert len((await calling).content) == MAX_BODY


async def test_requests_that_are_not_there_or_another_tenants_cannot_be_answered(
    house: House, client: AsyncClient
) -> None:
    await client.tenants.put("other")
    source = await client.sources.create("shop")
    async with listening(house, client, source.id) as listener:
        calling = asyncio.create_task(house.client.post(path_of(source)))
        request = await listener.request()
        for path in (
            "requests/req_0000000000001/answer",
            f"requests/{request.id}/answer?tenant=other",
        ):
            answer = await house.client.post(f"/api/v1/{path}", json={"status": 200})
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert (await client.listening.answer(request.id, 200)).taken
        await calling


async def test_a_stream_of_a_source_that_is_not_there_is_refused(client: AsyncClient) -> None:
    with pytest.raises(ApiError, match="404 not_found"):
        await anext(client.listening.follow("src_0000000000001"))
