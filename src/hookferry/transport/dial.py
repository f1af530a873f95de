"""From a target to an open connection: look up, judge, connect, tunnel, TLS.

A name is looked up once and each address is judged; connections go to a judged address and to
nothing else, so a name that changes its mind between look-up and connection gains nothing.
Denied addresses of a name are passed over: the safety is in connecting to the judged address, and
refusing the whole name would let one stray record stop deliveries to the good ones.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from ipaddress import ip_address

from hookferry.transport import proxy, tls
from hookferry.transport.dns import ResolveError, Resolver
from hookferry.transport.exchange import Exchange, Phase
from hookferry.transport.guard import Guard, Verdict
from hookferry.transport.http1 import Connection
from hookferry.transport.limits import Limits
from hookferry.transport.port import ErrorKind, Target


class DialError(Exception):
    """No connection could be made.

    Args:
        kind: what failed.
        detail: how, for a person.
    """

    def __init__(self, kind: ErrorKind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


class Dialer:
    """Opens connections.

    Args:
        loop: opens the sockets.
        guard: judges every address, the proxy's too.
        resolver: looks names up.
        limits: how long, how many addresses.
        now: a monotonic clock in seconds.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        guard: Guard,
        resolver: Resolver,
        limits: Limits,
        now: Callable[[], float],
    ) -> None:
        self._loop = loop
        self._guard = guard
        self._resolver = resolver
        self._limits = limits
        self._now = now
        self._contexts = tls.Contexts()

    async def dial(self, exchange: Exchange, connection: Connection) -> None:
        """Connect ``connection`` to the exchange's target; note phases and times on the exchange.

        Raises:
            DialError: it could not be done.
        """
        target = exchange.request.target
        try:
            await self._dial(exchange, connection, target)
        except BaseException:
            connection.abort()
            raise
        connection.verdict = exchange.verdict
        connection.address = exchange.address

    async def _dial(self, exchange: Exchange, connection: Connection, target: Target) -> None:
        if target.scheme == "http" and not self._guard.allow_http:
            exchange.verdict = Verdict.DENY_HTTP
            raise DialError(
                ErrorKind.DENIED, "targets must be https; HOOKFERRY_ALLOW_HTTP=true allows http"
            )
        context = None
        if target.scheme == "https":
            try:
                context = self._contexts.get(target.ca, target.client_certificate)
            except tls.CertificateInputError as error:
                raise DialError(ErrorKind.TLS, str(error)) from None
        addresses = await self._look_up(exchange, target.host)
        if target.proxy is None:
            await self._connect(exchange, lambda: connection, addresses, target.port)
        else:
            await self._tunnel(exchange, connection, addresses[0], target)
        if context is not None:
            await self._handshake(exchange, connection, context, target.host)

    async def _look_up(self, exchange: Exchange, host: str) -> list[tuple[str, Verdict]]:
        """Return the allowed addresses of a host with their verdicts."""
        exchange.phase = Phase.DNS
        started = self._now()
        try:
            addresses: tuple[str, ...] = (str(ip_address(host)),)
        except ValueError:
            try:
                addresses = await self._resolver.resolve(host)
            except ResolveError as failure:
                raise DialError(failure.kind, failure.detail) from None
            finally:
                exchange.dns += self._now() - started
        judged = [(address, self._guard.judge(address)) for address in addresses]
        allowed = [each for each in judged if each[1].allowed]
        if not allowed:
            address, exchange.verdict = judged[0]
            exchange.address = address
            raise DialError(
                ErrorKind.DENIED,
                f"{host} is {address}, which may not be called ({exchange.verdict});"
                " HOOKFERRY_ALLOW_TARGETS lists the exceptions",
            )
        return allowed[: self._limits.addresses]

    async def _connect(
        self,
        exchange: Exchange,
        protocol: Callable[[], asyncio.Protocol],
        addresses: list[tuple[str, Verdict]],
        port: int,
    ) -> asyncio.Transport:
        """Connect to the first address that answers; together they have the connect limit."""
        exchange.phase = Phase.CONNECT
        started = self._now()
        failure: DialError | None = None
        try:
            for tried, (address, verdict) in enumerate(addresses):
                exchange.address, exchange.verdict = _join(address, port), verdict
                left = self._limits.connect - (self._now() - started)
                try:
                    async with asyncio.timeout(left / (len(addresses) - tried)):
                        transport, _ = await self._loop.create_connection(protocol, address, port)
                        return transport
                except TimeoutError:
                    failure = DialError(
                        ErrorKind.CONNECT_TIMEOUT, f"{exchange.address} did not answer in time"
                    )
                except ConnectionRefusedError:
                    failure = DialError(
                        ErrorKind.CONNECT_REFUSED, f"{exchange.address} refused the connection"
                    )
                except OSError as error:
                    failure = DialError(
                        ErrorKind.CONNECT_FAILED,
                        f"connecting to {exchange.address} failed: {error.strerror or error}",
                    )
        finally:
            exchange.connect += self._now() - started
        assert failure is not None
        raise failure

    async def _tunnel(
        self,
        exchange: Exchange,
        connection: Connection,
        judged: tuple[str, Verdict],
        target: Target,
    ) -> None:
        """Have the proxy connect to the judged address (never to the name)."""
        assert target.proxy is not None
        address, verdict = judged
        try:
            via = proxy.parse(target.proxy)
        except ValueError as error:
            raise DialError(ErrorKind.PROXY, str(error)) from None
        tunnel = proxy.Tunnel(self._loop, self._limits.proxy_head)
        try:
            try:
                addresses = await self._look_up(exchange, via.host)
                transport = await self._connect(exchange, lambda: tunnel, addresses, via.port)
            except DialError as failure:
                if failure.kind is ErrorKind.DENIED:
                    raise
                raise DialError(ErrorKind.PROXY, f"proxy: {failure.detail}") from None
            exchange.phase = Phase.PROXY
            exchange.address, exchange.verdict = _join(address, target.port), verdict
            try:
                await tunnel.open(exchange.address, via.authorization)
            except proxy.ProxyError as refusal:
                raise DialError(ErrorKind.PROXY, str(refusal)) from None
        except BaseException:
            tunnel.abort()
            raise
        connection.connection_made(transport)
        transport.set_protocol(connection)

    async def _handshake(
        self, exchange: Exchange, connection: Connection, context: ssl.SSLContext, host: str
    ) -> None:
        exchange.phase = Phase.TLS
        started = self._now()
        assert connection.transport is not None
        try:
            transport = await self._loop.start_tls(
                connection.transport, connection, context, server_hostname=host
            )
        except (ssl.SSLError, ConnectionError) as error:
            raise DialError(*tls.explain(error, host)) from None
        finally:
            exchange.tls = self._now() - started
        if transport is None:
            raise DialError(*tls.explain(ConnectionResetError(), host))
        connection.connection_made(transport)


def _join(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
