"""The documented examples of webhooks that answer, over HTTP: behaviours 2d, cases T1 to T4 and T9.

The scripts are those of the library; the requests are byte for byte what curl sends.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from email.utils import formatdate
from importlib import resources
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.kit import House, running_house
from hookferry.domain.automation import Automation
from hookferry.domain.tenant import DEFAULT_TENANT
from hookferry.transport.port import ErrorKind, Outcome

from .kit import Caller, source

KEY = "6e1c2d3f"
SECRET = "F7WDMN65Y3BNZN1TV6UWE7NWF76FW5G3"
DATE = "Wed, 21 Feb 2024 03:32:56 +0000"
SIGNED = "11213c4eef09e3597ef3d41ac0dde59fa94fc4c0157877dbf815461073a5ce44"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def automation(house: House, name: str, script: str, policy: str = "commands:\r\n  ") -> None:
    tenant = house.services.directory.tenant(DEFAULT_TENANT)
    made = Automation(
        id=house.services.ids.next(),
        tenant_id=tenant.id,
        name=name,
        extension_id="cerb.trigger.webhook.respond",
        script=script,
        policy_kata=policy,
    )
    await house.store.save(made)
    await house.services.directory.refresh()


async def answering(house: House, example: str, *, policy: str = "", **filled_in: str) -> Caller:
    """A source that an example of the library answers for, imported with these values."""
    file = resources.files("hookferry.automate") / "library" / example / "answer.kata"
    script = file.read_text()
    for name, value in filled_in.items():
        script = script.replace("{" * 3 + name + "}" * 3, value)
        script = script.replace("{" * 3 + name + "|json_encode" + "}" * 3, json.dumps(value))
    # As the packages of the documentation have it: lines end by CRLF, a policy allows nothing.
    await automation(house, "example.answer", script.replace("\n", "\r\n"), policy or "commands:")
    kata = "automation/example:\n    uri: cerb:automation:example.answer\n    disabled@bool: no\n"
    return await source(house, automations_kata=kata)


def pairs(answer: httpx.Response) -> Any:
    """The members of a JSON answer, in their order."""
    return json.loads(answer.content, object_pairs_hook=list)


# --------------------------------------------------------------------------- T1: echo


async def test_a_post_is_echoed(house: House) -> None:
    caller = await answering(house, "echo")
    answer = await caller.send(b"", {"X-CustomHeader": "true"}, below="?key=value")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert [name for name, _ in pairs(answer)] == ["http", "client"]
    echoed = answer.json()
    assert list(echoed["http"]) == ["method", "path", "headers", "params"]
    assert (echoed["http"]["method"], echoed["http"]["path"]) == ("POST", "")
    assert echoed["http"]["headers"]["x_customheader"] == "true"
    assert echoed["http"]["params"] == {"key": "value"}
    assert echoed["client"] == {"ip": "127.0.0.1"}
    assert answer.text.startswith('{\n  "http": {\n    "method": "POST",')


async def test_a_get_is_echoed(house: House) -> None:
    caller = await answering(house, "echo")
    answer = await caller.send(b"", method="GET", below="/a/b/?name=Joe+Customer&age=37")
    echoed = answer.json()["http"]
    assert (echoed["method"], echoed["path"]) == ("GET", "a/b")
    assert echoed["params"] == {"name": "Joe Customer", "age": "37"}


async def test_any_method_runs_the_automation(house: House) -> None:
    caller = await answering(house, "echo")
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS"):
        assert (await caller.send(b"", method=method)).json()["http"]["method"] == method


async def test_cookies_are_not_shown_to_a_script(house: House) -> None:
    caller = await answering(house, "echo")
    answer = await caller.send(b"", {"Cookie": "session=12345"})
    assert "12345" not in answer.text


# --------------------------------------------------------------------------- T2: an API key


async def test_a_key_is_asked_for(house: House) -> None:
    caller = await answering(house, "api-key", random_api_key=KEY)
    missing = await caller.send()
    assert missing.status_code == 401
    assert missing.text.startswith(
        "Unauthorized. Provide a valid API key in the `Authorization: <key>` header."
    )
    wrong = await caller.send(headers={"Authorization": "1"})
    assert (wrong.status_code, wrong.text) == (403, "Invalid API key.")
    right = await caller.send(headers={"Authorization": KEY})
    assert (right.status_code, right.text) == (200, "Success!")
    assert right.headers["content-type"] == "text/plain; charset=utf-8"


# --------------------------------------------------------------------------- T3: a signature


async def signed(caller: Caller, authorization: str | None, date: str = DATE) -> httpx.Response:
    headers = {"Content-Type": "application/json", "Date": date}
    if authorization is not None:
        headers["Authorization"] = authorization
    return await caller.send(b"This is a test body", headers, below="/some/path/?b=bar&a=foo")


async def test_a_signature_is_asked_for(house: House) -> None:
    values = {"random_secret_key": SECRET, "prompt_expires_in_secs": "0"}
    caller = await answering(house, "hmac", **values)
    assert (await signed(caller, None)).status_code == 401
    wrong = await signed(caller, "0" * 64)
    assert (wrong.status_code, wrong.text) == (403, "Invalid HMAC signature.")
    right = await signed(caller, SIGNED)
    assert (right.status_code, right.text) == (200, "Success!")


async def test_a_signature_holds_for_its_time(house: House) -> None:
    values = {"random_secret_key": SECRET, "prompt_expires_in_secs": "300"}
    caller = await answering(house, "hmac", **values)
    expired = await signed(caller, SIGNED)
    assert (expired.status_code, expired.text) == (403, "The signature has expired.")

    now = formatdate(house.clock.wall_ms() / 1000)
    lines = ["POST", "some/path", "a=foo&b=bar", "application/json", now]
    lines.append(hashlib.sha1(b"This is a test body", usedforsecurity=False).hexdigest())
    fresh = hmac.new(SECRET.encode(), "\n".join(lines).encode(), hashlib.sha256).hexdigest()
    assert (await signed(caller, fresh, now)).status_code == 200


# --------------------------------------------------------------------------- T4: a contact form


@pytest.mark.parametrize(
    ("form", "said"),
    [
        (b"email=", {"error": "The 'Email Address' field is required."}),
        (b"email=a%40b.example&message=", {"error": "The 'Message' field is required."}),
        (
            b"email=a%40b.example&message=Hello",
            {"success": "Thanks! We've received your message."},
        ),
    ],
)
async def test_a_contact_form_is_checked(
    house: House, form: bytes, said: Mapping[str, str]
) -> None:
    caller = await contact_form(house)
    answer = await caller.send(form, FORM | {"Origin": "https://shop.example"})
    assert (answer.status_code, answer.json()) == (200, said)
    allows_any_page(answer)


async def test_the_preflight_of_a_contact_form_is_answered_by_its_script(house: House) -> None:
    caller = await contact_form(house)
    asks = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    answer = await caller.send(b"", asks, method="OPTIONS")
    assert (answer.status_code, answer.content) == (200, b"")
    allows_any_page(answer)


async def contact_form(house: House) -> Caller:
    policy = "commands:\n  event.publish:\n    allow: yes\n"
    return await answering(
        house, "contact-form", policy=policy, prompt_event_type="contact.submitted"
    )


def allows_any_page(answer: httpx.Response) -> None:
    assert answer.headers.get_list("access-control-allow-origin") == ["*"]
    assert answer.headers["access-control-allow-headers"] == "User-Agent, Content-Type"
    assert answer.headers["access-control-allow-methods"] == "OPTION,POST"


# --------------------------------------------------------------------------- T9: the language

LOOP = """\
start:
  set:
    sum: 0
    counter: 0
  repeat:
    each@json: [1,2,3,4,5,6,7,8,9,10]
    as: i
    do:
      set:
        sum@int: {{sum + i}}
  while:
    if@bool: {{counter < 5 ? 'yes'}}
    do:
      set:
        counter: {{counter+1}}
  return:
    body: {{sum}} {{counter}}
