"""Stored requests through the pipeline once more: replayed, released, verified again."""

from __future__ import annotations

import asyncio

import msgspec

from hookferry.catch.arrival import Arrival, Outcome
from hookferry.catch.gate import Gate
from hookferry.catch.pipeline import Keys, Pipeline
from hookferry.catch.reception import Reception
from hookferry.clock import Clock
from hookferry.domain.request import CaughtRequest, Verdict
from hookferry.domain.source import Source
from hookferry.engine.keeping import Keeping
from hookferry.errors import Conflict, HookferryError
from hookferry.ids import encode
from hookferry.store.ports import Acceptance
from hookferry.wire.headers import lowered
from hookferry.wire.inbound.received import Explanation, KeyNeeded
from hookferry.wire.verification import Reason

RUN = frozenset((Verdict.ACCEPTED, Verdict.DUPLICATE, Verdict.SAMPLE, Verdict.INSPECTED))
"""What a request comes to that was let run."""


class Again:
    """Takes stored requests again.

    Args:
        reception: finds their sources' gates.
        pipeline: takes them.
        keys: what verification needs beside a request.
        keeping: stores that one was released.
        clock: when they are taken.
    """

    def __init__(
        self, reception: Reception, pipeline: Pipeline, keys: Keys, keeping: Keeping, clock: Clock
    ) -> None:
        self._reception = reception
        self._pipeline = pipeline
        self._keys = keys
        self._keeping = keeping
        self._clock = clock

    async def replay(self, source: Source, request: CaughtRequest) -> Outcome:
        """Take a request again, as a new one that repeats it.

        It is verified as of when it came, and is no duplicate: it is meant. Its method, address and
        rate are not judged again, and nobody is greeted. One that is quarantined runs once, if it
        is genuine by now, unless its sender repeated it meanwhile; else it stays where it is.

        Raises:
            Conflict: the source is out of order.
            Unavailable: it can't be taken now.
        """
        gate = self._gate(source)
        if request.verdict is Verdict.QUARANTINED:
            return await self._let_run(gate, request, vouched=False)
        return await self._take(gate, self._arrival(request))

    async def release(self, source: Source, request: CaughtRequest) -> Outcome:
        """Let a quarantined request run that a person vouches for, once.

        It runs as a new request, and the quarantined one says so from then on.

        Raises:
            Conflict: the source is out of order.
            Unavailable: it can't be taken now.
        """
        return await self._let_run(self._gate(source), request, vouched=True)

    async def _let_run(self, gate: Gate, request: CaughtRequest, *, vouched: bool) -> Outcome:
        outcome = await self._take(gate, self._arrival(request, request.id, vouched))
        if outcome.verdict in RUN and outcome.request_id is not None:
            await self._mark_released(request, outcome.request_id)
        return outcome

    async def _mark_released(self, request: CaughtRequest, as_id: int) -> None:
        released = msgspec.structs.replace(
            request, verdict=Verdict.RELEASED, detail=f"released as {encode('req', as_id)}"
        )
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(error: HookferryError | None) -> None:
            if not stored.done():
                stored.set_result(None) if error is None else stored.set_exception(error)

        self._keeping.keep(Acceptance(None, request=released), done)
        await stored

    async def explain(self, source: Source, request: CaughtRequest) -> Explanation | None:
        """Verify a request again, as of when it came, and tell how; None where nothing verifies.

        Raises:
            Conflict: the source is out of order.
        """
        gate = self._gate(source)
        verifier = gate.verifier(self._clock.wall_ms())
        if verifier is None:
            return None
        received = self._pipeline.received(gate, self._arrival(request))
        for _ in range(2):
            try:
                return verifier.explain(received, request.received_at_ms / 1000, self._keys.known)
            except KeyNeeded as needed:
                fetched: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
                self._keys.fetch(needed.url, fetched.set_result)
                if not await fetched:
                    break
        return Explanation(
            genuine=False,
            reason=Reason.KEY_UNAVAILABLE,
            detail="what it is signed with could not be fetched; try again later",
            algorithm="",
            timestamp=None,
            trials=(),
        )

    def _gate(self, source: Source) -> Gate:
        gate = self._reception.gate(source)
        if gate is None:
            raise Conflict(
                f"the source {source.name!r} is out of order: its secret can't be opened, or its "
                "definition not be used any more; the server's log says why"
            )
        return gate

    async def _take(self, gate: Gate, arrival: Arrival) -> Outcome:
        told: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def tell(outcome: Outcome) -> None:
            if not told.done():  # whoever waits may have been cancelled meanwhile
                told.set_result(outcome)

        arrival.told = tell
        self._pipeline.take(gate, arrival)
        return await told

    def _arrival(
        self, request: CaughtRequest, releases: int | None = None, vouched: bool = False
    ) -> Arrival:
        return Arrival(
            method=request.method,
            path=request.path,
            query=request.query,
            headers=lowered(request.headers),
            raw_headers=request.headers,
            body=request.body,
            client=request.client,
            told=_ignore,
            at_ms=self._clock.wall_ms(),
            verified_ms=request.received_at_ms,
            replay_of=request.id,
            releases=releases,
            vouched=vouched,
        )


def _ignore(_: Outcome) -> None:
    """Nobody waits."""
