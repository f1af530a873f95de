"""A webhook's life over HTTP, on a real clock: counted and timed by a real receiver."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from hookferry.testing import Receiver
from hookferry.testing.records import Received

from .real import serving

SECRET = "Something Super Secret"
CONTACTS = ["contact.*"]
START = datetime(2000, 1, 1, tzinfo=UTC).isoformat()
EARLY, LATE = 0.02, 2.0
"""Seconds by which a measured wait may be off: clocks are read in two places, machines are busy."""


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as running:
        running.answer(200)
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def api(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(tmp_path) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """A server for tests that do not mind one another."""
    async with serving(tmp_path_factory.mktemp("data")) as client:
        key = {"webhook_key": "my-webhook-key"}
        assert (await client.put("/api/v1/tenants/default", json=key)).status_code == 200
        yield client


async def subscribe(api: httpx.AsyncClient, receiver: Receiver, **fields: Any) -> dict[str, Any]:
    """Create a SuperOffice webhook; its receiver has to take the test event."""
    body = {
        "name": "crm",
        "target_url": f"{receiver.url}/hook",
        "events": CONTACTS,
        "profile": "superoffice",
        "secret": SECRET,
        **fields,
    }
    answer = await api.post("/api/v1/webhooks", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def publish(api: httpx.AsyncClient, number: int = 1) -> str:
    answer = await api.post(
        "/api/v1/events",
        json={"type": "contact.created", "data": {"n": number}, "primary_key": number},
    )
    assert answer.status_code == 202, answer.text
    made: str = answer.json()["id"]
    return made


async def until(api: httpx.AsyncClient, path: str, **wanted: Any) -> dict[str, Any]:
    """Read a thing until its fields are as wanted: what a receiver answers is settled later."""
    async with asyncio.timeout(10):
        while True:
            shown: dict[str, Any] = (await api.get(path)).json()
            if {name: shown[name] for name in wanted} == wanted:
                return shown


def contacts(request: Received) -> bool:
    return request.header("X-SuperOffice-Event") == "contact.created"


def ids_of(requests: list[Received]) -> set[str | None]:
    return {request.header("X-SuperOffice-EventId") for request in requests}


def waits(requests: list[Received]) -> list[float]:
    """The seconds between one request of an event and the next."""
    return [
        later.received_at - sooner.received_at for sooner, later in itertools.pairwise(requests)
    ]


def is_about(measured: float, planned: float) -> bool:
    return planned - EARLY <= measured <= planned + LATE


async def test_the_seventh_failed_attempt_in_a_row_disables_and_restart_and_recover_make_good(
    api: httpx.AsyncClient, receiver: Receiver
) -> None:
    webhook = await subscribe(api, receiver, max_in_flight=1)
    url = f"/api/v1/webhooks/{webhook['id']}"
    receiver.answer(500)
    for number in (1, 2, 3):
        await publish(api, number)

    # Three events, tried at 0, 1 and 5 s: the seventh failure is the first event's third.
    await until(api, url, state="too_many_errors")
    failed = [request for request in receiver.requests if contacts(request)]
    assert len(failed) == 7
    by_key = {
        key: [request for request in failed if request.json()["PrimaryKey"] == key]
        for key in (1, 2, 3)
    }
    assert {key: len(requests) for key, requests in by_key.items()} == {1: 3, 2: 2, 3: 2}
    for requests in by_key.values():
        numbers = [request.header("X-SuperOffice-Retry") for request in requests]
        assert numbers == ["0", "1", "2"][: len(requests)]
        assert len(ids_of(requests)) == 1, "an event keeps its id"
        assert len({request.body for request in requests}) == 1, "and its body"
        planned = [1.0, 4.0][: len(requests) - 1]
        assert all(map(is_about, waits(requests), planned)), waits(requests)
    assert len(ids_of(failed)) == 3
    stats = (await api.get(f"{url}/stats")).json()
    # The test event before the save is no delivery and is not counted.
    assert (stats["total_calls"], stats["total_errors"]) == (7, 7)
    assert stats["consecutive_failures"] == 7
    assert (await api.get(f"{url}/last_error")).json()["error"] == "status_500"

    await publish(api, 4)
    stats = (await api.get(f"{url}/stats")).json()
    assert {s: n for s, n in stats["deliveries"].items() if n} == {
        "failed": 1,
        "retrying": 2,
        "skipped": 1,
    }

    receiver.answer(200)
    assert (await api.post(f"{url}/restart")).json()["state"] == "active"
    flown = (await receiver.wait_for_async(9, where=contacts))[7:]
    assert sorted(request.json()["PrimaryKey"] for request in flown) == [2, 3]
    assert {request.header("X-SuperOffice-Retry") for request in flown} == {"2"}
    assert ids_of(flown) == ids_of(by_key[2] + by_key[3])

    recovered = await api.post(f"{url}/recover", json={"since": START})
    assert recovered.status_code == 202
    again = (await receiver.wait_for_async(11, where=contacts))[9:]
    assert {r.json()["PrimaryKey"]: r.header("X-SuperOffice-Retry") for r in again} == {
        1: "3",
        4: "0",
    }
    assert ids_of(again) > ids_of(by_key[1])
    counts = Counter(request.header("X-SuperOffice-EventId") for request in receiver.requests[1:])
    assert sorted(counts.values()) == [1, 3, 3, 4]


async def test_one_success_among_failures_keeps_a_webhook_active(
    api: httpx.AsyncClient, receiver: Receiver
) -> None:
    schedule = {"schedule": [0.1] * 6, "jitter": 0}
    webhook = await subscribe(api, receiver, max_in_flight=1, retry=schedule)
    url = f"/api/v1/webhooks/{webhook['id']}"
    for number in (1, 2):
        receiver.fail_next(6)
        event = await publish(api, number)
        [delivery] = (await api.get(f"/api/v1/events/{event}/deliveries")).json()["items"]
        await until(api, f"/api/v1/deliveries/{delivery['id']}", state="delivered")
    stats = (await api.get(f"{url}/stats")).json()
    assert (stats["total_errors"], stats["consecutive_failures"]) == (12, 0)
    assert (await api.get(url)).json()["state"] == "active"


async def test_gone_disables_at_once_and_other_webhooks_are_told_of_each_state(
    api: httpx.AsyncClient, receiver: Receiver
) -> None:
    webhook = await subscribe(api, receiver)
    url = f"/api/v1/webhooks/{webhook['id']}"
    about = f"webhook{webhook['number']}"
    async with Receiver() as other:
        other.answer(200)
        await subscribe(api, other, name="watcher", events=[f"{about}.*"], secret=None)
        receiver.answer(410)
        await publish(api)
        await until(api, url, state="too_many_errors")
        await publish(api, 2)
        assert (await api.post(f"{url}/restart")).json()["state"] == "active"
        await until(api, url, state="too_many_errors")
        receiver.answer(200)
        await api.post(f"{url}/restart")
        await api.post(f"{url}/stop")
        told = (await other.wait_for_async(6))[1:]
    gone = [request for request in receiver.requests if contacts(request)][:2]
    assert [request.json()["PrimaryKey"] for request in gone] == [1, 1]
    assert waits(gone)[0] >= 1 - EARLY, "what was due before the restart is not due sooner"
    assert [request.json()["Event"] for request in told] == [
        f"{about}.errors",
        f"{about}.started",
        f"{about}.errors",
        f"{about}.started",
        f"{about}.stopped",
    ]
    for request in told:
        assert request.header("X-SuperOffice-Event") == request.json()["Event"]
        assert request.json()["PrimaryKey"] == webhook["number"]
        assert "Entity" not in request.json()


@pytest.mark.parametrize(
    ("profile", "fields", "same"),
    [
        ("superoffice", {}, {"X-SuperOffice-EventId", "X-SuperOffice-Signature"}),
        ("happyfox", {"secret": None}, {"X-Webhook-Signature"}),
        ("hornbill", {"secret": None}, set()),
        ("hornbill", {"secret": None, "payload_format": "xml"}, set()),
        ("standard", {"secret": None}, {"webhook-id"}),
        ("raw", {"secret": None}, {"webhook-id"}),
        ("cloudevents", {"secret": None, "handshake": False}, {"webhook-id"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_resend_is_the_same_post_again(
    shared: httpx.AsyncClient,
    receiver: Receiver,
    profile: str,
    fields: dict[str, Any],
    same: set[str],
) -> None:
    made = await subscribe(shared, receiver, name=f"n{receiver.port}", profile=profile, **fields)
    before = receiver.total
    event = await publish(shared)
    [delivery] = [
        shown
        for shown in (await shared.get(f"/api/v1/events/{event}/deliveries")).json()["items"]
        if shown["webhook"] == made["id"]
    ]
    path = f"/api/v1/deliveries/{delivery['id']}"
    await until(shared, path, state="delivered", attempts=1)
    for times in (1, 2):
        assert (await shared.post(f"{path}/resend")).status_code == 200
        await until(shared, path, state="delivered", attempts=1 + times)
    sent = receiver.requests[before:]
    assert [request.method for request in sent] == ["POST"] * 3
    assert len({request.body for request in sent}) == 1
    for header in same:
        assert len({request.header(header) for request in sent}) == 1, header
        assert sent[0].header(header)
    if profile == "superoffice":
        assert [request.header("X-SuperOffice-Retry") for request in sent] == ["0", "1", "2"]


@pytest.mark.parametrize(
    "choice",
    [
        {"condition": {"path": "data.h_priority", "op": "equals", "value": "high"}},
        {"condition": {"cel": "event.data.h_priority == 'high'"}},
        {"application": "servicemanager"},
    ],
    ids=["condition", "cel", "application"],
)
async def test_what_a_webhook_did_not_ask_for_is_decided_before_any_call(
    shared: httpx.AsyncClient, receiver: Receiver, choice: dict[str, Any]
) -> None:
    entity = f"requests{receiver.port}"
    await subscribe(
        shared,
        receiver,
        name=entity,
        profile="hornbill",
        secret=None,
        events=[f"{entity}.*"],
        **choice,
    )
    states = []
    for priority, application in (("low", "other"), ("high", "servicemanager")):
        answer = await shared.post(
            "/api/v1/events",
            json={
                "type": f"{entity}.created",
                "application": application,
                "data": {"h_priority": priority},
            },
        )
        event = (await shared.get(f"/api/v1/events/{answer.json()['id']}")).json()
        states.append(event["state"])
    assert states == ["unmatched", "matched"]
    await receiver.wait_for_async(1)
    [sent] = receiver.requests
    assert sent.json()["onEntityEvent"]["record"] == {"h_priority": "high"}
