"""Deliveries to automations: a run is an attempt like any other, and is stored with it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from api.kit import House
from automate.staged_house import StagedHouse
from hookferry.automate.dispatching import KEPT
from hookferry.domain.delivery import DeliveryState
from hookferry.domain.run import Run, RunExit
from hookferry.domain.webhook import Mode, Retry
from hookferry.ids import encode
from hookferry.store.ports import Batch

ECHO = (
    "start:\n  return:\n    status_code: 201\n    body: {{event.type}} {{inputs.who}}{{Region}}\n"
)
FAILS = "start:\n  error: it does not work\n"
HANDLERS = """\
automation/off:
  uri: cerb:automation:example.off
  disabled@bool: yes
automation/on:
  uri: cerb:automation:example.tried
  inputs:
    who: {{event.data.who}}
  enabled@bool: {{event.type != 'quiet'}}
"""


@pytest.fixture
def staged(house: House) -> StagedHouse:
    return StagedHouse(house)


async def ran(staged: StagedHouse) -> tuple[Any, Run]:
    """Publish an event; return its only delivery and run."""
    await staged.house.publish(type="order.created", data={"who": "Joe"})
    await staged.settles()
    [delivery] = await staged.deliveries()
    [run] = await staged.runs()
    return delivery, run


async def test_a_run_is_the_deliverys_attempt(staged: StagedHouse) -> None:
    await staged.automation(ECHO)
    await staged.webhook("example.tried", properties={"Region": "north"})
    delivery, run = await ran(staged)
    assert (delivery.state, delivery.last_status) == (DeliveryState.DELIVERED, 201)
    assert (run.delivery_id, run.event_id) == (delivery.id, delivery.event_id)
    [attempt] = await staged.store.attempts(staged.tenant.id, delivery.id)
    assert (attempt.status, attempt.response_body) == (201, b"order.created north")
    said = f"RUN /example.tried HTTP/1.1\r\nHookferry-Run: {encode('run', run.id)}\r\n\r\n"
    assert attempt.request_head == said.encode()


async def test_runs_are_counted_by_how_they_ended(staged: StagedHouse) -> None:
    await staged.automation(ECHO)
    await staged.automation(FAILS, "example.fails")
    await staged.webhook("example.tried")
    await staged.webhook("example.fails", name="other", retry=Retry((), 0.0))
    await staged.house.publish(type="order.created")
    await staged.settles()
    counted = staged.house.services.intake.metrics.counts("hookferry_automation_runs_total")
    assert counted == {("return",): 1, ("error",): 1}


async def test_handlers_choose_what_runs_and_give_it_inputs(staged: StagedHouse) -> None:
    await staged.automation(ECHO)
    await staged.webhook(kata=HANDLERS)
    delivery, run = await ran(staged)
    assert run.automation == "example.tried"
    assert run.returned["body"] == "order.created Joe"
    assert delivery.state is DeliveryState.DELIVERED


async def test_where_no_handler_is_enabled_there_is_nothing_to_do(staged: StagedHouse) -> None:
    await staged.automation(ECHO)
    await staged.webhook(kata=HANDLERS)
    await staged.house.publish(type="quiet")
    await staged.settles()
    [delivery] = await staged.deliveries()
    assert (delivery.state, delivery.last_status) == (DeliveryState.DELIVERED, 200)
    assert await staged.runs() == []


async def test_whoever_waits_is_told_that_no_handler_is_enabled(staged: StagedHouse) -> None:
    await staged.webhook(kata=HANDLERS, mode=Mode.SYNC)
    await staged.house.client.post("/api/v1/events", json={"type": "quiet", "data": 1})
    await staged.settles()
    [delivery] = await staged.deliveries()
    assert (delivery.state, delivery.last_status) == (DeliveryState.FAILED, 404)


async def test_a_run_that_fails_is_tried_again_and_can_be_resent(staged: StagedHouse) -> None:
    await staged.automation(FAILS)
    await staged.webhook("example.tried", retry=Retry((0.01, 0.01), 0.0))
    await staged.house.publish()
    await staged.settles()
    [delivery] = await staged.deliveries()
    assert (delivery.state, delivery.last_error) == (DeliveryState.FAILED, "script_failed")
    runs = await staged.runs()
    assert [run.error for run in runs] == ["it does not work"] * 3
    assert {run.delivery_id for run in runs} == {delivery.id}
    attempts = await staged.store.attempts(staged.tenant.id, delivery.id)
    assert {attempt.detail for attempt in attempts} == {"it does not work"}
    await staged.automation(ECHO)
    path = f"/api/v1/deliveries/{encode('dlv', delivery.id)}/resend"
    answer = await staged.house.client.post(path)
    assert answer.status_code < 300, answer.text
    await staged.settles()
    [delivery] = await staged.deliveries()
    assert delivery.state is DeliveryState.DELIVERED
    assert [run.exit for run in await staged.runs()] == [RunExit.ERROR] * 3 + [RunExit.RETURN]


async def test_a_run_is_stored_in_the_commit_of_its_attempt(
    staged: StagedHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[Batch] = []
    commit = staged.store.commit

    async def noting(batch: Batch) -> Any:
        batches.append(batch)
        return await commit(batch)

    async def nothing(*_: Any) -> None:
        raise AssertionError("a run was stored apart")

    monkeypatch.setattr(staged.store, "commit", noting)
    monkeypatch.setattr(staged.store, "put_runs", nothing)
    await staged.automation(ECHO)
    await staged.webhook("example.tried")
    delivery, run = await ran(staged)
    [settled] = [s for batch in batches for s in [*batch.settle, *batch.answered]]
    assert settled.run is not None
    assert settled.attempt is not None
    assert (settled.delivery_id, settled.run.id) == (delivery.id, run.id)


@pytest.mark.parametrize("mode", [Mode.ASYNC, Mode.SYNC])
async def test_handlers_that_no_longer_read_fail_the_delivery_and_lose_nothing(
    staged: StagedHouse, mode: Mode
) -> None:
    webhook = await staged.webhook(kata="automation/a:\n  uri: no name\n", mode=mode)
    await staged.house.client.post("/api/v1/events", json={"type": "a.b", "data": {}})
    await staged.settles()
    [delivery] = await staged.deliveries()
    assert (delivery.state, delivery.last_error) == (DeliveryState.FAILED, "script_failed")
    [run] = await staged.runs()
    assert "automations_kata can't be read" in (run.error or "")
    await staged.automation(ECHO)
    await staged.change(webhook, automations_kata=HANDLERS)
    path = f"/api/v1/deliveries/{encode('dlv', delivery.id)}/resend"
    await staged.house.client.post(path)
    await staged.settles()
    [delivery] = await staged.deliveries()
    assert delivery.state is DeliveryState.DELIVERED


async def test_a_fault_of_ours_settles_the_delivery_and_tells_nobody_why(
    staged: StagedHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: Any) -> Any:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr("hookferry.automate.dispatching.placeholders", breaks)
    await staged.webhook("example.tried")
    await staged.house.publish()
    await staged.settles()
    [delivery] = await staged.deliveries()
    [attempt] = await staged.store.attempts(staged.tenant.id, delivery.id)
    assert (delivery.last_error, attempt.detail) == (
        "internal_error",
        "it could not run: ZeroDivisionError",
    )


async def test_the_log_keeps_the_beginning_of_an_answer_and_its_caller_gets_all(
    staged: StagedHouse,
) -> None:
    await staged.automation("start:\n  return:\n    body@key: request_body\n")
    _, path = await staged.source("automation/a:\n  uri: cerb:automation:example.tried\n")
    body = bytes(range(256)) * (KEPT // 128)
    answer = await staged.sends(path, body)
    assert (answer.status_code, answer.content) == (200, body)
    await staged.settles()
    [delivery] = await staged.deliveries()
    [attempt] = await staged.store.attempts(staged.tenant.id, delivery.id)
    assert attempt.response_body == body[:KEPT]
    assert attempt.response_truncated
    [run] = await staged.runs()
    assert run.source_id is not None


async def test_headers_that_are_the_servers_own_do_not_reach_a_caller(staged: StagedHouse) -> None:
    await staged.automation(
        "start:\n  return:\n    headers:\n      Set-Cookie: a=b\n      X-Own: 1\n"
        "      Content-Length: 5\n      Transfer-Encoding: chunked\n      Connection: close\n"
        "      Strict-Transport-Security: max-age=1\n    body: hello there\n"
    )
    _, path = await staged.source("automation/a:\n  uri: cerb:automation:example.tried\n")
    answer = await staged.sends(path)
    assert (answer.text, answer.headers["x-own"]) == ("hello there", "1")
    for name in ("set-cookie", "transfer-encoding", "strict-transport-security"):
        assert name not in answer.headers
    assert answer.headers["content-length"] == "11"


async def test_a_stop_waits_for_runs(staged: StagedHouse) -> None:
    asked, answered = asyncio.Event(), asyncio.Event()
    transport = staged.house.transport
    script = "start:\n  http.request:\n    inputs:\n      url: https://a.example/\n"
    await staged.automation(script)
    await staged.webhook("example.tried")

    def hold(request: Any, done: Any) -> None:
        asked.set()

        async def later() -> None:
            await answered.wait()
            done(transport.outcome(request))

        holding.append(asyncio.create_task(later()))

    holding: list[asyncio.Task[None]] = []
    transport.send = hold  # type: ignore[method-assign]
    await staged.house.publish()
    await asked.wait()
    draining = asyncio.create_task(staged.house.engine.drain())
    for _ in range(50):
        await asyncio.sleep(0)
    assert not draining.done()
    answered.set()
    await draining
    [run] = await staged.runs()
    assert (run.error, run.exit) == (None, RunExit.EXIT)
    [delivery] = await staged.deliveries()
    assert delivery.state is DeliveryState.DELIVERED
