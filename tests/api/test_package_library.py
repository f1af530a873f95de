"""The packages that come with hookferry, each from its import to what it does."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import time
from email.utils import formatdate
from typing import Any
from urllib.parse import urlsplit

import pytest

from hookferry.automate.packages.kinds import SECRETS
from hookferry.automate.packages.library import library
from hookferry.domain.event import Event
from hookferry.transport.port import Outcome

from .kit import House

ANSWERS = {
    "github-to-chat": {
        "prompt_github_secret": "It's a Secret to Everybody",
        "prompt_chat_url": "https://chat.example/hooks/x?y={{z}}",
    },
    "stripe-to-event": {"prompt_stripe_secret": "whsec_test_secret"},
}
"""To the prompts of each package that have no defaults."""


async def bring(house: House, name: str) -> tuple[str, dict[str, Any]]:
    """Import a package of the library; return its source's path and the answer to the import."""
    body = {"library": name, "prompts": ANSWERS.get(name, {})}
    answer = await house.client.post("/api/v1/packages/import", json=body)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    made = {group["type"]: group["items"] for group in told["records"]}
    assert all(one["outcome"] == "created" for items in made.values() for one in items)
    return urlsplit(made["source"][0]["url"]).path, told


async def events_of(house: House, type: str) -> list[Event]:
    return [event for event in await house.events() if event.type == type]


async def test_echo_tells_what_was_in_the_request(house: House) -> None:
    path, _ = await bring(house, "echo")
    answer = await house.client.get(f"{path}/some/where?name=Joe+Customer&age=37")
    assert answer.headers["content-type"] == "application/json"
    http = answer.json()["http"]
    assert (http["method"], http["path"]) == ("GET", "some/where")
    assert http["params"] == {"name": "Joe Customer", "age": "37"}


async def test_api_key_lets_in_who_has_the_key(house: House) -> None:
    path, told = await bring(house, "api-key")
    key = told["placeholders"]["random_api_key"]
    assert re.fullmatch("[A-Z0-9]{32}", key)
    del house.client.headers["Authorization"]
    nobody = await house.client.post(path)
    assert nobody.status_code == 401
    assert nobody.text.startswith(
        "Unauthorized. Provide a valid API key in the `Authorization: <key>` header."
    )
    wrong = await house.client.post(path, headers={"Authorization": "X" + key[1:]})
    assert (wrong.status_code, wrong.text) == (403, "Invalid API key.")
    right = await house.client.post(path, headers={"Authorization": key})
    assert (right.status_code, right.text) == (200, "Success!")


def signed(key: str, date: str, body: bytes, *, method: str = "POST") -> dict[str, str]:
    lines = [method, "some/path", "a=foo&b=bar", "application/json", date]
    text = "\n".join([*lines, hashlib.sha1(body, usedforsecurity=False).hexdigest()])
    signature = hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()
    return {"Content-Type": "application/json", "Date": date, "Authorization": signature}


async def test_hmac_lets_in_who_signs_in_time(house: House) -> None:
    path, told = await bring(house, "hmac")
    key = told["placeholders"]["random_secret_key"]
    body = b"This is a test body"
    at = f"{path}/some/path/?b=bar&a=foo"
    del house.client.headers["Authorization"]
    assert (await house.client.post(at, content=body)).status_code == 401
    now = formatdate(time.time())
    right = await house.client.post(at, content=body, headers=signed(key, now, body))
    assert (right.status_code, right.text) == (200, "Success!")
    for spoiled in (signed(key, now, b"another"), signed(key[::-1], now, body)):
        wrong = await house.client.post(at, content=body, headers=spoiled)
        assert (wrong.status_code, wrong.text) == (403, "Invalid HMAC signature.")
    for seconds in (-600, 600):
        date = formatdate(time.time() + seconds)
        late = await house.client.post(at, content=body, headers=signed(key, date, body))
        assert (late.status_code, late.text) == (403, "The signature has expired.")


async def test_hmac_takes_the_vector_of_cerbs_document(house: House) -> None:
    path, told = await bring(house, "hmac")
    made = told["records"][0]["items"][0]["location"]
    script = (await house.client.get(made)).json()["script"]
    script = script.replace(
        told["placeholders"]["random_secret_key"], "F7WDMN65Y3BNZN1TV6UWE7NWF76FW5G3"
    )
    headers = {
        "Content-Type": "application/json",
        "Date": "Wed, 21 Feb 2024 03:32:56 +0000",
        "Authorization": "11213c4eef09e3597ef3d41ac0dde59fa94fc4c0157877dbf815461073a5ce44",
    }
    for limit, status, text in (("0", 200, "Success!"), ("300", 403, "The signature has expired.")):
        changed = re.sub(r"(hmac_expires_in_secs:) \d+", rf"\1 {limit}", script)
        assert (await house.client.patch(made, json={"script": changed})).status_code == 200
        answer = await house.client.post(
            f"{path}/some/path/?b=bar&a=foo", content=b"This is a test body", headers=headers
        )
        assert (answer.status_code, answer.text) == (status, text)


