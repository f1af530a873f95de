"""Credentials over HTTP: values go in and never come out."""

from __future__ import annotations

import base64
import logging
from pathlib import Path

import pytest
import structlog

from hookferry.testing import Receiver

from .kit import House
from .real import serving

SECRET = "s3cret-value-that-nobody-may-see"
BEARER = {"name": "erp", "kind": "bearer", "token": SECRET}
BASIC = {"name": "crm", "kind": "basic", "username": "hf", "password": SECRET}
API_KEY = {"name": "pos", "kind": "api_key", "header": "X-Api-Key", "value": SECRET}


async def test_a_credential_is_made_read_changed_and_deleted(house: House) -> None:
    made = await house.client.post("/api/v1/credentials", json=BASIC)
    assert made.status_code == 201, made.text
    view = made.json()
    assert made.headers["location"] == f"/api/v1/credentials/{view['id']}"
    assert {name: view[name] for name in ("name", "tenant", "kind", "username", "header")} == {
        "name": "crm",
        "tenant": "default",
        "kind": "basic",
        "username": "hf",
        "header": None,
    }
    url = f"/api/v1/credentials/{view['id']}"
    assert (await house.client.get(url)).json() == view
    changed = await house.client.patch(
        url, json={"description": "the CRM's"}, headers={"If-Match": made.headers["etag"]}
    )
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    listed = (await house.client.get("/api/v1/credentials")).json()
    assert listed == {"items": [changed.json()], "next": None}
    stale = await house.client.delete(url, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "version_mismatch")
    assert (await house.client.delete(url)).status_code == 204
    assert (await house.client.get(url)).status_code == 404
    assert (await house.client.get("/api/v1/credentials")).json()["items"] == []


async def test_credentials_are_listed_by_page_newest_first(house: House) -> None:
    for number in range(3):
        await house.client.post("/api/v1/credentials", json=BEARER | {"name": f"c{number}"})
    first = (await house.client.get("/api/v1/credentials?limit=2")).json()
    assert [c["name"] for c in first["items"]] == ["c2", "c1"]
    rest = (await house.client.get(f"/api/v1/credentials?limit=2&cursor={first['next']}")).json()
    assert ([c["name"] for c in rest["items"]], rest["next"]) == (["c0"], None)


