"""The test receiver, driven over real sockets."""

import asyncio
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator

import httpx
import pytest
import trustme

from hookferry import Reason, sign
from hookferry.errors import InvalidField
from hookferry.testing import Receiver
from hookferry.testing.http1 import MAX_HEAD
from hookferry.wire.handshake import handshake_request, judge
from hookferry.wire.standard_webhooks import new_secret
from hookferry.wire.xml import from_json


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def raw(receiver: Receiver, *parts: bytes) -> bytes:
    """Send bytes as they are; return all that comes back until the receiver closes."""
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=5) as connection:
        for part in parts:
            connection.sendall(part)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


def test_it_records_method_path_headers_in_order_and_body_as_they_came(receiver: Receiver) -> None:
    answer = raw(
        receiver,
        b"PUT /a%20b?x=%2F HTTP/1.1\r\nHost: x\r\nX-B: 1\r\nx-a:  \xe9 \r\nX-B: 2\r\n"
        b"Content-Length: 3\r\nConnection: close\r\n\r\n\x00\xff{",
    )
    assert answer.startswith(b"HTTP/1.1 204 No Content\r\n")
    [request] = receiver.wait_for(1)
    assert (request.method, request.path, request.body) == ("PUT", "/a%20b?x=%2F", b"\x00\xff{")
    assert request.headers[1:4] == (("X-B", "1"), ("x-a", "é"), ("X-B", "2"))
    assert request.header("x-b") == "1"
    assert request.header("X-C") is None
    assert request.verified is None
    assert request.problem is None


def test_chunked_bodies_and_those_sent_after_100_continue_arrive_whole(receiver: Receiver) -> None:
    answer = raw(
        receiver,
        b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n"
        b"Connection: close\r\n\r\n",
        b"3;x=y\r\nabc\r\n",
        b"2\r\nde\r\n0\r\nTrailer: 1\r\n\r\n",
    )
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204")
    assert receiver.requests[0].body == b"abcde"


def test_connections_are_kept_alive(receiver: Receiver) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=5)
    sockets = set()
    for _ in range(3):
        connection.request("POST", "/", b"{}")
        connection.getresponse().read()
        sockets.add(connection.sock)
    assert len(sockets) == 1
    connection.close()


def test_answers_follow_the_script_and_then_the_standing_answer(receiver: Receiver) -> None:
    receiver.answer(202, {"X-Kind": "standing"}, b"fine")
    receiver.fail_next(2, status=503)
    receiver.answer_next(1, 410, [("Retry-After", "7")], b"gone")
    with httpx.Client() as client:
        answers = [client.post(receiver.url) for _ in range(5)]
    assert [a.status_code for a in answers] == [503, 503, 410, 202, 202]
    assert answers[2].headers["retry-after"] == "7"
    assert answers[2].content == b"gone"
    assert answers[3].headers["x-kind"] == "standing"
    assert answers[4].content == b"fine"


def test_an_answer_to_a_head_request_has_no_body(receiver: Receiver) -> None:
    receiver.answer(200, body=b"something")
    with httpx.Client() as client:
        assert client.head(receiver.url).headers["content-length"] == "9"
        assert client.get(receiver.url).content == b"something"  # the connection is still in step


def test_a_close_is_seen_by_the_client_as_a_broken_connection_and_is_recorded(
    receiver: Receiver,
) -> None:
    receiver.close_next(1)
    with httpx.Client() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            client.post(receiver.url)
        assert client.post(receiver.url).status_code == 204
    assert receiver.total == 2


async def test_hanging_requests_are_answered_on_release_and_counted_side_by_side() -> None:
    async with Receiver() as receiver, httpx.AsyncClient() as client:
        receiver.hang_next(3)
        hanging = [asyncio.create_task(client.post(receiver.url)) for _ in range(3)]
        await receiver.wait_for_async(3)
        assert (await client.post(receiver.url)).status_code == 204  # others are served meanwhile
        assert not any(task.done() for task in hanging)
        assert receiver.most_at_once == 4
        receiver.release()
        assert [(await task).status_code for task in hanging] == [204] * 3
        receiver.hang_next(1)
        late = asyncio.create_task(client.post(receiver.url))
        await receiver.wait_for_async(5)
        assert not late.done()  # the release before was not for it
        receiver.release()
        assert (await late).status_code == 204


