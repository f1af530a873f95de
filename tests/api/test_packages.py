"""Packages over HTTP: in two steps, as text, from the library, and out again."""

from __future__ import annotations

from typing import Any

from automate.packages.kit import asking, automation, listener, package
from automate.packages.test_importing import seed

from .kit import House, running_house

IMPORT = "/api/v1/packages/import"


async def imported(house: House, **body: Any) -> dict[str, Any]:
    answer = await house.client.post(IMPORT, json=body)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_cerbs_document_is_posted_unchanged_and_its_webhook_answers(house: House) -> None:
    told = await house.client.post(IMPORT, content=seed())
    assert told.status_code == 200, told.text
    assert told.json()["imported"] is True
    [group] = told.json()["records"]
    [made] = group["items"]
    assert (group["type"], made["uid"], made["outcome"]) == (
        "automation",
        "automation_webhook",
        "created",
    )
    shown = await house.client.get(made["location"])
    assert shown.json()["name"] == "example.webhook.respond"
    # As the document goes on: the webhook that names it, and a POST with a header.
    kata = (
        "automation/example:\n    uri: cerb:automation:example.webhook.respond\n"
        "    disabled@bool: no\n"
    )
    source = await house.client.post(
        "/api/v1/sources", json={"name": "Webhook Example", "automations_kata": kata}
    )
    answer = await house.client.post(
        f"/webhooks/{source.json()['guid']}?key=value", headers={"X-CustomHeader": "true"}
    )
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    http = answer.json()["http"]
    assert list(http) == ["method", "path", "headers", "params"]
    assert (http["method"], http["path"], http["params"]) == ("POST", "", {"key": "value"})
    assert http["headers"]["x_customheader"] == "true"


async def test_a_package_that_asks_is_imported_in_two_steps(house: House) -> None:
    prompts = [
        {"type": "text", "label": "Greeting", "key": "greeting", "hint": "said to callers"},
        {"type": "picklist", "key": "size", "params": {"options": ["S", "L"], "default": "S"}},
        {"type": "chooser", "key": "other_id", "params": {"context": "automation"}},
    ]
    document = package(automation(description="{{{greeting}}}"), **asking(*prompts))
    other = {name: v for name, v in automation(name="example.other").items() if name[0] not in "_u"}
    chosen = (await house.client.post("/api/v1/automations", json=other)).json()
    asked = await imported(house, package=document)
    assert (asked["imported"], asked["records"]) == (False, [])
    assert asked["prompts"] == [
        {
            "key": "greeting",
            "type": "text",
            "label": "Greeting",
            "hint": "said to callers",
            "default": None,
            "placeholder": None,
            "options": None,
        },
        {
            "key": "size",
            "type": "picklist",
            "label": "",
            "hint": "",
            "default": "S",
            "placeholder": None,
            "options": [{"label": "S", "value": "S"}, {"label": "L", "value": "L"}],
        },
        {
            "key": "other_id",
            "type": "chooser",
            "label": "",
            "hint": "",
            "default": None,
            "placeholder": None,
            "options": [{"label": "example.other", "value": chosen["id"]}],
        },
    ]
    answers = {"greeting": "Good morning", "other_id": chosen["id"]}
    done = await imported(house, package=document, prompts=answers)
    assert (done["imported"], done["prompts"]) == (True, [])
    [group] = done["records"]
    shown = await house.client.get(group["items"][0]["location"])
    assert shown.json()["description"] == "Good morning"


async def test_the_answer_groups_what_was_made_by_type_with_addresses(house: House) -> None:
    told = await imported(house, package=package(listener(), automation()))
    assert [group["type"] for group in told["records"]] == ["automation", "source"]
    [source] = told["records"][1]["items"]
    assert source["url"].startswith("https://hooks.example/webhooks/")
    shown = (await house.client.get(source["location"])).json()
    assert (shown["id"], shown["url"], shown["name"]) == (
        source["id"],
        source["url"],
        source["name"],
    )


async def test_a_refused_package_lists_every_problem(house: House) -> None:
    bad = package(automation(script="start:\n  retrun:\n"), automation("b", "example.b", color=1))
    answer = await house.client.post(IMPORT, json=bad)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "package_refused")
    assert [(p["record"], p["field"]) for p in problem["problems"]] == [
        ("a", "script"),
        ("b", "color"),
    ]
    assert (await house.client.get("/api/v1/automations")).json()["items"] == []
    assert (await house.client.get("/api/v1/packages")).json()["items"] == []


