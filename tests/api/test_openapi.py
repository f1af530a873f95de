"""The OpenAPI document says what is served: every address, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from litestar.routes import HTTPRoute
from schemathesis.specs.openapi.definitions import OPENAPI_31

from hookferry.api import constraints, parameters
from hookferry.api.access import Access
from hookferry.api.app import _application
from hookferry.api.wire import PageSizes
from hookferry.catch.definition import SourceLimits
from hookferry.engine.definition import DefinitionLimits

from .kit import EVENT, House, running_house

_document: dict[str, Any] = {}


@pytest.fixture
async def document(tmp_path: Path) -> dict[str, Any]:
    """The document, asked for once: nothing that a test does changes it."""
    if not _document:
        async with running_house(tmp_path / "described") as house:
            answer = await house.client.get("/openapi.json")
        assert answer.headers["content-type"] == "application/json"
        _document.update(answer.json())
    return _document


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def address(path: str) -> str:
    """Fill a path's parameters in."""
    for number in ("{number}", "{primary_key}"):
        path = path.replace(number, "1")
    return path.replace("{", "").replace("}", "")


def served(house: House) -> set[tuple[str, str]]:
    """What the framework routes, and the one address below it."""
    services = house.services
    app = _application(services, Access(services.keys, services.directory), dict)
    routed = {
        (route.path_format, method.lower())
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method in route.methods
        if method != "OPTIONS"
    }
    return routed | {("/api/v1/events", "post")}


async def test_it_is_openapi_and_every_reference_resolves(document: dict[str, Any]) -> None:
    jsonschema_rs.validator_for(OPENAPI_31).validate(document)
    known = {
        f"#/components/{kind}/{name}"
        for kind, items in document["components"].items()
        for name in items
    }

    def references(node: object) -> Iterator[str]:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                yield node["$ref"]
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    assert set(references(document)) <= known
    assert len(set(references(document))) > 30


async def test_every_route_is_documented_and_nothing_else(
    house: House, document: dict[str, Any]
) -> None:
    documented = {(path, method) for path, method, _ in operations(document) if method != "head"}
    # The dialect is served twice: once more with the tenant before its path.
    again = {(path, method) for path, method in served(house) if path.startswith("/{customer}")}
    assert served(house) - again == documented
    assert {(path.removeprefix("/{customer}"), method) for path, method in again} == {
        (path, method) for path, method in documented if path.startswith("/api/v1/Webhook")
    }


async def test_what_is_public_is_answered_without_a_key_and_all_else_refused(
    house: House, document: dict[str, Any]
) -> None:
    del house.client.headers["Authorization"]
    public = set()
    for path, method, operation in operations(document):
        answer = await house.client.request(method, address(path))
        if operation.get("security") == []:
            public.add(path)
            # Whoever has a share link needs no key; nobody has this one.
            assert answer.status_code == (404 if "{token}" in path else 200), (method, path)
        else:
            assert answer.status_code == 401, (method, path)
            assert answer.headers["www-authenticate"].startswith("Bearer")
    assert public == {
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/docs",
        "/shared/{token}",
        "/shared/{token}/requests/{request_id}",
    }


async def test_operations_have_names_of_their_own_and_words(document: dict[str, Any]) -> None:
    found = list(operations(document))
    assert len({operation["operationId"] for _, _, operation in found}) == len(found)
    for path, method, operation in found:
        assert operation["summary"], (method, path)
        answers = operation["responses"]
        assert "default" not in answers
        assert any(status < "300" for status in answers)
        for status, answer in answers.items():
            assert "$ref" in answer or answer["description"], (method, path, status)


