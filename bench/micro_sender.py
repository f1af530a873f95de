"""CPU per request of the sender alone: POST 1 KB, keep-alive, against a sink in another process.

    python bench/micro_sender.py [--requests 50000] [--in-flight 64] [--windows 5] [--tls]
                                 [--aiohttp] [--profile]

Prints requests per second and CPU microseconds per request of the client process (user + system),
each window and the median, so that a run can be set against MEASUREMENTS-style tables.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import ssl
import statistics
import time
from ipaddress import ip_network
from multiprocessing.connection import Connection as Pipe

import aiohttp
import trustme
import uvloop

from hookferry.clock import SystemClock
from hookferry.transport.client import HttpTransport
from hookferry.transport.dns import Resolver
from hookferry.transport.guard import Guard
from hookferry.transport.port import Outcome, Request, Target

ANSWER = (
    b"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nServer: sink\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
)
BODY = b'{"data":"' + b"x" * 1013 + b'"}'


class Sink(asyncio.Protocol):
    """Answers each request once its head and ``BODY`` have come."""

    def __init__(self) -> None:
        self.pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.pending += data
        while (end := self.pending.find(b"\r\n\r\n")) >= 0:
            whole = end + 4 + len(BODY)
            if len(self.pending) < whole:
                return
            self.pending = self.pending[whole:]
            self.transport.write(ANSWER)  # type: ignore[attr-defined]


def serve(pipe: Pipe, certificate: tuple[str, str] | None) -> None:
    async def main() -> None:
        context = None
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
        server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0, ssl=context)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(main())


HEADERS = {
    "Content-Type": "application/json",
    "User-Agent": "hookferry",
    "webhook-id": "msg_0123456789",
    "webhook-timestamp": "1767225600",
    "webhook-signature": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
}


def head() -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    return (
        f"POST /hook HTTP/1.1\r\nHost: localhost\r\n{lines}Content-Length: {len(BODY)}\r\n\r\n"
    ).encode()


class Load:
    """Keeps a number of requests in flight until enough are done."""

    def __init__(self, transport: HttpTransport, request: Request, count: int) -> None:
        self.transport, self.request = transport, request
        self.left = self.open = count
        self.failed: list[Outcome] = []
        self.over = asyncio.get_running_loop().create_future()

    def one(self) -> None:
        self.left -= 1
        self.transport.send(self.request, self.done)

    def done(self, outcome: Outcome) -> None:
        if outcome.status != 200:
            self.failed.append(outcome)
        self.open -= 1
        if self.left > 0:
            self.one()
        elif self.open == 0:
            self.over.set_result(None)

    async def run(self, in_flight: int) -> tuple[float, float]:
        started, cpu = time.perf_counter(), _cpu()
        for _ in range(in_flight):
            self.one()
        await self.over
        if self.failed:
            raise SystemExit(f"void: {len(self.failed)} failed, first {self.failed[0]}")
        return time.perf_counter() - started, _cpu() - cpu


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Window:
    """Figures of one kind of client, window by window."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rates: list[float] = []
        self.costs: list[float] = []

    def add(self, requests: int, wall: float, cpu: float) -> None:
        self.rates.append(requests / wall)
        self.costs.append(cpu / requests * 1e6)
        self._print(self.rates[-1], self.costs[-1], "")

    def median(self) -> None:
        self._print(statistics.median(self.rates), statistics.median(self.costs), " (median)")

    def _print(self, rate: float, cost: float, note: str) -> None:
        print(f"  {self.name:10} {rate:>8,.0f} requests/s {cost:>6.1f} us CPU{note}", flush=True)


async def aiohttp_load(request: Request, count: int, in_flight: int) -> tuple[float, float]:
    """The same load through aiohttp's client, the usual choice."""
    target = request.target
    context = ssl.create_default_context(cadata=target.ca) if target.ca else True
    left = iter(range(count))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=in_flight)) as session:

        async def worker() -> None:
            for _ in left:
                async with session.post(
                    url, data=request.body, ssl=context, headers=HEADERS
                ) as got:
                    await got.read()
                    if got.status != 200:
                        raise SystemExit(f"void: aiohttp got {got.status}")

        url = f"{target.scheme}://{target.host}:{target.port}/hook"
        started, cpu = time.perf_counter(), _cpu()
        await asyncio.gather(*(worker() for _ in range(in_flight)))
        return time.perf_counter() - started, _cpu() - cpu


async def measure(arguments: argparse.Namespace, port: int, ca: str | None) -> None:
    clock = SystemClock()
    resolver = Resolver(clock.monotonic)
    guard = Guard([ip_network("127.0.0.0/8")], allow_http=True)
    transport = HttpTransport(guard, resolver, clock)
    target = Target(scheme="https" if ca else "http", host="localhost", port=port, ca=ca)
    request = Request(target, head(), BODY, 15.0)
    await Load(transport, request, 2_000).run(arguments.in_flight)
    own, other = Window("hookferry"), Window("aiohttp")
    for _ in range(arguments.windows):
        figures = await Load(transport, request, arguments.requests).run(arguments.in_flight)
        own.add(arguments.requests, *figures)
        if arguments.aiohttp:
            fewer = arguments.requests // 10
            other.add(fewer, *await aiohttp_load(request, fewer, arguments.in_flight))
    own.median()
    if arguments.aiohttp:
        other.median()
    await transport.aclose()
    await resolver.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=50_000)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--windows", type=int, default=5)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--aiohttp", action="store_true", help="beside it, in turn")
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    authority = trustme.CA()
    ca = authority.cert_pem.bytes().decode() if arguments.tls else None
    with authority.issue_cert("localhost").private_key_and_cert_chain_pem.tempfile() as path:
        certificate = (path, path) if arguments.tls else None
        sink = multiprocessing.Process(target=serve, args=(theirs, certificate), daemon=True)
        sink.start()
        port = ours.recv()
        try:
            if arguments.profile:
                import cProfile

                with cProfile.Profile() as profile:
                    uvloop.run(measure(arguments, port, ca))
                import pstats

                pstats.Stats(profile).sort_stats("tottime").print_stats(22)
            else:
                uvloop.run(measure(arguments, port, ca))
        finally:
            sink.terminate()
            sink.join()


if __name__ == "__main__":
    main()
