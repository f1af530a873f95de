"""May and can a target be called? Asked when a webhook is saved, not when it is sent to.

Finds what would fail on every delivery: an address that is denied, a name that does not exist, a
certificate that is not accepted. A receiver that is down is no reason to refuse it: people
configure webhooks before they start their receivers.
"""

from __future__ import annotations

import asyncio

from hookferry.clock import Clock
from hookferry.errors import InvalidField, TargetRefused
from hookferry.transport import proxy as proxies
from hookferry.transport import tls
from hookferry.transport.dial import Dialer, DialError
from hookferry.transport.dns import Resolver
from hookferry.transport.exchange import Phase, Progress
from hookferry.transport.guard import Guard
from hookferry.transport.limits import Limits
from hookferry.transport.port import ErrorKind
from hookferry.transport.target import parse_target

TIME_LIMIT = 5.0
"""Seconds for a whole check."""

_REMEDIES = {
    ErrorKind.DNS: "; correct the name or its DNS records",
    ErrorKind.DNS_TIMEOUT: "; correct the name or its DNS records, or try again",
    ErrorKind.TLS_CERTIFICATE: "; correct the receiver's certificate or give its CA in ca",
}


class TargetChecker:
    """Checks targets before they are saved. Made inside a running event loop.

    Args:
        guard: judges addresses.
        resolver: looks names up.
        clock: for the limits.
        limits: of connecting; the whole check ends after ``TIME_LIMIT`` seconds.
    """

    def __init__(
        self, guard: Guard, resolver: Resolver, clock: Clock, limits: Limits | None = None
    ) -> None:
        self._dialer = Dialer(
            asyncio.get_running_loop(), guard, resolver, limits or Limits(), clock.monotonic
        )

    async def __call__(
        self,
        url: str,
        *,
        ca: str | None = None,
        client_certificate: bytes | None = None,
        proxy: str | None = None,
    ) -> None:
        """Return when nothing speaks against the target.

        Raises:
            InvalidField: ``target_url``, ``ca``, ``client_certificate`` or ``proxy`` can't be
                read; ``field`` says which.
            TargetRefused: the address is denied (``verdict`` in the extra members), the name
                can't be resolved or the certificate is not accepted.
        """
        target, _ = parse_target(url, ca=ca, client_certificate=client_certificate, proxy=proxy)
        if proxy is not None:
            try:
                proxies.parse(proxy)
            except ValueError as error:
                raise InvalidField(str(error), field="proxy") from None
        if target.scheme == "https":
            try:
                self._dialer.contexts.get(ca, client_certificate)
            except tls.CertificateInputError as error:
                raise InvalidField(str(error), field=error.field) from None
        progress = Progress()
        protocol = _Hangup()
        try:
            async with asyncio.timeout(TIME_LIMIT):
                await self._dialer.dial(target, protocol, progress)
        except TimeoutError:
            if progress.phase is Phase.DNS:
                kind, detail = progress.phase.value
                raise _refused(kind, detail, progress) from None
        except DialError as failure:
            if failure.kind is ErrorKind.DENIED or failure.kind in _REMEDIES:
                raise _refused(failure.kind, failure.detail, progress) from None
        finally:
            protocol.abort()


class _Hangup(asyncio.Protocol):
    """Connects and has nothing to say."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def abort(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()


def _refused(kind: ErrorKind, detail: str, progress: Progress) -> TargetRefused:
    return TargetRefused(
        f"target_url: {detail}{_REMEDIES.get(kind, '')}",
        field="target_url",
        verdict=str(progress.verdict) if kind is ErrorKind.DENIED else kind.value,
    )