async def test_every_post_takes_an_idempotency_key(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        named = [p["name"] for p in operation.get("parameters", [])]
        assert ("Idempotency-Key" in named) == (method == "post"), path


async def test_head_is_get_without_the_body(house: House, document: dict[str, Any]) -> None:
    for item in document["paths"].values():
        assert ("get" in item) == ("head" in item)
        if "get" in item:
            assert item["head"]["responses"].keys() == item["get"]["responses"].keys()
            assert all("content" not in answer for answer in item["head"]["responses"].values())
    webhook = await house.webhook()
    for path in ("/healthz", "/metrics", f"/api/v1/webhooks/{webhook['id']}", "/api/v1/webhooks/x"):
        shown = await house.client.get(path)
        head = await house.client.head(path)
        assert head.status_code == shown.status_code
        assert head.headers["content-type"] == shown.headers["content-type"]
        assert head.headers.get("etag") == shown.headers.get("etag")
        assert head.content == b""


async def test_options_and_a_refused_method_name_all_that_an_address_takes(
    house: House, document: dict[str, Any]
) -> None:
    for path, item in document["paths"].items():
        url = address(path)
        asked = await house.client.options(url)
        assert asked.status_code == 204, path
        refused = await house.client.request("TRACE", url)
        assert (refused.status_code, refused.json()["code"]) == (405, "method_not_allowed")
        for answer in (asked, refused):
            allowed = {name.strip().lower() for name in answer.headers["allow"].split(",")}
            assert allowed == set(item) | {"options"}, path
    assert (await house.client.options("/nowhere")).status_code == 404


async def test_the_page_lists_every_address(house: House, document: dict[str, Any]) -> None:
    page = (await house.client.get("/docs")).text
    for path in document["paths"]:
        assert f"<code>{path}</code>" in page
    assert "<script" not in page
    assert "//" not in page.replace("</", "").replace("https://", "//")


async def test_rules_name_only_what_is_served(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name, fields in constraints.table(DefinitionLimits(), SourceLimits()).items():
        assert set(fields) <= set(schemas[name]["properties"]), name
    used = {
        (operation["tags"][0], parameter["name"])
        for _, _, operation in operations(document)
        for parameter in operation.get("parameters", [])
    }
    for name in parameters.table(PageSizes()):
        tag, _, bare = name.rpartition(".")
        assert any(bare == n and tag in ("", t) for t, n in used), f"nobody has a parameter {name}"


async def test_limits_are_those_of_the_settings(house: House, document: dict[str, Any]) -> None:
    pages = house.services.pages
    [limit] = [
        p["schema"]
        for p in document["paths"]["/api/v1/events"]["get"]["parameters"]
        if p["name"] == "limit"
    ]
    assert limit == {
        "type": "integer",
        "minimum": 1,
        "maximum": pages.most,
        "default": pages.usual,
    }
    definition = document["components"]["schemas"]["WebhookDefinition"]["properties"]
    longest = definition["timeout"]["anyOf"][0]["maximum"]
    assert longest == house.services.webhooks.limits.attempt_timeout


async def test_a_merge_patch_may_leave_out_and_reset(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    patch = schemas["WebhookDefinitionPatch"]
    assert "required" not in patch
    assert patch["properties"]["title"]["anyOf"][1] == {"type": "null"}
    assert "anyOf" not in patch["properties"]["name"]
    assert "required" not in schemas["RetryPatch"]
    assert "required" in schemas["WebhookDefinition"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=5&limit=6", "limit"),
        ("limit=null", "limit"),
        ("limit=", "limit"),
        ("type=a.b&type=a.c", "type"),
        ("tenant=default&tenant=default", "tenant"),
        ("lim=5", "lim"),
    ],
)
async def test_a_query_that_means_two_things_or_none_is_refused(
    house: House, query: str, field: str
) -> None:
    answer = await house.client.get(f"/api/v1/events?{query}")
    assert (answer.status_code, answer.json()["field"]) == (422, field)


async def test_times_and_positions_beyond_all_ids_find_nothing(house: House) -> None:
    await house.publish(**EVENT)
    for path in ("events", "deliveries", "deliveries/export"):
        answer = await house.client.get(f"/api/v1/{path}?after=9999-12-31T23:59:59Z")
        assert answer.status_code == 200, path
        assert answer.text.strip() in ("", '{"items":[],"next":null}')
        answer = await house.client.get(f"/api/v1/{path}?before=0001-01-01T00:00:00Z")
        assert answer.status_code == 200, path
    answer = await house.client.get("/api/v1/events?cursor=YzH_________8")
    assert (answer.status_code, answer.json()["field"]) == (422, "cursor")
