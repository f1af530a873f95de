"""What happens on the connection: order, framing, bounds and deadlines, on both sides."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import struct
from pathlib import Path

import pytest

from hookferry.api.connections import WireLimits

from .kit import ADMIN, EVENT, House, running_house, until

BODY = json.dumps(EVENT).encode()


def statuses(answer: bytes) -> list[int]:
    """The status of each response in a stream of them."""
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


async def test_pipelined_requests_are_answered_in_order(hot_house: House) -> None:
    listing = (
        f"GET /api/v1/events?limit=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\n\r\n"
    ).encode()
    bodies = [BODY, b"{", BODY, b"[]", BODY]
    stream = b"".join(hot_house.head(len(b)) + b for b in bodies[:3])
    stream += listing + hot_house.head(len(bodies[3])) + bodies[3]
    stream += hot_house.head(len(BODY), "Connection: close") + BODY
    answer = await hot_house.raw(stream)
    assert statuses(answer) == [202, 400, 202, 200, 422, 202]
    assert len(await hot_house.events()) == 3


async def test_a_pipelined_answer_waits_for_the_one_before_it(hot_house: House) -> None:
    release = hot_house.hold_commits()
    reader, writer = await asyncio.open_connection("127.0.0.1", hot_house.port)
    writer.write(hot_house.head(len(BODY)) + BODY + hot_house.head(1) + b"{")
    await until(lambda: hot_house.engine.intake.waiting == 1)
    answer = asyncio.create_task(reader.readuntil(b"\r\n"))
    done, _ = await asyncio.wait({answer}, timeout=0.2)
    assert not done
    release.set()
    assert b"202" in await answer
    writer.close()


async def test_a_connection_serves_many_requests(hot_house: House) -> None:
    for _ in range(5):
        await hot_house.publish()
        assert (await hot_house.client.get("/api/v1/events")).status_code == 200
    assert len(hot_house.server.server_state.connections) == 1


async def test_a_body_may_come_in_chunks_and_pieces(hot_house: House) -> None:
    head = hot_house.head(None, "Transfer-Encoding: chunked", "Connection: close")
    pieces = [head[:30], head[30:]]
    pieces += [b"%x\r\n%b\r\n" % (1, BODY[i : i + 1]) for i in range(len(BODY))]
    answer = await hot_house.raw(*pieces, b"0\r\n\r\n")
    assert statuses(answer) == [202]
    [event] = await hot_house.events()
    assert json.loads(event.payload) == EVENT["data"]


async def test_expect_100_continue_is_answered_before_the_body_is_sent(hot_house: House) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", hot_house.port)
    writer.write(hot_house.head(len(BODY), "Expect: 100-continue", "Connection: close"))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(BODY)
    assert statuses(await reader.read()) == [202]
    writer.close()


async def test_expect_100_continue_gets_no_go_ahead_for_a_body_too_large(hot_house: House) -> None:
    head = hot_house.head(10**9, "Expect: 100-continue")
    reader, writer = await asyncio.open_connection("127.0.0.1", hot_house.port)
    writer.write(head)
    assert b" 413 " in await reader.readuntil(b"\r\n")
    writer.close()


async def test_http_1_0_gets_its_answer_and_a_close(hot_house: House) -> None:
    head = hot_house.head(len(BODY)).replace(b"HTTP/1.1", b"HTTP/1.0")
    answer = await hot_house.raw(head + BODY)
    assert statuses(answer) == [202]
    assert b"connection: close" in answer


async def test_head_is_get_without_a_body(house: House) -> None:
    answer = await house.client.head("/healthz")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


async def test_an_announced_body_over_the_cap_is_refused_unread(hot_house: House) -> None:
    answer = await hot_house.raw(hot_house.head(10**8))
    assert statuses(answer) == [413]
    assert b'"code":"payload_too_large"' in answer


async def test_a_chunked_body_is_refused_as_soon_as_it_exceeds_the_cap(hot_house: House) -> None:
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    # The body never ends: an answer can only come from a cap enforced while reading.
    answer = await hot_house.raw(hot_house.head(None, "Transfer-Encoding: chunked"), *[chunk] * 20)
    assert statuses(answer) == [413]
    assert await hot_house.events() == []


async def test_a_refused_client_that_sends_on_for_ever_is_cut_off(house: House) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(house.head(10**9))
    assert b"413" in await reader.readuntil(b"\r\n")
    with pytest.raises(ConnectionError):
        for _ in range(1000):
            writer.write(b"x" * 100_000)
            await writer.drain()
    writer.close()


async def test_headers_that_do_not_arrive_in_time_are_answered_408(hot_house: House) -> None:
    sending = asyncio.create_task(hot_house.raw(hot_house.head()[:40]))
    await hot_house.reading("HEAD")
    hot_house.let_pass(9)
    await hot_house.reading("HEAD")
    hot_house.let_pass(11)
    answer = await sending
    assert statuses(answer) == [408]
    assert b'"code":"request_timeout"' in answer


async def test_a_body_that_does_not_arrive_in_time_is_answered_408(hot_house: House) -> None:
    sending = asyncio.create_task(hot_house.raw(hot_house.head(100), b"{"))
    await hot_house.reading("BODY")
    hot_house.let_pass(31)
    assert statuses(await sending) == [408]
    assert await hot_house.events() == []


async def test_a_slow_body_for_the_framework_is_answered_408_too(house: House) -> None:
    head = house.head(100).replace(b"/api/v1/events", b"/api/v1/webhooks")
    sending = asyncio.create_task(house.raw(head, b"{"))
    await house.reading("BODY")
    house.let_pass(31)
    assert statuses(await sending) == [408]


async def test_an_idle_connection_is_closed_in_silence(house: House) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    await house.reading("IDLE")
    house.let_pass(76)
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


async def test_no_deadline_runs_while_the_answer_is_ours_to_give(hot_house: House) -> None:
    release = hot_house.hold_commits()
    publishing = asyncio.create_task(hot_house.client.post("/api/v1/events", json=EVENT))
    await until(lambda: hot_house.engine.intake.waiting == 1)
    hot_house.let_pass(3600)
    release.set()
    assert (await publishing).status_code == 202


async def test_what_is_not_http_is_a_problem(house: House) -> None:
    for garbage in (b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/9.9\r\n\r\n", b"POST\r\n\r\n"):
        answer = await house.raw(garbage)
        assert statuses(answer) == [400], garbage
        assert b'"code":"bad_request"' in answer


async def test_contradicting_lengths_are_refused(hot_house: House) -> None:
    for lines in (
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Content-Length: -1",),
        ("Transfer-Encoding: gzip",),
    ):
        answer = await hot_house.raw(hot_house.head(None, *lines) + b"0\r\n\r\n")
        assert statuses(answer)[0] == 400, lines
    assert await hot_house.events() == []


async def test_too_many_or_too_large_headers_are_refused(hot_house: House) -> None:
    many = [f"X-{n}: 1" for n in range(101)]
    assert statuses(await hot_house.raw(hot_house.head(0, *many))) == [431]
    endless = hot_house.head()[:-2] + b"X-Long: "
    answer = await hot_house.raw(endless, *[b"x" * 100_000] * 8)
    assert statuses(answer) == [431]


async def test_garbage_behind_a_request_does_not_overtake_its_answer(hot_house: House) -> None:
    release = hot_house.hold_commits()
    sending = asyncio.create_task(
        hot_house.raw(hot_house.head(len(BODY)) + BODY + b"\x00garbage\r\n\r\n")
    )
    await until(lambda: hot_house.engine.intake.waiting == 1)
    release.set()
    answer = await sending
    assert statuses(answer) == [202, 400]


async def test_a_client_that_closes_its_half_gets_its_answer(hot_house: House) -> None:
    release = hot_house.hold_commits()
    reader, writer = await asyncio.open_connection("127.0.0.1", hot_house.port)
    writer.write(hot_house.head(len(BODY)) + BODY)
    writer.write_eof()
    await until(lambda: hot_house.engine.intake.waiting == 1)
    release.set()
    answer = await reader.read()
    assert statuses(answer) == [202]
    assert b"connection: close" in answer
    writer.close()


async def test_a_client_that_leaves_harms_nobody(
    hot_house: House, caplog: pytest.LogCaptureFixture
) -> None:
    release = hot_house.hold_commits()
    _, writer = await asyncio.open_connection("127.0.0.1", hot_house.port)
    writer.write(hot_house.head(len(BODY)) + BODY)
    await until(lambda: hot_house.engine.intake.waiting == 1)
    leaving = writer.get_extra_info("socket")
    leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
    writer.transport.abort()
    await until(lambda: not hot_house.server.server_state.connections)
    release.set()
    await until(lambda: hot_house.engine.intake.waiting == 0)
    assert len(await hot_house.events()) == 1
    assert (await hot_house.client.post("/api/v1/events", json=EVENT)).status_code == 202
    assert [r for r in caplog.records if r.levelname == "ERROR"] == []


async def test_a_client_that_reads_no_answers_is_not_served_without_bound(house: House) -> None:
    sending = socket.socket()
    sending.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # before the window is offered
    sending.connect(("127.0.0.1", house.port))
    _, writer = await asyncio.open_connection(sock=sending, limit=1024)
    writer.transport.pause_reading()
    await until(lambda: len(house.server.server_state.connections) == 1)
    [connection] = house.server.server_state.connections
    accepted = connection.transport.get_extra_info("socket")
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

    async def flood() -> None:
        request = house.head(1) + b"{"
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(request)
                await writer.drain()
                await asyncio.sleep(0)

    flooding = asyncio.create_task(flood())
    # Full in both directions, so that nothing moves any more.
    await until(lambda: connection.stalled and writer.transport.get_write_buffer_size() > 0)
    assert connection.flow.read_paused
    assert connection.transport.get_write_buffer_size() < 1024 * 1024
    house.let_pass(31)
    await until(lambda: not house.server.server_state.connections)
    writer.transport.abort()
    flooding.cancel()
    await asyncio.gather(flooding, return_exceptions=True)


async def test_requests_that_wait_while_answers_are_unread_are_answered_later(house: House) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    await until(lambda: len(house.server.server_state.connections) == 1)
    [connection] = house.server.server_state.connections
    connection.pause_writing()
    writer.write((house.head(1) + b"{") * 100)
    await until(lambda: len(connection.pipeline) == 99)
    connection.resume_writing()
    writer.write(house.head(len(BODY), "Connection: close") + BODY)
    answer = await reader.read()
    assert answer.count(b"HTTP/1.1 400") == 100
    assert answer.count(b"HTTP/1.1 202") == 1
    writer.close()


async def test_too_many_requests_ahead_of_their_answers_are_refused(house: House) -> None:
    release = house.hold_commits()
    stream = house.head(len(BODY)) + BODY
    sending = asyncio.create_task(house.raw(stream * 300))
    await until(lambda: house.engine.intake.waiting == 1)
    await house.reading("NOTHING")
    release.set()
    answer = await sending
    assert answer.count(b"HTTP/1.1 202") == 257
    assert b"HTTP/1.1 503" in answer


async def test_more_connections_than_allowed_are_refused_while_none_is_idle(tmp_path: Path) -> None:
    async with running_house(tmp_path, limits=WireLimits(connections=1)) as house:
        release = house.hold_commits()
        publishing = asyncio.create_task(house.publish())
        await until(lambda: house.engine.intake.waiting == 1)
        assert await house.raw() == b""
        release.set()
        await publishing


async def test_a_newcomer_takes_the_place_of_the_connection_that_was_idle_for_longest(
    tmp_path: Path,
) -> None:
    async with running_house(tmp_path, limits=WireLimits(connections=2)) as house:
        request = house.head(len(BODY)) + BODY
        opened = []
        for _ in range(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
            writer.write(request)
            assert b" 202 " in await reader.readuntil(b"}")
            house.let_pass(0.01 * len(opened))
            opened.append((reader, writer))
        third, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(request)
        assert b" 202 " in await third.readuntil(b"}")
        opened.append((third, writer))
        assert await opened[0][0].read() == b"", "the first was idle for longer than the second"
        opened[1][1].write(request)
        assert b" 202 " in await opened[1][0].readuntil(b"}")
        for _, each in opened:
            each.close()


async def test_a_newcomer_takes_the_place_of_the_head_that_drips_for_longest(
    tmp_path: Path,
) -> None:
    async with running_house(tmp_path, limits=WireLimits(connections=2)) as house:
        dripping = []
        for number in range(2):
            dripping.append(await asyncio.open_connection("127.0.0.1", house.port))
            dripping[-1][1].write(house.head()[:40])
            await until(
                lambda count=number + 1: (
                    count
                    == sum(c.reading.name == "HEAD" for c in house.server.server_state.connections)
                )
            )
            house.let_pass(0.01)
        await house.publish()
        assert await dripping[0][0].read() == b""
        assert not dripping[1][0].at_eof()
        for _, writer in dripping:
            writer.close()


async def test_an_idle_connection_holds_nothing_of_what_it_was_answered(hot_house: House) -> None:
    """Ten thousand of them would hold gigabytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hot_house.port)
    data = b'{"type":"a.b","data":"' + b"x" * 900_000 + b'"}'
    writer.write(hot_house.head(len(data), "X-Filling: " + "y" * 50_000) + data)
    assert b" 202 " in await reader.readuntil(b"}")
    await until(lambda: all(c.is_idle for c in hot_house.server.server_state.connections))
    [connection] = hot_house.server.server_state.connections
    assert (connection.cycle, connection.scope, connection.answering) == (None, None, None)
    assert (connection.url, connection.headers) == (b"", [])
    writer.close()


