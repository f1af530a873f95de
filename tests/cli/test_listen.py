"""``hookferry listen`` and ``bin`` as processes, with a local program that comes and goes."""

from __future__ import annotations

import signal
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.conftest import Serving
from cli.listening import PATIENCE, listener, program
from hookferry.client import Client, Source

MADE = (
    b"HTTP/1.1 201 Created\r\nContent-Type: text/plain\r\nX-Own: 1\r\nContent-Length: 4\r\n\r\nmade"
)


class Shop:
    """A source, and callers of it."""

    def __init__(self, server: Serving, source: Source, http: httpx.AsyncClient) -> None:
        self.source = source
        self._http = http
        self.name = source.name
        self.environ = server.environ()

    async def post(self, body: bytes, below: str = "", **more: Any) -> httpx.Response:
        answer = await self._http.post(self.source.url + below, content=body, **more)
        assert answer.is_success, answer.text
        return answer


@pytest.fixture
def client(server: Serving) -> Iterator[Client]:
    with Client(server.url, api_key=(server.data / "admin.key").read_text().strip()) as client:
        yield client


@pytest.fixture
async def shop(server: Serving, client: Client) -> AsyncIterator[Shop]:
    source = client.sources.create(f"shop-{uuid.uuid4().hex[:8]}")
    async with httpx.AsyncClient(timeout=PATIENCE) as http:
        yield Shop(server, source, http)


async def test_requests_arrive_as_they_were_sent_in_their_order(shop: Shop, tmp_path: Path) -> None:
    async with (
        program() as local,
        listener(
            *(shop.name, "--forward", f"{local.url}/hooks?k=1"),
            home=tmp_path,
            environ=shop.environ,
        ) as listening,
    ):
        for number in range(20):
            await shop.post(b"\x00\xff%d" % number, f"/a%2Fb/{number}?q=%20&q=x")
        await local.count(20)
        assert [seen.body for seen in local.seen] == [b"\x00\xff%d" % n for n in range(20)]
        assert local.seen[7].path == "/hooks/a%2Fb/7?k=1&q=%20&q=x"
        assert not any(seen.again for seen in local.seen)
        assert local.most_at_once == 1
        assert await listening.end(signal.SIGINT) == 130
        assert listening.err.splitlines()[-1] == "20 forwarded"
        assert listening.out.count("accepted  204") == 20


async def test_the_programs_answer_is_the_callers(shop: Shop, tmp_path: Path) -> None:
    async with (
        program(MADE) as local,
        listener(
            *(shop.name, "--forward", local.url, "--answer"), home=tmp_path, environ=shop.environ
        ) as listening,
    ):
        answer = await shop.post(b"1")
        assert (answer.status_code, answer.content) == (201, b"made")
        assert answer.headers["content-type"] == "text/plain"
        assert "x-own" not in answer.headers
        await listening.said("answered")
        assert await listening.end(signal.SIGTERM) == 0
        assert (await shop.post(b"2")).status_code == 204  # nobody answers any more


async def test_what_was_in_the_air_when_the_listener_was_killed_goes_again_marked(
    shop: Shop, tmp_path: Path
) -> None:
    async with (
        program() as local,
        listener(
            *(shop.name, "--forward", local.url), home=tmp_path, environ=shop.environ
        ) as listening,
    ):
        await shop.post(b"first")
        await local.count(1)
        await listening.said("204")
        local.hang = True
        await shop.post(b"second")
        await shop.post(b"third")
        await local.count(2)  # begun, and never done
        await listening.kill()
        await shop.post(b"fourth")
        local.hang = False
        await listening.start()
        await local.count(5)
        await listening.end(signal.SIGINT)
        assert [(seen.body, seen.again) for seen in local.seen] == [
            (b"first", False),
            (b"second", False),
            (b"second", True),
            (b"third", False),
            (b"fourth", False),
        ]
        assert listening.err.splitlines()[-1] == "3 forwarded, 1 of them again, marked"


async def test_a_program_that_is_not_there_is_waited_for_and_order_is_kept(
    shop: Shop, tmp_path: Path
) -> None:
    async with (
        program() as local,
        listener(
            *(shop.name, "--forward", local.url), home=tmp_path, environ=shop.environ
        ) as listening,
    ):
        await local.stop()
        for number in range(10):
            await shop.post(b"%d" % number)
        await listening.said("the local program is not there (connection_refused)")
        # What reached nobody is not taken for something that may have been forwarded.
        await listening.end(signal.SIGTERM)
        await listening.start()
        await listening.said("the local program is not there (connection_refused)")
        await local.start()
        await local.count(10)
        assert [seen.body for seen in local.seen] == [b"%d" % n for n in range(10)]
        assert not any(seen.again for seen in local.seen)


async def test_a_request_whose_connection_broke_goes_again_marked(
    shop: Shop, tmp_path: Path
) -> None:
    async with (
        program() as local,
        listener(*(shop.name, "--forward", local.url), home=tmp_path, environ=shop.environ),
    ):
        local.hang = True
        await shop.post(b"1")
        await local.count(1)
        await local.stop()
        local.hang = False
        await local.start()
        await local.count(2)
        assert [(seen.body, seen.again) for seen in local.seen] == [(b"1", False), (b"1", True)]


async def test_with_concurrency_requests_go_side_by_side_up_to_its_number(
    shop: Shop, tmp_path: Path
) -> None:
    async with (
        program() as local,
        listener(
            *(shop.name, "--forward", local.url, "--concurrency", "3"),
            home=tmp_path,
            environ=shop.environ,
        ) as listening,
    ):
        local.hang = True
        for number in range(5):
            await shop.post(b"%d" % number)
        await local.count(3)
        assert {seen.body for seen in local.seen} == {b"0", b"1", b"2"}
        await listening.kill()
        local.hang = False
        await listening.start()
        await local.count(8)
        assert {(seen.body, seen.again) for seen in local.seen[3:]} == {
            *((b"%d" % n, True) for n in range(3)),
            *((b"%d" % n, False) for n in range(3, 5)),
        }
        assert local.most_at_once == 3
