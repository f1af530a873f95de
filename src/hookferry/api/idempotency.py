"""``Idempotency-Key`` on every POST but the hot one, whose key is part of the accept commit.

A successful answer is sealed and kept for ``idempotency_hours``; the same call with the same key
gets it again (SEMANTICS section 5). A key belongs to the API key that used it, since answers may
hold secrets.
"""

from __future__ import annotations

import asyncio
import hashlib
import struct
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

import msgspec

from hookferry.api.access import Access
from hookferry.api.hotroute import AsgiApp, Message, Receive, Scope, Send, body_too_large
from hookferry.api.problems import CONTENT_TYPE, encode_problem, headers_of, status_of
from hookferry.api.publish import check_idempotency_key
from hookferry.clock import Clock
from hookferry.engine.sealing import Sealer
from hookferry.errors import (
    Forbidden,
    HookferryError,
    IdempotencyConflict,
    IdempotencyInProgress,
    NotFound,
    RequestTimeout,
    Unauthorized,
)
from hookferry.store.ports import Answers, DedupeKey

CLAIM_MS = 60_000
"""How long a claim without an answer blocks its key, should the process die meanwhile."""
WAIT_SECONDS = 5.0
POLL_SECONDS = 0.1
KEPT_ANSWER = 1024 * 1024
"""Bytes of an answer that is kept; a larger one is not, and its key becomes free again."""
BODIES_AT_ONCE = 8
SCOPE = "answer"
_FIELD = "idempotent answer"


class KeptAnswer(msgspec.Struct, array_like=True):
    """An answer as it is kept, before sealing."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class IdempotencyDoor:
    """Wraps an ASGI application.

    Args:
        app: the application behind.
        access: tells who asks.
        answers: where answers are kept.
        sealer: seals them.
        clock: their times.
        max_body: bytes of a body that is taken, by path.
        keep_s: seconds that an answer is kept.
    """

    def __init__(
        self,
        app: AsgiApp,
        access: Access,
        answers: Answers,
        sealer: Sealer,
        clock: Clock,
        max_body: Callable[[str], int],
        keep_s: float,
    ) -> None:
        self._app = app
        self._access = access
        self._answers = answers
        self._sealer = sealer
        self._clock = clock
        self._max_body = max_body
        self._keep_ms = int(keep_s * 1000)
        self._bodies = asyncio.Semaphore(BODIES_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection; only POSTs with a key are touched."""
        header = None
        if scope["type"] == "http" and scope["method"] == "POST":
            header = _header(scope, b"idempotency-key")
        if header is None:
            await self._app(scope, receive, send)
            return
        try:
            owner = self._owner(scope)
        except (Unauthorized, Forbidden, NotFound):
            await self._app(scope, receive, send)  # which refuses it, with its own words
            return
        try:
            async with self._bodies:
                await self._serve(owner, check_idempotency_key(header), scope, receive, send)
        except HookferryError as error:
            await _send_problem(send, error)

    def _owner(self, scope: Scope) -> tuple[int, int]:
        key = self._access.key_of(_header(scope, b"authorization"))
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("tenant", [None])[0]
        return self._access.tenant_of(key, asked).id, key.id

    async def _serve(
        self, owner: tuple[int, int], key: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        body = await _read(receive, self._max_body(scope["path"]))
        tenant_id, key_id = owner
        target = f"{scope['path']}?{scope['query_string'].decode('latin-1')}\0".encode()
        now = self._clock.wall_ms()
        claim = DedupeKey(
            tenant_id=tenant_id,
            scope=SCOPE,
            key_hash=_hash(struct.pack(">Q", key_id) + key.encode()),
            body_hash=_hash(target + body),
            answer=b"",
            expires_at_ms=now + CLAIM_MS,
        )
        first = await self._claim(claim)
        if first is not None:
            await self._repeat(first, claim, send)
            return
        await self._first(claim, body, scope, send)

    async def _claim(self, claim: DedupeKey) -> DedupeKey | None:
        """Claim the key, or return who had it first, once that is answered."""
        deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
        while True:
            first = await self._answers.claim(claim, self._clock.wall_ms())
            if first is None or first.answer or first.body_hash != claim.body_hash:
                return first
            if asyncio.get_running_loop().time() >= deadline:
                raise IdempotencyInProgress(
                    "the first request with this Idempotency-Key is still running; repeat it in a "
                    "moment to get its answer"
                )
            await asyncio.sleep(POLL_SECONDS)  # the first may run on another node

    async def _repeat(self, first: DedupeKey, claim: DedupeKey, send: Send) -> None:
        if first.body_hash != claim.body_hash:
            raise IdempotencyConflict(
                "this Idempotency-Key was used for another request; use a new one, or send exactly "
                "the first request again"
            )
        plain = self._sealer.unseal(first.answer, row=_row(first), field=_FIELD)
        kept = msgspec.msgpack.decode(plain, type=KeptAnswer)
        await send(
            {
                "type": "http.response.start",
                "status": kept.status,
                "headers": [*kept.headers, (b"idempotency-replayed", b"true")],
            }
        )
        await send({"type": "http.response.body", "body": kept.body})

    async def _first(self, claim: DedupeKey, body: bytes, scope: Scope, send: Send) -> None:
        """Do the work; nothing is said before its answer is kept."""
        kept: KeptAnswer | None = None
        try:
            kept = await _collect(self._app, scope, body)
        finally:
            if kept is None or not 200 <= kept.status < 300 or len(kept.body) > KEPT_ANSWER:
                await self._answers.release(claim)
        if 200 <= kept.status < 300 and len(kept.body) <= KEPT_ANSWER:
            plain = msgspec.msgpack.encode(kept)
            await self._answers.answer(
                msgspec.structs.replace(
                    claim,
                    answer=self._sealer.seal(plain, row=_row(claim), field=_FIELD),
                    expires_at_ms=self._clock.wall_ms() + self._keep_ms,
                )
            )
        await send({"type": "http.response.start", "status": kept.status, "headers": kept.headers})
        await send({"type": "http.response.body", "body": kept.body})


def _header(scope: Scope, name: bytes) -> bytes | None:
    for known, value in scope["headers"]:
        if known == name:
            return bytes(value)
    return None


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _row(key: DedupeKey) -> int:
    return int.from_bytes(key.key_hash[:8], "big")


async def _read(receive: Receive, limit: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestTimeout("the request ended before its body did")
        body += message.get("body", b"")
        if len(body) > limit:
            raise body_too_large(limit)
        if not message.get("more_body", False):
            return bytes(body)


async def _collect(app: AsgiApp, scope: Scope, body: bytes) -> KeptAnswer:
    answer = KeptAnswer(500, [], b"")
    parts: list[bytes] = []
    rest: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return pending.pop() if pending else await rest

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = [(bytes(n), bytes(v)) for n, v in message.get("headers", [])]
        else:
            parts.append(message.get("body", b""))

    work: Awaitable[Any] = app(scope, receive, send)
    await work
    answer.body = b"".join(parts)
    return answer


async def _send_problem(send: Send, error: HookferryError) -> None:
    body = encode_problem(error)
    headers = [
        (b"content-type", CONTENT_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        *((name.encode(), value.encode()) for name, value in headers_of(error)),
    ]
    await send({"type": "http.response.start", "status": status_of(error), "headers": headers})
    await send({"type": "http.response.body", "body": body})
