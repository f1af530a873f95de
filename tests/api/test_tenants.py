"""Tenants are walls: keys bound to one, and everything that belongs to another."""

from __future__ import annotations

from .kit import EVENT, TARGET, House, until


async def test_a_bound_key_sees_and_touches_nothing_of_another_tenant(house: House) -> None:
    made = await house.webhook()
    event = (await house.publish())["id"]
    await until(lambda: len(house.transport.sent) == 1)
    delivery = (await house.client.get("/api/v1/deliveries")).json()["items"][0]["id"]
    acme = await house.key_for("acme")
    sent = len(house.transport.sent)
    for method, path, body in (
        ("GET", f"webhooks/{made['id']}", None),
        ("PATCH", f"webhooks/{made['id']}", {"title": "mine"}),
        ("DELETE", f"webhooks/{made['id']}", None),
        *(
            ("POST", f"webhooks/{made['id']}/{action}", None)
            for action in ("test", "pause", "resume", "stop", "restart", "secret")
        ),
        ("POST", f"webhooks/{made['id']}/recover", {"since": "2020-01-01T00:00:00Z"}),
        ("GET", f"webhooks/{made['id']}/secret", None),
        ("GET", f"webhooks/{made['id']}/stats", None),
        ("GET", f"webhooks/{made['id']}/last_error", None),
        ("GET", f"events/{event}", None),
        ("GET", f"events/{event}/data", None),
        ("GET", f"events/{event}/deliveries", None),
        ("POST", f"events/{event}/replay", {}),
        ("GET", f"deliveries/{delivery}", None),
        ("GET", f"deliveries/{delivery}/attempts", None),
        ("POST", f"deliveries/{delivery}/resend", None),
        ("POST", f"deliveries/{delivery}/cancel", None),
    ):
        answer = await house.client.request(method, f"/api/v1/{path}", json=body, headers=acme)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), (method, path)
        named = await house.client.request(
            method, f"/api/v1/{path}?tenant=default", json=body, headers=acme
        )
        assert (named.status_code, named.json()["code"]) == (403, "forbidden"), (method, path)
    for path in ("webhooks", "events", "deliveries", "event_types"):
        listed = await house.client.get(f"/api/v1/{path}", headers=acme)
        assert listed.json()["items"] == [], path
    bulk = {"ids": [delivery]}
    resent = await house.client.post("/api/v1/deliveries/resend", json=bulk, headers=acme)
    assert resent.json() == {"changed": []}
    exported = await house.client.get("/api/v1/deliveries/export", headers=acme)
    assert exported.content == b""
    assert len(house.transport.sent) == sent


async def test_a_job_of_another_tenant_is_not_found(house: House) -> None:
    acme = await house.key_for("acme")
    started = await house.client.post("/api/v1/deliveries/resend", json={"filter": {}})
    assert started.status_code == 202
    url = f"/api/v1/jobs/{started.json()['id']}"
    assert (await house.client.get(url)).status_code == 200
    assert (await house.client.get(url, headers=acme)).status_code == 404


async def test_administration_is_closed_to_bound_keys(house: House) -> None:
    acme = await house.key_for("acme")
    key = (await house.client.get("/api/v1/keys")).json()["items"][0]["id"]
    for method, path, body in (
        ("GET", "tenants", None),
        ("GET", "tenants/acme", None),
        ("PUT", "tenants/acme", {}),
        ("DELETE", "tenants/acme", None),
        ("GET", "keys", None),
        ("POST", "keys", {"name": "mine"}),
        ("GET", f"keys/{key}", None),
        ("DELETE", f"keys/{key}", None),
    ):
        answer = await house.client.request(method, f"/api/v1/{path}", json=body, headers=acme)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (method, path)
    assert len(house.services.keys.list()) == 2


