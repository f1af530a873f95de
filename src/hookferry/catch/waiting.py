"""Answers that a caller waits for: a webhook's, an automation's, a listener's (SEMANTICS 10).

The request is durable before anything is called. A caller is never held beyond its source's
deadline: then it gets the late answer, and what runs goes on. A repeat gets what the first got.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

import structlog

from hookferry.catch.arrival import Arrival
from hookferry.catch.gate import Gate
from hookferry.catch.passing_on import from_automation, from_webhook
from hookferry.catch.replies import MAX_BODY, Answer
from hookferry.domain.delivery import Delivery, DeliveryState
from hookferry.domain.request import CaughtRequest
from hookferry.domain.webhook import Webhook
from hookferry.engine import synchronous
from hookferry.engine.committer import Answered
from hookferry.engine.intake import Receipt
from hookferry.engine.verdicts import Report
from hookferry.errors import HookferryError, Overloaded, SynchronousWebhookFailed, Unavailable
from hookferry.ids import decode, encode
from hookferry.match.facts import Facts
from hookferry.store.ports import DeliveryFilter, RequestAnswer

log = structlog.get_logger(__name__)

REPEAT_SECONDS = 5.0
"""How long a repeat waits for the first to be answered (SEMANTICS section 5)."""
MAX_WAITS = 1_000
"""Callers that may wait, in all; each holds its request in memory."""
MAX_REPEATS = 100
"""Callers that may wait for what the first of their kind is answered."""
LISTENER = "listener"
_NOTHING = Answer(204)
_RUNNING = Answer(409)

_CAN_RUN_AGAIN = (DeliveryState.FAILED, DeliveryState.SKIPPED, DeliveryState.DELIVERED)

Said = Receipt | synchronous.Verdict | HookferryError


class AnswerLog(Protocol):
    """What is read of requests and deliveries."""

    async def request(self, tenant_id: int, request_id: int) -> CaughtRequest | None:
        """Return one request."""
        ...

    async def deliveries(self, where: DeliveryFilter, *, limit: int) -> list[Delivery]:
        """Return deliveries."""
        ...


class Keeping(Protocol):
    """Makes answers durable (``hookferry.engine.committer.Committer``)."""

    def answer(self, answered: Answered) -> None:
        """Queue an answer for the next commit."""
        ...


class Resending(Protocol):
    """Queues deliveries again."""

    async def resend(self, tenant_id: int, delivery_ids: list[int]) -> list[int]:
        """Make settled deliveries due again."""
        ...


class Listeners:
    """Programs that listen to sources and answer for them."""

    def __init__(self) -> None:
        self._answering: dict[int, int] = {}
        self._expected: dict[int, Callable[[Answer], None]] = {}

    def join(self, source_id: int) -> None:
        """Begin to answer for a source."""
        self._answering[source_id] = self._answering.get(source_id, 0) + 1

    def leave(self, source_id: int) -> None:
        """Cease to."""
        left = self._answering[source_id] - 1
        if left:
            self._answering[source_id] = left
        else:
            del self._answering[source_id]

    def answering(self, source_id: int) -> bool:
        """Tell whether somebody answers for a source now."""
        return source_id in self._answering

    def expect(self, request_id: int, told: Callable[[Answer], None]) -> None:
        """Pass on the answer to a request, should it come."""
        self._expected[request_id] = told

    def forget(self, request_id: int) -> None:
        """Expect no answer any more."""
        self._expected.pop(request_id, None)

    def answer(self, request_id: int, answer: Answer) -> bool:
        """Give an answer; tell whether anybody was still waiting for it."""
        told = self._expected.pop(request_id, None)
        if told is None:
            return False
        told(answer)
        return True


class Wait:
    """One caller's wait.

    Args:
        waiting: what it belongs to.
        gate: its source.
        arrival: its request.
        request: the record of it.
        facts: what is known of it.
        listening: a listener answers, not a webhook or automation.
        answering: the webhook whose answer the caller gets.
    """

    def __init__(
        self,
        waiting: Waiting,
        gate: Gate,
        arrival: Arrival,
        request: CaughtRequest,
        facts: Facts,
        listening: bool,
        answering: int | None,
    ) -> None:
        self._waiting = waiting
        self._gate = gate
        self._arrival = arrival
        self._facts = facts
        self.listening = listening
        """A listener was there when it began, and has been told that it is waited for."""
        self.answering = answering
        self.request = request
        self.repeats: list[Callable[[Answer], None]] = []
        """Callers that sent the same meanwhile."""
        self._stored = False
        self.over = False
        """The deadline has passed."""
        self._told = False
        self._timer = asyncio.get_running_loop().call_later(gate.deadline, self._deadline)

    def stored(self) -> None:
        """The request is durable; said once or twice."""
        if self._stored:
            return
        self._stored = True
        if self.listening:
            self._waiting.listeners.expect(self.request.id, self._listened)
        if self.over:
            self._late()

    def _deadline(self) -> None:
        self.over = True
        if self._stored:  # before that, nothing may be acknowledged
            self._late()

    def _late(self) -> None:
        self.tell(self._gate.late.answer(self._facts), "deadline")

    def _listened(self, answer: Answer) -> None:
        self.tell(answer, LISTENER)

    def tell(self, answer: Answer, by: str, why: str | None = None) -> None:
        """Answer the caller, once; ``why`` is for the source's owner."""
        if self._told:
            return
        self._told = True
        self._timer.cancel()
        answer = self._gate.with_cors(answer, self._arrival.headers)
        self._waiting.close(self, answer, by, why)

    def give_up(self) -> None:
        """Nothing was stored: there is nobody to wait for."""
        self._told = True
        self._timer.cancel()
        self._waiting.drop(self)

    def finish(self, answer: Answer) -> None:
        """Tell the caller."""
        self._arrival.told(self._arrival.outcome(self.request, answer))


