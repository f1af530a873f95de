"""``hookferry listen`` and ``bin`` as processes, with a local program that comes and goes."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.conftest import Run, Serving, environment
from cli.listening import PATIENCE, Program, listener, program
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
        await listening.said("the local program can't be reached (connection_refused)")
        # What reached nobody is not taken for something that may have been forwarded.
        await listening.end(signal.SIGTERM)
        await listening.start()
        await listening.said("the local program can't be reached (connection_refused)")
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


# ------------------------------------------------------------------ other ways to begin


async def test_from_start_begins_with_the_oldest_and_marks_what_was_forwarded_before(
    shop: Shop, tmp_path: Path
) -> None:
    command = (shop.name, "--json", "--state", str(tmp_path / "state"), "--forward")
    await shop.post(b"before", "/a?b=c", headers={"X-Own": "1"})
    async with program() as local:
        async with listener(*command, local.url, home=tmp_path, environ=shop.environ) as listening:
            await shop.post(b"while")  # what came before is not its business
            await local.count(1)
            await listening.end(signal.SIGTERM)
            [told] = map(json.loads, listening.out.splitlines())
            assert (told["verdict"], told["status"], told["redelivery"]) == ("accepted", 204, False)
            assert told["event_type"] == "webhook.received"
        async with listener(
            *command, local.url, "--from-start", "--no-path", home=tmp_path, environ=shop.environ
        ) as listening:
            await local.count(3)
            await listening.end(signal.SIGTERM)
    assert [(seen.body, seen.again, seen.path) for seen in local.seen] == [
        (b"while", False, "/"),
        (b"before", False, "/?b=c"),
        (b"while", True, "/"),
    ]


async def test_a_second_listener_of_the_same_is_refused_and_nohup_is_respected(
    shop: Shop, tmp_path: Path, run: Run
) -> None:
    async with (
        program() as local,
        listener(
            *(shop.name, "--forward", local.url),
            home=tmp_path,
            environ=shop.environ,
            ignoring=[signal.SIGHUP],
        ) as listening,
    ):
        listening.signal(signal.SIGHUP)
        environ = shop.environ | {"XDG_STATE_HOME": str(tmp_path)}
        done = await asyncio.to_thread(run, "listen", shop.name, "--forward", local.url, **environ)
        assert done.code == 3
        assert "another 'hookferry listen' forwards" in done.err
        await shop.post(b"still here")
        await local.count(1)


async def test_a_bin_in_one_command_shows_what_comes(
    server: Serving, client: Client, tmp_path: Path, run: Run
) -> None:
    done = await asyncio.to_thread(run, "bin", "tried", "--no-follow", **server.environ())
    url = done.out.strip()
    [made] = client.sources.list(bin=True, name="tried")
    assert made.url == url
    async with httpx.AsyncClient(timeout=PATIENCE) as http:
        await http.put(f"{url}/first?x=1", content=b"\x00")
        async with listener(
            "tried", "--since", "1h", home=tmp_path, environ=server.environ()
        ) as listening:
            await listening.said("PUT    /first?x=1  inspected")
            await http.post(url)
            await listening.said("POST   /  inspected")
            assert await listening.end(signal.SIGINT) == 130
    assert listening.err.splitlines()[-1] == "2 shown"
    assert os.listdir(tmp_path) == []  # nothing was forwarded, so there is nothing to remember


def test_what_is_not_there_or_answers_by_itself_is_said(
    run: Run, server: Serving, client: Client
) -> None:
    made = client.sources.create_bin()
    for arguments, code, said in (
        (("nothing",), 1, "there is no source called 'nothing'"),
        ((made.name, "--forward", "1", "--answer"), 2, "a bin answers by itself"),
    ):
        done = run("listen", *arguments, **server.environ())
        assert done.code == code
        assert said in done.err


# ------------------------------------------------------------------ on a terminal


def _at_a_terminal() -> None:
    """Make standard input the terminal, and Ctrl-C what it is there, whatever tests run in."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """``hookferry listen`` on a pseudo-terminal."""

    def __init__(self, shop: Shop, url: str, home: Path) -> None:
        self._ours, self._theirs = pty.openpty()
        self.before = termios.tcgetattr(self._theirs)
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 150, 0, 0))
        environ = environment(**shop.environ, XDG_STATE_HOME=str(home), TERM="xterm")
        del environ["COLUMNS"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hookferry.cli", "listen", shop.name, "--forward", url],
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            env=environ,
            # A session of its own, whose terminal this is: Ctrl-C comes as from a keyboard.
            start_new_session=True,
            preexec_fn=_at_a_terminal,
        )
        self.shown = ""

    def press(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    async def shows(self, text: str) -> None:
        """Wait until it has shown something since this was asked last."""
        await asyncio.to_thread(self._until, text)
        self.shown = self.shown.partition(text)[2]

    def _until(self, text: str) -> None:
        while text not in self.shown:
            assert select.select([self._ours], [], [], PATIENCE)[0], f"no {text!r} in {self.shown}"
            self.shown += os.read(self._ours, 65_536).decode("utf-8", "replace")
            self.shown = re.sub(r"\x1b\[[0-9;]*m", "", self.shown)  # bold, dim and colours

    async def end(self) -> int:
        """Wait for its end; return the exit code."""
        return await asyncio.to_thread(self.process.wait, PATIENCE)

    @property
    def restored(self) -> bool:
        return termios.tcgetattr(self._theirs) == self.before

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)


@pytest.fixture
async def terminal(shop: Shop, tmp_path: Path) -> AsyncIterator[tuple[Terminal, Program]]:
    async with program(MADE) as local:
        made = Terminal(shop, local.url, tmp_path)
        try:
            yield made, local
        finally:
            made.close()


async def test_keys_select_show_replay_and_quit(
    shop: Shop, terminal: tuple[Terminal, Program]
) -> None:
    screen, local = terminal
    await screen.shows("q quit")
    assert not screen.restored  # keys come one at a time
    for number in range(2):
        await shop.post(b'{"number":%d}' % number, f"/{number}")
        await screen.shows(f"/{number}  webhook.received  accepted  201")
    screen.press(b"d")
    await screen.shows('"number": 1')
    screen.press(b"\x1b[A")
    screen.press(b"d")
    await screen.shows('"number": 0')
    await screen.shows("answered 201")
    await screen.shows("X-Own: 1")
    screen.press(b"r")
    await local.count(3)
    assert (local.seen[2].body, local.seen[2].again) == (b'{"number":0}', True)
    await screen.shows("again  201")
    screen.press(b"q")
    await screen.shows("2 forwarded, 1 replayed")
    assert await screen.end() == 0
    assert screen.restored


@pytest.mark.parametrize(("how", "code"), [("ctrl-c", 130), ("terminated", 0)])
async def test_the_terminal_is_restored_however_it_ends(
    terminal: tuple[Terminal, Program], how: str, code: int
) -> None:
    screen, _ = terminal
    await screen.shows("q quit")
    if how == "ctrl-c":
        screen.press(b"\x03")
    else:
        screen.process.terminate()
    await screen.shows("\x1b[?25h")  # the cursor is back
    assert await screen.end() == code
    assert screen.restored
