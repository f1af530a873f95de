"""The delivery log over HTTP: requests as sent, signatures, search, resend, exports."""

from __future__ import annotations

import asyncio
import base64
import csv
import datetime as dt
import hashlib
import hmac
import io
import json
from typing import Any

import msgspec
import pytest

from hookferry.api.resources.exports import csv_line
from hookferry.domain.delivery import HELD, WAITED_FOR, Delivery, DeliveryState
from hookferry.domain.event import Event
from hookferry.domain.webhook import Webhook
from hookferry.engine import log_view
from hookferry.ids import decode
from hookferry.store.ports import Acceptance, Batch
from hookferry.transport.port import Outcome
from hookferry.wire.profiles.standard import STANDARD

from .kit import EVENT, House

DELIVERIES = "/api/v1/deliveries"
KEY = "my-webhook-key"


async def settled(house: House, count: int, **where: str) -> list[dict[str, Any]]:
    """Wait until this many deliveries have settled; return them, newest first."""
    query = {"state": "delivered,failed", "limit": "250"} | where
    async with asyncio.timeout(10):
        while True:
            answer = await house.client.get(DELIVERIES, params=query)
            items: list[dict[str, Any]] = answer.json()["items"]
            if len(items) >= count:
                return items


async def attempts(house: House, delivery: dict[str, Any]) -> list[dict[str, Any]]:
    """A delivery's attempts, newest first."""
    answer = await house.client.get(f"{DELIVERIES}/{delivery['id']}/attempts")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def tried(house: House, delivery: dict[str, Any], times: int) -> list[dict[str, Any]]:
    """Wait until a delivery was attempted so many times; return its attempts, newest first."""
    async with asyncio.timeout(10):
        while len(tries := await attempts(house, delivery)) != times:
            pass
    return tries


async def body_of(house: House, attempt: dict[str, Any]) -> bytes:
    answer = await house.client.get(attempt["request_body_url"])
    assert answer.status_code == 200, answer.text
    return answer.content


# --------------------------------------------------------------------------- requests as sent


PROFILES: list[tuple[dict[str, Any], str | None]] = [
    ({"profile": "standard"}, "webhook-signature"),
    ({"profile": "raw"}, "webhook-signature"),
    ({"profile": "superoffice", "secret": "Something Super Secret"}, "X-SuperOffice-Signature"),
    ({"profile": "superoffice"}, None),
    ({"profile": "happyfox"}, "X-Webhook-Signature"),
    ({"profile": "hornbill"}, None),
    ({"profile": "hornbill", "payload_format": "xml"}, None),
    ({"profile": "cloudevents"}, "webhook-signature"),
]


async def test_an_attempt_shows_head_body_and_signature_as_sent(house: House) -> None:
    await house.client.put("/api/v1/tenants/default", json={"webhook_key": KEY})
    for number, (fields, header) in enumerate(PROFILES):
        made = await house.webhook(f"w{number}", handshake=False, **fields)
        house.transport.sent.clear()
        await house.publish(data={"name": "Zoë <&>"}, entity="contact", primary_key=7)
        [delivery] = await settled(house, 1, webhook=made["id"])
        [sent] = house.transport.sent
        [attempt] = await attempts(house, delivery)
        assert attempt["request_head"].encode("latin-1") == sent.head, fields
        assert attempt["request_body"].encode() == sent.body, fields
        assert await body_of(house, attempt) == sent.body, fields
        assert (attempt["request_body_truncated"], attempt["request_body_missing"]) == (False, None)
        assert attempt["webhook_version"] == 1
        signature = attempt["signature"]
        assert (signature is None) == (header is None), fields
        if header is not None:
            line = f"{header}: {signature['value']}"
            assert signature["header"].lower() == header.lower()
            assert line.lower().encode() in sent.head.lower()
            names = ("scheme", "algorithm", "encoding", "signed", "key")
            assert all(signature[name] for name in names), fields
        await house.client.delete(f"/api/v1/webhooks/{made['id']}")


