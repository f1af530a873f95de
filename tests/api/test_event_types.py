"""Event types over HTTP: schemas, examples, the catalogue of applications, AsyncAPI."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs

from .kit import TARGET, House, until

URL = "/api/v1/event_types/order.paid"
SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}
ASYNCAPI = json.loads((Path(__file__).parent / "asyncapi-3.0.0.schema.json").read_text())


async def put(house: House, name: str = "order.paid", **fields: Any) -> dict[str, Any]:
    answer = await house.client.put(f"/api/v1/event_types/{name}", json=fields)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_an_event_type_keeps_its_schema_mode_and_example(house: House) -> None:
    made = await put(
        house, application="shop", phase="after", schema=SCHEMA, example={"total": 2**70}
    )
    assert (made["schema"], made["schema_mode"], made["example"]) == (
        SCHEMA,
        "enforce",
        {"total": 2**70},
    )
    assert (await house.client.get(URL)).json() == made
    plain = await put(house)
    assert (plain["schema"], plain["schema_mode"], plain["example"]) == (None, "enforce", None)


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"schema": {"type": "objct"}}, "schema.type", "objct"),
    ({"schema": {"properties": {"a": 5}}}, "schema.properties.a", "not JSON Schema"),
    ({"schema": {"$ref": "https://example.com/s"}}, "schema.$ref", "none is ever fetched"),
    ({"schema": {"pattern": "a(?=b)"}}, "schema.pattern", "look-around"),
    ({"schema": 5}, "schema", ""),
    ({"schema_mode": "on"}, "schema_mode", ""),
    ({"schema": SCHEMA, "example": {"total": "5"}}, "example.total", "is not what the schema"),
    ({"example": "x" * 70_000}, "example", "65,536 bytes"),
    ({"schemas": {}}, "schemas", "schema"),
]


async def test_what_can_not_be_used_is_refused_when_saved_with_position_and_remedy(
    house: House,
) -> None:
    for fields, field, remedy in REFUSED:
        answer = await house.client.put(URL, json=fields)
        assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
        assert remedy in answer.json()["detail"]
    assert (await house.client.get(URL)).status_code == 404


async def test_an_example_need_not_keep_a_schema_that_is_not_enforced(house: House) -> None:
    for mode in ("off", "warn"):
        await put(house, schema=SCHEMA, schema_mode=mode, example={})


async def test_data_that_breaks_an_enforced_schema_is_a_422_that_names_the_place(
    house: House,
) -> None:
    await put(house, schema=SCHEMA)
    body = {"type": "order.paid", "data": {"total": "secret" * 1000}}
    answer = await house.client.post("/api/v1/events", json=body)
    told = answer.json()
    assert (answer.status_code, told["code"], told["field"]) == (
        422,
        "schema_violation",
        "data.total",
    )
    assert "secret" not in answer.text
    batch = await house.client.post(
        "/api/v1/events/batch", json=[body, {"type": "order.paid", "data": {"total": 1}}]
    )
    assert batch.status_code == 207
    assert [item.get("code") for item in batch.json()] == ["schema_violation", None]
    assert len(await house.events()) == 1


async def test_data_that_breaks_a_schema_that_warns_is_taken_and_shown(house: House) -> None:
    await put(house, schema=SCHEMA, schema_mode="warn")
    event = (await house.publish(type="order.paid", data={}))["id"]
    shown = (await house.client.get(f"/api/v1/events/{event}")).json()
    assert shown["schema_error"] == 'data: "total" is a required property'
    metrics = (await house.client.get("/metrics")).text
    assert "hookferry_schema_warnings_total 1.0" in metrics


async def test_an_example_is_published_as_an_event(house: House) -> None:
    await house.webhook(events=["order.*"])
    await put(house, schema=SCHEMA, example={"total": 5})
    answer = await house.client.post(f"{URL}/example")
    assert (answer.status_code, answer.json()["deliveries"]) == (202, 1)
    await until(lambda: len(house.transport.sent) == 1)
    event = await house.client.get(f"/api/v1/events/{answer.json()['id']}")
    assert (event.json()["type"], event.json()["data"]) == ("order.paid", {"total": 5})


async def test_there_is_no_example_to_publish_of_a_type_without_one_or_out_of_use(
    house: House,
) -> None:
    assert (await house.client.post(f"{URL}/example")).status_code == 404
    await put(house)
    assert (await house.client.post(f"{URL}/example")).json()["code"] == "conflict"
    await put(house, example=1)
    await house.client.post(f"{URL}/archive")
    assert (await house.client.post(f"{URL}/example")).status_code == 409
    assert await house.events() == []


async def test_an_example_of_a_type_that_asks_waits_for_its_synchronous_webhooks(
    house: House,
) -> None:
    await house.webhook(events=["order.create"], mode="sync")
    await put(house, "order.create", example={"total": 5})
    answer = await house.client.post("/api/v1/event_types/order.create/example")
    assert answer.status_code == 200, answer.text
    assert [outcome["name"] for outcome in answer.json()["outcomes"]] == ["crm"]


# ------------------------------------------------------------------ the catalogue


async def fill(house: House) -> None:
    await put(house, "order.paid", application="shop", schema=SCHEMA, example={"total": 5})
    await put(house, "order.sent", application="shop", description="It left the house.")
    await put(house, "contact.created", application="crm", phase="after", example=[1, None])
    await put(house, "contact.old", application="crm")
    await put(house, "ping")
    await house.client.post("/api/v1/event_types/contact.old/archive")


async def test_applications_are_listed_with_the_live_event_types_they_publish(
    house: House,
) -> None:
    """S-HB-03 and S-HB-04: which application an event comes from, and what each one publishes."""
    await fill(house)
    answer = await house.client.get("/api/v1/applications")
    assert answer.json() == {
        "items": [
            {"name": "crm", "event_types": ["contact.created"]},
            {"name": "shop", "event_types": ["order.paid", "order.sent"]},
        ],
        "next": None,
    }
    first = (await house.client.get("/api/v1/applications?limit=1")).json()
    second = (await house.client.get(f"/api/v1/applications?limit=1&cursor={first['next']}")).json()
    assert [page["items"][0]["name"] for page in (first, second)] == ["crm", "shop"]


async def test_event_types_are_listed_by_application(house: House) -> None:
    await fill(house)
    answer = await house.client.get("/api/v1/event_types?application=shop")
    assert [item["name"] for item in answer.json()["items"]] == ["order.sent", "order.paid"]


async def test_another_tenants_catalogue_is_its_own(house: House) -> None:
    await fill(house)
    acme = await house.key_for("acme")
    listed = await house.client.get("/api/v1/applications", headers=acme)
    assert listed.json()["items"] == []
    document = (await house.client.get("/api/v1/asyncapi", headers=acme)).json()
    assert (document["info"]["title"], document["channels"]) == ("Events of acme", {})
    assert (await house.client.post(f"{URL}/example", headers=acme)).status_code == 404


async def asyncapi(house: House, query: str = "") -> dict[str, Any]:
    """The AsyncAPI document, which keeps the specification's own schema."""
    document: dict[str, Any] = (await house.client.get(f"/api/v1/asyncapi{query}")).json()
    jsonschema_rs.validate(ASYNCAPI, document, offline=True)
    return document


