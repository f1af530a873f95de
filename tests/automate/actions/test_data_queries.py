"""``data.query``: each kind of record, the tenant's own alone, and queries that are none."""

from __future__ import annotations

from typing import Any

import pytest

from api.kit import House
from automate.stage import Stage
from automate.staged_house import StagedHouse
from hookferry.ids import encode


@pytest.fixture
async def stage() -> Stage:
    return Stage()


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("type:people", "events, deliveries, requests, runs"),
        ("limit:5", "events, deliveries, requests, runs"),
        ("type:events wrong", "'wrong' is no term"),
        ("type:events verdict:accepted", "have no 'verdict'"),
        ("type:events limit:0", "1 to 250"),
        ("type:events limit:251", "1 to 250"),
        ("type:events limit:many", "1 to 250"),
        ("type:events state:gone", "unmatched"),
        ("type:deliveries state:gone", "delivered"),
        ("type:deliveries event:5", "evt_"),
        ("type:deliveries webhook:crm", "wh_"),
        ("type:deliveries status:ok", "1 to 599"),
        ("type:requests verdict:good", "accepted"),
        ("type:requests source:evt_0", "src_"),
        ("type:runs exit:great", "return, error, exit"),
        ("type:runs automation:x", "auto_"),
        ("type:events after:someday", "date"),
        ("type:events id:${who}", "'who'"),
        ("type:events id:'unclosed", "no term"),
        ("type:events " + "x" * 2_000, "characters"),
    ],
)
async def test_a_query_that_is_none_is_told_what_it_may_be(
    stage: Stage, query: str, says: str
) -> None:
    error = await stage.fails("data.query", {"query": query, "query_params": {"a": "b"}})
    assert says in error, error


async def test_parameters_are_a_dictionary(stage: Stage) -> None:
    inputs = {"query": "type:events id:${a}", "query_params": "a: b"}
    assert "is a dictionary" in await stage.fails("data.query", inputs)


@pytest.mark.parametrize("when", ["9999-12-31", "0001-01-01", "+9000 years", "-9000 years"])
async def test_times_far_away_find_nothing_and_break_nothing(stage: Stage, when: str) -> None:
    for term in ("after", "before"):
        found = await stage.does("data.query", {"query": f"type:events {term}:'{when}'"})
        assert found.get("data") == [] or "years" in found["error"]


async def test_each_kind_of_record_is_found(house: House) -> None:
    staged = StagedHouse(house)
    await staged.automation("start:\n  log: hello\n", "example.logs")
    await staged.webhook("example.logs", events=["order.*"])
    source, path = await staged.source()
    await staged.sends(path)
    event = (await house.publish(type="order.created"))["id"]
    await house.publish(type="other", id="o-1")
    await staged.settles()

    async def query(text: str) -> list[dict[str, Any]]:
        found = await staged.does("data.query", {"query": text})
        assert isinstance(found["data"], list), found
        return list(found["data"])

    [found] = await query("type:events event_type:order.created after:'-1 hour'")
    assert (found["id"], found["state"]) == (event, "matched")
    [found] = await query('type:events id:"o-1"')
    assert (found["type"], found["external_id"]) == ("other", "o-1")
    [found] = await query(f"type:deliveries state:delivered event:{event}")
    assert (found["event"], found["attempts"], found["last_status"]) == (event, 1, 200)
    [found] = await query(f"type:requests source:{source} method:POST verdict:accepted")
    assert (found["source"], found["verdict"], found["status"]) == (source, "accepted", 204)
    [found] = await query(f"type:runs exit:exit event:{event}")
    assert (found["automation"], found["exit"]) == ("example.logs", "exit")
    assert len(await query("type:events limit:2")) == 2


async def test_another_tenants_records_are_not_found(house: House) -> None:
    staged = StagedHouse(house)
    await house.publish(type="order.created")
    key = await house.key_for("other")
    answer = await house.client.post(
        "/api/v1/events", json={"type": "theirs", "data": 1}, headers=key
    )
    assert answer.status_code == 202
    for kind in ("events", "deliveries", "requests", "runs"):
        found = await staged.does("data.query", {"query": f"type:{kind} limit:250"})
        assert "theirs" not in repr(found)
    theirs = answer.json()["id"]
    found = await staged.does("data.query", {"query": f"type:deliveries event:{theirs}"})
    assert found["data"] == []
    assert encode("evt", 0) != theirs