async def test_the_signature_in_the_log_can_be_computed_from_what_the_log_says(
    house: House,
) -> None:
    secret = "Something Super Secret"
    await house.webhook("so", profile="superoffice", secret=secret)
    await house.publish(entity="contact", primary_key=7)
    [delivery] = await settled(house, 1)
    [attempt] = await attempts(house, delivery)
    signature = attempt["signature"]
    assert (signature["algorithm"], signature["encoding"]) == ("HMAC-SHA256", "base64")
    assert signature["signed"] == "the body as sent"
    digest = hmac.new(secret.encode(), await body_of(house, attempt), hashlib.sha256).digest()
    assert signature["value"] == base64.b64encode(digest).decode()


async def test_an_answer_and_its_timing_are_shown(house: House) -> None:
    await house.webhook()
    house.transport.outcome = lambda _: Outcome(
        status=200,
        head=b"HTTP/1.1 200 OK\r\nX-A: b\r\n\r\n",
        body=b"thanks\xff",
        address="203.0.113.7:443",
        verdict="allow_public",
        duration=0.25,
        dns=0.001,
        connect=0.002,
        tls=0.003,
        first_byte=0.2,
    )
    await house.publish()
    [delivery] = await settled(house, 1)
    [attempt] = await attempts(house, delivery)
    assert attempt["timings"] == {"dns": 1.0, "connect": 2.0, "tls": 3.0, "first_byte": 200.0}
    assert (attempt["duration_ms"], attempt["address"]) == (250.0, "203.0.113.7:443")
    assert attempt["response_head"] == "HTTP/1.1 200 OK\r\nX-A: b\r\n\r\n"
    assert attempt["response_body"] == "thanks\N{REPLACEMENT CHARACTER}"


async def test_each_attempt_shows_what_its_own_version_of_the_webhook_sent(house: House) -> None:
    made = await house.webhook("so", profile="superoffice", properties={"stage": "one"})
    await house.publish(entity="contact", primary_key=7)
    [delivery] = await settled(house, 1)
    url = f"/api/v1/webhooks/{made['id']}"
    changed = await house.client.patch(url, json={"properties": {"stage": "two"}, "name": "new"})
    assert changed.status_code == 200, changed.text
    house.transport.sent.clear()
    await house.client.post(f"{DELIVERIES}/{delivery['id']}/resend")
    newer, older = await tried(house, delivery, 2)
    assert (newer["webhook_version"], older["webhook_version"]) == (2, 1)
    assert json.loads(newer["request_body"])["stage"] == "two"
    assert newer["request_body"].encode() == house.transport.sent[0].body
    body = json.loads(older["request_body"])
    assert (body["stage"], body["WebhookName"]) == ("one", "so")


async def test_the_log_of_a_deleted_webhook_still_shows_what_was_sent(house: House) -> None:
    made = await house.webhook("gone")
    await house.publish()
    [delivery] = await settled(house, 1)
    await house.client.delete(f"/api/v1/webhooks/{made['id']}")
    [attempt] = await attempts(house, delivery)
    assert attempt["request_body"].encode() == house.transport.sent[0].body
    shown = (await house.client.get(f"{DELIVERIES}/{delivery['id']}")).json()
    assert shown["webhook_name"] == "gone"


async def missing(house: House, delivery: dict[str, Any]) -> str:
    """Why the body of a delivery's only attempt can't be shown, in the view and at its address."""
    [attempt] = await attempts(house, delivery)
    assert attempt["request_body"] is None
    assert attempt["request_body_url"] is None
    answer = await house.client.get(f"{DELIVERIES}/{delivery['id']}/attempts/{attempt['id']}/body")
    why: str = attempt["request_body_missing"]
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert why in answer.json()["detail"]
    return why


async def test_a_forgotten_version_is_said_to_be_forgotten(house: House) -> None:
    made = await house.webhook("crm")
    await house.publish()
    [delivery] = await settled(house, 1)
    await house.client.patch(f"/api/v1/webhooks/{made['id']}", json={"title": "new"})
    # The event is kept, as one that still owes; the version before is not.
    await house.store._write(lambda c: c.execute("DELETE FROM webhook_versions").rowcount)
    assert await missing(house, delivery) == log_view.FORGOTTEN


