"""What of SuperOffice's API needs a server that a test can hold back, or only its description."""

from __future__ import annotations

import asyncio
import json

from .kit import ADMIN, House, until

HOOKS = "/api/v1/Webhook"


async def test_a_signal_is_answered_when_the_event_is_durable(house: House) -> None:
    release = house.hold_commits()
    request = house.client.build_request("POST", f"{HOOKS}/contact.created/1", json={"a": 1})
    sending = asyncio.ensure_future(house.client.send(request))
    await until(lambda: house.engine.intake.waiting == 1)
    assert not sending.done()
    release.set()
    assert (await sending).status_code == 204
    [event] = await house.events()
    assert (event.type, event.payload, event.meta.primary_key) == ("contact.created", b'{"a":1}', 1)


async def test_a_secret_is_taken_away_only_where_a_webhook_can_be_without_one(
    house: House,
) -> None:
    bare = await house.webhook("bare", profile="superoffice", secret="typed")
    url = f"/api/v1/webhooks/{bare['id']}"
    answer = await house.client.patch(url, json={"secret": None})
    assert (answer.status_code, answer.json()["secret"]) == (200, None)
    await house.publish()
    await until(lambda: b"contact.created" in house.transport.sent[-1].head)
    assert b"x-superoffice-signature" not in house.transport.sent[-1].head.lower()
    signed = await house.webhook("signed")
    answer = await house.client.patch(f"/api/v1/webhooks/{signed['id']}", json={"secret": None})
    assert (answer.status_code, answer.json()["field"]) == (422, "secret")


async def test_links_lead_to_the_host_that_was_asked_and_are_relative_where_it_is_none(
    house: House,
) -> None:
    await house.webhook(profile="superoffice")

    async def links(host: bytes, path: bytes = HOOKS.encode()) -> list[str]:
        raw = await house.raw(
            b"GET %b/1 HTTP/1.1\r\nHost: %b\r\nAuthorization: Bearer %b\r\n"
            % (path, host, ADMIN.encode())
            + b"Connection: close\r\n\r\n"
        )
        if raw.startswith(b"HTTP/1.1 400 "):
            return []  # the framework knows some that can't be read
        assert raw.startswith(b"HTTP/1.1 200 "), raw
        return list(json.loads(raw.partition(b"\r\n\r\n")[2])["_Links"].values())

    for good in (b"crm.example", b"127.0.0.1:8080", b"[::1]:8080"):
        url = f"http://{good.decode()}{HOOKS}"
        assert await links(good) == [f"{url}/1", url]
    for bad in (b"", b"a b", b"[::1", b"a:port", b"user@host", b"\xff", b"x" * 300):
        assert await links(bad) in ([f"{HOOKS}/1", HOOKS], []), bad
    online = b"/default" + HOOKS.encode()
    assert await links(b"", online) == [f"{online.decode()}/1", online.decode()]


async def test_every_call_is_described(house: House) -> None:
    described = (await house.client.get("/openapi.json")).json()["paths"]
    calls = {
        (method, path)
        for path, item in described.items()
        for method, operation in item.items()
        if operation.get("tags") == ["superoffice"] and method != "head"
    }
    assert calls == {
        ("get", HOOKS),
        ("post", HOOKS),
        ("get", f"{HOOKS}/default"),
        ("post", f"{HOOKS}/Test"),
        ("get", f"{HOOKS}/{{number}}"),
        ("put", f"{HOOKS}/{{number}}"),
        ("patch", f"{HOOKS}/{{number}}"),
        ("delete", f"{HOOKS}/{{number}}"),
        ("get", f"{HOOKS}/{{number}}/LastError"),
        ("post", f"{HOOKS}/{{event_name}}/{{primary_key}}"),
    }
    bodies = described[f"{HOOKS}/{{number}}"]["patch"]["requestBody"]["content"]
    assert set(bodies) == {"application/merge-patch+json", "application/json-patch+json"}
