"""Lists, searches, exports, actions on deliveries, and what tools read about the API."""

from __future__ import annotations

import csv
import io
import json

from hookferry.errors import StorageDown
from hookferry.transport.port import Outcome

from .kit import EVENT, House, until


async def test_pages_follow_one_another_without_gap_or_repeat(house: House) -> None:
    await house.webhook()
    batch = [EVENT | {"data": n} for n in range(7)]
    await house.client.post("/api/v1/events/batch", json=batch)
    for n in range(6):
        await house.webhook(f"w{n}", events=["never.sent"])
        await house.client.put(f"/api/v1/event_types/a.b{n}", json={})
        await house.client.post("/api/v1/keys", json={"name": f"k{n}"})
    for path in ("events", "deliveries", "webhooks", "event_types", "keys"):
        whole = (await house.client.get(f"/api/v1/{path}")).json()
        assert whole["next"] is None
        assert len(whole["items"]) >= 6, path
        collected, cursor = [], ""
        while cursor is not None:
            query = f"limit=2&cursor={cursor}" if cursor else "limit=2"
            page = (await house.client.get(f"/api/v1/{path}?{query}")).json()
            assert 1 <= len(page["items"]) <= 2
            collected += page["items"]
            cursor = page["next"]
        assert [c.get("id", c.get("name")) for c in collected] == [
            w.get("id", w.get("name")) for w in whole["items"]
        ], path
    times = [e["received_at"] for e in (await house.client.get("/api/v1/events")).json()["items"]]
    assert times == sorted(times, reverse=True)


