"""Before a webhook is saved its receiver may be asked: the test event of ``superoffice`` (S-SO-04)
and the handshake of ``cloudevents``."""

from __future__ import annotations

import pytest

from hookferry.transport.port import ErrorKind, Outcome

from .kit import TARGET, House

SUPEROFFICE = {
    "name": "CRM mirror",
    "profile": "superoffice",
    "target_url": TARGET,
    "events": ["contact.created"],
}
CLOUDEVENTS = {
    "name": "broker",
    "profile": "cloudevents",
    "target_url": TARGET,
    "events": ["contact.*"],
}


def answers(status: int, *headers: str) -> Outcome:
    head = "\r\n".join((f"HTTP/1.1 {status} X", *headers, "", ""))
    return Outcome(status=status, head=head.encode())


async def test_a_superoffice_webhook_is_saved_once_its_receiver_took_a_test_event(
    house: House,
) -> None:
    answer = await house.client.post("/api/v1/webhooks", json=SUPEROFFICE)
    assert answer.status_code == 201, answer.text
    [sent] = house.transport.sent
    assert b"\r\nX-Hook-Test: true\r\n" in sent.head
    assert b'"Event":"test"' in sent.body
    assert await house.events() == []


@pytest.mark.parametrize(
    "outcome",
    [answers(500), answers(201), answers(302), Outcome(error=ErrorKind.TIMEOUT, detail="late")],
)
async def test_a_receiver_that_does_not_answer_200_gets_no_superoffice_webhook(
    house: House, outcome: Outcome
) -> None:
    house.transport.outcome = lambda _: outcome
    answer = await house.client.post("/api/v1/webhooks", json=SUPEROFFICE)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "test_failed")
    assert problem["receiver_status"] == outcome.status
    assert problem["receiver_error"] == outcome.error
    assert (await house.client.get("/api/v1/webhooks")).json()["items"] == []


async def test_a_change_is_tested_too_unless_no_receiver_can_notice_it(house: House) -> None:
    made = (await house.client.post("/api/v1/webhooks", json=SUPEROFFICE)).json()
    url = f"/api/v1/webhooks/{made['id']}"
    house.transport.outcome = lambda _: answers(500)
    refused = await house.client.patch(url, json={"events": ["contact.*"]})
    assert (refused.status_code, refused.json()["code"]) == (422, "test_failed")
    silent = await house.client.patch(url, json={"description": "of no matter to receivers"})
    assert silent.status_code == 200
    assert silent.json()["events"] == ["contact.created"]
    # States are no definition: what is down can be stopped and restarted.
    assert (await house.client.post(f"{url}/stop")).status_code == 200
    assert (await house.client.post(f"{url}/restart")).status_code == 200


async def test_other_profiles_ask_nobody(house: House) -> None:
    await house.webhook(profile="standard")
    await house.webhook("ticket", profile="happyfox")
    await house.webhook("record", profile="hornbill")
    assert house.transport.sent == []


async def test_a_cloudevents_receiver_is_asked_for_permission(house: House) -> None:
    house.transport.outcome = lambda _: answers(
        200, "WebHook-Allowed-Origin: *", "WebHook-Allowed-Rate: 120"
    )
    answer = await house.client.post(
        "/api/v1/webhooks", json=CLOUDEVENTS | {"rate_limit": {"per_second": 10}}
    )
    assert answer.status_code == 201, answer.text
    [sent] = house.transport.sent
    assert sent.head.startswith(b"OPTIONS /hook HTTP/1.1\r\n")
    assert b"\r\nWebHook-Request-Origin: " in sent.head
    assert b"\r\nWebHook-Request-Rate: 600\r\n" in sent.head
    assert sent.head.endswith(b"\r\nContent-Length: 0\r\n\r\n")
    assert sent.body == b""
    assert answer.json()["allowed_rate"] == 120
    webhook = house.services.directory.webhooks(1)[0]
    limit = house.engine.planner.plan(webhook).rate_limit
    assert limit is not None
    assert limit.per_second == 2.0


