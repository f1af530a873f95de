"""What the tests of catching have in common: sources, requests as bytes, what became of them."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from hookferry import ids
from hookferry.domain.request import CaughtRequest
from hookferry.domain.tenant import DEFAULT_TENANT
from hookferry.store.ports import RequestFilter

from .kit import House

SECRET = "a secret that only GitHub and this test know"
GITHUB = {"preset": "github", "secret": SECRET}

Headers = Sequence[tuple[bytes, bytes]]


class Source:
    """A source of a running house."""

    def __init__(self, house: House, made: dict[str, Any]) -> None:
        self._house = house
        self.id = ids.decode("src", made["id"])
        self.path = urlsplit(made["url"]).path
        self.made = made

    @classmethod
    async def make(cls, house: House, **fields: Any) -> Source:
        answer = await house.client.post("/api/v1/sources", json={"name": "shop", **fields})
        assert answer.status_code == 201, answer.text
        return cls(house, answer.json())

    async def requests(self, count: int = 0) -> list[CaughtRequest]:
        """What the ledger holds of it, oldest first, each read whole.

        Args:
            count: wait until there are as many: refused requests are kept after their answer.
        """
        house = self._house
        tenant = house.services.directory.tenant(DEFAULT_TENANT).id
        where = RequestFilter(tenant_id=tenant, source_id=self.id)
        async with asyncio.timeout(10):
            while len(rows := await house.store.requests(where, limit=10_000)) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        found = []
        for row in reversed(rows):
            whole = await house.store.request(tenant, row.id)
            assert whole is not None
            found.append(whole)
        return found

    def head(
        self,
        headers: Headers = (),
        *,
        length: int | None = 0,
        method: bytes = b"POST",
        rest: bytes = b"",
    ) -> bytes:
        """The head of a request to it.

        Args:
            headers: beside Host and, with a ``length``, Content-Length.
            length: bytes of the body; None where the caller frames it otherwise.
            rest: what follows the source's own path.
        """
        lines = [b"%b %b%b HTTP/1.1" % (method, self.path.encode(), rest), b"Host: hooks.example"]
        lines += [b"%b: %b" % pair for pair in headers]
        if length is not None:
            lines.append(b"Content-Length: %d" % length)
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def message(self, body: bytes = b"{}", headers: Headers = (), **more: Any) -> bytes:
        """A whole request to it."""
        return self.head(headers, length=len(body), **more) + body


def github(body: bytes, delivery: str, secret: str = SECRET) -> list[tuple[bytes, bytes]]:
    """The headers that GitHub sends with a body."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return [
        (b"Content-Type", b"application/json"),
        (b"X-GitHub-Event", b"push"),
        (b"X-GitHub-Delivery", delivery.encode()),
        (b"X-Hub-Signature-256", b"sha256=" + digest.encode()),
    ]


class Answer:
    """An answer as it came over the wire."""

    def __init__(self, head: bytes, body: bytes) -> None:
        first, *lines = head.split(b"\r\n")
        self.status = int(first.split(b" ")[1])
        self.lines = lines
        self.body = body

    def values(self, name: bytes) -> list[bytes]:
        pairs = [line.partition(b":") for line in self.lines]
        return [value.strip() for known, _, value in pairs if known.lower() == name]


async def read_answer(reader: asyncio.StreamReader, *, to_head: bool = False) -> Answer:
    """Read one answer, framed as RFC 9112 section 6.3 says."""
    head = (await reader.readuntil(b"\r\n\r\n"))[:-4]
    length = re.search(rb"(?im)^content-length: *(\d+)\r?$", head)
    body = b""
    if length is not None and not to_head:
        body = await reader.readexactly(int(length[1]))
    return Answer(head, body)


async def converse(port: int, *messages: bytes) -> list[Answer]:
    """Send requests over one connection, all at once; return their answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"".join(messages))
        async with asyncio.timeout(20):
            return [await read_answer(reader, to_head=m.startswith(b"HEAD ")) for m in messages]
    finally:
        writer.close()
