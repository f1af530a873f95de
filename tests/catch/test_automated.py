"""Sources whose callers an automation answers; what runs it is scripted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from api.kit import House, until
from hookferry.catch.own_webhook import TURN_SECONDS
from hookferry.catch.replies import Answer
from hookferry.domain.automation import Automation
from hookferry.domain.delivery import Delivery, DeliveryState
from hookferry.domain.request import Verdict
from hookferry.domain.tenant import DEFAULT_TENANT
from hookferry.domain.webhook import AUTOMATION
from hookferry.engine.dispatch import Plan
from hookferry.engine.dispatchers import Done
from hookferry.engine.lane import Job
from hookferry.engine.tenants import TenantSettings
from hookferry.ids import encode
from hookferry.store.ports import DeliveryFilter
from hookferry.transport.port import ErrorKind, Outcome

from .kit import Caller, source, webhook

KATA = "automation/echo:\n  uri: cerb:automation:example.echo\n"


def saying(status: int, *headers: str, body: bytes = b"") -> Outcome:
    head = "\r\n".join([f"HTTP/1.1 {status} Said", *headers, "", ""]).encode()
    return Outcome(status=status, head=head, body=body)


class Scripts:
    """Stands for the automations: says what a test wants, or nothing until it is told to."""

    def __init__(self, house: House, says: Callable[[Job], Outcome] | None) -> None:
        self.says = says
        self.runs: list[Job] = []
        self.timeouts: list[float] = []
        self._waiting: list[Done] = []
        house.engine.dispatchers.add(AUTOMATION, self)

    def send(self, job: Job, plan: Plan, timeout: float, done: Done) -> None:
        self.runs.append(job)
        self.timeouts.append(timeout)
        if self.says is None:
            self._waiting.append(done)
        else:
            asyncio.get_running_loop().call_soon(done, self.says(job))

    def end(self, outcome: Outcome) -> None:
        for done in self._waiting:
            done(outcome)
        self._waiting.clear()


def scripts(house: House, outcome: Outcome | None) -> Scripts:
    return Scripts(house, None if outcome is None else lambda _: outcome)


async def automated(house: House, **fields: Any) -> Caller:
    return await source(house, **{"automations_kata": KATA, **fields})


async def delivery(house: House) -> Delivery:
    """The one there is."""
    tenant = house.services.directory.tenant(DEFAULT_TENANT)
    [found] = await house.store.deliveries(DeliveryFilter(tenant_id=tenant.id), limit=10)
    return found


async def until_it_is(house: House, state: DeliveryState) -> Delivery:
    async with asyncio.timeout(20):
        while (found := await delivery(house)).state is not state:
            pass
    return found


# --------------------------------------------------------------------------- answers


async def test_an_automations_answer_is_the_callers(house: House) -> None:
    ran = scripts(house, saying(201, "Content-Type: application/json", "X-Own: 1", body=b"{}"))
    caller = await automated(house)
    answer = await caller.send(b"x", below="/some/path?a=b")
    assert (answer.status_code, answer.content) == (201, b"{}")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-own"] == "1"
    assert answer.headers["x-content-type-options"] == "nosniff"
    [run] = ran.runs
    event = run.carrier.event
    assert event.meta.caught is not None
    assert (event.payload, event.meta.caught.path) == (b"x", b"some/path")
    own = house.services.directory.owned(caller.source.id)
    assert own is not None
    [kept] = await caller.kept()
    assert (kept.status, kept.answer_body) == (201, b"{}")
    assert kept.answered_by == encode("wh", own.id)


async def test_an_automation_named_by_the_source_answers_as_well(house: House) -> None:
    tenant = house.services.directory.tenant(DEFAULT_TENANT)
    ids = house.services.ids
    await house.store.save(
        Automation(
            id=ids.next(),
            tenant_id=tenant.id,
            name="example.echo",
            extension_id="cerb.trigger.webhook.respond",
        )
    )
    await house.services.directory.refresh()
    ran = scripts(house, saying(200, body=b"echo"))
    caller = await source(house, respond={"automation": "example.echo"})
    assert (await caller.send()).text == "echo"
    [run] = ran.runs
    assert run.lane.webhook.target_url == "example.echo"


async def test_a_script_that_fails_is_500_and_its_caller_learns_nothing(house: House) -> None:
    secret = "the password is 12345"
    scripts(house, Outcome(error=ErrorKind.INTERNAL, detail=secret, body=secret.encode()))
    caller = await automated(house)
    answer = await caller.send()
    assert (answer.status_code, answer.content) == (500, b"")
    assert "12345" not in str(answer.headers)
    [kept] = await caller.kept()
    assert kept.detail == "the automation failed; its run says why"
    assert (await delivery(house)).state is DeliveryState.FAILED


async def test_nothing_of_an_answer_begins_a_header_of_its_own(house: House) -> None:
    scripts(house, saying(200, "X-A: 1\nX-Evil: 1", "X-B: 1\rX-Evil: 1", "X-C: 1", body=b"fine"))
    caller = await automated(house)
    head = f"GET {caller.path} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"
    raw = await house.raw(head.encode())
    assert raw.endswith(b"\r\n\r\nfine")
    assert b"x-c: 1" in raw
    assert b"evil" not in raw.lower()


async def test_pages_may_call_where_the_automation_says_so(house: House) -> None:
    scripts(house, saying(200, "Access-Control-Allow-Origin: *", "Access-Control-Max-Age: 5"))
    caller = await automated(house, cors=["https://app.example"])
    for origin in ("https://app.example", "https://other.example"):
        answer = await caller.send(headers={"Origin": origin})
        assert answer.headers.get_list("access-control-allow-origin") == ["*"]
        assert answer.headers["access-control-max-age"] == "5"


async def test_pages_may_call_where_the_source_says_so_and_the_automation_nothing(
    house: House,
) -> None:
    scripts(house, saying(200))
    caller = await automated(house, cors=["https://app.example"], deduplicate={"body_hash": True})
    for _ in ("first", "repeat"):
        answer = await caller.send(headers={"Origin": "https://app.example"})
        allowed = answer.headers.get_list("access-control-allow-origin")
        assert allowed == ["https://app.example"]


async def test_a_preflight_is_the_automations_where_the_source_names_no_origins(
    house: House,
) -> None:
    scripts(house, saying(200, "Access-Control-Allow-Methods: OPTION,POST"))
    caller = await automated(house)
    asks = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    answer = await caller.send(b"", asks, method="OPTIONS")
    assert answer.headers["access-control-allow-methods"] == "OPTION,POST"


async def test_where_nothing_may_run_the_caller_is_asked_to_come_back(house: House) -> None:
    ran = scripts(house, saying(200))
    caller = await automated(house, deduplicate={"body_hash": True})
    tenants = house.services.tenants
    await tenants.put(DEFAULT_TENANT, TenantSettings(webhooks_active=False))
    answer = await caller.send()
    assert (answer.status_code, answer.content) == (503, b"")
    assert int(answer.headers["retry-after"]) > 0
    await tenants.put(DEFAULT_TENANT, TenantSettings(webhooks_active=True))
    assert (await caller.send()).status_code == 202
    await until(lambda: len(ran.runs) == 1)


async def test_whatever_an_automation_answers_it_goes_on_running(house: House) -> None:
    scripts(house, saying(410))
    caller = await automated(house)
    for _ in range(3):
        assert (await caller.send()).status_code == 410
    own = house.services.directory.owned(caller.source.id)
    assert own is not None
    assert own.state.label == "active"


async def test_an_automation_that_fails_for_days_goes_on_running(house: House) -> None:
    scripts(house, Outcome(error=ErrorKind.INTERNAL, detail="it fails"))
    caller = await automated(house)
    for _ in range(3):
        assert (await caller.send()).status_code == 500
        house.clock.ahead_ms += 6 * 86_400_000
    own = house.services.directory.owned(caller.source.id)
    assert own is not None
    assert own.state.label == "active"


# --------------------------------------------------------------------------- what does not run


async def test_a_draft_keeps_a_sample_and_runs_nothing(house: House) -> None:
    ran = scripts(house, saying(200))
    caller = await automated(house, draft=True)
    assert (await caller.send()).status_code == 204
    assert await caller.verdicts() == [(Verdict.SAMPLE, None)]
    assert ran.runs == []


async def test_a_condition_that_does_not_hold_is_422_and_runs_nothing(house: House) -> None:
    ran = scripts(house, saying(200))
    caller = await automated(house, condition={"path": "data.a", "op": "equals", "value": 2})
    assert (await caller.send()).status_code == 422
    assert ran.runs == []


async def test_a_disabled_source_is_not_there_and_runs_nothing(house: House) -> None:
    ran = scripts(house, saying(200))
    caller = await automated(house, enabled=False)
    assert (await caller.send()).status_code == 404
    assert ran.runs == []


async def test_an_automation_gets_the_requests_of_its_own_source_alone(house: House) -> None:
    ran = scripts(house, saying(200))
    caller = await automated(house)
    other = await source(house, "other")
    assert (await other.send()).status_code == 204
    assert ran.runs == []
    await caller.change(automations_kata=None)
    assert (await caller.send()).status_code == 204
    assert ran.runs == []


async def test_webhooks_that_want_the_event_get_it_too(house: House) -> None:
    scripts(house, saying(200, body=b"from the script"))
    await webhook(house, "gate", mode="sync")
    await webhook(house, "crm")
    caller = await automated(house)
    assert (await caller.send()).text == "from the script"
    await until(lambda: len(house.transport.sent) == 2)


# --------------------------------------------------------------------------- time


async def test_after_the_deadline_the_late_answer_is_given_and_the_run_goes_on(
    house: House,
) -> None:
    ran = scripts(house, None)
    caller = await automated(
        house, respond={"deadline": 0.1, "late": {"status": 202, "body": "later"}}
    )
    answer = await caller.send()
    assert (answer.status_code, answer.text) == (202, "later")
    assert (await delivery(house)).state is DeliveryState.PENDING
    ran.end(saying(200))
    await until_it_is(house, DeliveryState.DELIVERED)


async def test_a_run_ends_by_its_own_limit_before_its_caller_gives_up(house: House) -> None:
    ran = scripts(house, saying(200))
    caller = await automated(house)
    gate = house.services.catching.reception.gate(caller.source)
    assert gate is not None
    assert gate.deadline == 30
    await caller.send()
    assert ran.timeouts == [TURN_SECONDS]
    await caller.change(respond={"deadline": 5})
    gate = house.services.catching.reception.gate(caller.source)
    assert gate is not None
    assert gate.deadline == 5


async def test_a_source_that_is_deleted_ends_what_is_owed_to_its_automation(house: House) -> None:
    ran = scripts(house, None)
    caller = await automated(house, respond={"deadline": 0.1})
    await caller.send()
    await house.services.sources.delete(caller.source.tenant_id, caller.source.id)
    assert (await delivery(house)).state is DeliveryState.CANCELLED
    ran.end(saying(200))


# --------------------------------------------------------------------------- repeats


async def test_a_repeat_gets_the_first_answer_and_runs_nothing(house: House) -> None:
    ran = scripts(house, saying(200, "X-Own: 1", body=b"done"))
    caller = await automated(house, deduplicate={"body_hash": True})
    first, repeat = await caller.send(), await caller.send()
    assert (repeat.text, repeat.headers["x-own"]) == (first.text, "1")
    assert len(ran.runs) == 1
    assert [verdict for verdict, _ in await caller.verdicts()] == [
        Verdict.ACCEPTED,
        Verdict.DUPLICATE,
    ]


async def test_each_request_runs_where_nothing_tells_repeats(house: House) -> None:
    ran = scripts(house, saying(200))
    caller = await automated(house)
    await caller.send()
    await caller.send()
    assert len(ran.runs) == 2


@pytest.mark.parametrize(
    "outcome", [saying(503), Outcome(error=ErrorKind.INTERNAL, detail="it fails")]
)
async def test_a_repeat_runs_again_what_came_to_nothing_and_only_that(
    house: House, outcome: Outcome
) -> None:
    ran = scripts(house, outcome)
    caller = await automated(house, deduplicate={"body_hash": True})
    assert (await caller.send()).status_code >= 500
    ran.says = lambda _: saying(200)
    assert (await caller.send()).status_code == 202
    await until(lambda: len(ran.runs) == 2)
    async with asyncio.timeout(20):
        while (await delivery(house)).last_status != 200:
            pass
    assert (await caller.send()).status_code == 202
    assert len(ran.runs) == 2


async def test_a_listeners_answer_goes_before_the_automations(house: House) -> None:
    ran = scripts(house, None)
    caller = await automated(house)
    listeners = house.services.catching.listeners
    listeners.join(caller.source.id)
    sending = asyncio.create_task(caller.send())
    await until(lambda: len(ran.runs) == 1)
    request_id = await house.store.newest_request(caller.source.tenant_id, caller.source.id)
    assert listeners.answer(request_id, Answer(418))
    assert (await sending).status_code == 418
    ran.end(saying(200))
    listeners.leave(caller.source.id)
