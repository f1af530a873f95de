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
from hookferry.transport.exchange import Phase, Progress
from hookferry.transport.guard import Guard, Verdict
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
        self.contexts = tls.Contexts()

    async def dial(self, target: Target, protocol: asyncio.Protocol, progress: Progress) -> None:
        """Connect ``protocol`` to a target; its ``connection_made`` gets the final transport last.

        ``progress`` is kept up to date on the way, also when it fails or is cancelled.

        Raises:
            DialError: it could not be done.
        """
        if target.scheme == "http" and not self._guard.allow_http:
            progress.verdict = Verdict.DENY_HTTP
            raise DialError(
                ErrorKind.DENIED, "targets must be https; HOOKFERRY_ALLOW_HTTP=true allows http"
            )
        context = None
        if target.scheme == "https":
            try:
                context = self.contexts.get(target.ca, target.client_certificate)
            except tls.CertificateInputError as error:
                raise DialError(ErrorKind.TLS, str(error)) from None
        addresses = await self._look_up(progress, target.host)
        if target.proxy is None:
            transport = await self._connect(progress, protocol, addresses, target.port)
        else:
            transport = await self._tunnel(progress, addresses, target.port, target.proxy)
            if context is None:
                transport.set_protocol(protocol)
                protocol.connection_made(transport)
        if context is not None:
            await self._handshake(progress, transport, protocol, context, target.host)

    async def _look_up(self, progress: Progress, host: str) -> list[tuple[str, Verdict]]:
        """Return the allowed addresses of a host with their verdicts."""
        progress.phase = Phase.DNS
        started = self._now()
        try:
            addresses: tuple[str, ...] = (str(ip_address(host)),)
        except ValueError:
            try:
                addresses = await self._resolver.resolve(host)
            except ResolveError as failure:
                raise DialError(failure.kind, failure.detail) from None
            finally:
                progress.dns += self._now() - started
        judged = [(address, self._guard.judge(address)) for address in addresses]
        allowed = [each for each in judged if each[1].allowed]
        if not allowed:
            address, progress.verdict = judged[0]
            progress.address = address
            raise DialError(
                ErrorKind.DENIED,
                f"{_is(host, address)} may not be called ({progress.verdict});"
                " HOOKFERRY_ALLOW_TARGETS lists the exceptions",
            )
        return allowed[: self._limits.addresses]

    async def _connect(
        self,
        progress: Progress,
        protocol: asyncio.Protocol,
        addresses: list[tuple[str, Verdict]],
        port: int,
    ) -> asyncio.Transport:
        """Connect to the first address that answers; together they have the connect limit."""
        progress.phase = Phase.CONNECT
        started = self._now()
        failure: DialError | None = None
        try:
            for tried, (address, verdict) in enumerate(addresses):
                progress.address, progress.verdict = _join(address, port), verdict
                left = self._limits.connect - (self._now() - started)
                try:
                    async with asyncio.timeout(left / (len(addresses) - tried)):
                        transport, _ = await self._loop.create_connection(
                            lambda: protocol, address, port
                        )
                        return transport
                except TimeoutError:
                    failure = DialError(
                        ErrorKind.CONNECT_TIMEOUT, f"{progress.address} did not answer in time"
                    )
                except ConnectionRefusedError:
                    failure = DialError(
                        ErrorKind.CONNECT_REFUSED, f"{progress.address} refused the connection"
                    )
                except OSError as error:
                    failure = DialError(
                        ErrorKind.CONNECT_FAILED,
                        f"connecting to {progress.address} failed: {error.strerror or error}",
                    )
        finally:
            progress.connect += self._now() - started
        assert failure is not None
        raise failure

    async def _tunnel(
        self, progress: Progress, judged: list[tuple[str, Verdict]], port: int, url: str
    ) -> asyncio.Transport:
        """Have the proxy connect to a judged address (never to the name)."""
        try:
            via = proxy.parse(url)
        except ValueError as error:
            raise DialError(ErrorKind.PROXY, str(error)) from None
        failure: DialError | None = None
        for address, verdict in judged:
            tunnel = proxy.Tunnel(self._loop, self._limits.proxy_head)
            try:
                addresses = await self._look_up(progress, via.host)
                transport = await self._connect(progress, tunnel, addresses, via.port)
            except DialError as error:
                kind = ErrorKind.DENIED if error.kind is ErrorKind.DENIED else ErrorKind.PROXY
                raise DialError(kind, f"proxy: {error.detail}") from None
            progress.phase = Phase.PROXY
            progress.address, progress.verdict = _join(address, port), verdict
            try:
                await tunnel.open(progress.address, via.authorization)
            except proxy.ProxyError as error:
                transport.abort()
                failure = DialError(ErrorKind.PROXY, str(error))
            except BaseException:
                transport.abort()
                raise
            else:
                return transport
        assert failure is not None
        raise failure

    async def _handshake(
        self,
        progress: Progress,
        transport: asyncio.Transport,
        protocol: asyncio.Protocol,
        context: ssl.SSLContext,
        host: str,
    ) -> None:
        progress.phase = Phase.TLS
        started = self._now()
        try:
            secured = await self._loop.start_tls(transport, protocol, context, server_hostname=host)
            if secured is None:
                raise ConnectionResetError
        except BaseException as error:
            transport.abort()
            if isinstance(error, ssl.SSLError | ConnectionError):
                raise DialError(*tls.explain(error, host)) from None
            raise
        finally:
            progress.tls = self._now() - started
        protocol.connection_made(secured)


def _join(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _is(host: str, address: str) -> str:
    return address if host == address else f"{host} is {address}, which"