async def test_the_catalogue_is_an_asyncapi_document_with_schemas_and_examples(
    house: House,
) -> None:
    assert (await asyncapi(house))["channels"] == {}
    await fill(house)
    document = await asyncapi(house)
    names = ["contact.created", "order.paid", "order.sent", "ping"]
    assert list(document["channels"]) == list(document["components"]["messages"]) == names
    assert document["operations"]["send.ping"]["channel"] == {"$ref": "#/channels/ping"}
    paid = document["components"]["messages"]["order.paid"]
    assert paid["payload"] == {"$ref": "#/components/schemas/order.paid"}
    assert paid["examples"] == [{"name": "example", "payload": {"total": 5}}]
    assert paid["tags"] == [{"name": "shop"}]
    assert document["components"]["schemas"]["order.paid"] == {
        "schemaFormat": "application/schema+json;version=draft-2020-12",
        "schema": SCHEMA,
    }
    assert list((await asyncapi(house, "?application=crm"))["channels"]) == ["contact.created"]


async def test_references_of_a_schema_follow_it_into_the_asyncapi_document(house: House) -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "definitions": {"money": {"type": "number"}},
        "properties": {
            "total": {"$ref": "#/definitions/money"},
            "part": {"$ref": "#"},
            "$ref": {"type": "string"},
            "kind": {"enum": [{"$ref": "#/definitions/money"}]},
        },
    }
    await put(house, schema=schema)
    shown = (await asyncapi(house))["components"]["schemas"]["order.paid"]
    assert shown["schemaFormat"] == "application/schema+json;version=draft-07"
    here = "#/components/schemas/order.paid/schema"
    assert shown["schema"]["properties"] == {
        "total": {"$ref": f"{here}/definitions/money"},
        "part": {"$ref": here},
        "$ref": {"type": "string"},
        "kind": {"enum": [{"$ref": "#/definitions/money"}]},
    }


# ------------------------------------------------------------------ conditions, as they are saved


UNUSABLE: list[tuple[dict[str, Any], str]] = [
    ({"all": [{"path": "data.a", "op": "grater", "value": 1}]}, "condition.all[0].op"),
    ({"path": "data.a", "op": "matches", "value": "("}, "condition.value"),
    ({"cel": "event.data.a >"}, "condition.cel"),
    ({"cel": "event.data.tags.exists(t, t == 'a')"}, "condition.cel"),
]


async def test_a_condition_that_can_not_be_used_is_refused_when_a_webhook_is_saved(
    house: House,
) -> None:
    made = await house.webhook("erp")
    for condition, field in UNUSABLE:
        new = {"name": "crm", "target_url": TARGET, "events": ["*"], "condition": condition}
        answer = await house.client.post("/api/v1/webhooks", json=new)
        assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
        changed = await house.client.patch(
            f"/api/v1/webhooks/{made['id']}", json={"condition": condition}
        )
        assert (changed.status_code, changed.json()["field"]) == (422, field)