async def test_no_answer_error_or_log_record_ever_has_the_value(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answers = []
    with structlog.testing.capture_logs() as records:
        for definition in (BEARER, BASIC, API_KEY):
            made = await house.client.post(
                "/api/v1/credentials", json=definition, headers={"Idempotency-Key": "once"}
            )
            answers.append(made)
            url = f"/api/v1/credentials/{made.json()['id']}" if made.is_success else ""
            post = house.client.post
            answers.append(await post("/api/v1/credentials", json=definition))
            answers += [
                await post("/api/v1/credentials", json=definition | spoiled)
                for spoiled in ({"name": "a b"}, {"kind": "digest"}, {"nmae": "x"}, {"header": 1})
            ]
            if url:
                answers.append(await house.client.get(url))
                answers.append(await house.client.patch(url, json=definition))
                answers.append(await house.client.patch(url, json=definition | {"name": "a b"}))
        bad_value = BEARER | {"token": f"{SECRET}\n"}
        answers.append(await house.client.post("/api/v1/credentials", json=bad_value))
        answers.append(
            await house.client.post("/api/v1/credentials", content=f'{{"token": "{SECRET}", }}')
        )
        answers.append(await house.client.get("/api/v1/credentials"))
        made = await house.client.post("/api/v1/credentials", json=BEARER | {"name": "used"})
        webhook = await house.webhook(credential=made.json()["id"])
        await house.publish()
        refused = await house.client.delete(f"/api/v1/credentials/{made.json()['id']}")
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
        assert webhook["id"] in refused.json()["detail"]
        answers += [made, refused]
    for answer in answers:
        assert SECRET not in answer.text
        assert SECRET not in str(answer.headers)
    assert SECRET not in repr(records)
    assert SECRET not in caplog.text


async def test_a_receiver_gets_what_was_sealed_and_no_file_has_it_in_clear(tmp_path: Path) -> None:
    basic = base64.b64encode(f"hf:{SECRET}".encode()).decode()
    async with serving(tmp_path) as client, Receiver() as receiver:
        kinds = (
            (BEARER, "authorization", f"Bearer {SECRET}"),
            (BASIC, "authorization", f"Basic {basic}"),
            (API_KEY, "x-api-key", SECRET),
        )
        for count, (definition, header, line) in enumerate(kinds, 1):
            name = definition["name"]
            assert (await client.post("/api/v1/credentials", json=definition)).status_code == 201
            made = await client.post(
                "/api/v1/webhooks",
                json={
                    "name": name,
                    "target_url": f"{receiver.url}/{name}",
                    "events": [f"{name}.*"],
                    "credential": name,
                },
            )
            assert made.status_code == 201, made.text
            await client.post("/api/v1/events", json={"type": f"{name}.created", "data": {}})
            [*_, received] = await receiver.wait_for_async(count)
            assert received.header(header) == line
    for name, stored in _files(tmp_path).items():
        assert SECRET.encode() not in stored, name
        assert basic.encode() not in stored, name


def _files(folder: Path) -> dict[str, bytes]:
    """The data folder's files; the ledger's log is folded in."""
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert b"hf" in found["ledger.sqlite3"]
    return found


async def test_a_webhook_names_its_credential_by_id_or_name(house: House) -> None:
    made = (await house.client.post("/api/v1/credentials", json=API_KEY)).json()
    await house.webhook("by-id", credential=made["id"])
    await house.webhook("by-name", credential="pos")
    owner = house.services.directory.tenant("default")
    webhooks = house.services.directory.webhooks(owner.id)
    assert len({webhook.credential for webhook in webhooks}) == 1
    unknown = await house.client.post(
        "/api/v1/webhooks",
        json={
            "name": "x",
            "target_url": "https://receiver.example/",
            "events": ["*"],
            "credential": "nobody",
        },
    )
    assert unknown.json()["field"] == "credential"
    assert "POST /api/v1/credentials" in unknown.json()["detail"]


async def test_credentials_belong_to_their_tenant(house: House) -> None:
    bound = await house.key_for("acme")
    made = (await house.client.post("/api/v1/credentials", json=BEARER)).json()
    url = f"/api/v1/credentials/{made['id']}"
    mine = await house.client.post("/api/v1/credentials", json=BEARER, headers=bound)
    assert (mine.status_code, mine.json()["tenant"]) == (201, "acme")
    for answer in (
        await house.client.get(url, headers=bound),
        await house.client.patch(url, json={"token": "x"}, headers=bound),
        await house.client.delete(url, headers=bound),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    listed = (await house.client.get("/api/v1/credentials", headers=bound)).json()
    assert [c["id"] for c in listed["items"]] == [mine.json()["id"]]


async def test_a_tenant_with_credentials_can_not_be_deleted(house: House) -> None:
    assert (await house.client.put("/api/v1/tenants/acme", json={})).status_code == 200
    made = await house.client.post("/api/v1/credentials?tenant=acme", json=BEARER)
    refused = await house.client.delete("/api/v1/tenants/acme")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert "credentials" in refused.json()["detail"]
    url = f"/api/v1/credentials/{made.json()['id']}?tenant=acme"
    assert (await house.client.delete(url)).status_code == 204
    assert (await house.client.delete("/api/v1/tenants/acme")).status_code == 204


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"", b"null"])
async def test_a_body_that_is_no_definition_is_refused(house: House, body: bytes) -> None:
    answer = await house.client.post("/api/v1/credentials", content=body)
    assert answer.status_code in (400, 422)
    assert (await house.client.get("/api/v1/credentials")).json()["items"] == []


async def test_an_address_that_is_no_credential_is_not_found(house: House) -> None:
    for path in ("nobody", "wh_0000000000000", "cred_0000000000000"):
        answer = await house.client.get(f"/api/v1/credentials/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
