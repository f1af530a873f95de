"""Sources that an automation answers for, and the webhooks that they own, over the API."""

from __future__ import annotations

import pytest

from hookferry import ids
from hookferry.client import AsyncClient

from .kit import House

KATA = "automation/echo:\n  uri: cerb:automation:example.echo\n"


async def owned(house: House) -> tuple[str, str]:
    """Make a source of this kind; return its id and its webhook's."""
    answer = await house.client.post(
        "/api/v1/sources", json={"name": "shop", "automations_kata": KATA}
    )
    assert answer.status_code == 201, answer.text
    own = house.services.directory.owned(ids.decode("src", answer.json()["id"]))
    assert own is not None
    return answer.json()["id"], ids.encode("wh", own.id)


async def test_a_source_shows_which_automation_answers(house: House) -> None:
    source, _ = await owned(house)
    shown = (await house.client.get(f"/api/v1/sources/{source}")).json()
    assert shown["automations_kata"] == KATA
    assert (shown["respond"]["automation"], shown["respond"]["deadline"]) == (None, None)
    assert shown["in_force"]["deadline"] == 30
    changed = await house.client.patch(
        f"/api/v1/sources/{source}", json={"automations_kata": None, "respond": {"deadline": 5}}
    )
    assert changed.json()["automations_kata"] == ""
    assert changed.json()["in_force"]["deadline"] == 5


async def test_the_library_makes_and_reads_such_sources(house: House) -> None:
    key = house.client.headers["Authorization"].removeprefix("Bearer ")
    async with AsyncClient(str(house.client.base_url), api_key=key) as client:
        made = await client.sources.create("shop", automations_kata=KATA)
        assert made.automations_kata == KATA
        assert made.in_force is not None
        assert made.in_force.deadline == 30


async def test_handlers_that_can_not_be_read_are_refused_line_by_line(house: House) -> None:
    answer = await house.client.post(
        "/api/v1/sources", json={"name": "shop", "automations_kata": "automation/echo\n  uri x"}
    )
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "script_refused")
    assert problem["field"] == "automations_kata"
    assert problem["problems"][0]["line"] == 1


async def test_a_name_that_is_taken_is_a_conflict_as_with_any_source(house: House) -> None:
    await owned(house)
    again = await house.client.post(
        "/api/v1/sources", json={"name": "shop", "automations_kata": KATA}
    )
    assert (again.status_code, again.json()["code"]) == (409, "name_taken")
    assert "record" not in again.json()


async def test_a_webhook_that_a_source_owns_is_in_no_list(house: House) -> None:
    _, webhook = await owned(house)
    mine = await house.webhook()
    listed = (await house.client.get("/api/v1/webhooks")).json()
    assert [item["id"] for item in listed["items"]] == [mine["id"]]
    shown = await house.client.get(f"/api/v1/webhooks/{webhook}")
    assert (shown.status_code, shown.json()["type"]) == (200, "automation")


@pytest.mark.parametrize(
    ("method", "below"),
    [
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/pause"),
        ("POST", "/stop"),
        ("POST", "/resume"),
        ("POST", "/restart"),
    ],
)
async def test_a_webhook_that_a_source_owns_changes_with_it_alone(
    house: House, method: str, below: str
) -> None:
    source, webhook = await owned(house)
    before = house.services.directory.owned(ids.decode("src", source))
    address = f"/api/v1/webhooks/{webhook}{below}"
    answer = await house.client.request(method, address, json={"title": "x"})
    assert answer.status_code == 409
    assert "belongs to the source" in answer.json()["detail"]
    assert house.services.directory.owned(ids.decode("src", source)) == before
