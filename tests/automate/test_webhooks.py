"""Webhooks of type ``automation``: what they may name, and what their publishers are told."""

from __future__ import annotations

import pytest

from api.kit import House
from automate.staged_house import StagedHouse
from hookferry.domain.automation import ON_CALL
from hookferry.domain.webhook import Mode
from hookferry.ids import encode

NO = "start:\n  return:\n    status_code: 409\n    body: Only 2 left\n"
RUNS = {"name": "runs", "type": "automation", "events": ["a.*"]}


@pytest.fixture
def staged(house: House) -> StagedHouse:
    return StagedHouse(house)


@pytest.mark.parametrize(
    ("target", "remedy"),
    [
        ("cerb:automation:nosuch", "make it first, with POST /api/v1/automations"),
        ("example.sum", "only other automations run it"),
    ],
)
async def test_a_webhook_runs_an_automation_that_is_there_to_be_run(
    staged: StagedHouse, target: str, remedy: str
) -> None:
    made = await staged.automation(NO, "example.answers")
    await staged.automation(NO, "example.sum", extension_id=ON_CALL)
    client = staged.house.client
    refused = await client.post("/api/v1/webhooks", json={**RUNS, "target_url": target})
    assert (refused.status_code, refused.json()["field"]) == (422, "target_url")
    assert remedy in refused.json()["detail"]
    by_id = {**RUNS, "target_url": encode("auto", made.id)}
    saved = await client.post("/api/v1/webhooks", json=by_id)
    assert (saved.status_code, saved.json()["target_url"]) == (201, "example.answers")
    url = f"/api/v1/webhooks/{saved.json()['id']}"
    refused = await client.patch(url, json={"target_url": target})
    assert (refused.status_code, refused.json()["field"]) == (422, "target_url")
    kept = await client.patch(url, json={"target_url": "cerb:automation:example.answers"})
    assert kept.json()["target_url"] == "cerb:automation:example.answers"


@pytest.mark.parametrize(
    ("headers", "told"),
    [("", "Only 2 left"), ("    headers:\n      Content-Type: text/html\n", "answered 409")],
)
async def test_why_an_automation_vetoes_is_told_unless_it_is_no_text(
    staged: StagedHouse, headers: str, told: str
) -> None:
    script = f"start:\n  return:\n    status_code: 409\n{headers}    body: Only 2 left\n"
    await staged.automation(script)
    await staged.webhook("example.tried", mode=Mode.SYNC_CRITICAL)
    event = {"type": "order.create", "data": 1, "id": "once"}
    for _ in range(2):  # a repeat is told from the log
        answer = await staged.house.client.post("/api/v1/events", json=event)
        assert (answer.status_code, answer.json()["code"]) == (424, "vetoed")
        assert told in answer.json()["detail"]
