"""The hot publish route, on both sides of the switch."""

from __future__ import annotations

import asyncio
import json

from hookferry.engine.publication import MAX_BATCH

from .kit import EVENT, House, until


async def test_a_published_event_is_stored_as_it_came(hot_house: House) -> None:
    body = b'{"type": "contact.created", "data": {"b" :1.50, "a": "\\u00e9"}}'
    answer = await hot_house.client.post("/api/v1/events", content=body)
    assert answer.status_code == 202, answer.text
    assert answer.json() == {"id": answer.json()["id"], "deliveries": 0, "duplicate": False}
    [stored] = await hot_house.events()
    assert stored.payload == b'{"b" :1.50, "a": "\\u00e9"}'


async def test_nothing_is_acknowledged_before_its_commit(hot_house: House) -> None:
    release = hot_house.hold_commits()
    publishing = asyncio.create_task(hot_house.client.post("/api/v1/events", json=EVENT))
    await until(lambda: hot_house.engine.intake.waiting == 1)
    done, _ = await asyncio.wait({publishing}, timeout=0.2)
    assert not done
    release.set()
    assert (await publishing).status_code == 202
    assert len(await hot_house.events()) == 1


async def test_a_webhook_gets_the_event_signed_and_its_secret_is_shown_once(
    hot_house: House,
) -> None:
    made = await hot_house.webhook(events=["contact.*"])
    assert made["secret"].startswith("whsec_")
    assert (await hot_house.publish())["deliveries"] == 1
    await until(lambda: len(hot_house.transport.sent) == 1)
    assert b"webhook-signature: v1," in hot_house.transport.sent[0].head
    shown = await hot_house.client.get(f"/api/v1/webhooks/{made['id']}")
    assert shown.json()["secret"] == "whsec_********"


async def test_the_same_publisher_id_twice_is_one_event(hot_house: House) -> None:
    first = await hot_house.publish(id="order-1")
    assert await hot_house.publish(id="order-1") == first | {"duplicate": True}
    assert len(await hot_house.events()) == 1


async def test_the_same_idempotency_key_twice_is_one_event(hot_house: House) -> None:
    headers = {"Idempotency-Key": "abc"}
    first = await hot_house.client.post("/api/v1/events", json=EVENT, headers=headers)
    second = await hot_house.client.post("/api/v1/events", json=EVENT, headers=headers)
    assert second.json() == first.json() | {"duplicate": True}
    other = EVENT | {"data": 8}
    third = await hot_house.client.post("/api/v1/events", json=other, headers=headers)
    assert (third.status_code, third.json()["code"]) == (422, "idempotency_conflict")
    assert len(await hot_house.events()) == 1


BAD_PUBLICATIONS = [
    (b"", 400, "malformed_json", None),
    (b"{", 400, "malformed_json", None),
    (b"\xff\xfe", 400, "malformed_json", None),
    (b'{"type":"a.b","data":"\xff"}', 400, "malformed_json", None),
    (b"[]", 422, "invalid_field", None),
    (b'{"data":1}', 422, "invalid_field", "type"),
    (b'{"type":"a.b"}', 422, "invalid_field", "data"),
    (b'{"type":"a..b","data":1}', 422, "invalid_field", "type"),
    (b'{"type":"a b","data":1}', 422, "invalid_field", "type"),
    (b'{"type":7,"data":1}', 422, "invalid_field", "type"),
    (b'{"type":"a.b","data":1,"tenannt":"x"}', 422, "unknown_field", "tenannt"),
    (b'{"type":"a.b","data":1,"id":"with space"}', 422, "invalid_field", "id"),
    (b'{"type":"a.b","data":1,"occurred_at":"2026-01-01T00:00:00"}', 422, "invalid_field", None),
    (b'{"type":"a.b","data":1,"tenant":"nobody"}', 404, "not_found", "tenant"),
    (b'{"type":"a.b","data":"' + b"x" * 1024 * 1024 + b'"}', 413, "payload_too_large", "data"),
    (b'{"type":"a.b","data":"' + b"x" * 1200 * 1024 + b'"}', 413, "payload_too_large", None),
]


async def test_a_bad_publication_is_a_problem_and_nothing_is_stored(hot_house: House) -> None:
    for body, status, code, field in BAD_PUBLICATIONS:
        answer = await hot_house.client.post("/api/v1/events", content=body)
        assert answer.headers["content-type"] == "application/problem+json", body[:80]
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (status, code), body[:80]
        assert problem["status"] == status
        assert problem["detail"]
        assert field is None or problem["field"] == field, body[:80]
    assert await hot_house.events() == []


async def test_a_bad_query_is_a_problem(hot_house: House) -> None:
    for query, status, code in (
        ("?tenant=nobody", 404, "not_found"),
        ("?tenat=default", 422, "unknown_field"),
        ("?tenant=default&tenant=default", 422, "invalid_field"),
    ):
        answer = await hot_house.client.post(f"/api/v1/events{query}", json=EVENT)
        assert (answer.status_code, answer.json()["code"]) == (status, code), query
    assert await hot_house.events() == []


