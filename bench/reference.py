"""The reference workload: what a fixed piece of similar work costs on this machine, right now.

JSON through msgspec, an HMAC and a socket, in a loop: the ingredients of a delivery, none of it
ours. CPU figures are divided by it, so that runs on other machines, and noisy minutes on the same
one, compare.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import resource
import socket
from typing import Any

import msgspec
import uvloop

from bench.control import serve
from bench.load import STAMP_DIGITS, body_of

ITERATIONS = 20_000


class _Envelope(msgspec.Struct):
    type: str
    data: msgspec.Raw


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measure(iterations: int = ITERATIONS) -> float:
    """Return CPU microseconds of one iteration."""
    before, after = body_of("reference.event")
    body = before + b"0" * STAMP_DIGITS + after
    near, far = socket.socketpair()
    decode = msgspec.json.Decoder(_Envelope).decode
    encode = msgspec.json.Encoder().encode
    key = hashlib.sha256(b"reference").digest()
    with near, far:
        start = _cpu()
        for _ in range(iterations):
            near.send(body)
            envelope = decode(far.recv(65_536))
            out = encode({"type": envelope.type, "data": envelope.data})
            signature = base64.b64encode(hmac.digest(key, out, "sha256"))
            far.send(b"HTTP/1.1 202 Accepted\r\nx: " + signature + b"\r\n\r\n")
            near.recv(65_536)
        return (_cpu() - start) / iterations * 1e6


async def _handle(command: dict[str, Any]) -> dict[str, Any]:
    return {"us": measure(command.get("iterations", ITERATIONS))}


if __name__ == "__main__":
    uvloop.run(serve(_handle))