async def test_two_tenants_may_use_the_same_names(house: House) -> None:
    acme = await house.key_for("acme")
    await house.webhook("crm")
    body = {"name": "crm", "target_url": TARGET, "events": ["*"]}
    answer = await house.client.post("/api/v1/webhooks", json=body, headers=acme)
    assert answer.status_code == 201
    assert answer.json()["tenant"] == "acme"
    told = await house.client.post("/api/v1/events", json=EVENT, headers=acme)
    assert told.json()["deliveries"] == 1


async def test_a_tenant_is_made_changed_and_deleted(house: House) -> None:
    client = house.client
    body = {"webhook_key": "hidden-key", "strict_types": True}
    made = await client.put("/api/v1/tenants/acme", json=body)
    assert (made.json()["webhook_key"], made.json()["strict_types"]) == ("********", True)
    kept = await client.put("/api/v1/tenants/acme", json={"webhooks_active": False})
    assert (kept.json()["webhook_key"], kept.json()["webhooks_active"]) == ("********", False)
    back = await client.put("/api/v1/tenants/acme", json={"webhook_key": "********"})
    assert (back.status_code, back.json()["field"]) == (422, "webhook_key")
    gone = await client.put("/api/v1/tenants/acme", json={"webhook_key": None})
    assert gone.json()["webhook_key"] is None
    stale = await client.put("/api/v1/tenants/acme", json={}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    assert (await client.delete("/api/v1/tenants/acme")).status_code == 204
    assert (await client.get("/api/v1/tenants/acme")).status_code == 404
    for name, answer in (
        ("no spaces", await client.put("/api/v1/tenants/no%20spaces", json={})),
        ("x" * 65, await client.put("/api/v1/tenants/" + "x" * 65, json={})),
    ):
        assert (answer.status_code, answer.json()["field"]) == (422, "name"), name


async def test_a_tenant_with_webhooks_or_keys_is_not_deleted(house: House) -> None:
    acme = await house.key_for("acme")
    body = {"name": "crm", "target_url": TARGET, "events": ["*"]}
    made = await house.client.post("/api/v1/webhooks", json=body, headers=acme)
    refused = await house.client.delete("/api/v1/tenants/acme")
    assert (refused.status_code, refused.json()["webhooks"]) == (409, 1)
    await house.client.delete(f"/api/v1/webhooks/{made.json()['id']}", headers=acme)
    assert (await house.client.delete("/api/v1/tenants/acme")).status_code == 409
    for key in (await house.client.get("/api/v1/keys")).json()["items"]:
        if key["tenant"] == "acme":
            await house.client.delete(f"/api/v1/keys/{key['id']}")
    assert (await house.client.delete("/api/v1/tenants/acme")).status_code == 204
    assert (await house.client.delete("/api/v1/tenants/default")).status_code == 409


async def test_the_last_administrators_key_is_not_revoked(house: House) -> None:
    [key] = (await house.client.get("/api/v1/keys")).json()["items"]
    refused = await house.client.delete(f"/api/v1/keys/{key['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    await house.client.post("/api/v1/keys", json={"name": "successor"})
    assert (await house.client.delete(f"/api/v1/keys/{key['id']}")).status_code == 204


async def test_a_strict_tenant_takes_registered_types_only(house: House) -> None:
    await house.client.put("/api/v1/tenants/default", json={"strict_types": True})
    refused = await house.client.post("/api/v1/events", json=EVENT)
    assert (refused.status_code, refused.json()["field"]) == (422, "type")
    url = f"/api/v1/event_types/{EVENT['type']}"
    made = await house.client.put(url, json={"description": "somebody new"})
    assert made.status_code == 200, made.text
    await house.publish()
    archived = await house.client.post(f"{url}/archive")
    assert archived.json()["archived"] is True
    assert (await house.client.post("/api/v1/events", json=EVENT)).status_code == 422
    assert (await house.client.put(url, json={"phase": "during"})).json()["field"] == "phase"
    assert (await house.client.get("/api/v1/event_types/no.such")).status_code == 404
