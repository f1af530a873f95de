"""Settings that callers of the doors feel, through the composition root that wires them."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest

import hookferry.app
from hookferry.app import App
from hookferry.settings import Settings

from .kit import ADMIN, OwnedClock

TARGET = "https://127.0.0.1:9/hook"


class Caller:
    """An administrator of one server."""

    def __init__(self, client: httpx.AsyncClient, clock: OwnedClock) -> None:
        self._client = client
        self.clock = clock

    async def get(self, path: str) -> Any:
        return (await self._client.get(path)).json()

    async def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        answer = await self._client.post(path, json=body, headers=headers)
        return answer.status_code, answer.json()

    async def webhook(self, **fields: Any) -> tuple[int, Any]:
        body = {"name": "crm", "target_url": TARGET, "events": ["*"], **fields}
        return await self.post("/api/v1/webhooks", body)

    async def publish(self, **fields: Any) -> Any:
        status, told = await self.post("/api/v1/events", {"type": "a.b", "data": {}} | fields)
        assert status == 202, told
        return told

    async def gauge(self, name: str) -> float:
        page = (await self._client.get("/metrics")).text
        found = re.search(rf"^{name} (\S+)$", page, re.MULTILINE)
        assert found is not None, page
        return float(found[1])


@contextlib.asynccontextmanager
async def serving(
    data: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any
) -> AsyncIterator[Caller]:
    """Run the application as ``hookferry serve`` does, on a clock that the test owns."""
    clock = OwnedClock()
    monkeypatch.setattr(hookferry.app, "SystemClock", lambda: clock)
    app = App(
        Settings(
            data=data,
            port=0,
            api_key=ADMIN,
            allow_targets=(ip_network("127.0.0.0/8"),),
            **settings,
        )
    )
    ready = asyncio.Event()
    task = asyncio.create_task(app.serve(lambda _: ready.set()))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        task.result()
    try:
        async with httpx.AsyncClient(
            base_url=app.url, headers={"Authorization": f"Bearer {ADMIN}"}, trust_env=False
        ) as client:
            yield Caller(client, clock)
    finally:
        app.stop()
        await task


async def test_a_webhooks_timeout_and_headers_are_bounded_by_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds = {"attempt_timeout_max": 20, "header_limit": 2, "header_bytes": 8}
    async with serving(tmp_path, monkeypatch, **bounds) as caller:
        taken, _ = await caller.webhook(timeout=20, headers={"X-A": "12345678", "X-B": ""})
        assert taken == 201
        for field, fields in {
            "timeout": {"timeout": 21},
            "headers": {"headers": {"X-A": "", "X-B": "", "X-C": ""}},
            "headers.X-A": {"headers": {"X-A": "123456789"}},
        }.items():
            status, problem = await caller.webhook(name="other", **fields)
            assert (status, problem["field"]) == (422, field)


async def test_a_replaced_secret_signs_on_for_as_long_as_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path, monkeypatch, rotation_overlap_hours=0) as caller:
        _, webhook = await caller.webhook()
        for _ in range(7):  # with an overlap, the sixth would be refused: too many still sign
            status, _ = await caller.post(f"/api/v1/webhooks/{webhook['id']}/secret", {})
            assert status == 200


async def test_pages_are_as_long_as_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(tmp_path, monkeypatch, page=2, page_max=3) as caller:
        for _ in range(4):
            await caller.publish()
        assert len((await caller.get("/api/v1/events"))["items"]) == 2
        assert len((await caller.get("/api/v1/events?limit=3"))["items"]) == 3
        assert (await caller.get("/api/v1/events?limit=4"))["field"] == "limit"


async def test_event_ids_and_idempotency_keys_are_remembered_for_as_long_as_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = {"event_id_hours": 2, "idempotency_hours": 1}
    async with serving(tmp_path, monkeypatch, **hours) as caller:
        key = {"Idempotency-Key": "one"}
        event = {"type": "a.b", "data": {}}

        async def repeats() -> list[bool]:
            """Tell whether an event id, a publish's key and another POST's key are known."""
            by_id = await caller.publish(id="mine")
            _, by_key = await caller.post("/api/v1/events", event, **key)
            _, made = await caller.post("/api/v1/keys", {"name": "k"}, **key)
            before, seen["key"] = seen.get("key"), made["id"]
            return [by_id["duplicate"], by_key["duplicate"], before == made["id"]]

        seen: dict[str, str] = {}
        assert await repeats() == [False, False, False]
        caller.clock.ahead_ms = 59 * 60_000
        assert await repeats() == [True, True, True]
        caller.clock.ahead_ms = 61 * 60_000
        assert await repeats() == [True, False, False]
        caller.clock.ahead_ms = 121 * 60_000
        assert (await caller.publish(id="mine"))["duplicate"] is False


async def test_a_lane_keeps_no_more_payload_in_memory_than_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds = {"lane_bytes": 1024, "lane_in_flight": 1, "drain_timeout": 0, "allow_http": True}
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connects, and never says a word
        port = silent.getsockname()[1]
        async with serving(tmp_path, monkeypatch, **bounds) as caller:
            await caller.webhook(target_url=f"http://127.0.0.1:{port}/hook")
            for _ in range(8):
                await caller.publish(data="x" * 400)
            assert 1 <= await caller.gauge("hookferry_lane_deliveries") <= 4
