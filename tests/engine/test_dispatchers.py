"""Who tries a delivery, by the type of its webhook: the lanes and the log are the same for all."""

from __future__ import annotations

import asyncio

import pytest

from hookferry.domain.run import Run
from hookferry.domain.webhook import AUTOMATION
from hookferry.engine.dispatch import Plan
from hookferry.engine.dispatchers import Done
from hookferry.engine.intake import Cause
from hookferry.engine.lane import Job
from hookferry.engine.publication import Publication
from hookferry.store.ports import RunFilter
from hookferry.transport.port import ErrorKind, Outcome

from .kit import EXACT, ONCE, TENANT, Rig


class Scripts:
    """Tries deliveries as a test says."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.tried: list[tuple[str, float]] = []
        self.outcomes: list[Outcome | Exception] = []
        rig.engine.dispatchers.add(AUTOMATION, self)

    def send(self, job: Job, plan: Plan, timeout: float, done: Done) -> None:
        self.tried.append((job.lane.webhook.name, timeout))
        job.logged_head = b"RUN /it HTTP/1.1\r\n\r\n"
        outcome = self.outcomes.pop(0) if self.outcomes else Outcome(status=200)
        if isinstance(outcome, Exception):
            raise outcome
        if outcome.run is not None:
            outcome.run = Run(
                id=self.rig.engine.ids.next(),
                tenant_id=TENANT,
                automation_id=None,
                automation="it",
                delivery_id=job.delivery_id,
            )
        asyncio.get_running_loop().call_soon(done, outcome)


SOME_RUN = Run(id=0, tenant_id=TENANT, automation_id=None, automation="")


@pytest.fixture
def scripts(rig: Rig) -> Scripts:
    return Scripts(rig)


async def test_a_webhook_is_tried_by_who_is_there_for_its_type(rig: Rig, scripts: Scripts) -> None:
    await rig.webhook("crm")
    own = await rig.webhook("auto", type=AUTOMATION)
    await rig.publish()
    await rig.quiet()
    assert [name for name, _ in scripts.tried] == ["auto"]
    assert list(rig.sent) == ["crm"]
    assert await rig.states() == ["delivered", "delivered"]
    [attempt] = await rig.attempts(await rig.delivery(webhook_id=own.id))
    assert attempt.request_head == b"RUN /it HTTP/1.1\r\n\r\n"


async def test_a_type_that_nobody_tries_fails_and_says_so(rig: Rig) -> None:
    await rig.webhook("auto", type="crmscript", retry=ONCE)
    await rig.publish()
    await rig.quiet()
    [attempt] = await rig.attempts(await rig.delivery())
    assert await rig.states() == ["failed"]
    assert "'crmscript'" in (attempt.detail or "")


async def test_failures_are_tried_again_and_each_run_is_stored_with_its_attempt(
    rig: Rig, scripts: Scripts
) -> None:
    failing = Outcome(error=ErrorKind.SCRIPT, detail="no", run=SOME_RUN)
    scripts.outcomes = [failing, ValueError("a bug"), Outcome(status=200, run=SOME_RUN)]
    await rig.webhook("auto", type=AUTOMATION, retry=EXACT)
    await rig.publish()
    await rig.quiet()
    delivery = await rig.delivery()
    attempts = await rig.attempts(delivery)
    assert [a.error for a in attempts][::-1] in (
        ["script_failed", "internal_error", None],
        [None, "internal_error", "script_failed"],
    )
    runs = await rig.store.runs(RunFilter(tenant_id=TENANT), limit=10)
    assert len(runs) == 2
    assert {run.delivery_id for run in runs} == {delivery.id}


async def test_what_a_crash_cuts_off_has_neither_attempt_nor_run_and_runs_again(
    rig: Rig, scripts: Scripts
) -> None:
    scripts.outcomes = [Outcome(status=200, run=SOME_RUN)]
    await rig.webhook("auto", type=AUTOMATION)
    rig.store.refuse = lambda batch: None
    held = asyncio.Event()
    await rig.publish()
    rig.store.held = held
    await rig.until(lambda: len(scripts.tried) == 1)
    rig.crash()
    await rig.boot()
    assert await rig.store.runs(RunFilter(tenant_id=TENANT), limit=10) == []
    again = Scripts(rig)
    again.outcomes = [Outcome(status=200, run=SOME_RUN)]
    await rig.quiet()
    assert len(again.tried) == 1
    assert len(await rig.attempts(await rig.delivery())) == 1
    assert len(await rig.store.runs(RunFilter(tenant_id=TENANT), limit=10)) == 1


# --------------------------------------------------------------------------- who gets an event


async def test_an_addressed_event_goes_to_its_webhook_alone_whatever_it_subscribes_to(
    rig: Rig,
) -> None:
    await rig.webhook("all")
    one = await rig.webhook("one", events=("other.*",))
    publication = Publication(type="contact.created", data=b"{}")
    await rig.engine.intake.publish_one(
        rig.tenant, publication, waits=False, cause=Cause(addressed=one.id)
    )
    await rig.quiet()
    assert list(rig.sent) == ["one"]


@pytest.mark.parametrize("addressed", [1, 999_999])
async def test_an_address_that_leads_nowhere_goes_nowhere(rig: Rig, addressed: int) -> None:
    await rig.webhook("all")
    publication = Publication(type="contact.created", data=b"{}")
    await rig.engine.intake.publish_one(
        rig.tenant, publication, waits=False, cause=Cause(addressed=addressed)
    )
    await rig.quiet()
    assert rig.sent == {}


async def test_a_webhook_of_a_timer_gets_that_ones_events_alone(rig: Rig, scripts: Scripts) -> None:
    await rig.webhook("own", type=AUTOMATION, owner=77, events=())
    await rig.publish()
    publication = Publication(type="night.began", data=b"{}")
    for timer in (77, 78):
        await rig.engine.intake.publish_one(
            rig.tenant, publication, waits=False, cause=Cause(timer=timer)
        )
    await rig.quiet()
    assert len(scripts.tried) == 1
    assert (await rig.delivery()).webhook_id