async def test_query_and_body_may_not_name_different_tenants(hot_house: House) -> None:
    await hot_house.key_for("acme")
    answer = await hot_house.client.post(
        "/api/v1/events?tenant=default", json=EVENT | {"tenant": "acme"}
    )
    assert (answer.status_code, answer.json()["field"]) == (422, "tenant")


async def test_a_stranger_is_told_to_send_a_key(hot_house: House) -> None:
    del hot_house.client.headers["Authorization"]
    for sent in (None, "Bearer hf_wrong", "Basic aGY6aGY=", "Bearer", "Bearer " + "x" * 1000):
        headers = {} if sent is None else {"Authorization": sent}
        answer = await hot_house.client.post("/api/v1/events", json=EVENT, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), sent
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert await hot_house.events() == []


async def test_a_revoked_key_is_refused_at_once(hot_house: House) -> None:
    made = (await hot_house.client.post("/api/v1/keys", json={"name": "short-lived"})).json()
    headers = {"Authorization": f"Bearer {made['key']}"}
    answer = await hot_house.client.post("/api/v1/events", json=EVENT, headers=headers)
    assert answer.status_code == 202
    await hot_house.client.delete(f"/api/v1/keys/{made['id']}")
    answer = await hot_house.client.post("/api/v1/events", json=EVENT, headers=headers)
    assert answer.status_code == 401


async def test_a_bound_key_publishes_to_its_tenant_and_to_no_other(hot_house: House) -> None:
    acme = await hot_house.key_for("acme")
    answer = await hot_house.client.post("/api/v1/events", json=EVENT, headers=acme)
    assert answer.status_code == 202
    assert len(await hot_house.events("acme")) == 1
    for attempt in (
        hot_house.client.post("/api/v1/events?tenant=default", json=EVENT, headers=acme),
        hot_house.client.post("/api/v1/events", json=EVENT | {"tenant": "default"}, headers=acme),
    ):
        refused = await attempt
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert await hot_house.events() == []


async def test_a_bad_idempotency_key_is_a_problem(hot_house: House) -> None:
    for key in ("", "with space", "x" * 256, "é"):
        headers = [(b"Idempotency-Key", key.encode())]
        answer = await hot_house.client.post("/api/v1/events", json=EVENT, headers=headers)
        assert (answer.status_code, answer.json()["field"]) == (422, "Idempotency-Key"), key


async def test_a_draining_server_says_when_to_come_back(hot_house: House) -> None:
    hot_house.engine.intake.drain()
    answer = await hot_house.client.post("/api/v1/events", json=EVENT)
    assert (answer.status_code, answer.json()["code"]) == (503, "draining")
    assert int(answer.headers["retry-after"]) >= 1


async def test_every_answer_carries_the_security_headers(hot_house: House) -> None:
    for answer in (
        await hot_house.client.post("/api/v1/events", json=EVENT),
        await hot_house.client.post("/api/v1/events", content=b"{"),
        await hot_house.client.get("/api/v1/events"),
        await hot_house.client.get("/nowhere"),
        await hot_house.client.get("/docs"),
    ):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "no-store" in answer.headers["cache-control"]


# ------------------------------------------------------------------ batches


async def test_a_batch_answers_in_order_and_takes_the_good_ones(house: House) -> None:
    batch = [
        EVENT,
        {"type": "bad type", "data": 1},
        {"typ": "x"},
        EVENT | {"tenant": "nobody"},
        EVENT,
    ]
    answer = await house.client.post("/api/v1/events/batch", json=batch)
    assert answer.status_code == 207
    results = answer.json()
    assert [r.get("code", "accepted") for r in results] == [
        "accepted",
        "invalid_field",
        "unknown_field",
        "not_found",
        "accepted",
    ]
    assert len(await house.events()) == 2


async def test_a_batch_may_be_one_event_a_line(house: House) -> None:
    lines = "\n".join(json.dumps(EVENT | {"data": n}) for n in range(3)) + "\n\n"
    answer = await house.client.post(
        "/api/v1/events/batch",
        content=lines.encode(),
        headers={"Content-Type": "application/x-ndjson; charset=utf-8"},
    )
    assert answer.status_code == 202, answer.text
    assert [e.payload for e in reversed(await house.events())] == [b"0", b"1", b"2"]


async def test_a_batch_over_its_limits_is_refused_whole(house: House) -> None:
    too_many = [EVENT] * (MAX_BATCH + 1)
    answer = await house.client.post("/api/v1/events/batch", json=too_many)
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    too_large = b'["' + b"x" * (16 * 1024 * 1024) + b'"]'
    answer = await house.client.post("/api/v1/events/batch", content=too_large)
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    answer = await house.client.post("/api/v1/events/batch", json={"not": "a list"})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")
    assert await house.events() == []


async def test_a_bound_key_batches_for_its_tenant_only(house: House) -> None:
    acme = await house.key_for("acme")
    batch = [EVENT, EVENT | {"tenant": "default"}]
    answer = await house.client.post("/api/v1/events/batch", json=batch, headers=acme)
    assert answer.status_code == 207
    assert answer.json()[1]["code"] == "forbidden"
    assert len(await house.events("acme")) == 1
    assert await house.events() == []