"""
ARITHMETIC = """\
start:
  set:
    a: 5
    b: 4
    answer: {{a*b}}
  set/again:
    a@int: 2
    b@int: {{a*2}}
    c@int: {{b*2}}
  return:
    body: {{answer}} {{a + b + c}}
"""


@pytest.mark.parametrize(("script", "body"), [(LOOP, "55 5"), (ARITHMETIC, "20 14")])
async def test_scripts_count_as_documented(house: House, script: str, body: str) -> None:
    await automation(house, "example.counts", script)
    caller = await source(house, respond={"automation": "example.counts"})
    assert (await caller.send()).text == body


REQUEST = """\
start:
  http.request:
    output: http_response
    inputs:
      method: {{request_params.method}}
      url: {{request_params.url}}
  return:
    body: {{http_response.body}}
"""
POLICY = """\
commands:
  http.request:
    deny/method@bool: {{inputs.method != 'GET'}}
    allow/api@bool: {{inputs.url starts with 'https://api.example/'}}
"""


async def test_a_policy_allows_what_it_names_and_denies_the_rest(house: House) -> None:
    hello = Outcome(status=200, head=b"HTTP/1.1 200 OK\r\n\r\n", body=b"hello")
    house.transport.outcome = lambda _: hello
    await automation(house, "example.asks", REQUEST, POLICY)
    caller = await source(house, respond={"automation": "example.asks"})
    allowed = await caller.send(below="?method=GET&url=https://api.example/orders")
    assert (allowed.status_code, allowed.text) == (200, "hello")
    for denied in (
        "?method=POST&url=https://api.example/orders",
        "?method=GET&url=https://other.example/orders",
    ):
        answer = await caller.send(below=denied)
        assert (answer.status_code, answer.content) == (500, b"")
    assert len(house.transport.sent) == 1


async def test_a_request_that_fails_without_on_error_ends_the_run(house: House) -> None:
    house.transport.outcome = lambda _: Outcome(error=ErrorKind.DNS, detail="no such name")
    await automation(house, "example.asks", REQUEST, POLICY)
    caller = await source(house, respond={"automation": "example.asks"})
    answer = await caller.send(below="?method=GET&url=https://api.example/orders")
    assert (answer.status_code, answer.content) == (500, b"")


MOCKED = """\
start:
  http.request:
    output: http_response
    inputs:
      method: GET
      url: https://invalid.url.example/
    on_simulate:
      simulate.success:
        status_code: 200
        content_type: application/json
        body: { "output": "Good job!" }
    on_success:
      return:
        body@key: http_response:body