async def test_a_limit_of_ones_own_below_what_is_allowed_stays(house: House) -> None:
    house.transport.outcome = lambda _: answers(
        200, "WebHook-Allowed-Origin: *", "WebHook-Allowed-Rate: 6000"
    )
    body = CLOUDEVENTS | {"rate_limit": {"per_second": 10, "burst": 4}}
    await house.client.post("/api/v1/webhooks", json=body)
    limit = house.engine.planner.plan(house.services.directory.webhooks(1)[0]).rate_limit
    assert limit is not None
    assert (limit.per_second, limit.burst) == (10.0, 4)


@pytest.mark.parametrize(
    "outcome",
    [
        answers(200),
        answers(200, "WebHook-Allowed-Origin: somebody.example"),
        answers(405, "Allow: GET"),
        answers(200, "WebHook-Allowed-Origin: *", "Allow: GET"),
        Outcome(error=ErrorKind.CONNECT_REFUSED, detail="refused"),
    ],
)
async def test_without_permission_nothing_is_saved(house: House, outcome: Outcome) -> None:
    house.transport.outcome = lambda _: outcome
    answer = await house.client.post("/api/v1/webhooks", json=CLOUDEVENTS)
    assert (answer.status_code, answer.json()["code"]) == (422, "handshake_refused")
    assert (await house.client.get("/api/v1/webhooks")).json()["items"] == []


async def test_an_operator_may_leave_the_handshake_out(house: House) -> None:
    answer = await house.client.post("/api/v1/webhooks", json=CLOUDEVENTS | {"handshake": False})
    assert answer.status_code == 201
    assert house.transport.sent == []
    assert answer.json()["allowed_rate"] is None


async def test_the_request_carries_the_webhooks_credential(house: House) -> None:
    made = await house.client.post(
        "/api/v1/credentials",
        json={"name": "keys", "kind": "basic", "username": "ann", "password": "sesame"},
    )
    assert made.status_code == 201, made.text
    house.transport.outcome = lambda _: answers(200, "WebHook-Allowed-Origin: *")
    answer = await house.client.post("/api/v1/webhooks", json=CLOUDEVENTS | {"credential": "keys"})
    assert answer.json()["credential"] == made.json()["id"]
    assert b"\r\nAuthorization: Basic YW5uOnNlc2FtZQ==\r\n" in house.transport.sent[0].head


async def test_a_superoffice_secret_is_made_on_demand_and_shown_once(house: House) -> None:
    """S-SO-22; without one, requests are not signed."""
    made = (await house.client.post("/api/v1/webhooks", json=SUPEROFFICE)).json()
    assert made["secret"] is None
    url = f"/api/v1/webhooks/{made['id']}"
    rotated = (await house.client.post(f"{url}/secret", json={})).json()
    assert len(rotated["secret"]) >= 40
    assert rotated["secret"] not in (await house.client.get(url)).text
    await house.client.post(f"{url}/test")
    assert b"\r\nX-SuperOffice-Signature: " in house.transport.sent[-1].head


async def test_profiles_without_secrets_of_their_own_make_none(house: House) -> None:
    for name, profile in (("ticket", "happyfox"), ("record", "hornbill")):
        made = await house.webhook(name, profile=profile)
        answer = await house.client.post(f"/api/v1/webhooks/{made['id']}/secret", json={})
        assert (answer.status_code, answer.json()["field"]) == (422, "secret")


async def test_the_later_of_two_editors_is_refused_with_the_tag_of_what_is_there_now(
    house: House,
) -> None:
    made = await house.webhook()
    url = f"/api/v1/webhooks/{made['id']}"
    tag = (await house.client.get(url)).headers["etag"]
    first = await house.client.patch(url, json={"title": "one"}, headers={"If-Match": tag})
    assert first.status_code == 200
    later = await house.client.patch(url, json={"title": "two"}, headers={"If-Match": tag})
    assert (later.status_code, later.json()["code"]) == (412, "version_mismatch")
    assert later.headers["etag"] == first.headers["etag"] == '"2"'
    assert later.json()["version"] == 2
    assert (await house.client.get(url)).json()["title"] == "one"