async def test_a_stopping_server_finishes_what_has_begun(hot_house: House) -> None:
    release = hot_house.hold_commits()
    publishing = asyncio.create_task(hot_house.client.post("/api/v1/events", json=EVENT))
    await until(lambda: hot_house.engine.intake.waiting == 1)
    hot_house.server.stop()
    await until(lambda: not hot_house.server.servers[0].is_serving())
    release.set()
    assert (await publishing).status_code == 202
    await until(lambda: not hot_house.server.server_state.connections)


async def test_a_stranger_is_refused_before_the_body_is_sent(hot_house: House) -> None:
    head = hot_house.head(1_000_000).replace(ADMIN.encode(), b"hf_nobody")
    answer = await hot_house.raw(head)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b'"unauthorized"' in answer
    assert hot_house.server.bodies.held == 0


@pytest.mark.parametrize("hot_asgi", [False, True])
async def test_bodies_on_their_way_are_bounded_over_all_connections(
    tmp_path: Path, hot_asgi: bool
) -> None:
    body = b'{"type":"a.b","data":"' + b"x" * 50_000 + b'"}'
    limits = WireLimits(body_bytes=60_000)
    async with running_house(tmp_path, hot_asgi=hot_asgi, limits=limits) as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(house.head(len(body), "Connection: close") + body[:-1])
        await until(lambda: house.server.bodies.held >= len(body) - 1)
        refused = await house.raw(house.head(len(body), "Connection: close") + body[:-1])
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b'"overloaded"' in refused
        assert b"retry-after: 1\r\n" in refused.lower()
        writer.write(body[-1:])
        assert (await reader.read()).startswith(b"HTTP/1.1 202 ")
        writer.close()
        await until(lambda: house.server.bodies.held == 0)


async def test_heads_on_their_way_are_bounded_over_all_connections(tmp_path: Path) -> None:
    async with running_house(tmp_path, limits=WireLimits(body_bytes=60_000)) as house:
        begun = house.head(len(BODY))[:-2] + b"X-Filling: " + b"x" * 30_000
        _, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(begun)
        await until(lambda: house.server.bodies.held >= len(begun))
        refused = await house.raw(begun + b"y" * 10_000)
        assert refused.startswith(b"HTTP/1.1 503 ")
        writer.transport.abort()
        await until(lambda: house.server.bodies.held == 0)
        await house.publish()


async def test_a_client_that_leaves_within_its_body_holds_nothing(hot_house: House) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", hot_house.port)
    writer.write(hot_house.head(1000) + b"{")
    await until(lambda: hot_house.server.bodies.held > 0)
    writer.transport.abort()
    await until(lambda: hot_house.server.bodies.held == 0)