class Waiting:
    """The callers who wait.

    Args:
        store: requests and deliveries.
        keeping: makes answers durable.
        resending: runs what a crash left unrun.
        listeners: who answers for which source.
        owned: finds the webhook that a source owns, by the source's id.
    """

    def __init__(
        self,
        store: AnswerLog,
        keeping: Keeping,
        resending: Resending,
        listeners: Listeners,
        owned: Callable[[int], Webhook | None],
    ) -> None:
        self._store = store
        self._keeping = keeping
        self._resending = resending
        self.listeners = listeners
        self._owned = owned
        self._open: dict[int, Wait] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def open(self) -> list[Wait]:
        """Those who wait."""
        return list(self._open.values())

    def wanted(self, gate: Gate) -> bool:
        """Tell whether the callers of a source wait."""
        return gate.waits or self.listeners.answering(gate.source.id)

    def begin(self, gate: Gate, arrival: Arrival, request: CaughtRequest, facts: Facts) -> Wait:
        """Begin to wait, before the request is stored; raises Overloaded when too many do."""
        if len(self._open) >= MAX_WAITS:
            raise Overloaded("too many callers wait for an answer; send again in a moment")
        listening = self.listeners.answering(gate.source.id)
        wait = Wait(self, gate, arrival, request, facts, listening, self._answering(gate))
        self._open[request.id] = wait
        return wait

    def _answering(self, gate: Gate) -> int | None:
        """Return the id of the webhook whose answer is the callers': the one named, or owned."""
        named = gate.source.respond.webhook
        if named is not None:
            return decode("wh", named)
        own = self._owned(gate.source.id)
        return None if own is None else own.id

    def heard(self, wait: Wait, gate: Gate, told: Said) -> None:
        """Take what the engine says of a stored request that a caller waits for."""
        wait.stored()
        if wait.listening and self.listeners.answering(gate.source.id):
            return  # it is the listener's to answer
        if isinstance(told, Receipt):
            wait.tell(_NOTHING, "nobody")  # no synchronous webhook took it (S-CR-08)
            return
        for report in reports_of(told):
            if report.webhook_id == wait.answering:
                automated = gate.source.automated
                answer, why = from_automation(report) if automated else from_webhook(report)
                wait.tell(answer, encode("wh", report.webhook_id), why)
                return
        wait.tell(_NOTHING, "nobody")

    # ------------------------------------------------------------------ repeats

    def repeat(
        self, gate: Gate, first_id: int, event_id: int, then: Callable[[Answer], None]
    ) -> None:
        """Find what a repeated request is answered: what the first was, once that is known."""
        running = self._open.get(first_id)
        if running is not None and len(running.repeats) >= MAX_REPEATS:
            then(_RUNNING)
            return
        if running is None:
            self._spawn(self._recall(gate, first_id, event_id, then))
            return

        def late() -> None:
            running.repeats.remove(answered)
            then(_RUNNING)

        def answered(answer: Answer) -> None:
            timer.cancel()
            then(answer)

        timer = asyncio.get_running_loop().call_later(REPEAT_SECONDS, late)
        running.repeats.append(answered)

    async def _recall(
        self, gate: Gate, first_id: int, event_id: int, then: Callable[[Answer], None]
    ) -> None:
        tenant_id = gate.source.tenant_id
        try:
            first = await self._store.request(tenant_id, first_id)
            if first is not None and 0 < first.status < 500:
                then(Answer(first.status, first.answer_headers, first.answer_body))
                return
            await self._run_again(gate, event_id)
        except Unavailable as error:
            then(Answer(503, (("retry-after", str(error.retry_after)),)))
            return
        # The first came to nothing, or its caller was never told because the server died: it is
        # why the sender repeats it, so the repeat is not swallowed.
        then(Answer(gate.source.respond.late.status))

    async def _run_again(self, gate: Gate, event_id: int) -> None:
        """Queue the delivery that a caller had waited for, if it came to nothing."""
        webhook_id = self._answering(gate)
        if webhook_id is None:
            return
        where = DeliveryFilter(
            tenant_id=gate.source.tenant_id,
            event_id=event_id,
            webhook_id=webhook_id,
            states=_CAN_RUN_AGAIN,
        )
        found = await self._store.deliveries(where, limit=1)
        failed = [delivery.id for delivery in found if _came_to_nothing(delivery)]
        if failed:
            await self._resending.resend(gate.source.tenant_id, failed)

    # ------------------------------------------------------------------ the end of a wait

    def drop(self, wait: Wait) -> None:
        """Forget a wait for what was not stored."""
        self._open.pop(wait.request.id, None)
        self.listeners.forget(wait.request.id)

    def close(self, wait: Wait, answer: Answer, by: str, why: str | None) -> None:
        """Keep an answer, then give it."""
        self.listeners.forget(wait.request.id)
        request, body = wait.request, answer.body
        if len(body) > MAX_BODY:
            large = f"an answer of {len(body):,} bytes is given, and not kept"
            body, why = b"", large if why is None else f"{large}; {why}"
        kept = RequestAnswer(
            tenant_id=request.tenant_id,
            request_id=request.id,
            status=answer.status,
            headers=answer.headers,
            body=body,
            answered_by=by,
            detail=why,
        )
        self._keeping.answer(Answered(kept, functools.partial(self._kept, wait, answer)))

    def _kept(self, wait: Wait, answer: Answer, error: HookferryError | None) -> None:
        request_id = wait.request.id
        if error is not None:  # the event is stored; only what was answered is forgotten
            log.warning("answer_not_kept", request=encode("req", request_id), error=error.code)
        self._open.pop(request_id, None)
        wait.finish(answer)
        for repeat in wait.repeats:
            repeat(answer)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def reports_of(told: synchronous.Verdict | HookferryError) -> Sequence[Report]:
    """Return what each synchronous webhook answered."""
    if isinstance(told, synchronous.Verdict | SynchronousWebhookFailed):
        return told.reports
    return ()


def _came_to_nothing(delivery: Delivery) -> bool:
    """Tell whether a repeat runs a delivery again.

    Whatever an automation answers is delivered; one that answered 500 or more asked to be repeated.
    """
    return delivery.state is not DeliveryState.DELIVERED or (delivery.last_status or 0) >= 500
