"""Running calls over httpx: one preparation and one judgement, and two thin loops around them."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import httpx
import msgspec

from hookferry.client.calls import Call, query_text
from hookferry.client.errors import UnexpectedAnswer, Unreachable, error_of
from hookferry.client.retrying import RetryPolicy, still_running
from hookferry.errors import InvalidField

T = TypeVar("T")

STEP_SECONDS = 30.0
"""For connecting, for sending, and for an answer that depends on the server alone."""
RECEIVER_SECONDS = 60.0
"""The longest deadline of a request to a receiver (the server's ``attempt_timeout_max``)."""

_PRINTABLE = re.compile(r"[!-~]+")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how calls are made; the same for both clients."""

    base_url: str
    api_key: str
    tenant: str | None
    timeout: float | None
    """Seconds for each step of a call; None for what ``_patience`` says."""
    retry: RetryPolicy
    verify: ssl.SSLContext | bool

    def __post_init__(self) -> None:
        url = httpx.URL(self.base_url)
        if url.scheme not in ("http", "https") or not url.host:
            raise InvalidField(
                f"{self.base_url!r} is not where an API listens; give a URL such as "
                "http://127.0.0.1:8080",
                field="base_url",
            )
        if not _PRINTABLE.fullmatch(self.api_key):
            raise InvalidField(
                "an API key is printable ASCII without spaces; was it read with a line end?",
                field="api_key",
            )

    def httpx_arguments(self) -> dict[str, Any]:
        """Return the arguments of an httpx client."""
        return {
            "base_url": self.base_url.rstrip("/") + "/api/v1/",
            "headers": {
                "authorization": f"Bearer {self.api_key}",
                "accept": "application/json",
                "user-agent": "hookferry-client",
            },
            "verify": self.verify,
        }

    def request(self, http: httpx.Client | httpx.AsyncClient, call: Call[Any]) -> httpx.Request:
        """Prepare a call's request; every attempt sends the same one."""
        headers = dict(call.headers)
        if call.method == "POST":
            headers.setdefault("idempotency-key", str(uuid.uuid4()))
        if call.body is not None:
            headers.setdefault("content-type", "application/json")
        query = call.query or {}
        if call.of_tenant and self.tenant is not None:
            query = {"tenant": self.tenant, **query}
        return http.build_request(
            call.method,
            call.path,
            params=tuple(query_text(query)),
            content=call.body,
            headers=headers,
            timeout=self._patience(call),
        )

    def stream_request(
        self, http: httpx.Client | httpx.AsyncClient, call: Call[Any], silence: float
    ) -> httpx.Request:
        """Prepare the request of a call whose answer goes on, with ``silence`` seconds at most."""
        request = self.request(http, call)
        steps = httpx.Timeout(self.timeout or STEP_SECONDS, read=silence)
        request.extensions["timeout"] = steps.as_dict()
        return request

    def wait_before(
        self, call: Call[Any], attempt: int, answer: httpx.Response | None, elapsed: float
    ) -> float | None:
        """Return the seconds to wait before another attempt, or None to give up.

        A repeat that meets its own first attempt, still waiting for receivers, is repeated for as
        long as they may take: who gives up has to ask anew, and that would be a second event.

        Args:
            call: what is called.
            attempt: how many attempts were made.
            answer: what the last one was answered; None when the connection failed.
            elapsed: seconds since the first one.
        """
        waiting = call.asks_receivers and elapsed < RECEIVER_SECONDS
        if waiting and answer is not None and still_running(answer):
            attempt = max(1, min(attempt, self.retry.attempts - 1))
        return self.retry.wait_before(attempt, answer)

    def _patience(self, call: Call[Any]) -> httpx.Timeout:
        """Return how long a call's steps may take; the answer longer where receivers are asked.

        Giving up before the server does would leave a synchronous publish undecided: the server
        takes it for a caller who left.
        """
        if self.timeout is not None:
            return httpx.Timeout(self.timeout)
        more = RECEIVER_SECONDS if call.asks_receivers else 0.0
        return httpx.Timeout(STEP_SECONDS, read=STEP_SECONDS + more)


def _result(call: Call[T], answer: httpx.Response) -> T:
    """Read the final answer to a call; raises ApiError or UnexpectedAnswer."""
    if not answer.is_success:
        raise error_of(answer.status_code, answer.headers.get("content-type", ""), answer.content)
    try:
        return call.read(answer.content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnexpectedAnswer(
            f"{call.method} {call.path} was answered {answer.status_code} with a body that can't "
            f"be read: {error}; do the versions of client and server fit?"
        ) from error


def _unreachable(request: httpx.Request, attempts: int, error: httpx.TransportError) -> Unreachable:
    return Unreachable(
        f"no answer from {request.url.copy_with(query=None)} after {attempts} attempts: "
        f"{error or type(error).__name__}"
    )


class Session:
    """Runs calls and blocks."""

    def __init__(self, options: Options, transport: httpx.BaseTransport | None) -> None:
        self._options = options
        self._http = httpx.Client(transport=transport, **options.httpx_arguments())

    def run(self, call: Call[T]) -> T:
        """Make a call, with retries.

        Raises:
            ApiError: it was refused.
            Unreachable: no answer came.
            UnexpectedAnswer: it was answered with something else than expected.
        """
        request = self._options.request(self._http, call)
        attempt = 0
        began = time.monotonic()
        while True:
            attempt += 1
            answer = failure = None
            try:
                answer = self._http.send(request)
            except httpx.TransportError as error:
                failure = error
            elapsed = time.monotonic() - began
            wait = self._options.wait_before(call, attempt, answer, elapsed)
            if wait is not None:
                time.sleep(wait)
            elif answer is not None:
                return _result(call, answer)
            elif failure is not None:
                raise _unreachable(request, attempt, failure) from failure

    @property
    def retry(self) -> RetryPolicy:
        """When calls are repeated."""
        return self._options.retry

    @contextmanager
    def stream(self, call: Call[Any], silence: float) -> Iterator[Iterator[bytes]]:
        """Make a call, once, and give the body of its answer piece by piece as it comes.

        Parameters and errors as of ``AsyncSession.stream``.
        """
        request = self._options.stream_request(self._http, call, silence)
        try:
            answer = self._http.send(request, stream=True)
            try:
                if not answer.is_success:
                    answer.read()
                    _result(call, answer)
                yield answer.iter_bytes()
            finally:
                answer.close()
        except httpx.TransportError as error:
            raise _unreachable(request, 1, error) from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


class AsyncSession:
    """Runs calls as coroutines."""

    def __init__(self, options: Options, transport: httpx.AsyncBaseTransport | None) -> None:
        self._options = options
        self._http = httpx.AsyncClient(transport=transport, **options.httpx_arguments())

    async def run(self, call: Call[T]) -> T:
        """Make a call, with retries; raises what ``Session.run`` does."""
        request = self._options.request(self._http, call)
        attempt = 0
        began = time.monotonic()
        while True:
            attempt += 1
            answer = failure = None
            try:
                answer = await self._http.send(request)
            except httpx.TransportError as error:
                failure = error
            elapsed = time.monotonic() - began
            wait = self._options.wait_before(call, attempt, answer, elapsed)
            if wait is not None:
                await asyncio.sleep(wait)
            elif answer is not None:
                return _result(call, answer)
            elif failure is not None:
                raise _unreachable(request, attempt, failure) from failure

    @property
    def retry(self) -> RetryPolicy:
        """When calls are repeated."""
        return self._options.retry

    @asynccontextmanager
    async def stream(self, call: Call[Any], silence: float) -> AsyncIterator[AsyncIterator[bytes]]:
        """Make a call, once, and give the body of its answer piece by piece as it comes.

        Args:
            call: what is called.
            silence: seconds without a byte after which the connection is taken for broken.

        Raises:
            ApiError: it was refused.
            Unreachable: no answer came, or it broke.
        """
        request = self._options.stream_request(self._http, call, silence)
        try:
            answer = await self._http.send(request, stream=True)
            try:
                if not answer.is_success:
                    await answer.aread()
                    _result(call, answer)
                yield answer.aiter_bytes()
            finally:
                await answer.aclose()
        except httpx.TransportError as error:
            raise _unreachable(request, 1, error) from error

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()