def test_closing_the_receiver_drops_what_hangs() -> None:
    with Receiver() as receiver:
        receiver.hang_next(1)
        failures: list[Exception] = []

        def call() -> None:
            try:
                httpx.post(receiver.url)
            except httpx.TransportError as error:
                failures.append(error)

        caller = threading.Thread(target=call)
        caller.start()
        receiver.wait_for(1)
    caller.join(5)
    assert len(failures) == 1
    assert len(receiver.requests) == 1  # what was recorded stays
    with pytest.raises(RuntimeError, match="not running"):
        _ = receiver.url
    with pytest.raises(RuntimeError, match="not running"):
        receiver.release()
    receiver.close()  # closing twice is no mistake


def test_a_slow_answer_comes_late_and_holds_up_nobody_else(receiver: Receiver) -> None:
    receiver.answer_next(1, delay=30)
    with httpx.Client() as client:
        with pytest.raises(httpx.ReadTimeout):
            client.post(receiver.url, timeout=0.05)
        assert client.post(receiver.url).status_code == 204
    receiver.answer_next(1, 200, delay=0.01)
    assert httpx.post(receiver.url).status_code == 200


def test_waiting_returns_the_first_requests_and_may_ask_for_certain_ones(
    receiver: Receiver,
) -> None:
    for number in range(4):
        httpx.post(f"{receiver.url}/{number}")
    assert [r.path for r in receiver.wait_for(2)] == ["/0", "/1"]
    odd = receiver.wait_for(2, where=lambda r: int(r.path[1:]) % 2 == 1)
    assert [r.path for r in odd] == ["/1", "/3"]


async def test_those_who_wait_are_woken_by_the_request_they_wait_for() -> None:
    async with Receiver() as receiver, httpx.AsyncClient() as client:
        waiting = asyncio.create_task(
            receiver.wait_for_async(1, where=lambda r: r.path == "/b" and receiver.total == 2)
        )
        blocked = asyncio.create_task(asyncio.to_thread(receiver.wait_for, 2))
        await client.post(receiver.url + "/a")
        assert not waiting.done()
        await client.post(receiver.url + "/b", json={"a": 1})
        [request] = await waiting
        assert request.json() == {"a": 1}
        assert len(await blocked) == 2


async def test_waiting_in_vain_says_what_came(receiver: Receiver) -> None:
    async with httpx.AsyncClient() as client:
        await client.post(receiver.url)
    with pytest.raises(TimeoutError, match=r"waited 0\.01 s for 2 requests; 1 came"):
        receiver.wait_for(2, timeout=0.01)
    with pytest.raises(TimeoutError, match="0 came that count, of 1"):
        await receiver.wait_for_async(1, timeout=0.01, where=lambda r: r.method == "GET")
    assert not receiver._log._waiters