async def test_a_body_without_a_package_says_what_it_may_be(house: House) -> None:
    for body in ({}, {"library": "echo", "package": "{}"}, {"records": []}, {"package": {}}):
        answer = await house.client.post(IMPORT, json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_field"), body
    answer = await house.client.post(IMPORT, json={"library": "nothing"})
    assert answer.status_code == 404


async def test_imported_packages_are_listed_and_forgotten(house: House) -> None:
    await imported(house, package=package(automation(), name="One"))
    await imported(house, package=package(automation("b", "example.b"), name="Two"))
    first = (await house.client.get("/api/v1/packages?limit=1")).json()
    assert [p["name"] for p in first["items"]] == ["Two"]
    rest = (await house.client.get(f"/api/v1/packages?cursor={first['next']}")).json()
    [one] = rest["items"]
    assert one["records"] == [
        {
            "type": "automation",
            "uid": "a",
            "id": one["records"][0]["id"],
            "name": "example.hello",
        }
    ]
    url = f"/api/v1/packages/{one['id']}"
    assert (await house.client.get(url)).json() == one
    assert (await house.client.delete(url)).status_code == 204
    assert (await house.client.get(url)).status_code == 404
    kept = await house.client.get(f"/api/v1/automations/{one['records'][0]['id']}")
    assert kept.status_code == 200


async def test_a_document_without_records_is_told_of_them(house: House) -> None:
    bare = {"package": {"name": "x", "revision": 1}}
    for body in (bare, {"package": bare}, {**bare, "prompts": {}}):
        refused = await house.client.post(IMPORT, json=body)
        assert (refused.status_code, refused.json()["field"]) == (422, "records"), body
        assert "records is missing" in refused.json()["detail"]


async def test_a_document_of_bots_is_told_that_they_were_given_up(house: House) -> None:
    document = {"package": {"name": "x"}, "bots": []}
    for body in (document, {"package": document}, document | {"records": []}):
        refused = await house.client.post(IMPORT, json=body)
        assert refused.status_code == 422
        assert "write what they do as an automation" in refused.json()["detail"]


async def test_a_misspelt_field_beside_a_document_is_named(house: House) -> None:
    refused = await house.client.post(IMPORT, json={**package(automation()), "promts": {}})
    assert (
        refused.json()["detail"]
        == "the body has an unknown field 'promts'; did you mean 'prompts'?"
    )


async def test_a_document_and_a_name_of_the_library_are_too_much(house: House) -> None:
    refused = await house.client.post(IMPORT, json={**package(automation()), "library": "echo"})
    assert (refused.status_code, refused.json()["field"]) == (422, "library")


async def test_another_tenants_packages_are_not_there(house: House) -> None:
    await imported(house, package=package(automation()))
    [one] = (await house.client.get("/api/v1/packages")).json()["items"]
    key = await house.key_for("other")
    found = await house.client.get(f"/api/v1/packages/{one['id']}", headers=key)
    assert found.status_code == 404
    assert (await house.client.get("/api/v1/packages", headers=key)).json()["items"] == []
    exported = await house.client.post(
        "/api/v1/packages/export",
        json={"name": "x", "records": ["automation:example.hello"]},
        headers=key,
    )
    assert exported.status_code == 422


async def test_what_is_exported_imports_elsewhere(house: House, tmp_path_factory: Any) -> None:
    await imported(house, package=package(listener(), automation(description="{{{'{{{x}}}'}}}")))
    body = {"name": "Mine", "revision": 3, "records": ["automation:example.hello", "source:Hello"]}
    answer = await house.client.post("/api/v1/packages/export", json=body)
    assert answer.status_code == 200, answer.text
    async with running_house(tmp_path_factory.mktemp("elsewhere")) as elsewhere:
        told = await elsewhere.client.post(IMPORT, json=answer.json())
        assert told.status_code == 200, told.text
        items = (await elsewhere.client.get("/api/v1/automations")).json()["items"]
        assert [(a["name"], a["description"]) for a in items] == [("example.hello", "{{{x}}}")]
        [source] = (await elsewhere.client.get("/api/v1/sources")).json()["items"]
        said = await elsewhere.client.get(f"/webhooks/{source['guid']}")
        assert said.text == "Hello!"
        again = await elsewhere.client.post(IMPORT, json=answer.json())
        assert {i["outcome"] for g in again.json()["records"] for i in g["items"]} == {"unchanged"}


async def test_the_library_is_listed_and_shown(house: House) -> None:
    listed = (await house.client.get("/api/v1/packages/library")).json()["items"]
    assert {"echo", "api-key", "hmac", "contact-form"} <= {one["name"] for one in listed}
    assert all(one["title"] and one["description"] for one in listed)
    for one in listed:
        shown = await house.client.get(f"/api/v1/packages/library/{one['name']}")
        assert set(shown.json()) == {"package", "records"}
    assert (await house.client.get("/api/v1/packages/library/nothing")).status_code == 404
