from __future__ import annotations

import json

from .kit import TARGET, House

EVENT = {"type": "contact.created", "data": {"id": 7}}


async def test_a_published_event_is_stored_and_answered_after_its_commit(hot_house: House) -> None:
    answer = await hot_house.client.post("/api/v1/events", json=EVENT)
    assert answer.status_code == 202, answer.text
    told = answer.json()
    assert told["duplicate"] is False
    assert told["deliveries"] == 0
    [stored] = await hot_house.events()
    assert stored.type == "contact.created"
    assert json.loads(stored.payload) == {"id": 7}


async def test_a_webhook_made_over_http_gets_the_event_signed(hot_house: House) -> None:
    made = await hot_house.client.post(
        "/api/v1/webhooks", json={"name": "crm", "target_url": TARGET, "events": ["contact.*"]}
    )
    assert made.status_code == 201, made.text
    assert made.json()["secret"].startswith("whsec_")
    answer = await hot_house.client.post("/api/v1/events", json=EVENT)
    assert answer.json()["deliveries"] == 1
    await _sent(hot_house, 1)
    assert b"webhook-signature: v1," in hot_house.transport.sent[0].head
    shown = await hot_house.client.get(f"/api/v1/webhooks/{made.json()['id']}")
    assert shown.json()["secret"] == "whsec_********"


async def _sent(house: House, count: int) -> None:
    import asyncio

    while len(house.transport.sent) < count:
        await asyncio.sleep(0)
