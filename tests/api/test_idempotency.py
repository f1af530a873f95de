"""``Idempotency-Key`` on management POSTs."""

from __future__ import annotations

import asyncio

import pytest

from hookferry.api import idempotency
from hookferry.domain.webhook import Webhook

from .kit import TARGET, House, until

DEFINITION = {"name": "crm", "target_url": TARGET, "events": ["*"]}
KEY = {"Idempotency-Key": "one"}


async def test_a_repeated_create_gets_the_first_answer_again_secret_included(house: House) -> None:
    first = await house.client.post("/api/v1/webhooks", json=DEFINITION, headers=KEY)
    second = await house.client.post("/api/v1/webhooks", json=DEFINITION, headers=KEY)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.content == first.content
    assert second.headers["etag"] == first.headers["etag"]
    assert second.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert len((await house.client.get("/api/v1/webhooks")).json()["items"]) == 1


async def test_the_same_key_for_something_else_is_a_conflict(house: House) -> None:
    await house.client.post("/api/v1/webhooks", json=DEFINITION, headers=KEY)
    for url, body in (
        ("/api/v1/webhooks", DEFINITION | {"name": "other"}),
        ("/api/v1/webhooks/test", DEFINITION),
        ("/api/v1/webhooks?tenant=default", DEFINITION),
    ):
        answer = await house.client.post(url, json=body, headers=KEY)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_conflict"), url


async def test_a_failed_call_does_not_use_up_its_key(house: House) -> None:
    bad = DEFINITION | {"name": "two words"}
    answer = await house.client.post("/api/v1/webhooks", json=bad, headers=KEY)
    assert answer.status_code == 422
    answer = await house.client.post("/api/v1/webhooks", json=DEFINITION, headers=KEY)
    assert answer.status_code == 201


async def test_an_answer_is_kept_for_a_day(house: House) -> None:
    await house.client.post("/api/v1/keys", json={"name": "k"}, headers=KEY)
    house.clock.ahead_ms += 23 * 3_600_000
    await house.client.post("/api/v1/keys", json={"name": "k"}, headers=KEY)
    assert len(house.services.keys.list()) == 2
    house.clock.ahead_ms += 2 * 3_600_000
    await house.client.post("/api/v1/keys", json={"name": "k"}, headers=KEY)
    assert len(house.services.keys.list()) == 3


async def test_a_repeat_waits_for_the_first_and_gets_its_answer(house: House) -> None:
    go_on = _hold_saves(house)
    calls = [
        asyncio.create_task(house.client.post("/api/v1/webhooks", json=DEFINITION, headers=KEY))
        for _ in range(3)
    ]
    await until(lambda: len(house.server.server_state.tasks) == 3)
    go_on.set()
    answers = [await call for call in calls]
    assert {a.status_code for a in answers} == {201}
    assert len({a.content for a in answers}) == 1


async def test_a_repeat_that_waited_too_long_is_told_so(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "WAIT_SECONDS", 0.2)
    go_on = _hold_saves(house)
    first = asyncio.create_task(house.client.post("/api/v1/webhooks", json=DEFINITION, headers=KEY))
    await until(lambda: len(house.targets.asked) == 1)
    second = await house.client.post("/api/v1/webhooks", json=DEFINITION, headers=KEY)
    assert (second.status_code, second.json()["code"]) == (409, "idempotency_in_progress")
    go_on.set()
    assert (await first).status_code == 201


async def test_a_key_belongs_to_the_api_key_that_used_it(house: House) -> None:
    made = (await house.client.post("/api/v1/keys", json={"name": "other"})).json()["key"]
    first = await house.client.post("/api/v1/webhooks", json=DEFINITION, headers=KEY)
    other = await house.client.post(
        "/api/v1/webhooks", json=DEFINITION, headers=KEY | {"Authorization": f"Bearer {made}"}
    )
    assert first.status_code == 201
    assert other.status_code == 409  # the name is taken; the first one's secret is not shown


async def test_kept_answers_are_sealed_in_the_ledger(house: House, tmp_path: object) -> None:
    first = await house.client.post("/api/v1/webhooks", json=DEFINITION, headers=KEY)
    secret = first.json()["secret"].encode()
    ledger = b"".join(p.read_bytes() for p in tmp_path.iterdir() if p.is_file())  # type: ignore[attr-defined]
    assert b"receiver.example" in ledger
    assert secret not in ledger


async def test_a_batch_with_a_key_is_published_once(house: House) -> None:
    batch = [{"type": "a.b", "data": 1}] * 3
    first = await house.client.post("/api/v1/events/batch", json=batch, headers=KEY)
    second = await house.client.post("/api/v1/events/batch", json=batch, headers=KEY)
    assert second.content == first.content
    assert len(await house.events()) == 3


def _hold_saves(house: House) -> asyncio.Event:
    go_on = asyncio.Event()
    house.held.append(go_on)
    save = house.store.save_webhook_unique

    async def held(record: Webhook) -> Webhook:
        await go_on.wait()
        return await save(record)

    house.store.save_webhook_unique = held  # type: ignore[method-assign]
    return go_on
