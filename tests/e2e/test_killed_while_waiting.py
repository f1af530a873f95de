"""The server is killed while a publisher waits for synchronous webhooks: the last column of the
table of SEMANTICS section 4, on real processes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from hookferry.testing import Receiver

from .kit import PATIENCE, Calls, serving


async def deliveries(calls: Calls, event_type: str) -> dict[str, dict[str, str]]:
    """What became of an event type's deliveries, by webhook."""
    page = await calls.client.get("/api/v1/deliveries", params={"event_type": event_type})
    return {item["webhook"]: item for item in page.json()["items"]}


async def settle(calls: Calls, event_type: str) -> dict[str, dict[str, str]]:
    async with asyncio.timeout(PATIENCE):
        while True:
            found = await deliveries(calls, event_type)
            if all(d["state"] not in ("pending", "retrying") for d in found.values()):
                return found
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("mode", ["sync", "sync_critical"])
@pytest.mark.parametrize(("verb", "others"), [("create", "cancelled"), ("created", "delivered")])
async def test_what_was_asked_is_failed_and_never_sent_by_itself(
    tmp_path: Path, mode: str, verb: str, others: str
) -> None:
    data, event = tmp_path / "data", f"deal.{verb}"
    async with Receiver() as asked, Receiver() as watching:
        asked.hang_next(1)
        async with serving(data) as (server, calls):
            hook = await calls.subscribe("gate", asked.url, events=[event], mode=mode, timeout=30)
            watcher = await calls.subscribe("watcher", watching.url, events=[event])
            body = {"type": event, "data": 1, "id": "mine"}
            publishing = asyncio.create_task(calls.client.post("/api/v1/events", json=body))
            await asked.wait_for_async(1, PATIENCE)
            server.kill()
            with pytest.raises(httpx.HTTPError):
                await publishing
        async with serving(data) as (_, calls):
            found = await settle(calls, event)
            assert (found[hook]["state"], found[hook]["last_error"]) == ("failed", "caller_gone")
            assert found[watcher]["state"] == others
            assert len(asked.requests) == 1
            # What was in flight at the kill may come twice, under one id.
            seen = {request.header("webhook-id") for request in watching.requests}
            assert len(seen) == (1 if others == "delivered" else 0)
            # The publisher comes again: it is told, and nobody is called.
            again = await calls.client.post("/api/v1/events", json=body)
            assert again.status_code == 424
            assert again.json()["outcomes"][0]["outcome"] == "caller_gone"
            assert len(asked.requests) == 1
            # A person may send it after all: the same id, a second attempt.
            await calls.client.post(f"/api/v1/deliveries/{found[hook]['id']}/resend")
            first, second = await asked.wait_for_async(2, PATIENCE)
            assert first.header("webhook-id") == second.header("webhook-id")
            assert (await settle(calls, event))[hook]["state"] == "delivered"
