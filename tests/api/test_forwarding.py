"""Caught events and what is forwarded of them, as the API shows it."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from catch.kit import source

from .kit import House, until


async def test_the_headers_that_a_webhook_forwards_are_saved_shown_and_patched(
    house: House,
) -> None:
    made = await house.webhook(forward_headers=["*", "Authorization"])
    assert made["forward_headers"] == ["*", "Authorization"]
    address = f"/api/v1/webhooks/{made['id']}"
    changed = await house.client.patch(address, json={"forward_headers": ["X-GitHub-Event"]})
    assert changed.json()["forward_headers"] == ["X-GitHub-Event"]
    reset = await house.client.patch(address, json={"forward_headers": None})
    assert reset.json()["forward_headers"] == []
    refused = await house.client.patch(address, json={"forward_headers": ["Host"]})
    assert (refused.status_code, refused.json()["field"]) == (422, "forward_headers[0]")


async def test_a_caught_event_is_shown_with_what_its_body_says(house: House) -> None:
    caller = await source(house, event_type="form.sent")
    body = gzip.compress(b"name=Ada&tag=a&tag=b")
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Encoding": "gzip"}
    await caller.send(body, headers)
    (event,) = await house.events()
    assert event.payload == body
    data = {"name": "Ada", "tag": ["a", "b"]}
    shown = (await house.client.get("/api/v1/events")).json()["items"][0]
    whole = await house.client.get(f"/api/v1/events/{shown['id']}")
    assert whole.json()["data"] == data
    alone = await house.client.get(shown["data_url"])
    assert alone.headers["content-type"] == "application/json"
    assert json.loads(alone.content) == data


@pytest.mark.parametrize(
    ("came", "shown"),
    [
        ({"Content-Type": "text/html; charset=latin-1"}, "text/html; charset=latin-1"),
        ({"Content-Type": b"text/\xff"}, "text/\xff"),
        ({}, "application/octet-stream"),
    ],
)
async def test_the_log_has_the_original_body_with_its_type(
    house: House, came: dict[str, Any], shown: str
) -> None:
    await house.webhook(profile="raw", forward_headers=["Authorization"])
    caller = await source(house)
    await caller.send(b"<b>\xe9</b>", {"Authorization": "Bearer s3cret", **came})
    await until(lambda: len(house.transport.sent) == 1)
    assert b"Bearer s3cret" in house.transport.sent[0].head
    await house.engine.committer.flush()
    delivery = (await house.client.get("/api/v1/deliveries")).json()["items"][0]
    attempts = await house.client.get(f"/api/v1/deliveries/{delivery['id']}/attempts")
    (attempt,) = attempts.json()["items"]
    assert "s3cret" not in attempts.text
    assert "Hookferry-Hops: 1\r\n" in attempt["request_head"]
    body = await house.client.get(attempt["request_body_url"])
    assert body.content == b"<b>\xe9</b>"
    assert body.headers["content-disposition"] == "attachment"
    (told,) = [value for name, value in body.headers.raw if name.lower() == b"content-type"]
    assert told == shown.encode("latin-1")
