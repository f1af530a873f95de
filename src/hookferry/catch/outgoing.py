"""What catching calls out for: certificates that requests are signed with, and confirmations.

Every call goes through the guard, as deliveries do: the addresses come from requests, and were
judged to be the provider's by the verifier or the handshake that names them. All is bounded: calls
at once and waiting, bytes, what is remembered.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import structlog

from hookferry.catch.sources import Sources
from hookferry.clock import Clock
from hookferry.domain.source import Source
from hookferry.engine.directory import Directory
from hookferry.engine.dispatch import USER_AGENT, authority
from hookferry.errors import HookferryError
from hookferry.ids import encode
from hookferry.transport.port import Outcome, Request, Transport
from hookferry.transport.target import parse_target

log = structlog.get_logger(__name__)

TIMEOUT_SECONDS = 5.0
MAX_CALLS = 8
"""Calls at once."""
MAX_WAITING = 64
"""Calls that wait for their turn, and requests that wait for one call; beyond, a request is
quarantined until it is verified again."""
MAX_KEYS = 100
"""Certificates remembered; providers have a handful each."""
KEY_SECONDS = 24 * 3600.0
FAILED_SECONDS = 60.0
"""For how long an address that failed is not asked again."""


class Outgoing:
    """Fetches certificates, calls confirmations, and takes over secrets handed out in handshakes.

    Args:
        transport: sends.
        directory: sources, whose tenants they are.
        sources: saves what a handshake hands out.
        clock: the age of what is remembered.
    """

    def __init__(
        self, transport: Transport, directory: Directory, sources: Sources, clock: Clock
    ) -> None:
        self._transport = transport
        self._directory = directory
        self._sources = sources
        self._clock = clock
        self._keys: OrderedDict[str, bytes] = OrderedDict()
        self._until: dict[str, float] = {}
        """Until when what is known of an address holds: its certificate, or that it failed."""
        self._ends = math.inf
        """The earliest of them."""
        self._asked: dict[str, list[Callable[[bool], None]]] = {}
        self._slots = asyncio.Semaphore(MAX_CALLS)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def known(self) -> Mapping[str, bytes]:
        """What was fetched within a day, by address."""
        if self._clock.monotonic() >= self._ends:
            self._forget()
        return self._keys

    # ------------------------------------------------------------------ certificates

    def fetch(self, url: str, then: Callable[[bool], None]) -> None:
        """Fetch what is at an address; call ``then`` with whether it is known now.

        Those who ask for the same address meanwhile share one call. What was fetched a day ago is
        fetched again; an address that failed is left alone for a minute.
        """
        waiting = self._asked.get(url)
        if waiting is not None and len(waiting) < MAX_WAITING:
            waiting.append(then)
            return
        failed = url in self._until and url not in self._keys
        resting = failed and self._clock.monotonic() < self._until[url]
        if waiting is not None or resting or self._busy():
            asyncio.get_running_loop().call_soon(then, False)
            return
        self._asked[url] = [then]
        self._spawn(self._fetch(url))

    async def _fetch(self, url: str) -> None:
        outcome = await self._get(url)
        there = outcome is not None and outcome.status == 200 and not outcome.truncated
        if there and outcome is not None:
            self._keys[url] = outcome.body
        else:
            reason = "refused" if outcome is None else outcome.error or outcome.status
            log.warning("certificate_not_fetched", url=url[:200], reason=str(reason))
        lasting = KEY_SECONDS if there else FAILED_SECONDS
        self._until[url] = self._clock.monotonic() + lasting
        self._forget()
        for then in self._asked.pop(url):
            then(there)

    def _forget(self) -> None:
        """Keep what is remembered bounded and fresh."""
        now = self._clock.monotonic()
        for url in [url for url, until in self._until.items() if until <= now]:
            del self._until[url]
            self._keys.pop(url, None)
        while len(self._until) > MAX_KEYS:
            url = next(iter(self._until))
            del self._until[url]
            self._keys.pop(url, None)
        self._ends = min(self._until.values(), default=math.inf)

    # ------------------------------------------------------------------ handshakes

    def confirm(self, source_id: int, url: str) -> None:
        """Call an address once, without waiting for the outcome, which is logged."""
        if self._busy():
            log.warning("confirmation_not_called", source=encode("src", source_id))
            return
        self._spawn(self._confirm(source_id, url))

    async def _confirm(self, source_id: int, url: str) -> None:
        outcome = await self._get(url)
        said = None if outcome is None else outcome.status or outcome.error
        # Without the query, which is what confirms.
        log.info(
            "confirmation_called",
            source=encode("src", source_id),
            url=url.partition("?")[0][:200],
            outcome=str(said),
        )

    def adopt(self, source: Source, secret: str, then: Callable[[bool], None]) -> None:
        """Make a secret the source's, if it has none; call ``then`` with whether it is."""
        self._spawn(self._adopt(source.tenant_id, source.id, secret, then))

    async def _adopt(
        self, tenant_id: int, source_id: int, secret: str, then: Callable[[bool], None]
    ) -> None:
        adopted = False
        try:
            verify = self._directory.source(tenant_id, source_id).verify
            if verify is not None and not verify.secrets:
                await self._sources.rotate_secret(tenant_id, source_id, secret)
                adopted = True
        except HookferryError as error:
            log.warning("secret_not_adopted", source=encode("src", source_id), error=error.detail)
        then(adopted)

    # ------------------------------------------------------------------ calls

    def _busy(self) -> bool:
        return len(self._tasks) >= MAX_CALLS + MAX_WAITING

    async def _get(self, url: str) -> Outcome | None:
        try:
            target, path = parse_target(url)
        except HookferryError:
            return None
        head = (
            f"GET {path} HTTP/1.1\r\nHost: {authority(target)}\r\nUser-Agent: {USER_AGENT}\r\n"
            "Accept: */*\r\n\r\n"
        ).encode()
        async with self._slots:
            future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
            self._transport.send(
                Request(target, head, b"", TIMEOUT_SECONDS),
                lambda outcome: None if future.done() else future.set_result(outcome),
            )
            return await future

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
