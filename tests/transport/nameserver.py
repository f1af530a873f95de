"""A name server on loopback that says what a test wants (RFC 1035, A and AAAA only)."""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from ipaddress import ip_address

NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3
A, AAAA = 1, 28


class NameServer(asyncio.DatagramProtocol):
    """Answers queries.

    Attributes:
        names: addresses by name; a name with None is never answered, an unknown one does not exist.
        ttl: seconds, of every record.
        fails: names answered with SERVFAIL.
        asked: how many A queries came, by name.
    """

    def __init__(self) -> None:
        self.names: dict[str, list[str] | None] = {}
        self.ttl = 30
        self.fails: set[str] = set()
        self.asked: Counter[str] = Counter()
        self.address = ""
        self._heard = asyncio.Event()

    async def start(self) -> None:
        """Listen on a port of its own; ``address`` says where."""
        self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, ("127.0.0.1", 0)
        )
        host, port = self._transport.get_extra_info("sockname")
        self.address = f"{host}:{port}"

    def close(self) -> None:
        """Stop listening."""
        self._transport.close()

    async def heard(self, name: str, times: int = 1) -> None:
        """Wait until ``name`` was asked for so often."""
        while self.asked[name] < times:
            self._heard.clear()
            await asyncio.wait_for(self._heard.wait(), 10)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode("ascii"))
            at += 1 + data[at]
        name = ".".join(labels).lower()
        question = data[12 : at + 5]
        (kind,) = struct.unpack_from("!H", data, at + 1)
        if kind == A:
            self.asked[name] += 1
            self._heard.set()
        if name in self.names and self.names[name] is None:
            return
        records = b""
        count = 0
        for text in self.names.get(name) or ():
            address = ip_address(text)
            if (kind == A) == (address.version == 4):
                records += b"\xc0\x0c" + struct.pack(
                    "!HHIH", kind, 1, self.ttl, len(address.packed)
                )
                records += address.packed
                count += 1
        code = NOERROR if name in self.names else NXDOMAIN
        if name in self.fails:
            code, records, count = SERVFAIL, b"", 0
        header = data[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, count, 0, 0)
        self._transport.sendto(header + question + records, addr)
