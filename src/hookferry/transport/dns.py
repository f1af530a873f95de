"""Names to addresses, without ever touching the executor.

c-ares (through aiodns) reads /etc/hosts and the system's resolver configuration, answers
``localhost`` itself (RFC 6761), asks for A and AAAA and sorts the answers (RFC 6724). What it
finds is not judged here; that is the guard's business, anew for every connection.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Sequence

import aiodns
import msgspec
from aiodns import error as ares

from hookferry.transport.port import ErrorKind

TIME_LIMIT = 5.0
"""Seconds a look-up may take."""
TTL_MIN, TTL_MAX = 1.0, 60.0
"""Seconds an answer is kept: its TTL, but within these. (c-ares keeps answers too, for no longer
than their TTL; so the greatest value bounds what a changed /etc/hosts or resolver needs.)"""
NEGATIVE_TTL = 2.0
"""Seconds a failure is kept."""
IN_FLIGHT = 1_000
"""Names looked up at the same time: as many as deliveries in flight, so that names whose servers
hang can never use up the places of others. One more is refused at once instead of queued."""
CACHED = 10_000
"""Names kept."""
ADDRESSES = 32
"""Addresses kept of a name; the rest is never judged and never called."""

_TRY_SECONDS, _TRIES = 1.5, 2


class ResolveError(Exception):
    """A name has no usable addresses.

    Args:
        kind: DNS or DNS_TIMEOUT.
        detail: what went wrong, for a person.
    """

    def __init__(self, kind: ErrorKind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


class _Known(msgspec.Struct):
    """What is known of a name until ``expires`` (monotonic seconds)."""

    expires: float
    addresses: tuple[str, ...] = ()
    failure: ResolveError | None = None


class Resolver:
    """Looks names up; one query per name at a time, answers kept briefly.

    Made inside a running event loop; ``aclose`` ends it.

    Args:
        now: a monotonic clock in seconds.
        nameservers: ``address[:port]`` of servers to ask instead of the system's.
        time_limit: seconds a caller waits for a look-up.
    """

    def __init__(
        self,
        now: Callable[[], float],
        *,
        nameservers: Sequence[str] | None = None,
        time_limit: float = TIME_LIMIT,
    ) -> None:
        self._now = now
        self._time_limit = time_limit
        self._ares = aiodns.DNSResolver(nameservers, timeout=_TRY_SECONDS, tries=_TRIES)
        self._known: dict[str, _Known] = {}
        self._flights: dict[str, _Flight] = {}
        self.lookups = 0
        """How many were started."""

    @property
    def cached(self) -> int:
        """How many names are kept."""
        return len(self._known)

    async def resolve(self, name: str) -> tuple[str, ...]:
        """Return the addresses of a name, best first.

        Raises:
            ResolveError: it has none, or the answer did not come in time.
        """
        now = self._now()
        known = self._known.get(name)
        if known is not None:
            if known.expires > now:
                if known.failure is not None:
                    raise known.failure
                return known.addresses
            del self._known[name]
        flight = self._flights.get(name)
        if flight is None:
            if len(self._flights) >= IN_FLIGHT:
                raise ResolveError(
                    ErrorKind.DNS, f"more than {IN_FLIGHT} names are being looked up already"
                )
            self.lookups += 1
            flight = self._flights[name] = _Flight(self._ask(name), now)
        left = flight.started + self._time_limit - now
        try:
            # Shielded: whoever stops waiting must not end the look-up for the others.
            async with asyncio.timeout(max(left, 0)):
                known = await asyncio.shield(flight.task)
        except TimeoutError:
            raise ResolveError(
                ErrorKind.DNS_TIMEOUT, f"no name server answered for {name} in time"
            ) from None
        if known.failure is not None:
            raise known.failure
        return known.addresses

    async def aclose(self) -> None:
        """End every look-up; callers that still wait are told that it failed."""
        tasks = [flight.task for flight in self._flights.values()]
        await self._ares.close()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, name: str) -> _Known:
        try:
            answer = await self._ares.getaddrinfo(name, type=socket.SOCK_STREAM)
        except ares.DNSError as failure:
            known = _Known(self._now() + NEGATIVE_TTL, failure=_explain(name, failure))
        else:
            found = {node.addr[0].decode("ascii"): float(node.ttl) for node in answer.nodes}
            if found:
                ttl = min(max(min(found.values()), TTL_MIN), TTL_MAX)
                known = _Known(self._now() + ttl, tuple(found)[:ADDRESSES])
            else:
                known = _Known(
                    self._now() + NEGATIVE_TTL,
                    failure=ResolveError(ErrorKind.DNS, f"{name} has no addresses"),
                )
        finally:
            self._flights.pop(name, None)
        if len(self._known) >= CACHED:
            self._known.pop(next(iter(self._known)))
        self._known[name] = known
        return known


class _Flight:
    """A look-up under way."""

    __slots__ = ("started", "task")

    def __init__(self, coroutine: Coroutine[None, None, _Known], started: float) -> None:
        self.task = asyncio.ensure_future(coroutine)
        self.started = started


def _explain(name: str, failure: ares.DNSError) -> ResolveError:
    code, text = (*failure.args, "")[:2]
    if code == ares.ARES_ETIMEOUT:
        return ResolveError(ErrorKind.DNS_TIMEOUT, f"no name server answered for {name} in time")
    if code in (ares.ARES_ENOTFOUND, ares.ARES_ENODATA):
        return ResolveError(ErrorKind.DNS, f"the name {name} does not exist or has no addresses")
    return ResolveError(ErrorKind.DNS, f"looking up {name} failed: {text}")
