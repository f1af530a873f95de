"""Where a source's addresses lead, by real requests: made, edited, rotated, ended, switched off."""

from __future__ import annotations

from typing import Any

import pytest

from .kit import House

GUID = "3f0c9a6be27d4158a1b2c3d4e5f60718293a4b5c"
OTHER = "b7d2e8f1a0c34956d8e7f6051423a9bcde4f8071"


async def make(house: House, name: str, **fields: Any) -> dict[str, Any]:
    respond = {"status": 200, "body": name}
    body = {"name": name, "respond": respond, **fields}
    answer = await house.client.post("/api/v1/sources", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def change(house: House, source: dict[str, Any], **fields: Any) -> None:
    answer = await house.client.patch(f"/api/v1/sources/{source['id']}", json=fields)
    assert answer.status_code == 200, answer.text


async def rotate(house: House, source: dict[str, Any], **fields: Any) -> str:
    answer = await house.client.post(f"/api/v1/sources/{source['id']}/rotate", json=fields)
    assert answer.status_code == 200, answer.text
    guid: str = answer.json()["guid"]
    return guid


async def called(house: House, guid: str, method: str = "POST", below: str = "") -> str:
    """What an address answers: the name of the source that it leads to, or a status."""
    answer = await house.client.request(method, f"/webhooks/{guid}{below}")
    return answer.text if answer.status_code == 200 else str(answer.status_code)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_any_method_and_what_follows_the_address_leads_to_its_source(
    house: House, method: str
) -> None:
    made = await make(house, "shop")
    assert await called(house, made["guid"], method, "/a/b?c=d") == "shop"


async def test_an_address_that_is_edited_ends_at_once(house: House) -> None:
    made = await make(house, "shop", guid=GUID)
    await change(house, made, guid=OTHER)
    assert [await called(house, g) for g in (GUID, OTHER)] == ["404", "shop"]


async def test_a_rotated_address_leads_here_until_its_overlap_is_over(house: House) -> None:
    made = await make(house, "shop")
    new = await rotate(house, made, overlap=60)
    assert [await called(house, g) for g in (made["guid"], new)] == ["shop", "shop"]
    house.clock.ahead_ms = 61_000
    assert [await called(house, g) for g in (made["guid"], new)] == ["404", "shop"]


async def test_an_overlap_of_nothing_ends_an_address_at_once(house: House) -> None:
    made = await make(house, "shop")
    new = await rotate(house, made, overlap=0)
    assert [await called(house, g) for g in (made["guid"], new)] == ["404", "shop"]


async def test_an_address_that_another_source_took_over_stays_there(house: House) -> None:
    before = await make(house, "before", guid=GUID)
    await rotate(house, before, overlap=60)
    house.clock.ahead_ms = 61_000
    await make(house, "after", guid=GUID)
    assert await called(house, GUID) == "after"
    await change(house, before, description="changed since")
    assert await called(house, GUID) == "after"


async def test_unknown_disabled_and_deleted_look_alike(house: House) -> None:
    disabled = await make(house, "off", enabled=False)
    deleted = await make(house, "gone")
    await house.client.delete(f"/api/v1/sources/{deleted['id']}")
    answers = [
        await house.client.post(f"/webhooks/{guid}")
        for guid in (GUID, disabled["guid"], deleted["guid"], "not-a-guid")
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    await change(house, disabled, enabled=True)
    assert await called(house, disabled["guid"]) == "off"


async def test_maintenance_asks_senders_to_come_back(house: House) -> None:
    made = await make(house, "shop", maintenance=True)
    answer = await house.client.post(f"/webhooks/{made['guid']}")
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
    await change(house, made, maintenance=False)
    assert await called(house, made["guid"]) == "shop"


async def test_no_key_is_asked_of_callers(house: House) -> None:
    made = await make(house, "shop")
    answer = await house.client.post(
        f"/webhooks/{made['guid']}", headers={"Authorization": "Bearer nobody"}
    )
    assert answer.text == "shop"
