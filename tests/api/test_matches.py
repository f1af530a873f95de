"""Why an event did or did not match is answered for any event and any webhook."""

from __future__ import annotations

from typing import Any

from .kit import House, until

HIGH = {"all": [{"path": "data.priority", "op": "equals", "value": "high"}]}


async def why(house: House, event: str, query: str = "") -> list[dict[str, Any]]:
    answer = await house.client.get(f"/api/v1/events/{event}/matches{query}")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_each_webhook_says_why_and_what_is_on_record(house: House) -> None:
    high = await house.webhook("high", condition=HIGH)
    other = await house.webhook("other", events=["contact.deleted"])
    every = await house.webhook("every")
    event = (await house.publish(data={"priority": "low"}))["id"]
    await until(lambda: len(house.transport.sent) == 1)
    await house.engine.committer.flush()
    told = {item["name"]: item for item in await why(house, event)}
    assert [item["webhook"] for item in told.values()] == [every["id"], other["id"], high["id"]]
    assert told["every"]["matches"] is True
    assert told["every"]["delivery"]["state"] == "delivered"
    assert told["every"]["delivery"]["attempts"] == 1
    assert told["other"]["matches"] is False
    assert told["other"]["delivery"] is None
    failed = [step for step in told["high"]["steps"] if not step["passed"]]
    assert [step["name"] for step in failed] == ["condition"]
    assert told["high"]["condition"] == [
        {
            "at": "condition.all[0]",
            "path": "data.priority",
            "op": "equals",
            "value": '"high"',
            "there": True,
            "seen": '"low"',
            "holds": False,
        }
    ]
    assert [item["name"] for item in await why(house, event, f"?webhook={other['id']}")] == [
        "other"
    ]


async def test_a_webhook_saved_after_the_event_is_told_as_such(house: House) -> None:
    made = await house.webhook("crm", condition=HIGH)
    event = (await house.publish(data={"priority": "low"}))["id"]
    [before] = await why(house, event)
    assert before["webhook_changed_at"] is None
    house.clock.ahead_ms += 5_000
    await house.client.patch(f"/api/v1/webhooks/{made['id']}", json={"condition": None})
    [after] = await why(house, event)
    assert (after["matches"], after["delivery"]) == (True, None)
    assert after["webhook_changed_at"] is not None


async def test_the_reason_why_a_condition_failed_then_is_shown_with_event_and_webhook(
    house: House,
) -> None:
    made = await house.webhook("crm", condition={"cel": "event.data.missing == 1"})
    event = (await house.publish(channels=["eu"]))["id"]
    shown = (await house.client.get(f"/api/v1/events/{event}")).json()
    assert (shown["state"], shown["channels"]) == ("unmatched", ["eu"])
    assert list(shown["match_errors"]) == [made["id"]]
    [told] = await why(house, event)
    assert told["match_error"] == shown["match_errors"][made["id"]]
    assert "missing" in told["match_error"]


async def test_the_webhooks_of_an_event_come_in_pages(house: House) -> None:
    for number in range(5):
        await house.webhook(f"crm{number}", events=["contact.created"])
    event = (await house.publish())["id"]
    names, query = [], "?limit=2"
    while query:
        page = (await house.client.get(f"/api/v1/events/{event}/matches{query}")).json()
        names += [item["name"] for item in page["items"]]
        query = f"?limit=2&cursor={page['next']}" if page["next"] else ""
    assert names == ["crm4", "crm3", "crm2", "crm1", "crm0"]


async def test_events_and_webhooks_of_another_tenant_are_not_found(house: House) -> None:
    made = await house.webhook()
    event = (await house.publish())["id"]
    acme = await house.key_for("acme")
    url = f"/api/v1/events/{event}/matches"
    assert (await house.client.get(url, headers=acme)).status_code == 404
    mine = await house.client.post("/api/v1/events", json={"type": "a.b", "data": 1}, headers=acme)
    url = f"/api/v1/events/{mine.json()['id']}/matches"
    assert (await house.client.get(url, headers=acme)).json()["items"] == []
    other = await house.client.get(f"{url}?webhook={made['id']}", headers=acme)
    assert other.status_code == 404
    assert (await house.client.get("/api/v1/events/evt_nonsense/matches")).status_code == 404


async def test_a_merge_patch_puts_one_condition_in_the_place_of_another(house: House) -> None:
    made = await house.webhook("crm", condition=HIGH)
    url = f"/api/v1/webhooks/{made['id']}"
    other = {"cel": "event.data.priority == 'low'"}
    merged = await house.client.patch(url, json={"condition": other})
    assert (merged.status_code, merged.json()["field"]) == (422, "condition")
    assert "stands alone" in merged.json()["detail"]
    replaced = await house.client.patch(url, json={"condition": {"all": None, **other}})
    assert replaced.json()["condition"] == other
    assert (await house.publish(data={"priority": "low"}))["deliveries"] == 1
    assert (await house.client.patch(url, json={"condition": None})).json()["condition"] is None
