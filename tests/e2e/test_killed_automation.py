"""The server is killed while an automation answers a caller: the run is not repeated by itself,
and the sender's repeat is not swallowed (SEMANTICS section 10)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from hookferry.testing import Receiver

from .kit import PATIENCE, Calls, serving

SCRIPT = """\
start:
  http.request:
    output: told
    inputs:
      method: POST
      url: %s
      body: {{request_body}}
  return:
    status_code: 201
    body: done
"""


async def automated(calls: Calls, url: str) -> str:
    """Make a source that an automation answers, which calls ``url`` first; return its URL."""
    made = await calls.client.post(
        "/api/v1/automations",
        json={
            "name": "example.calls",
            "extension_id": "cerb.trigger.webhook.respond",
            "script": SCRIPT % url,
            "policy_kata": "commands:\n  http.request:\n    allow: yes\n",
        },
    )
    assert made.status_code == 201, made.text
    return await calls.source(
        "shop", respond={"automation": "example.calls"}, deduplicate={"body_hash": True}
    )


async def states(calls: Calls) -> list[str]:
    page = await calls.client.get("/api/v1/deliveries")
    return [item["state"] for item in page.json()["items"]]


async def test_a_run_that_a_kill_cut_off_is_run_by_the_senders_repeat(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with Receiver() as receiver:
        receiver.hang_next(1)
        async with serving(data) as (server, calls):
            url = await automated(calls, receiver.url)
            sending = asyncio.create_task(calls.client.post(url, content=b"order 7"))
            await receiver.wait_for_async(1, PATIENCE)
            server.kill()
            with pytest.raises(httpx.HTTPError):
                await sending
        async with serving(data) as (_, calls):
            path = httpx.URL(url).path
            assert await states(calls) == ["failed"]
            assert len(receiver.requests) == 1
            repeat = await calls.client.post(path, content=b"order 7")
            assert (repeat.status_code, repeat.content) == (202, b"")
            first, second = await receiver.wait_for_async(2, PATIENCE)
            assert first.body == second.body == b"order 7"
            async with asyncio.timeout(PATIENCE):
                while await states(calls) != ["delivered"]:  # noqa: ASYNC110 - of another process
                    await asyncio.sleep(0.02)
            other = await calls.client.post(path, content=b"order 8")
            assert (other.status_code, other.text) == (201, "done")