async def test_a_version_that_older_builds_did_not_note_is_not_guessed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = house.store.attempts

    async def without_version(*args: Any, **kwargs: Any) -> list[Any]:
        found = await read(*args, **kwargs)
        return [msgspec.structs.replace(a, webhook_version=0) for a in found]

    await house.webhook()
    await house.publish()
    [delivery] = await settled(house, 1)
    monkeypatch.setattr(house.store, "attempts", without_version)
    assert await missing(house, delivery) == log_view.NOT_KEPT
    [attempt] = await attempts(house, delivery)
    assert (attempt["webhook_version"], attempt["signature"]) == (None, None)
    assert "webhook-signature" in attempt["request_head"]


async def test_a_body_that_would_be_rendered_otherwise_now_is_not_shown_as_sent(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.webhook()
    await house.publish()
    [delivery] = await settled(house, 1)
    rendering = type(STANDARD.rendering(_any_webhook(house), _owner(house), ""))
    monkeypatch.setattr(rendering, "body", lambda *_: b"another length")
    assert await missing(house, delivery) == log_view.DIFFERS


async def test_a_profile_that_fails_hides_its_body_alone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.webhook()
    await house.publish()
    [delivery] = await settled(house, 1)
    rendering = type(STANDARD.rendering(_any_webhook(house), _owner(house), ""))

    def broken(*_: object) -> bytes:
        raise RuntimeError("a plugin's bug")

    monkeypatch.setattr(rendering, "body", broken)
    assert await missing(house, delivery) == f"{log_view.FAILED}: the profile 'standard' failed"
    [attempt] = await attempts(house, delivery)
    assert attempt["status"] == 200


def _any_webhook(house: House) -> Webhook:
    return next(iter(house.services.directory.all_webhooks()))


def _owner(house: House) -> Any:
    return house.services.directory.tenant("default")


async def test_a_long_body_is_cut_between_characters_and_whole_at_its_address(
    house: House,
) -> None:
    await house.webhook("raw", profile="raw")
    text = "x" + "é" * 20_000
    await house.publish(data=text)
    [delivery] = await settled(house, 1)
    [attempt] = await attempts(house, delivery)
    assert attempt["request_body_truncated"]
    assert len(attempt["request_body"].encode()) == 16 * 1024
    assert f'"{text}"'.startswith(attempt["request_body"])
    whole = await house.client.get(attempt["request_body_url"])
    assert json.loads(whole.content) == text
    assert whole.content == house.transport.sent[0].body
    assert whole.headers["content-type"] == "application/json"
    assert whole.headers["content-disposition"] == "attachment"


async def test_attempts_that_spent_nothing_are_paged_without_gap_or_repeat(house: House) -> None:
    await house.webhook()
    await house.publish()
    [delivery] = await settled(house, 1)
    await tried(house, delivery, 1)
    # As a receiver's slow-downs leave it: tries that were not counted.
    await house.store._write(
        lambda c: (
            c.executemany(
                "INSERT INTO attempts SELECT ?, delivery_id, document FROM attempts LIMIT 1",
                [(house.engine.ids.next(),) for _ in range(2)],
            ).rowcount
        )
    )
    numbers: list[int] = []
    identities: list[str] = []
    query = ""
    while True:
        page = await house.client.get(f"{DELIVERIES}/{delivery['id']}/attempts?limit=1{query}")
        numbers += [a["number"] for a in page.json()["items"]]
        identities += [a["id"] for a in page.json()["items"]]
        if page.json()["next"] is None:
            break
        query = f"&cursor={page.json()['next']}"
    assert numbers == [1, 1, 1]
    assert identities == sorted(set(identities), reverse=True)


async def test_bodies_of_another_tenant_or_delivery_are_not_found(house: House) -> None:
    await house.webhook()
    await house.publish()
    await house.publish()
    first, second = await settled(house, 2)
    [attempt] = await attempts(house, first)
    bound = await house.key_for("acme")
    for path, headers in (
        (attempt["request_body_url"], bound),
        (f"{DELIVERIES}/{second['id']}/attempts/{attempt['id']}/body", {}),
        (f"{DELIVERIES}/{first['id']}/attempts/att_0000000000000/body", {}),
        (f"{DELIVERIES}/{first['id']}/attempts/1/body", {}),
        (f"{DELIVERIES}/dlv_0000000000000/attempts/{attempt['id']}/body", {}),
    ):
        answer = await house.client.get(path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path


# --------------------------------------------------------------------------- search


async def test_a_payload_is_searched_within_a_time_range(house: House) -> None:
    await house.webhook("all")
    start = house.clock.wall_ms()
    for hour in range(3):
        house.clock.ahead_ms = hour * 3_600_000
        await house.publish(data={"note": f"hour {hour}", "word": "needle" if hour else "hay"})
    await settled(house, 3)

    def at(minutes: int) -> str:
        return dt.datetime.fromtimestamp(start / 1000 + minutes * 60, tz=dt.UTC).isoformat()

    for query, notes in (
        ({"text": "needle"}, ["hour 2", "hour 1"]),
        ({"text": "needle", "before": at(90)}, ["hour 1"]),
        ({"text": "needle", "after": at(90)}, ["hour 2"]),
        ({"text": "needle", "after": at(30), "before": at(90)}, ["hour 1"]),
        ({"text": "needle", "before": at(30)}, []),
        ({"text": "Needle"}, []),
        ({"text": '"word":"hay"'}, ["hour 0"]),
    ):
        found = (await house.client.get(DELIVERIES, params=query)).json()["items"]
        data = [(await house.client.get(f"/api/v1/events/{d['event']}/data")).json() for d in found]
        assert [each["note"] for each in data] == notes, query


# --------------------------------------------------------------------------- select and resend


async def test_failed_entries_are_selected_and_resent_with_the_same_uuid_body_and_signature(
    house: House,
) -> None:
    await house.client.put("/api/v1/tenants/default", json={"webhook_key": KEY})
    await house.webhook("tickets", profile="happyfox", events=["ticket.*"])
    house.transport.outcome = lambda _: Outcome(status=500)
    for number in range(3):
        await house.publish(type="ticket.created", data={"id": number})
    failed = await settled(house, 3, state="failed")
    first = {sent.body: sent.head for sent in house.transport.sent}
    assert len(first) == 3
    house.transport.sent.clear()
    house.transport.outcome = lambda _: Outcome(status=200)
    selected = [d["id"] for d in failed[:2]]
    answer = await house.client.post(f"{DELIVERIES}/resend", json={"ids": selected})
    assert sorted(answer.json()["changed"]) == sorted(selected)
    await settled(house, 2, state="delivered")
    by_filter = {"filter": {"state": "failed", "event_type": "ticket.created"}}
    assert (await house.client.post(f"{DELIVERIES}/resend", json=by_filter)).status_code == 202
    await settled(house, 3, state="delivered")
    again = {sent.body: sent.head for sent in house.transport.sent}
    assert len(house.transport.sent) == 3
    assert again == first
    for delivery in failed:
        newer, older = await attempts(house, delivery)
        assert newer["request_body"] == older["request_body"]
        assert json.loads(newer["request_body"])["uuid"]
        body = await body_of(house, newer)
        digest = hmac.new(KEY.encode(), body, hashlib.sha1).hexdigest()
        assert newer["signature"]["value"] == older["signature"]["value"] == f"sha1={digest}"
        assert [newer["number"], older["number"]] == [2, 1]


# --------------------------------------------------------------------------- what waits


async def store_waiting(house: House) -> tuple[Delivery, Delivery]:
    """Store deliveries as a synchronous call holds them."""
    made = await house.webhook("sync")
    owner, webhook = _owner(house), decode("wh", made["id"])
    make, now = house.engine.ids.next, house.clock.wall_ms()
    event = Event(make(), owner.id, "contact.create", b"{}", now)
    waited, held = (
        Delivery(make(), event.id, webhook, owner.id, DeliveryState.PENDING, due, updated_at_ms=now)
        for due in (WAITED_FOR, HELD)
    )
    version = house.services.directory.version
    await house.store.commit(Batch(version, [Acceptance(event, (waited, held))]))
    return waited, held


async def test_what_waits_says_for_what_and_has_no_next_attempt(house: House) -> None:
    await store_waiting(house)
    held, waited = (await house.client.get(DELIVERIES)).json()["items"]
    assert (held["state"], held["waiting_for"], held["next_attempt_at"]) == (
        "pending",
        "verdict",
        None,
    )
    assert (waited["state"], waited["waiting_for"], waited["next_attempt_at"]) == (
        "pending",
        "answer",
        None,
    )
    cancelled = await house.client.post(f"{DELIVERIES}/{held['id']}/cancel")
    assert (cancelled.json()["state"], cancelled.json()["waiting_for"]) == ("cancelled", None)
    exported = await house.client.get(f"{DELIVERIES}/export?format=csv")
    rows = list(csv.DictReader(io.StringIO(exported.text)))
    assert [row["waiting_for"] for row in rows] == ["", "answer"]


async def test_a_vetoed_delivery_is_not_resent(house: House) -> None:
    waited, _ = await store_waiting(house)
    await house.store._write(
        lambda c: c.execute("UPDATE deliveries SET state = 6 WHERE id = ?", (waited.id,)).rowcount
    )
    [vetoed] = (await house.client.get(f"{DELIVERIES}?state=vetoed")).json()["items"]
    answer = await house.client.post(f"{DELIVERIES}/{vetoed['id']}/resend")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "vetoed" in answer.json()["detail"]
    many = await house.client.post(f"{DELIVERIES}/resend", json={"ids": [vetoed["id"]]})
    assert many.json() == {"changed": []}


# --------------------------------------------------------------------------- exports


async def test_an_export_has_every_column_in_both_forms(house: House) -> None:
    made = await house.webhook("crm", events=["contact.*"])
    house.transport.outcome = lambda _: Outcome(status=410)
    event = await house.publish()
    [delivery] = (await house.client.get(DELIVERIES)).json()["items"]
    await tried(house, delivery, 1)
    table = await house.client.get(f"{DELIVERIES}/export?format=csv")
    [row] = csv.DictReader(io.StringIO(table.text))
    lines = await house.client.get(f"{DELIVERIES}/export?format=ndjson")
    [line] = [json.loads(text) for text in lines.text.splitlines()]
    told = (await house.client.get(DELIVERIES)).json()["items"][0]
    # Its time to come is shown on the wall clock as that is now, so each answer has its own.
    assert all(each.pop("next_attempt_at").endswith("Z") for each in (told, line, row))
    assert line == told
    assert row == {name: "" if value is None else str(value) for name, value in line.items()}
    assert {
        "event": event["id"],
        "event_type": EVENT["type"],
        "webhook": made["id"],
        "webhook_name": "crm",
        "last_status": 410,
        "last_error": "status_410",
    }.items() <= line.items()
    assert {"id", "state", "attempts", "created_at", "updated_at", "waiting_for"} <= set(row)
    for answer, form in ((table, "csv"), (lines, "ndjson")):
        assert f'filename="deliveries.{form}"' in answer.headers["content-disposition"]


async def test_no_cell_of_a_csv_is_a_formula(house: House) -> None:
    names = [f"{start}cmd|'/c_calc'!A1,\"x" for start in "=+-@"]
    for name in names:
        await house.webhook(name)
    await house.publish()
    await settled(house, len(names))
    table = await house.client.get(f"{DELIVERIES}/export?format=csv")
    rows = csv.DictReader(io.StringIO(table.text))
    assert {row["webhook_name"] for row in rows} == {f"'{name}" for name in names}
    lines = (await house.client.get(f"{DELIVERIES}/export")).text.splitlines()
    assert {json.loads(line)["webhook_name"] for line in lines} == set(names)


def test_control_characters_at_the_start_of_a_cell_are_no_formula_either() -> None:
    assert csv_line(["\t=1", "\r=1", "\n=1", "a=1", 7, None]) == (
        b'\'\t=1,"\'\r=1","\'\n=1",a=1,7,\r\n'
    )


async def test_list_and_export_take_the_same_filter_and_refuse_the_same(house: House) -> None:
    for path in (DELIVERIES, f"{DELIVERIES}/export"):
        for query, field in (
            ("state=lost", "state"),
            ("webhok=x", "webhok"),
            ("wanted=x", "wanted"),
            ("status_code=99", "status_code"),
            ("before=tomorrow", "before"),
        ):
            answer = await house.client.get(f"{path}?{query}")
            assert (answer.status_code, answer.json()["field"]) == (422, field), (path, query)
    document = (await house.client.get("/openapi.json")).json()
    named = [
        {p["name"] for p in document["paths"][path]["get"]["parameters"]}
        for path in (DELIVERIES, f"{DELIVERIES}/export")
    ]
    shared = {"webhook", "event", "event_type", "state", "status_code", "after", "before", "text"}
    assert shared <= named[0] & named[1]
