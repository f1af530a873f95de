"""Deliveries to automations: the dispatcher of webhooks of type ``automation``.

A run is an attempt like any other: its answer is the log's, its failure is tried again as the
webhook says. What a source's or timer's own webhook runs is chosen in the same way.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec
import structlog

from hookferry.automate.answers import NOBODY, NOTHING, ScriptAnswer
from hookferry.automate.choosing import chooser
from hookferry.automate.placeholders import placeholders
from hookferry.automate.running import Choose, Chosen, Ended
from hookferry.clock import Clock
from hookferry.domain.automation_names import NAME
from hookferry.domain.event import Event
from hookferry.domain.run import Run
from hookferry.domain.tenant import Tenant
from hookferry.domain.webhook import Mode, Webhook
from hookferry.engine.directory import Directory
from hookferry.engine.dispatch import Plan
from hookferry.engine.dispatchers import Done
from hookferry.engine.lane import Job
from hookferry.errors import ScriptError, ScriptRefused
from hookferry.ids import encode
from hookferry.kata.templates import Run as TemplateRun
from hookferry.telemetry import Metrics
from hookferry.transport.port import ErrorKind, Outcome

log = structlog.get_logger(__name__)

KEPT: Final = 16 * 1024
"""Bytes of an answer that the log keeps, as of other receivers' answers."""
MAX_CHOOSERS: Final = 1_000
"""Webhooks whose handlers are kept compiled."""


class Runs(Protocol):
    """Runs automations (``hookferry.automate.running.Running``)."""

    async def run(
        self,
        tenant: Tenant,
        choose: Choose,
        scope: Mapping[str, Any],
        *,
        event: Event | None = None,
        simulate: bool = False,
    ) -> Ended | None:
        """Run what is chosen to its end."""
        ...


class AutomationDispatcher:
    """Runs what deliveries go to.

    Args:
        runs: runs it.
        directory: tenants.
        clock: times.
        metrics: counts the runs.
        kept: bytes of an answer that the log keeps.
    """

    def __init__(
        self,
        runs: Runs,
        directory: Directory,
        clock: Clock,
        metrics: Metrics,
        *,
        kept: int = KEPT,
    ) -> None:
        self._runs = runs
        self._directory = directory
        self._clock = clock
        self._metrics = metrics
        self._kept = kept
        self._tasks: set[asyncio.Task[None]] = set()
        self._choosers: OrderedDict[int, tuple[int, Choose]] = OrderedDict()

    def send(self, job: Job, plan: Plan, timeout: float, done: Done) -> None:
        """Run what a webhook names, or the first of its handlers that is enabled.

        The run has a time limit of its own, which its policy sets; ``timeout`` is for receivers
        that have none.
        """
        webhook = job.lane.webhook
        job.started_ms = self._clock.wall_ms()
        job.version = plan.version
        event = job.carrier.event
        task = asyncio.get_running_loop().create_task(self._run(job, webhook, event, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, job: Job, webhook: Webhook, event: Event, done: Done) -> None:
        begun = self._clock.monotonic()
        outcome = Outcome(error=ErrorKind.SCRIPT, detail="it was cut off")
        try:
            tenant = self._directory.tenant_by_id(webhook.tenant_id)
            scope = placeholders(event, webhook)
            ended = await self._runs.run(tenant, self._chooser(webhook), scope, event=event)
            outcome = self._outcome(job, ended)
        except Exception as error:  # a bug of ours: the delivery is settled whatever it is
            log.exception("run_failed", delivery=encode("dlv", job.delivery_id))
            outcome = Outcome(
                error=ErrorKind.INTERNAL, detail=f"it could not run: {type(error).__name__}"
            )
        finally:
            outcome.duration = self._clock.monotonic() - begun
            done(outcome)

    def _chooser(self, webhook: Webhook) -> Choose:
        known = self._choosers.get(webhook.id)
        if known is None or known[0] != webhook.version:
            try:
                choose = chooser(webhook)
            except ScriptRefused as refused:  # it was saved by a version that took it
                choose = _refusing(refused.detail)
            known = self._choosers[webhook.id] = (webhook.version, choose)
            if len(self._choosers) > MAX_CHOOSERS:
                self._choosers.popitem(last=False)
        self._choosers.move_to_end(webhook.id)
        return known[1]

    def _outcome(self, job: Job, ended: Ended | None) -> Outcome:
        """Return a run as the engine sees the answer of a receiver."""
        if ended is None:
            job.logged_head = b"RUN / HTTP/1.1\r\n\r\n"
            # Whoever waits is told that nobody is there. Where nobody waits, there is nothing to
            # do: no failure, and nothing to be tried again.
            waits = job.lane.webhook.mode is not Mode.ASYNC
            return self._answered(NOBODY if waits else NOTHING, None)
        run = msgspec.structs.replace(ended.record, delivery_id=job.delivery_id)
        self._metrics.automation_run(run.exit.value, run.duration_ms / 1000)
        name = run.automation.encode() if NAME.fullmatch(run.automation) else b"-"
        job.logged_head = b"RUN /%b HTTP/1.1\r\nHookferry-Run: %b\r\n\r\n" % (
            name,
            encode("run", run.id).encode(),
        )
        if ended.answer is None:
            return Outcome(error=ErrorKind.SCRIPT, detail=run.error, run=run)
        return self._answered(ended.answer, run)

    def _answered(self, answer: ScriptAnswer, run: Run | None) -> Outcome:
        cut = len(answer.body) > self._kept
        return Outcome(
            status=answer.status,
            head=answer.head,
            body=answer.body[: self._kept] if cut else answer.body,
            truncated=cut,
            whole=answer.body if cut else None,
            run=run,
        )


def _refusing(why: str) -> Choose:
    """Return what makes every run fail: its handlers can't be read."""

    def refuse(scope: Mapping[str, Any], run: TemplateRun) -> Chosen | None:
        raise ScriptError(f"the webhook's automations_kata can't be read: {why}")

    return refuse
