"""A bin shows what a webhook sends, as people test theirs (behaviours S-HB-23)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx

from .kit import PATIENCE, Calls, serving


async def caught(calls: Calls, source: str, count: int) -> list[dict[str, Any]]:
    """Wait until a bin has caught so many requests; return them whole, newest first."""
    async with asyncio.timeout(PATIENCE):
        while True:
            page = await calls.client.get(f"/api/v1/sources/{source}/requests")
            items = page.json()["items"]
            if len(items) == count:
                break
            await asyncio.sleep(0.02)
    found = []
    for item in items:
        view: dict[str, Any] = (await calls.client.get(f"/api/v1/requests/{item['id']}")).json()
        found.append(view)
    return found


async def made_bin(calls: Calls) -> dict[str, Any]:
    answer = await calls.client.post("/api/v1/sources", json={"bin": True})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_a_bin_shows_the_payload_of_a_hornbill_webhook_in_json_and_in_xml(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path / "data") as (_, calls):
        bin_ = await made_bin(calls)
        fields = {"profile": "hornbill", "events": ["requests.created"]}
        for form in ("json", "xml"):
            await calls.subscribe(form, bin_["url"], payload_format=form, **fields)
        event = {
            "type": "requests.created",
            "entity": "Requests",
            "data": {"h_pk_reference": "IN1", "h_summary": "A <printer> & its paper"},
        }
        answer = await calls.client.post("/api/v1/events", json=event)
        assert answer.json()["deliveries"] == 2
        found = await caught(calls, bin_["id"], 2)
        assert [view["verdict"] for view in found] == ["inspected", "inspected"]
        by_type = {
            next(h["value"] for h in view["headers"] if h["name"].lower() == "content-type"): view
            for view in found
        }
        [as_json] = [view for kind, view in by_type.items() if "json" in kind]
        [as_xml] = [view for kind, view in by_type.items() if "xml" in kind]
        told = json.loads(as_json["body"])["onEntityEvent"]
        assert told["record"] == event["data"]
        assert told["eventSource"].startswith("urn:webhook:entity:")
        tree = ElementTree.fromstring(as_xml["body"])
        assert tree.tag == "onEntityEvent"
        assert {part.tag: part.text for part in tree.find("record") or ()} == event["data"]
        # A condition finds the one among the others by what its body says, whatever its form.
        where = {"path": "data.onEntityEvent.record.h_pk_reference", "op": "equals", "value": "IN1"}
        page = await calls.client.get("/api/v1/requests", params={"where": json.dumps(where)})
        assert as_json["id"] in [item["id"] for item in page.json()["items"]]


async def test_the_copied_command_sends_the_same_request_once_more(tmp_path: Path) -> None:
    async with serving(tmp_path / "data") as (_, calls):
        bin_ = await made_bin(calls)
        body = bytes(range(256)) * 3 + b"it's $HOME"
        async with httpx.AsyncClient(trust_env=False) as stranger:
            headers = [("X-Two", "1"), ("X-Two", "it's"), ("Authorization", "Bearer x"), ("A", "")]
            await stranger.put(bin_["url"] + "/a/../b?c=%2f&d='", content=body, headers=headers)
        [first] = await caught(calls, bin_["id"], 1)
        answer = await calls.client.get(
            f"/api/v1/requests/{first['id']}/copy", params={"as": "curl", "reveal": "true"}
        )
        script = tmp_path / "copied.sh"
        script.write_text(answer.text)
        process = await asyncio.create_subprocess_exec(
            "sh",
            str(script),
            cwd=tmp_path,
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, complaints = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert process.returncode == 0, complaints.decode()
        second, _ = await caught(calls, bin_["id"], 2)
        compared = await calls.client.get(f"/api/v1/requests/{first['id']}/compare/{second['id']}")
        told = compared.json()
        assert told["request_line"] == told["query"] == []
        # What belonged to the first one's connection is curl's own business.
        assert [change["at"] for change in told["headers"]] == ["connection"]
        assert told["body"]["same"]
        raw = await calls.client.get(f"/api/v1/requests/{second['id']}/raw")
        assert raw.content == body


async def test_a_server_with_an_open_stream_ends_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path / "data") as (server, calls):
        bin_ = await made_bin(calls)
        path = f"/api/v1/sources/{bin_['id']}/requests/stream"
        async with calls.client.stream("GET", path) as stream:
            pieces = stream.aiter_bytes()
            assert (await anext(pieces)).startswith(b"retry: ")
            server.terminate()
            async with asyncio.timeout(PATIENCE):
                rest = [piece async for piece in pieces]
            assert set(rest) <= {b": alive\n\n"}
        assert await server.ended() == 0
