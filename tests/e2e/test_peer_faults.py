"""What was measured as faults of a peer (Debian's ``webhook`` 2.8), done right here.

It answers 500 to a bad signature, verifies a multipart body as if it were empty, and buffers a
body of any size.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from .kit import PATIENCE, Calls, Process, serving

SECRET = "a secret that only GitHub and this test know"
VERIFY = {"preset": "github", "secret": SECRET}
MB = 1024 * 1024
MULTIPART = (
    b"--b\r\n"
    b'Content-Disposition: form-data; name="payload"; filename="p.bin"\r\n\r\n'
    b"\x00\xff\r\n"
    b"--b--\r\n"
)


def signed(body: bytes, **headers: str) -> dict[str, str]:
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return {"X-GitHub-Event": "push", "X-Hub-Signature-256": f"sha256={digest}", **headers}


async def test_a_bad_signature_is_401_and_says_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path / "data") as (_, calls), stranger() as client:
        url = await calls.source("github", verify=VERIFY)
        for headers in (signed(b"{ }"), {"X-Hub-Signature-256": "sha256=nonsense"}, {}):
            answer = await client.post(url, content=b"{}", headers=headers)
            assert (answer.status_code, answer.content) == (401, b"")
        assert await events(calls) == []


async def test_a_multipart_body_is_verified_over_its_bytes(tmp_path: Path) -> None:
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    async with serving(tmp_path / "data") as (_, calls), stranger() as client:
        url = await calls.source("github", verify=VERIFY)
        empty = await client.post(url, content=MULTIPART, headers=signed(b"", **kind))
        assert empty.status_code == 401
        whole = await client.post(url, content=MULTIPART, headers=signed(MULTIPART, **kind))
        assert whole.status_code == 204
        [event] = await events(calls)
        data = await calls.client.get(f"/api/v1/events/{event}/data")
        assert "p.bin" in data.text


async def test_a_body_without_end_is_refused_while_it_is_read(tmp_path: Path) -> None:
    async with serving(tmp_path / "data") as (server, calls), stranger() as client:
        url = await calls.source("github", verify=VERIFY)
        assert (await client.post(url, content=b"{}", headers=signed(b"{}"))).status_code == 204
        before = server.memory_mb(peak=True)
        for head in ("Transfer-Encoding: chunked", f"Content-Length: {200 * MB}"):
            answer, sent = await flood(server, url, head, 200 * MB)
            assert answer.startswith(b"HTTP/1.1 413 "), head
            assert sent < 100 * MB, "it was heard out to the end"
        grown = server.memory_mb(peak=True) - before
        assert grown < 32, f"{grown:.0f} MB more for a body of 5 MB at most"
        assert (await client.post(url, content=b"{}", headers=signed(b"{}"))).status_code == 204


def stranger() -> httpx.AsyncClient:
    """Somebody without a key."""
    return httpx.AsyncClient(trust_env=False, timeout=PATIENCE)


async def events(calls: Calls) -> list[str]:
    page = await calls.client.get("/api/v1/events")
    return [event["id"] for event in page.json()["items"]]


async def flood(server: Process, url: str, head: str, size: int) -> tuple[bytes, int]:
    """Send a body as a client does that does not listen; return what it hears, and how much of the
    body it got rid of."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    path = urlsplit(url).path
    writer.write(f"POST {path} HTTP/1.1\r\nHost: hooks.example\r\n{head}\r\n\r\n".encode())
    hearing = asyncio.create_task(reader.readline())
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < size:
            writer.write(chunk)
            await writer.drain()
            sent += 65_536
            await asyncio.sleep(0)  # to hear what is answered before the connection is cut
    async with asyncio.timeout(PATIENCE):
        answer = await hearing
    writer.transport.abort()
    return answer, sent
