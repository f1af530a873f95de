"""Pings: one signed request to a webhook's target, saved or not, outside the ledger.

What the test event is, the profile says; its id is made like any other, but nothing is stored, no
delivery is owed, no health is counted and nothing is tried again.
"""

from __future__ import annotations

import asyncio

import msgspec

from hookferry.clock import Clock
from hookferry.domain.event import Event, EventState
from hookferry.domain.webhook import HTTP, Webhook
from hookferry.engine.dispatch import Carrier
from hookferry.engine.planner import Planner
from hookferry.errors import HandshakeRefused, InvalidField, TestFailed
from hookferry.ids import IdSource
from hookferry.transport.port import Outcome, Request, Transport
from hookferry.wire.handshake import handshake_request, judge
from hookferry.wire.profiles import profile_named

MAX_PINGS = 32
"""Pings in the air at a time; further ones wait their turn."""


class PingResult(msgspec.Struct, kw_only=True):
    """What the receiver made of a ping."""

    success: bool
    """The profile's success rule was met."""
    status: int | None
    error: str | None
    """An error kind, when no usable answer came."""
    detail: str | None
    verdict: str | None
    """What the guard said of the address."""
    address: str | None
    duration_ms: float
    response_head: str
    """Status line and headers of the answer, as received."""
    response_body: str
    """Text of the answer, cut at the transport's limit; bytes that are not UTF-8 are replaced."""
    response_truncated: bool


class Pings:
    """Sends pings, and asks receivers before a webhook is saved.

    Args:
        transport: what sends.
        planner: says how the webhook is sent.
        ids: makes the test event's id.
        clock: its time, and the signature's.
        origin: the address under which this hookferry is known.
    """

    def __init__(
        self,
        transport: Transport,
        planner: Planner,
        ids: IdSource,
        clock: Clock,
        *,
        origin: str = "",
    ) -> None:
        self._transport = transport
        self._planner = planner
        self._ids = ids
        self._clock = clock
        self._origin = origin
        self._slots = asyncio.Semaphore(MAX_PINGS)

    async def ping(self, webhook: Webhook) -> PingResult:
        """Send a test event to a webhook and wait for the outcome.

        Raises:
            InvalidField: it calls nobody.
            UnsealFailed: a secret of it can't be opened.
        """
        if webhook.type != HTTP:
            raise InvalidField(
                "there is no receiver to ping: an automation runs here; try it with POST "
                "/api/v1/automations/<id>/simulate",
                field="type",
            )
        plan = self._planner.plan(webhook)
        async with self._slots:
            now = self._clock.wall_ms()
            type_, payload, meta = plan.profile.test_event(webhook)
            event = Event(
                self._ids.next(), webhook.tenant_id, type_, payload, now, EventState.MATCHED, meta
            )
            head, _, body = plan.render(Carrier(event), now, 1)
            outcome = await self._send(Request(plan.target, head, body, plan.timeout))
        return PingResult(
            success=plan.succeeded(outcome),
            status=outcome.status,
            error=outcome.error,
            detail=outcome.detail,
            verdict=outcome.verdict,
            address=outcome.address,
            duration_ms=round(outcome.duration * 1000, 3),
            response_head=outcome.head.decode("latin-1"),
            response_body=outcome.body.decode("utf-8", "replace"),
            response_truncated=outcome.truncated,
        )

    async def greet(self, webhook: Webhook) -> Webhook:
        """Do what a webhook's profile asks of its receiver before the webhook is saved.

        Returns:
            The webhook to save: with the rate its receiver allowed, where there is a handshake.

        Raises:
            TestFailed: the receiver did not take the test event (S-SO-04).
            HandshakeRefused: it does not allow hookferry to send, or can't be asked.
        """
        profile = profile_named(webhook.profile)
        if profile.handshake:
            rate = await self._shake_hands(webhook) if webhook.handshake else None
            webhook = msgspec.structs.replace(webhook, allowed_rate=rate)
        if profile.test_on_save:
            result = await self.ping(webhook)
            if not result.success:
                what = result.error or f"status {result.status}"
                raise TestFailed(
                    f"the receiver did not take the test event ({what}); under the profile "
                    f"{profile.name!r} a webhook is saved once its receiver answers 200",
                    field="target_url",
                    receiver_status=result.status,
                    receiver_error=result.error,
                )
        return webhook

    async def _shake_hands(self, webhook: Webhook) -> int | None:
        """Ask for permission; return the requests a minute that were allowed."""
        plan = self._planner.plan(webhook)
        own = webhook.rate_limit
        asked = None if own is None else max(1, int(own.per_second * 60))
        head = plan.handshake(handshake_request(self._origin, asked))
        async with self._slots:
            outcome = await self._send(Request(plan.target, head, b"", plan.timeout))
        if outcome.status is None:
            raise HandshakeRefused(
                f"the receiver could not be asked for permission ({outcome.error}: "
                f"{outcome.detail})",
                field="target_url",
            )
        return judge(outcome.head, outcome.status, self._origin, asked=asked).rate

    async def _send(self, request: Request) -> Outcome:
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def done(outcome: Outcome) -> None:
            if not future.done():  # the waiter may have been cancelled meanwhile
                future.set_result(outcome)

        self._transport.send(request, done)
        return await future
