from __future__ import annotations

from typing import Any

import pytest

from .kit import House

GITHUB = {"name": "shop", "verify": {"preset": "github", "secret": "hidden-from-view"}}


async def make(house: House, **fields: Any) -> dict[str, Any]:
    answer = await house.client.post("/api/v1/sources", json={"name": "shop", **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_a_source_is_made_read_changed_and_deleted(house: House) -> None:
    answer = await house.client.post("/api/v1/sources", json=GITHUB)
    made = answer.json()
    url = answer.headers["Location"]
    assert (answer.status_code, answer.headers["ETag"]) == (201, '"1"')
    assert made["url"] == f"https://hooks.example/webhooks/{made['guid']}"
    assert (await house.client.get(url)).json() == made
    changed = await house.client.patch(url, json={"description": "Of the shop."})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert changed.json()["description"] == "Of the shop."
    listed = (await house.client.get("/api/v1/sources")).json()
    assert [source["id"] for source in listed["items"]] == [made["id"]]
    assert (await house.client.delete(url)).status_code == 204
    assert (await house.client.get(url)).status_code == 404