async def test_bad_parameters_are_named(house: House) -> None:
    for path, field in (
        ("events?limit=0", "limit"),
        ("events?limit=251", "limit"),
        ("events?limit=x", "limit"),
        ("events?cursor=nonsense", "cursor"),
        ("events?state=lost", "state"),
        ("events?type=a..b", "type"),
        ("events?after=yesterday", "after"),
        ("events?before=2026-01-01T00:00:00", "before"),
        ("deliveries?state=pending,lost", "state"),
        ("deliveries?webhook=evt_0000000000000", "webhook"),
        ("deliveries?status_code=99", "status_code"),
        ("deliveries?text=", "text"),
        ("deliveries/export?format=xml", "format"),
        ("webhooks?limt=1", "limt"),
        ("webhooks?delivery_state=pending", "delivery_state"),
        ("tenants?tenant=default", "tenant"),
    ):
        answer = await house.client.get(f"/api/v1/{path}")
        assert (answer.status_code, answer.json().get("field")) == (422, field), path
    for path in (
        "events/evt_x",
        "events/dlv_0000000000000",
        "deliveries/1",
        "jobs/job_0000000000000",
    ):
        answer = await house.client.get(f"/api/v1/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path


async def test_deliveries_are_found_by_what_is_known_of_them(house: House) -> None:
    crm = await house.webhook("crm", events=["contact.*"])
    await house.webhook("all", events=["*"])
    house.transport.outcome = lambda r: Outcome(status=404 if b"order" in r.body else 200)
    await house.publish()
    order = await house.publish(type="order.paid", data={"sum": 12})
    await until(lambda: house.engine.lanes.in_flight == 0 and len(house.transport.sent) == 3)
    await house.engine.committer.flush()
    counts = {
        "": 3,
        f"webhook={crm['id']}": 1,
        f"event={order['id']}": 1,
        "event_type=contact.created": 2,
        "state=delivered": 2,
        "state=delivered,failed,retrying": 3,
        "status_code=404": 1,
        "text=sum": 1,
        "after=2020-01-01T00:00:00Z": 3,
        "before=2020-01-01T00:00:00Z": 0,
    }
    for query, count in counts.items():
        answer = await house.client.get(f"/api/v1/deliveries?{query}")
        assert len(answer.json()["items"]) == count, (query, answer.text)
        exported = await house.client.get(f"/api/v1/deliveries/export?{query}")
        assert len(exported.text.splitlines()) == count, query
    table = await house.client.get("/api/v1/deliveries/export?format=csv&state=delivered")
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [row["state"] for row in rows] == ["delivered"] * 2
    assert table.headers["content-type"].startswith("text/csv")


async def test_an_export_is_whole_beyond_one_page(house: House) -> None:
    await house.webhook()
    await house.client.post("/api/v1/events/batch", json=[EVENT] * 600)
    exported = await house.client.get("/api/v1/deliveries/export")
    ids = [json.loads(line)["id"] for line in exported.text.splitlines()]
    assert len(set(ids)) == 600
    assert ids == sorted(ids, reverse=True)


async def test_a_delivery_is_shown_resent_and_cancelled(house: House) -> None:
    await house.webhook()
    event = await house.publish(actor={"id": 7, "name": "Ann"}, occurred_at="2026-01-31T09:30:00Z")
    await until(lambda: len(house.transport.sent) == 1)
    shown = (await house.client.get(f"/api/v1/events/{event['id']}")).json()
    assert shown["data"] == EVENT["data"]
    assert shown["actor"] == {"id": 7, "name": "Ann"}
    assert shown["occurred_at"] == "2026-01-31T09:30:00Z"
    [delivery] = (await house.client.get(f"/api/v1/events/{event['id']}/deliveries")).json()[
        "items"
    ]
    url = f"/api/v1/deliveries/{delivery['id']}"
    await until(lambda: house.engine.lanes.in_flight == 0)
    while (await house.client.get(url)).json()["state"] != "delivered":
        pass
    [attempt] = (await house.client.get(f"{url}/attempts")).json()["items"]
    assert (attempt["number"], attempt["status"], attempt["success"]) == (1, 200, True)
    assert (await house.client.post(f"{url}/cancel")).status_code == 409
    assert (await house.client.post(f"{url}/resend")).status_code == 200
    await until(lambda: len(house.transport.sent) == 2)
    assert house.transport.sent[0].body == house.transport.sent[1].body
    while (await house.client.get(url)).json()["attempts"] != 2:
        pass
    tries = (await house.client.get(f"{url}/attempts?limit=1")).json()
    assert [a["number"] for a in tries["items"]] == [2]
    tries = (await house.client.get(f"{url}/attempts?limit=1&cursor={tries['next']}")).json()
    assert ([a["number"] for a in tries["items"]], tries["next"]) == ([1], None)


async def test_what_still_owes_can_be_cancelled(house: House) -> None:
    made = await house.webhook()
    await house.client.post(f"/api/v1/webhooks/{made['id']}/pause")
    await house.publish()
    [delivery] = (await house.client.get("/api/v1/deliveries")).json()["items"]
    assert delivery["next_attempt_at"] is not None
    answer = await house.client.post(f"/api/v1/deliveries/{delivery['id']}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")


async def test_many_are_resent_by_id_or_filter(house: House) -> None:
    await house.webhook()
    await house.client.post("/api/v1/events/batch", json=[EVENT] * 3)
    await until(lambda: len(house.transport.sent) == 3)
    listing = "/api/v1/deliveries?state=delivered"
    while len((await house.client.get(listing)).json()["items"]) != 3:
        pass
    ids = [d["id"] for d in (await house.client.get(listing)).json()["items"]]
    answer = await house.client.post("/api/v1/deliveries/resend", json={"ids": ids[:2]})
    assert sorted(answer.json()["changed"]) == sorted(ids[:2])
    await until(lambda: len(house.transport.sent) == 5)
    while len((await house.client.get(listing)).json()["items"]) != 3:
        pass
    job = await house.client.post("/api/v1/deliveries/resend", json={"filter": {}})
    assert job.status_code == 202
    await until(lambda: len(house.transport.sent) == 8)
    for body in ({}, {"ids": []}, {"ids": ["x"]}, {"ids": ids, "filter": {}}, {"idz": ids}):
        refused = await house.client.post("/api/v1/deliveries/resend", json=body)
        assert refused.status_code == 422, body


async def test_an_event_is_replayed_to_another_webhook(house: House) -> None:
    event = await house.publish()
    late = await house.webhook("late", events=["never.sent"])
    url = f"/api/v1/events/{event['id']}/replay"
    answer = await house.client.post(url, json={"webhooks": [late["id"]]})
    assert answer.status_code == 202, answer.text
    assert [d["webhook"] for d in answer.json()["items"]] == [late["id"]]
    await until(lambda: len(house.transport.sent) == 1)
    for body in ({"webhooks": []}, {"webhooks": ["x"]}, {"webhook": [late["id"]]}):
        assert (await house.client.post(url, json=body)).status_code == 422, body


async def test_wrong_addresses_and_methods_are_problems(house: House) -> None:
    for method, path, status, code in (
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/api/v1/nowhere", 404, "not_found"),
        ("DELETE", "/api/v1/events", 405, "method_not_allowed"),
        ("PUT", "/api/v1/webhooks", 405, "method_not_allowed"),
    ):
        answer = await house.client.request(method, path)
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.status_code, answer.json()["code"]) == (status, code), path
        if status == 405:
            assert "POST" in answer.headers["allow"]


async def test_a_problems_type_leads_to_its_explanation(house: House) -> None:
    problem = (await house.client.get("/nowhere")).json()
    path, _, anchor = problem["type"].partition("#")
    assert f'id="{anchor}"' in (await house.client.get(path)).text


async def test_readiness_follows_the_ledger(house: House) -> None:
    assert (await house.client.get("/readyz")).json() == {"status": "ready"}

    async def unreadable() -> None:
        raise StorageDown("the disk is gone")

    house.store.ping = unreadable  # type: ignore[method-assign]
    assert (await house.client.get("/healthz")).status_code == 200
    answer = await house.client.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_down")


async def test_a_content_type_names_its_charset_once(house: House) -> None:
    for path in ("/metrics", "/docs", "/api/v1/deliveries/export?format=csv"):
        answer = await house.client.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"].count("charset=utf-8") == 1, path