"""


async def test_a_simulated_request_returns_its_mock(tmp_path: Path) -> None:
    allowed = "commands:\n  http.request:\n    allow@bool: yes\n"
    async with running_house(tmp_path) as house:
        await automation(house, "example.mocked", MOCKED, allowed)
        [made] = (await house.client.get("/api/v1/automations")).json()["items"]
        answer = await house.client.post(f"/api/v1/automations/{made['id']}/simulate", json={})
        assert answer.json()["exit"] == "return"
        assert answer.json()["output"]["__return"] == {"body": '{ "output": "Good job!" }'}
        assert house.transport.sent == []


# --------------------------------------------------------------------------- handlers


async def test_the_first_handler_that_is_enabled_answers_and_else_there_is_nothing(
    house: House,
) -> None:
    for name in ("one", "two"):
        await automation(house, f"example.{name}", f"start:\n  return:\n    body: {name}\n")
    kata = (
        "automation/one:\n  uri: cerb:automation:example.one\n"
        "  enabled@bool: {{request_params.to == 'one'}}\n"
        "automation/two:\n  uri: cerb:automation:example.two\n"
        "  disabled@bool: {{request_params.to is empty}}\n"
    )
    caller = await source(house, automations_kata=kata)
    assert (await caller.send(below="?to=one")).text == "one"
    assert (await caller.send(below="?to=two")).text == "two"
    nobody = await caller.send()
    assert (nobody.status_code, nobody.content) == (404, b"")


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("start:\n  set:\n    a: 1\n", 200),
        ("start:\n  error: the password is 12345\n", 500),
        ("start:\n  return:\n    status_code: 99\n    body: 12345\n", 500),
        ('start:\n  return:\n    headers@json: {"X-A": "1\\nX-Evil: 12345"}\n', 500),
        ("start:\n  while:\n    if@bool: yes\n    do:\n      set:\n        a: 12345\n", 500),
    ],
)
async def test_a_script_that_ends_otherwise_tells_its_caller_nothing(
    house: House, script: str, status: int
) -> None:
    await automation(house, "example.ends", script)
    caller = await source(house, respond={"automation": "example.ends"})
    answer = await caller.send()
    assert (answer.status_code, answer.content) == (status, b"")
    assert "12345" not in str(answer.headers)


async def test_an_automation_that_is_gone_is_500(house: House) -> None:
    caller = await source(house, automations_kata="automation/a:\n  uri: cerb:automation:gone\n")
    assert (await caller.send()).status_code == 500


async def test_a_long_answer_reaches_its_caller_whole_and_is_not_kept(house: House) -> None:
    script = "start:\n  return:\n    body: {{range(1, 20000)|join(',')}}\n"
    await automation(house, "example.long", script)
    caller = await source(
        house, respond={"automation": "example.long"}, deduplicate={"body_hash": True}
    )
    whole = ",".join(map(str, range(1, 20_001)))
    assert (await caller.send()).text == whole
    repeat = await caller.send()
    assert (repeat.status_code, repeat.content) == (200, b"")
    first, _ = await caller.kept()
    assert (first.status, first.answer_body) == (200, b"")
    assert first.detail == f"an answer of {len(whole):,} bytes is given, and not kept"