async def test_contact_form_checks_its_fields_and_publishes_the_message(house: House) -> None:
    path, _ = await bring(house, "contact-form")
    before = await house.client.options(path)
    assert (before.status_code, before.content) == (200, b"")
    for data, told in (
        ({"email": "", "message": "Hi"}, {"error": "The 'Email Address' field is required."}),
        ({"email": "a@example.com", "message": ""}, {"error": "The 'Message' field is required."}),
        (
            {"email": "a@example.com", "message": "Hi"},
            {"success": "Thanks! We've received your message."},
        ),
    ):
        answer = await house.client.post(path, data=data)
        assert answer.json() == told
        for shown in (before, answer):
            assert shown.headers["access-control-allow-origin"] == "*"
            assert shown.headers["access-control-allow-headers"] == "User-Agent, Content-Type"
            assert shown.headers["access-control-allow-methods"] == "OPTION,POST"
    [event] = await events_of(house, "contact.submitted")
    assert json.loads(event.payload) == {"email": "a@example.com", "message": "Hi"}


def from_github(body: bytes, event: str) -> dict[str, str]:
    secret = ANSWERS["github-to-chat"]["prompt_github_secret"].encode()
    return {
        "Content-Type": "application/json",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": hashlib.sha256(body).hexdigest()[:32],
        "X-Hub-Signature-256": "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest(),
    }


async def test_github_to_chat_tells_the_chat_what_is_genuine(house: House) -> None:
    path, _ = await bring(house, "github-to-chat")
    opened = json.dumps(
        {
            "action": "opened",
            "issue": {"title": 'It\'s "broken"', "html_url": "https://github.example/i/1"},
            "repository": {"full_name": "shop/web"},
            "sender": {"login": "ada"},
        }
    ).encode()
    forged = await house.client.post(
        path, content=opened, headers=from_github(b"another", "issues")
    )
    assert forged.status_code == 401
    assert not house.transport.sent
    answer = await house.client.post(path, content=opened, headers=from_github(opened, "issues"))
    assert (answer.status_code, answer.text) == (200, "Told the chat.")
    [sent] = house.transport.sent
    assert sent.head.startswith(b"POST /hooks/x?y=")
    assert json.loads(sent.body) == {
        "text": 'shop/web: issues opened by ada It\'s "broken" https://github.example/i/1'
    }


async def test_github_to_chat_says_so_where_the_chat_does_not_take_it(house: House) -> None:
    path, _ = await bring(house, "github-to-chat")
    house.transport.outcome = lambda _: Outcome(status=500, head=b"HTTP/1.1 500 X\r\n\r\n")
    body = b'{"action": "opened", "repository": {"full_name": "a/b"}, "sender": {"login": "c"}}'
    answer = await house.client.post(path, content=body, headers=from_github(body, "issues"))
    assert (answer.status_code, answer.text) == (502, "The chat answered 500.")


async def test_stripe_to_event_publishes_each_event_once(house: House) -> None:
    path, _ = await bring(house, "stripe-to-event")
    body = json.dumps(
        {
            "id": "evt_1",
            "type": "invoice.paid",
            "created": 1_700_000_000,
            "data": {"object": {"id": "in_1", "total": 1999, "lines": {"data": []}}},
        }
    ).encode()
    stamp = str(int(time.time()))
    secret = ANSWERS["stripe-to-event"]["prompt_stripe_secret"].encode()
    digest = hmac.new(secret, f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {"Stripe-Signature": f"t={stamp},v1={digest}", "Content-Type": "application/json"}
    for _ in range(2):
        answer = await house.client.post(path, content=body, headers=headers)
        assert answer.status_code == 200, answer.text
    [event] = await events_of(house, "payments.invoice.paid")
    assert json.loads(event.payload) == {
        "id": "in_1",
        "total": 1999,
        "lines": {"data": []},
    }
    forged = headers | {"Stripe-Signature": f"t={stamp},v1={digest[::-1]}"}
    assert (await house.client.post(path, content=body, headers=forged)).status_code == 401


async def test_dead_mans_switch_tells_once_that_nobody_called(house: House) -> None:
    path, told = await bring(house, "dead-mans-switch")
    [timer] = next(group["items"] for group in told["records"] if group["type"] == "timer")

    async def check() -> str:
        """Fire the timer; return how its run ended."""
        before = await runs()
        fired = await house.client.post(f"{timer['location']}/fire")
        assert fired.is_success, fired.text
        async with asyncio.timeout(10):
            while len(after := await runs()) == len(before):
                pass
        return str(after[0]["exit"])

    async def runs() -> list[dict[str, Any]]:
        page = await house.client.get("/api/v1/runs?limit=250")
        found: list[dict[str, Any]] = page.json()["items"]
        return found

    assert await check() == "return"  # nothing has called yet: nothing is watched
    assert (await house.client.get(path)).text == "Heard."
    assert await check() == "return"
    assert await events_of(house, "switch.silent") == []
    house.clock.ahead_ms += 61 * 60_000
    for _ in range(2):
        assert await check() == "return"
    [event] = await events_of(house, "switch.silent")
    assert json.loads(event.payload)["silent_secs"] >= 3_600
    assert (await house.client.get(path)).text == "Heard."
    house.clock.ahead_ms += 61 * 60_000
    assert await check() == "return"
    assert len(await events_of(house, "switch.silent")) == 2


@pytest.mark.parametrize("name", sorted(library()))
def test_no_package_of_the_library_has_a_constant_secret(name: str) -> None:
    text = json.dumps(library()[name].document)
    asked = {key for keys in SECRETS.values() for path in keys for key in path.split(".")[-1:]}
    assert not re.findall(rf'"(?:{"|".join(sorted(asked))})": "(?!\{{\{{\{{)', text)
    assert not re.findall(r"(?:api_key|secret_key|password|token): (?!\{\{\{)\S", text)
    # Nothing long enough to be one.
    assert not re.findall(r"[A-Za-z0-9+/]{32,}", text)