async def test_a_condition_that_raises_does_so_where_it_is_waited_for() -> None:
    async with Receiver() as receiver, httpx.AsyncClient() as client:
        waiting = asyncio.create_task(receiver.wait_for_async(1, where=lambda r: 1 // 0 > 0))
        await asyncio.sleep(0)
        assert (await client.post(receiver.url)).status_code == 204
        with pytest.raises(ZeroDivisionError):
            await waiting


def test_signatures_are_verified_and_the_verdict_is_recorded_and_answered() -> None:
    secret = new_secret()
    with Receiver(secret=secret) as receiver, httpx.Client() as client:
        receiver.fail_next(1)
        unsigned = client.post(receiver.url, content=b"{}")
        forged = client.post(
            receiver.url, content=b"{}", headers=sign("standard", new_secret(), b"{}", id="m")
        )
        old = client.post(
            receiver.url,
            content=b"{}",
            headers=sign("standard", secret, b"{}", id="m", timestamp=1_700_000_000),
        )
        good = sign("standard", secret, b"{}", id="msg_1")
        failed = client.post(receiver.url, content=b"{}", headers=good)
        genuine = client.post(receiver.url, content=b"{}", headers=good)
    assert [a.status_code for a in (unsigned, forged, old)] == [401, 401, 401]
    assert forged.text.startswith("mismatch: ")
    assert failed.status_code == 500  # what is refused takes nothing from the script
    assert genuine.status_code == 204
    reasons = [r.problem.reason if r.problem else None for r in receiver.requests]
    assert reasons == [Reason.MISSING_HEADER, Reason.MISMATCH, Reason.STALE, None, None]
    last = receiver.requests[-1].verified
    assert last is not None
    assert last.id == "msg_1"


@pytest.mark.parametrize(
    ("scheme", "secret", "status"),
    [
        pytest.param("standard", new_secret(), 204, id="standard"),
        pytest.param("cloudevents", new_secret(), 204, id="cloudevents"),
        ("superoffice", "as typed", 200),
        ("happyfox", "the key", 204),
        ("hornbill", "user:password", 200),
    ],
)
def test_it_verifies_by_any_scheme_and_answers_what_its_profile_takes_for_a_success(
    scheme: str, secret: str, status: int
) -> None:
    with Receiver(scheme=scheme, secret=secret) as receiver:
        headers = sign(scheme, secret, b"{}", id="m")
        assert httpx.post(receiver.url, content=b"{}", headers=headers).status_code == status
        assert httpx.post(receiver.url, content=b"{}").status_code == 401
        [genuine, unsigned] = receiver.requests
    assert genuine.verified is not None
    assert unsigned.problem is not None


def test_under_cloudevents_it_permits_whoever_asks_in_a_handshake() -> None:
    origin = "https://hooks.example.com"
    with Receiver(scheme="cloudevents", secret=new_secret()) as receiver:
        receiver.fail_next(1)
        lines = handshake_request(origin, 60).decode().splitlines()
        answer = httpx.options(receiver.url, headers=[line.split(": ") for line in lines])
        assert httpx.options(receiver.url).status_code == 200  # takes nothing from the script
        [asked, _] = receiver.requests
    head = b"".join(b"\r\n%b: %b" % pair for pair in answer.headers.raw)
    assert judge(b"HTTP/1.1 200 OK" + head, answer.status_code, origin).rate is None
    assert asked.method == "OPTIONS"


def test_a_body_in_xml_is_parsed_to_the_json_it_stands_for() -> None:
    with Receiver() as receiver:
        body = from_json(b'{"a": [1, null]}', "onEntityEvent")
        for content_type in ("application/xml; charset=utf-8", "text/XML"):
            httpx.post(receiver.url, content=body, headers={"Content-Type": content_type})
        assert [request.json() for request in receiver.requests] == [{"a": [1, None]}] * 2


def test_the_secret_may_be_given_once_it_is_known_and_a_malformed_one_is_refused_at_once() -> None:
    secret = new_secret()
    with Receiver() as receiver:
        assert httpx.post(receiver.url).status_code == 204
        receiver.secret = [new_secret(), secret]
        assert httpx.post(receiver.url).status_code == 401
        headers = sign("standard", secret, b"", id="m", timestamp=1)
        assert httpx.post(receiver.url, headers=headers).status_code == 401
        headers = sign("standard", secret, b"", id="m")
        assert httpx.post(receiver.url, headers=headers).status_code == 204
        with pytest.raises(InvalidField):
            receiver.secret = "nonsense"
    with pytest.raises(InvalidField):
        Receiver(secret="nonsense")
    with Receiver(secret=secret, tolerance=None) as receiver:
        headers = sign("standard", secret, b"", id="m", timestamp=1)
        assert httpx.post(receiver.url, headers=headers).status_code == 204


def test_what_is_kept_is_bounded_and_counting_goes_on() -> None:
    with Receiver(keep=3) as receiver, httpx.Client() as client:
        for number in range(5):
            client.post(f"{receiver.url}/{number}")
        assert [r.path for r in receiver.wait_for(5)] == ["/2", "/3", "/4"]
        assert receiver.total == 5


def test_it_serves_tls() -> None:
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    ca.configure_trust(trusting)
    with Receiver(tls=context) as receiver:
        assert receiver.url.startswith("https://127.0.0.1:")
        assert httpx.post(receiver.url, verify=trusting).status_code == 204


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / SPDY/3\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nSpace : x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * MAX_HEAD + b"\r\n\r\n", 431),
        (b"POST / HTTP/1.1\r\nContent-Length: 1e3\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 101\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (
            b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n", 413),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", 413),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxx\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", 400),
    ],
)
def test_what_is_not_a_proper_request_is_answered_as_an_error_and_not_recorded(
    request_bytes: bytes, status: int
) -> None:
    with Receiver(max_body=100) as receiver:
        assert raw(receiver, request_bytes).startswith(b"HTTP/1.1 %d " % status)
        assert receiver.total == 0


def test_a_client_that_leaves_in_the_middle_disturbs_nothing(receiver: Receiver) -> None:
    for part in (b"", b"GET", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc"):
        with socket.create_connection(("127.0.0.1", receiver.port)) as connection:
            connection.sendall(part)
    assert httpx.post(receiver.url).status_code == 204
    assert receiver.total == 1


def test_it_can_be_started_again_but_not_twice_and_says_when_it_can_not_listen() -> None:
    receiver = Receiver()
    for _ in range(2):
        with receiver:
            assert httpx.post(receiver.url).status_code == 204
            with pytest.raises(RuntimeError, match="already"):
                receiver.start()
    assert receiver.total == 2
    with pytest.raises(OSError):
        Receiver(host="192.0.2.1").start()
