"""Automations, handlers on events, runs, timers and plugins over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from hookferry.domain.run import LogLine, Run, RunExit, Step
from hookferry.ids import encode

from .kit import House

SCRIPT = "start:\n  return:\n    status_code: 201\n    body: {{request_params.name}}\n"
ANSWERS = {
    "name": "example.answers",
    "extension_id": "cerb.trigger.webhook.respond",
    "script": SCRIPT,
}
HANDLER = "automation/a:\n  uri: cerb:automation:example.answers\n"
TIMER = {"name": "nightly", "cron": "0 3 * * *", "timezone": "Europe/Berlin", "event_type": "a.b"}


async def automation(house: House, **fields: Any) -> dict[str, Any]:
    answer = await house.client.post("/api/v1/automations", json={**ANSWERS, **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def life(house: House, resource: str, body: dict[str, Any], patch: dict[str, Any]) -> None:
    """Make, read, change and delete one."""
    base = f"/api/v1/{resource}"
    made = await house.client.post(base, json=body)
    assert made.status_code == 201, made.text
    view = made.json()
    url = f"{base}/{view['id']}"
    assert made.headers["location"] == url
    assert {name: view[name] for name in body} == body
    assert (view["tenant"], view["version"], made.headers["etag"]) == ("default", 1, '"1"')
    assert (await house.client.get(url)).json() == view
    taken = await house.client.post(base, json=body)
    assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")
    changed = await house.client.patch(url, json=patch, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"'), changed.text
    assert {name: changed.json()[name] for name in patch} == patch
    page = (await house.client.get(base, params={"name": view["name"]})).json()
    [item] = page["items"]
    assert item == {name: value for name, value in changed.json().items() if name in item}
    assert (await house.client.get(f"{base}?name=other")).json()["items"] == []
    stranger = await house.key_for("stranger")
    assert (await house.client.get(url, headers=stranger)).status_code == 404
    stale = await house.client.delete(url, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "version_mismatch")
    assert (await house.client.delete(url)).status_code == 204
    assert (await house.client.get(url)).status_code == 404


async def test_an_automation_is_made_read_changed_and_deleted(house: House) -> None:
    await life(house, "automations", ANSWERS, {"description": "says its name"})


async def test_lists_of_automations_leave_out_their_scripts(house: House) -> None:
    await automation(house)
    [item] = (await house.client.get("/api/v1/automations")).json()["items"]
    assert not {"script", "policy_kata"} & item.keys()


async def test_a_timer_is_made_read_changed_and_deleted(house: House) -> None:
    await life(house, "timers", TIMER, {"enabled": False})


async def test_handlers_on_events_are_made_read_changed_and_deleted(house: House) -> None:
    body = {"name": "greet", "events": ["contact.*"], "automations_kata": HANDLER, "mode": "sync"}
    await life(house, "automation_events", body, {"events": ["contact.created"]})


async def test_a_script_is_refused_with_every_problem_and_its_place(house: House) -> None:
    body = ANSWERS | {"script": "start:\n  sett:\n    a: {{ 1 + }}\n"}
    refused = await house.client.post("/api/v1/automations", json=body)
    problem = refused.json()
    assert (refused.status_code, problem["code"], problem["field"]) == (
        422,
        "script_refused",
        "script",
    )
    assert [p["line"] for p in problem["problems"]] == [2]
    assert "set" in problem["problems"][0]["message"]


async def test_an_automation_that_a_timer_runs_is_not_deleted(house: House) -> None:
    made = await automation(house)
    timer = {"name": "t", "cron": "* * * * *", "automation": made["id"], "inputs": {"n": None}}
    shown = (await house.client.post("/api/v1/timers", json=timer)).json()
    assert (shown["automation"], shown["inputs"]) == ("example.answers", {"n": None})
    refused = await house.client.delete(f"/api/v1/automations/{made['id']}")
    assert (refused.status_code, refused.json()["used_by"]) == (409, [shown["id"]])
    # What the timer owns is no webhook of its tenant's to see.
    assert (await house.client.get("/api/v1/webhooks")).json()["items"] == []


async def test_a_tenant_with_timers_or_automations_is_not_deleted(house: House) -> None:
    await house.client.put("/api/v1/tenants/acme", json={})
    for resource, body in (("automations", ANSWERS), ("timers", TIMER)):
        made = await house.client.post(f"/api/v1/{resource}?tenant=acme", json=body)
        refused = await house.client.delete("/api/v1/tenants/acme")
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
        url = f"/api/v1/{resource}/{made.json()['id']}?tenant=acme"
        assert (await house.client.delete(url)).status_code == 204
    assert (await house.client.delete("/api/v1/tenants/acme")).status_code == 204


async def test_a_tenant_whose_timers_and_sources_run_automations_is_told_of_these(
    house: House,
) -> None:
    await house.client.put("/api/v1/tenants/acme", json={})
    await house.client.post("/api/v1/automations?tenant=acme", json=ANSWERS)
    runs = {"name": "t", "cron": "0 * * * *", "automation": ANSWERS["name"]}
    assert (await house.client.post("/api/v1/timers?tenant=acme", json=runs)).is_success
    refused = (await house.client.delete("/api/v1/tenants/acme")).json()
    assert "has timers or automations" in refused["detail"]
    source = {"name": "s", "respond": {"automation": ANSWERS["name"]}}
    assert (await house.client.post("/api/v1/sources?tenant=acme", json=source)).is_success
    refused = (await house.client.delete("/api/v1/tenants/acme")).json()
    assert "has sources" in refused["detail"]


async def test_a_timer_says_when_it_is_due_and_fires_by_hand(house: House) -> None:
    made = (await house.client.post("/api/v1/timers", json=TIMER | {"data": {"n": None}})).json()
    assert made["next_due_at"].endswith((":00:00Z", ":00:00.000000Z"))
    assert (made["last_fired_at"], made["last_event"]) == (None, None)
    fired = await house.client.post(f"/api/v1/timers/{made['id']}/fire")
    assert fired.status_code == 202
    event = (await house.client.get(f"/api/v1/events/{fired.json()['event']}")).json()
    assert (event["type"], event["data"]) == ("a.b", {"n": None})


async def test_handlers_run_on_the_events_that_they_name(house: House) -> None:
    made = await automation(house, extension_id="hookferry.trigger.event")
    body = {"name": "greet", "events": ["contact.*"], "automations_kata": HANDLER}
    handlers = (await house.client.post("/api/v1/automation_events", json=body)).json()
    told = await house.publish(type="contact.created", data={})
    runs = "/api/v1/runs"

    async def found(**where: str) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = (await house.client.get(runs, params=where)).json()["items"]
        return listed

    for _ in range(1_000):
        await house.engine.committer.flush()
        if await found():
            break
    [run] = await found(event=told["id"])
    assert (run["automation"], run["automation_id"], run["exit"]) == (
        "example.answers",
        made["id"],
        "return",
    )
    delivery = (await house.client.get(f"/api/v1/deliveries/{run['delivery']}")).json()
    assert delivery["webhook"] == handlers["id"]
    assert await found(exit="error") == []
    assert await found(automation="example.answers") == await found(automation=made["id"]) == [run]
    url = f"/api/v1/automations/{made['id']}/runs"
    assert (await house.client.get(url)).json()["items"] == [run]


async def test_handlers_without_any_are_refused(house: House) -> None:
    for kata in ("", " \n", None):
        body = {"name": "greet", "events": ["a"], "automations_kata": kata}
        refused = await house.client.post("/api/v1/automation_events", json=body)
        assert (refused.status_code, refused.json()["field"]) == (422, "automations_kata")
    body = {"name": "greet", "events": ["a"], "automations_kata": "automation/a:\n  url: x\n"}
    refused = await house.client.post("/api/v1/automation_events", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "script_refused")


async def test_other_webhooks_are_no_handlers(house: House) -> None:
    hook = await house.webhook()
    url = f"/api/v1/automation_events/{hook['id']}"
    for answer in (
        await house.client.get(url),
        await house.client.patch(url, json={"name": "mine"}),
        await house.client.delete(url),
    ):
        assert answer.status_code == 404
    assert (await house.client.get("/api/v1/automation_events")).json()["items"] == []


# --------------------------------------------------------------------------- runs


async def put_run(house: House, **fields: Any) -> Run:
    run = Run(
        id=house.services.ids.next(),
        tenant_id=1,
        automation_id=None,
        automation="gone",
        started_at_ms=1_790_000_000_000,
        **fields,
    )
    await house.store.put_runs([run])
    return run


async def test_a_run_is_shown_with_its_log(house: House) -> None:
    run = await put_run(
        house,
        event_id=7,
        exit=RunExit.ERROR,
        error="no such key",
        log=(LogLine("warn", "start:log.warn", "careful", 1.5),),
        log_dropped=2,
        steps=(Step("start:set", "set", 0.5, None, "cerb:automation:f"),),
        dictionary={"a": [1, None]},
        returned={"status_code": 200},
    )
    url = f"/api/v1/runs/{encode('run', run.id)}"
    shown = (await house.client.get(url)).json()
    assert shown["log"] == [
        {
            "at_ms": 1.5,
            "level": "warn",
            "node": "start:log.warn",
            "message": "careful",
            "function": None,
        }
    ]
    assert (shown["log_dropped"], shown["steps"][0]["function"]) == (2, "cerb:automation:f")
    assert (shown["dictionary"], shown["returned"]) == ({"a": [1, None]}, {"status_code": 200})
    assert (shown["exit"], shown["error"], shown["automation_id"]) == ("error", "no such key", None)
    assert shown["event"] == encode("evt", 7)
    [item] = (await house.client.get("/api/v1/runs")).json()["items"]
    assert item == {name: value for name, value in shown.items() if name in item}
    assert "log" not in item
    stranger = await house.key_for("stranger")
    assert (await house.client.get(url, headers=stranger)).status_code == 404
    assert (await house.client.get("/api/v1/runs", headers=stranger)).json()["items"] == []


async def test_runs_are_listed_by_page_newest_first(house: House) -> None:
    ids = [encode("run", (await put_run(house)).id) for _ in range(3)]
    first = (await house.client.get("/api/v1/runs?limit=2")).json()
    assert [run["id"] for run in first["items"]] == ids[:0:-1]
    rest = (await house.client.get(f"/api/v1/runs?cursor={first['next']}")).json()
    assert ([run["id"] for run in rest["items"]], rest["next"]) == (ids[:1], None)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("exit=maybe", "exit"),
        ("event=x", "event"),
        ("automation=x", "automation"),
        ("after=yesterday", "after"),
    ],
)
async def test_a_search_for_runs_that_means_nothing_is_refused(
    house: House, query: str, field: str
) -> None:
    refused = await house.client.get(f"/api/v1/runs?{query}")
    assert (refused.status_code, refused.json()["field"]) == (422, field)


# --------------------------------------------------------------------------- plugins


async def test_catching_is_a_plugin_that_can_be_switched_off(house: House) -> None:
    source = (await house.client.post("/api/v1/sources", json={"name": "in"})).json()
    address = f"/webhooks/{source['guid']}"
    assert (await house.client.post(address)).status_code == 204
    url = "/api/v1/plugins/cerb.webhooks"
    assert (await house.client.get(url)).json()["enabled"] is True
    for _ in range(2):  # twice is no error
        off = await house.client.post(f"{url}/disable")
        assert (off.status_code, off.json()["enabled"]) == (200, False)
    assert (await house.client.post(address)).status_code == 404
    listed = (await house.client.get("/api/v1/plugins")).json()["items"]
    assert [p["enabled"] for p in listed if p["name"] == "cerb.webhooks"] == [False]
    assert (await house.client.post(f"{url}/enable")).json()["enabled"] is True
    assert (await house.client.post(address)).status_code == 204


async def test_plugins_are_an_administrators_business(house: House) -> None:
    bound = await house.key_for("acme")
    for method, path in (("GET", ""), ("POST", "/cerb.webhooks/disable")):
        answer = await house.client.request(method, f"/api/v1/plugins{path}", headers=bound)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert (await house.client.get("/api/v1/plugins/nothing")).status_code == 404
    assert (await house.client.post("/api/v1/plugins/nothing/disable")).status_code == 404
