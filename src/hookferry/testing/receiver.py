"""The test receiver: a real HTTP server in a thread of its own, and a script to go by."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType

from hookferry.testing import http1
from hookferry.testing.log import RequestLog, Where
from hookferry.testing.records import Answer, Conduct, Received
from hookferry.wire.schemes import DEFAULT_TOLERANCE_S, verify
from hookferry.wire.verification import VerificationFailed, Verified

MAX_KEPT = 10_000
MAX_BODY = 16 * 1024 * 1024
_BACKLOG = 1024
_START_TIMEOUT_S = 10.0
_ONLY_200 = ("superoffice", "hornbill")
_PERMISSION = Answer(
    status=200,
    headers=(
        ("Allow", "POST"),
        ("WebHook-Allowed-Origin", "*"),
        ("WebHook-Allowed-Rate", "*"),
    ),
)
_NOT_RUNNING = "the receiver is not running; use it in a `with` block"

HeaderPairs = Mapping[str, str] | Iterable[tuple[str, str]]


class Receiver:
    """A real webhook receiver for tests: records every request, fails on demand, verifies.

    Listens on a free port of the loopback interface. Its server runs in a thread of its own, so it
    serves synchronous and asynchronous tests alike::

        with Receiver() as receiver:
            receiver.fail_next(2)
            ...                                   # make something call receiver.url
            first, second, third = receiver.wait_for(3)

        async with Receiver() as receiver:
            ...
            [request] = await receiver.wait_for_async(1)

    Unless told otherwise it answers 204 (200 where the scheme's profile takes nothing else for a
    success), and 401 to what it can't verify. Under ``cloudevents`` it permits everybody who asks
    in a handshake.

    Args:
        secret: verify requests with it (or with any of several); None verifies nothing. A webhook's
            secret is often known only once its URL is: assign ``receiver.secret`` then.
        scheme: the signing scheme, as ``hookferry.verify`` knows it.
        tolerance: seconds a timestamp may be off, or None for any age.
        tls: serve https with this context.
        host: the address to listen on.
        keep: requests kept; the oldest go first. ``total`` counts on.
        max_body: bytes of a request's body; more is answered 413 and not recorded.
    """

    def __init__(
        self,
        *,
        secret: str | Sequence[str] | None = None,
        scheme: str = "standard",
        tolerance: float | None = DEFAULT_TOLERANCE_S,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        keep: int = MAX_KEPT,
        max_body: int = MAX_BODY,
    ) -> None:
        self._scheme = scheme
        self.secret = secret
        self._tolerance = tolerance
        self._tls = tls
        self._host = host
        self._max_body = max_body
        self._port = 0
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._handlers: set[asyncio.Task[None]] = set()
        self._released: asyncio.Event | None = None
        # Shared between the test's thread and the server's: the log, and the script by its lock.
        self._log = RequestLog(keep)
        self._lock = threading.Lock()
        self._script: deque[tuple[Answer, int]] = deque()
        self._default = Answer(status=200 if scheme in _ONLY_200 else 204)

    @property
    def secret(self) -> str | Sequence[str] | None:
        """What requests are verified with; may be assigned at any time.

        Raises:
            InvalidField: on assigning what is not a secret of the scheme.
        """
        return self._secret

    @secret.setter
    def secret(self, secret: str | Sequence[str] | None) -> None:
        if secret is not None:
            # Refuse a malformed secret here, not in the server's thread at the first request.
            with contextlib.suppress(VerificationFailed):
                verify(self._scheme, secret, {}, b"")
        self._secret = secret

    # ----------------------------------------------------------------- what has happened

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end; any path below it is taken."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    @property
    def port(self) -> int:
        """The TCP port it listens on."""
        if not self._port:
            raise RuntimeError(_NOT_RUNNING)
        return self._port

    @property
    def requests(self) -> list[Received]:
        """The requests recorded, oldest first."""
        return self._log.requests()

    @property
    def total(self) -> int:
        """How many requests came, also those no longer kept."""
        return self._log.total()

    @property
    def most_at_once(self) -> int:
        """The greatest number of requests that were waiting for their answers at one time."""
        return self._log.most_at_once()

    def wait_for(
        self, count: int, timeout: float = 5.0, *, where: Where | None = None
    ) -> list[Received]:
        """Wait until ``count`` requests are recorded; return them, oldest first.

        A request is recorded when it is complete, before it is answered.

        Args:
            count: how many.
            timeout: seconds to wait.
            where: count only requests for which this is true. It runs in the server's thread.

        Raises:
            TimeoutError: fewer came; the message tells how many.
        """
        return self._log.wait(count, timeout, where)

    async def wait_for_async(
        self, count: int, timeout: float = 5.0, *, where: Where | None = None
    ) -> list[Received]:
        """Do what ``wait_for`` does without blocking the event loop."""
        return await self._log.wait_async(count, timeout, where)

    # ----------------------------------------------------------------- what is to happen

    def answer(
        self,
        status: int = 204,
        headers: HeaderPairs = (),
        body: bytes = b"",
        *,
        delay: float = 0.0,
    ) -> None:
        """Answer like this from now on, whenever nothing else is scripted.

        Args:
            status: the HTTP status.
            headers: further headers; Content-Length comes by itself.
            body: the body.
            delay: seconds to wait before answering.
        """
        with self._lock:
            self._default = _answer(status, headers, body, delay)

    def answer_next(
        self,
        count: int,
        status: int = 204,
        headers: HeaderPairs = (),
        body: bytes = b"",
        *,
        delay: float = 0.0,
    ) -> None:
        """Answer the next ``count`` requests like this, after what is scripted already."""
        self._then(_answer(status, headers, body, delay), count)

    def fail_next(self, count: int, status: int = 500) -> None:
        """Answer the next ``count`` requests with an error status."""
        self._then(Answer(status=status), count)

    def hang_next(self, count: int) -> None:
        """Leave the next ``count`` requests without an answer until ``release``."""
        self._then(Answer(conduct=Conduct.HANG), count)

    def close_next(self, count: int) -> None:
        """Close the connection of each of the next ``count`` requests instead of answering."""
        self._then(Answer(conduct=Conduct.CLOSE), count)

    def release(self) -> None:
        """Answer every request that hangs now as if nothing were scripted."""
        if self._thread is None or self._loop is None:
            raise RuntimeError(_NOT_RUNNING)
        self._loop.call_soon_threadsafe(self._release)

    # ----------------------------------------------------------------- life

    def start(self) -> Receiver:
        """Start listening; ``with`` does it. Returns itself.

        Raises:
            OSError: the address can't be listened on.
        """
        if self._thread is not None:
            raise RuntimeError("the receiver is running already")
        ready: Future[int] = Future()
        thread = threading.Thread(
            target=lambda: asyncio.run(self._main(ready)), name="hookferry-receiver", daemon=True
        )
        thread.start()
        self._port = ready.result(_START_TIMEOUT_S)
        self._thread = thread
        return self

    def close(self) -> None:
        """Stop listening and drop every connection. What was recorded stays."""
        thread, loop, stop = self._thread, self._loop, self._stop
        if thread is None or loop is None or stop is None:
            return
        self._thread = None
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        self._port = 0

    def __enter__(self) -> Receiver:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Receiver:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.close)

    # ----------------------------------------------------------------- the script

    def _then(self, answer: Answer, count: int) -> None:
        if count > 0:
            with self._lock:
                self._script.append((answer, count))

    def _next_answer(self) -> Answer:
        """Take the next scripted answer, or the standing one."""
        with self._lock:
            if not self._script:
                return self._default
            answer, left = self._script.popleft()
            if left > 1:
                self._script.appendleft((answer, left - 1))
            return answer

    def _release(self) -> None:
        """Wake what hangs now, and only that: what hangs later waits for an event of its own."""
        if self._released is not None:
            self._released.set()
        self._released = asyncio.Event()

    # ----------------------------------------------------------------- the server's thread

    async def _main(self, ready: Future[int]) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._released = asyncio.Event()
        try:
            server = await asyncio.start_server(
                self._connection,
                self._host,
                0,
                ssl=self._tls,
                limit=http1.MAX_HEAD,
                backlog=_BACKLOG,
            )
        except Exception as error:  # whatever it is, `start` raises it
            ready.set_exception(error)
            return
        ready.set_result(server.sockets[0].getsockname()[1])
        await self._stop.wait()
        server.close()
        for handler in self._handlers:
            handler.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except http1.BadRequest as bad:
            answer = Answer(status=bad.status, body=bad.detail.encode())
            writer.write(http1.render(answer, to_head=False, keep_alive=False))
            writer.close()
        except (OSError, EOFError, asyncio.CancelledError):
            pass  # the client left or the receiver closes: this connection's end either way
        finally:
            self._handlers.discard(task)
            if not writer.is_closing():
                writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request; tell whether the connection may carry another."""
        head = await http1.read_head(reader)
        if head is None:
            return False
        if "100-continue" in (value.lower() for value in head.values("expect")):
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await http1.read_body(reader, head, self._max_body)
        handshake = self._scheme == "cloudevents" and head.method == "OPTIONS"
        verified, problem = (None, None) if handshake else self._verdict(head, body)
        request = Received(
            head.method, head.path, head.headers, body, time.time(), verified, problem
        )
        if handshake:
            answer = _PERMISSION
        elif problem is None:
            answer = self._next_answer()
        else:
            answer = Answer(status=401, body=f"{problem.reason}: {problem}".encode())
        self._log.record(request)
        try:
            return await self._conduct(answer, head, writer)
        finally:
            self._log.answered()

    def _verdict(
        self, head: http1.Head, body: bytes
    ) -> tuple[Verified | None, VerificationFailed | None]:
        if self.secret is None:
            return None, None
        try:
            genuine = verify(
                self._scheme, self.secret, head.headers, body, tolerance=self._tolerance
            )
        except VerificationFailed as problem:
            return None, problem
        return genuine, None

    async def _conduct(
        self, answer: Answer, head: http1.Head, writer: asyncio.StreamWriter
    ) -> bool:
        if answer.conduct is Conduct.CLOSE:
            return False
        if answer.conduct is Conduct.HANG:
            assert self._released is not None
            await self._released.wait()
            with self._lock:
                answer = self._default
        if answer.delay:
            await asyncio.sleep(answer.delay)
        writer.write(
            http1.render(answer, to_head=head.method == "HEAD", keep_alive=head.keep_alive)
        )
        await writer.drain()
        if not head.keep_alive:
            writer.close()
        return head.keep_alive


def _answer(status: int, headers: HeaderPairs, body: bytes, delay: float) -> Answer:
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return Answer(status=status, headers=tuple(pairs), body=body, delay=delay)
