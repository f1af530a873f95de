"""SuperOffice's own REST API over HTTP: the whole program, a real receiver, a real clock.

One server serves the module; each test is a customer of it, with a tenant and a key of its own.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
from collections.abc import AsyncIterator
from email.utils import formatdate
from typing import Any

import httpx
import pytest
import pytest_asyncio

from hookferry.engine.masking import MASK
from hookferry.testing import Receiver
from hookferry.testing.records import Received

from .real import KEY, serving

HOOKS = "/api/v1/Webhook"
SECRET = "Something Super Secret"
UNSET = "0001-01-01T00:00:00Z"
CUSTOMERS = itertools.count(1234)


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver that takes what comes."""
    async with Receiver() as running:
        running.answer(200)
        yield running


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def administrator(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(tmp_path_factory.mktemp("data")) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def crm(administrator: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """A program written for SuperOffice: it knows the address, and a user name and password."""
    async with httpx.AsyncClient(
        base_url=administrator.base_url,
        auth=await key_for(administrator, f"Cust{next(CUSTOMERS)}"),
        trust_env=False,
        timeout=20,
    ) as client:
        yield client


async def key_for(administrator: httpx.AsyncClient, tenant: str) -> httpx.BasicAuth:
    """Make a tenant and a key bound to it."""
    assert (await administrator.put(f"/api/v1/tenants/{tenant}", json={})).status_code == 200
    made = await administrator.post("/api/v1/keys", json={"name": "crm", "tenant": tenant})
    return httpx.BasicAuth("any", made.json()["key"])


async def register(crm: httpx.AsyncClient, receiver: Receiver, **properties: Any) -> dict[str, Any]:
    """Create a webhook; return it as answered."""
    body = {
        "Name": "Contact Handler",
        "Events": ["contact.created", "contact.changed"],
        "TargetUrl": f"{receiver.url}/hook",
        **properties,
    }
    answer = await crm.post(HOOKS, json=body)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def at(made: dict[str, Any]) -> str:
    return f"{HOOKS}/{made['WebhookId']}"


def of(event: str) -> Any:
    """Tell the requests of one event from the others."""
    return lambda request: request.header("X-SuperOffice-Event") == event


def genuine(request: Received, secret: str = SECRET) -> bool:
    """Verify as SuperOffice's documents tell a receiver to."""
    digest = hmac.new(secret.encode(), request.body, hashlib.sha256).digest()
    return request.header("X-SuperOffice-Signature") == base64.b64encode(digest).decode()


async def test_a_program_written_for_superoffice_lives_its_whole_life_here(
    crm: httpx.AsyncClient, receiver: Receiver
) -> None:
    new = (await crm.get(f"{HOOKS}/default")).json()
    new |= {
        "Name": "Contact Handler",
        "TargetUrl": f"{receiver.url}/hook",
        "Secret": SECRET,
        "Headers": {"X-Partner": "ours"},
        "Properties": {"partner": {"id": 17}},
        "ErrorsEmail": "someone@example.com",
    }
    tried = (await crm.post(f"{HOOKS}/Test", json=new)).json()
    assert tried["Success"]
    assert tried["Message"].startswith("HTTP/1.1 200 ")
    made = (await crm.post(HOOKS, json=new)).json()
    assert made | {"Registered": 0, "Updated": 0, "_Links": 0} == {
        "WebhookId": 1,
        "Name": "Contact Handler",
        "Events": ["contact.created", "contact.deleted"],
        "TargetUrl": f"{receiver.url}/hook",
        "Secret": MASK,
        "State": "Active",
        "Type": "webhook",
        "Headers": {"X-Partner": "ours"},
        "Properties": {"partner": {"id": 17}},
        "Registered": 0,
        "RegisteredAssociate": None,
        "Updated": 0,
        "UpdatedAssociate": None,
        "ErrorsEmail": None,
        "_Links": 0,
    }
    assert (await crm.get(made["_Links"]["Self"])).json() == made
    listed = (await crm.get(made["_Links"]["Archive"])).json()
    assert listed == [{name: value for name, value in made.items() if name != "_Links"}]

    [ordinary] = (await crm.get("/api/v1/webhooks")).json()["items"]
    answer = await crm.post(f"{HOOKS}/contact.created/18", json={"name": "Acme", "contact_id": 18})
    assert (answer.status_code, answer.content) == (204, b"")
    [told] = await receiver.wait_for_async(1, where=of("contact.created"))
    assert genuine(told)
    assert told.header("X-Partner") == "ours"
    body = told.json()
    assert body | {"EventId": 0, "Timestamp": 0} == {
        "EventId": 0,
        "Timestamp": 0,
        "Changes": ["name", "contact_id"],
        "Event": "contact.created",
        "PrimaryKey": 18,
        "Entity": "contact",
        "ContextIdentifier": ordinary["tenant"],
        "ChangedByAssociateId": 0,
        "WebhookName": "Contact Handler",
        "FieldValues": {"name": "Acme", "contact_id": 18},
        "partner": {"id": 17},
    }

    changed = (await crm.patch(at(made), json={"Events": ["sale.sold"]})).json()
    assert changed["Events"] == ["sale.sold"]
    stopped = (await crm.put(at(made), json=changed | {"State": "Stopped"})).json()
    assert stopped["State"] == "Stopped"
    await crm.post(f"{HOOKS}/sale.sold/1")
    active = (await crm.patch(at(made), json={"State": "Active"})).json()
    assert active["State"] == "Active"
    await crm.post(f"{HOOKS}/sale.sold/2")
    [sold] = await receiver.wait_for_async(1, where=of("sale.sold"))
    assert genuine(sold)
    assert (sold.json()["PrimaryKey"], sold.json()["Changes"]) == (2, [])
    assert "FieldValues" not in sold.json()
    assert (await crm.get(f"{at(made)}/LastError")).json() == ""

    assert (await crm.delete(at(made))).status_code == 204
    assert (await crm.get(at(made))).status_code == 404
    assert (await crm.get(HOOKS)).json() == []


async def test_the_default_is_superoffices(crm: httpx.AsyncClient) -> None:
    assert (await crm.get(f"{HOOKS}/default")).json() == {
        "WebhookId": 0,
        "Name": None,
        "Events": ["contact.created", "contact.deleted"],
        "ErrorsEmail": None,
        "TargetUrl": None,
        "Secret": None,
        "State": "Active",
        "Type": "webhook",
        "Headers": None,
        "Properties": None,
        "Registered": UNSET,
        "RegisteredAssociate": None,
        "Updated": UNSET,
        "UpdatedAssociate": None,
    }


async def test_the_key_is_a_password_a_user_name_or_a_bearer_token(
    administrator: httpx.AsyncClient,
) -> None:
    async def status(authorization: str | None) -> int:
        request = administrator.build_request("GET", HOOKS)
        del request.headers["Authorization"]
        if authorization is not None:
            request.headers["Authorization"] = authorization
        answer = await administrator.send(request)
        if answer.status_code == 401:
            assert answer.headers["WWW-Authenticate"].startswith("Bearer"), "no browser keeps it"
        return answer.status_code

    def basic(user: str, password: str) -> str:
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    for good in (basic("tje0", KEY), basic("", KEY), basic(KEY, ""), f"Bearer {KEY}"):
        assert await status(good) == 200, good
    for bad in (
        None,
        basic(KEY, "x"),
        basic("tje0", KEY + "x"),
        basic("", ""),
        "Basic %%%",
        "Basic /w==",
        f"Basic {KEY}",
        f"SoTicket {KEY}",
    ):
        assert await status(bad) == 401, bad


async def test_the_list_is_filtered_by_name_event_and_state(
    crm: httpx.AsyncClient, receiver: Receiver
) -> None:
    await register(crm, receiver, Name="One", Events=["contact.created"])
    await register(crm, receiver, Name="one", Events=["contact.*"], State="Stopped")
    await register(crm, receiver, Name="Other one", Events=["sale.sold", "*.sent"])

    async def found(**filters: str) -> list[int]:
        answer = await crm.get(HOOKS, params=filters)
        assert answer.status_code == 200, answer.text
        return [webhook["WebhookId"] for webhook in answer.json()]

    assert await found() == [1, 2, 3]
    assert await found(nameFilter="ONE") == [1, 2]
    assert await found(nameFilter="on") == []
    assert await found(eventFilter="contact.created") == [1, 2]
    assert await found(eventFilter="contact.changed") == [2]
    assert await found(eventFilter="quote.sent") == [3]
    assert await found(eventFilter="no such") == []
    assert await found(statusFilter="Active") == [1, 3]
    assert await found(statusFilter="stopped") == [2]
    assert await found(statusFilter="2") == [2]
    assert await found(statusFilter="Unknown") == [1, 2, 3]
    assert await found(nameFilter="one", eventFilter="contact.created", statusFilter="1") == [1]
    assert await found(nameFilter="", eventFilter="", statusFilter="") == [1, 2, 3]
    for query in ({"statusFilter": "Broken"}, {"nameFilte": "one"}):
        assert (await crm.get(HOOKS, params=query)).status_code == 422


async def test_what_is_not_selected_is_null(crm: httpx.AsyncClient, receiver: Receiver) -> None:
    made = await register(crm, receiver)
    shown = (await crm.get(at(made), params={"$select": "name, State,targetUrl/x"})).json()
    assert {name: value for name, value in shown.items() if value is not None} == {
        "Name": "Contact Handler",
        "State": "Active",
        "TargetUrl": f"{receiver.url}/hook",
    }
    assert shown.keys() == made.keys()
    answer = await crm.get(at(made), params={"$select": "Nam"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_field")
    assert "'Name'" in answer.json()["detail"]


async def test_a_state_goes_by_name_or_number_and_errors_are_left_by_active_alone(
    crm: httpx.AsyncClient, receiver: Receiver
) -> None:
    made = await register(crm, receiver, State=2)
    assert made["State"] == "Stopped"
    tests = receiver.total
    for given, state in (
        ("Active", "Active"),
        (2, "Stopped"),
        ("2", "Stopped"),
        ("unknown", "Stopped"),
        (None, "Stopped"),
        (1, "Active"),
    ):
        assert (await crm.patch(at(made), json={"State": given})).json()["State"] == state
    assert receiver.total == tests, "a change of the state alone sends no test event"
    assert (await crm.get(f"{at(made)}/LastError")).json() == ""

    receiver.answer(410)
    await crm.post(f"{HOOKS}/contact.created/1")
    await receiver.wait_for_async(1, where=of("contact.created"))
    broken = await _until(crm, at(made), "TooManyErrors")
    assert "410" in (await crm.get(f"{at(made)}/LastError")).json()
    for same in ("TooManyErrors", 3):
        assert (await crm.patch(at(made), json={"State": same})).json() == broken
    receiver.answer(200)
    assert (await crm.patch(at(made), json={"State": "Active"})).json()["State"] == "Active"
    for to_errors in ("TooManyErrors", 3):
        answer = await crm.patch(at(made), json={"State": to_errors})
        assert (answer.status_code, answer.json()["field"]) == (422, "State")


async def _until(crm: httpx.AsyncClient, address: str, state: str) -> dict[str, Any]:
    """Read a webhook until it is in a state: the receiver is answered before that is settled."""
    for _ in range(500):
        shown: dict[str, Any] = (await crm.get(address)).json()
        if shown["State"] == state:
            return shown
    raise AssertionError(f"never {state}: {shown}")


async def test_a_paused_webhook_reads_as_stopped_and_loses_nothing_when_it_is_put_back(
    crm: httpx.AsyncClient, receiver: Receiver
) -> None:
    made = await register(crm, receiver)
    [ordinary] = (await crm.get("/api/v1/webhooks")).json()["items"]
    paused = await crm.post(f"/api/v1/webhooks/{ordinary['id']}/pause")
    assert paused.json()["state"] == "paused"
    await crm.post(f"{HOOKS}/contact.created/1")
    shown = (await crm.get(at(made))).json()
    assert shown["State"] == "Stopped"
    assert (await crm.put(at(made), json=shown)).json()["State"] == "Stopped"
    assert (await crm.patch(at(made), json={"State": "Active"})).json()["State"] == "Active"
    await receiver.wait_for_async(1, where=of("contact.created"))


async def test_a_stopped_webhook_is_never_active_while_it_is_made(
    crm: httpx.AsyncClient, receiver: Receiver
) -> None:
    made = await register(crm, receiver, State="Stopped")
    assert made["State"] == "Stopped"
    [ordinary] = (await crm.get("/api/v1/webhooks")).json()["items"]
    assert ordinary["version"] == 1


async def test_a_secret_is_masked_kept_replaced_and_taken_away(
    crm: httpx.AsyncClient, receiver: Receiver
) -> None:
    made = await register(crm, receiver, Secret=SECRET)
    assert made["Secret"] == MASK
    number = 0

    async def signed_with() -> str | None:
        """Tell with which of the secrets the next notification is signed."""
        nonlocal number
        number += 1
        await crm.post(f"{HOOKS}/contact.created/{number}")
        [*_, last] = await receiver.wait_for_async(number, where=of("contact.created"))
        if last.header("X-SuperOffice-Signature") is None:
            return None
        return next(secret for secret in (SECRET, "another", "third") if genuine(last, secret))

    async def put(**properties: Any) -> dict[str, Any]:
        answer = await crm.put(at(made), json=properties)
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    whole = made | {"Name": "Renamed"}
    assert (await put(**whole))["Secret"] == MASK
    assert await signed_with() == SECRET
    del whole["Secret"]
    assert (await put(**whole))["Secret"] == MASK
    assert await signed_with() == SECRET
    assert (await put(**whole, Secret="another"))["Secret"] == MASK
    assert await signed_with() == "another"
    assert (await put(**whole, Secret=None))["Secret"] is None
    assert await signed_with() is None
    assert (await crm.patch(at(made), json={"Secret": "third"})).json()["Secret"] == MASK
    assert await signed_with() == "third"
    removed = await crm.patch(at(made), json=[{"op": "remove", "path": "/Secret"}])
    assert removed.json()["Secret"] is None
    assert await signed_with() is None


async def test_put_replaces_headers_and_properties_whole_and_keeps_what_is_masked(
    crm: httpx.AsyncClient, receiver: Receiver
) -> None:
    made = await register(
        crm,
        receiver,
        Headers={"X-Token": "hidden", "X-Old": "1"},
        Properties={"a": {"b": 1, "c": 2}, "old": True},
    )
    assert made["Headers"] == {"X-Token": MASK, "X-Old": "1"}
    changed = made | {"Headers": {"x-token": MASK, "X-New": "2"}, "Properties": {"a": {"b": 1.0}}}
    shown = (await crm.put(at(made), json=changed)).json()
    assert shown["Headers"] == {"x-token": MASK, "X-New": "2"}
    assert shown["Properties"] == {"a": {"b": 1.0}}
    await crm.post(f"{HOOKS}/contact.created/1")
    [told] = await receiver.wait_for_async(1, where=of("contact.created"))
    assert told.header("X-Token") == "hidden"
    bare = {name: made[name] for name in ("Name", "Events", "TargetUrl")}
    shown = (await crm.put(at(made), json=bare)).json()
    assert (shown["Headers"], shown["Properties"]) == ({}, {})


async def test_what_superoffice_has_no_name_for_stays(
    crm: httpx.AsyncClient, receiver: Receiver
) -> None:
    made = await register(crm, receiver)
    [ordinary] = (await crm.get("/api/v1/webhooks")).json()["items"]
    url = f"/api/v1/webhooks/{ordinary['id']}"
    more = {"failure_limit": 3, "description": "ours", "timeout": 5}
    await crm.patch(url, json=more)
    await crm.put(at(made), json=made | {"Name": "Other"})
    after = (await crm.get(url)).json()
    assert {name: after[name] for name in more} == more
    assert after["name"] == "Other"


async def test_saving_what_is_there_saves_nothing(
    crm: httpx.AsyncClient, receiver: Receiver
) -> None:
    made = await register(
        crm, receiver, Secret=SECRET, Headers={"X-Token": "t"}, Properties={"a": 1}
    )
    tests = receiver.total
    assert (await crm.put(at(made), json=made)).json() == made
    assert (await crm.patch(at(made), json={})).json() == made
    assert (await crm.patch(at(made), json=[])).json() == made
    assert receiver.total == tests


async def test_a_test_tells_success_and_what_the_receiver_said(
    crm: httpx.AsyncClient, receiver: Receiver
) -> None:
    async def tried(**properties: Any) -> dict[str, Any]:
        answer = await crm.post(f"{HOOKS}/Test", json=properties)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        assert result.keys() == {"Success", "Message"}
        return result

    receiver.answer_next(1, 200, {"X-Said": "yes"}, b"welcome")
    good = await tried(TargetUrl=receiver.url, Secret=SECRET)
    assert good["Success"]
    assert "x-said: yes" in good["Message"].lower()
    assert good["Message"].endswith("\r\n\r\nwelcome")
    [test] = receiver.requests
    assert genuine(test)
    assert test.header("X-Hook-Test") == "true"
    assert {name: test.json()[name] for name in ("Event", "Entity", "PrimaryKey", "Changes")} == {
        "Event": "test",
        "Entity": "test",
        "PrimaryKey": 0,
        "Changes": [],
    }
    receiver.answer_next(1, 204)
    bad = await tried(TargetUrl=receiver.url)
    assert (bad["Success"], bad["Message"][:13]) == (False, "HTTP/1.1 204 ")
    refused = await tried(TargetUrl="http://10.0.0.1/")
    assert not refused["Success"]
    assert "10.0.0.1" in refused["Message"]
    receiver.close_next(2)
    closed = await tried(TargetUrl=receiver.url)
    assert (closed["Success"], closed["Message"].partition(":")[0]) == (False, "connection_closed")
    assert (await crm.get(HOOKS)).json() == []


async def test_a_saved_webhook_is_tested_with_the_secret_that_is_never_shown(
    crm: httpx.AsyncClient, receiver: Receiver
) -> None:
    made = await register(crm, receiver, Secret=SECRET, Headers={"X-Token": "hidden"})
    before = receiver.total
    assert (await crm.post(f"{HOOKS}/Test", json=made)).json()["Success"]
    last = receiver.requests[before]
    assert genuine(last)
    assert last.header("X-Token") == "hidden"
    await crm.patch(at(made), json={"Secret": None})
    for number in (0, made["WebhookId"]):
        unknown = await crm.post(f"{HOOKS}/Test", json=made | {"WebhookId": number})
        assert (unknown.status_code, unknown.json()["field"]) == (422, "Secret")


async def test_saving_needs_a_receiver_that_takes_the_test_event(
    crm: httpx.AsyncClient, receiver: Receiver
) -> None:
    receiver.fail_next(1, 204)
    body = {"Name": "x", "Events": ["a.b"], "TargetUrl": receiver.url}
    refused = await crm.post(HOOKS, json=body)
    assert refused.status_code == 422, refused.text
    assert (await crm.get(HOOKS)).json() == []
    made = await register(crm, receiver)
    receiver.fail_next(1)
    answer = await crm.patch(at(made), json={"Name": "y"})
    assert answer.status_code == 422
    assert (await crm.get(at(made))).json() == made


# ------------------------------------------------------------------------------- changes


async def test_a_json_patch_changes_what_it_names(
    crm: httpx.AsyncClient, receiver: Receiver
) -> None:
    made = await register(crm, receiver)
    answer = await crm.patch(
        at(made),
        json=[
            {"op": "test", "path": "/State", "value": "Active"},
            {"op": "replace", "path": "name", "value": "n"},
            {"op": "add", "path": "/events/-", "value": "sale.sold"},
            {"op": "add", "path": "/Headers/X-B", "value": "2"},
            {"op": "add", "path": "/Properties/a~1b", "value": [1]},
            {"op": "replace", "path": "/State", "value": "Stopped"},
        ],
    )
    assert answer.status_code == 200, answer.text
    assert answer.json() == made | {
        "Name": "n",
        "Events": [*made["Events"], "sale.sold"],
        "Headers": {"X-B": "2"},
        "Properties": {"a/b": [1]},
        "State": "Stopped",
        "Updated": answer.json()["Updated"],
    }


async def test_a_patch_that_can_not_be_applied_changes_nothing(
    crm: httpx.AsyncClient, receiver: Receiver
) -> None:
    made = await register(crm, receiver)
    rename = {"op": "replace", "path": "/Name", "value": "n"}
    patches: list[tuple[Any, int, str | None]] = [
        ([rename, {"op": "test", "path": "/Name", "value": "Contact Handler"}], 409, None),
        ([rename, {"op": "remove", "path": "/Headers/X-None"}], 422, "[1].path"),
        ([{"op": "add", "path": "/Nmae", "value": "x"}], 422, "Nmae"),
        ([{"op": "remove", "path": "/Name"}], 422, "Name"),
        ([rename, {"op": "replace", "path": "/Events/0", "value": "no such"}], 422, "Events[0]"),
        ({"Name": None}, 422, "Name"),
        ({"Nmae": "x"}, 422, "Nmae"),
        ({"Name": "x", "name": "y"}, 422, "Name"),
        ({"WebhookId": 99}, 422, "WebhookId"),
        ("x", 422, None),
    ]
    for body, status, field in patches:
        answer = await crm.patch(at(made), json=body, headers={"Content-Type": "application/json"})
        problem = answer.json()
        assert answer.status_code == status, (body, problem)
        assert problem.get("field") == field, (body, problem)
    for kind, other in (("json-patch+json", {"Name": "n"}), ("merge-patch+json", [rename])):
        answer = await crm.patch(
            at(made), json=other, headers={"Content-Type": f"application/{kind}"}
        )
        assert answer.status_code == 422, kind
    assert (await crm.get(at(made))).json() == made


async def test_a_change_is_refused_when_somebody_saved_since(
    crm: httpx.AsyncClient, receiver: Receiver
) -> None:
    made = await register(crm, receiver)

    async def change(since: str, method: str = "PATCH", **more: Any) -> int:
        answer = await crm.request(
            method,
            at(made),
            json={"Name": since, **more},
            headers={"If-Unmodified-Since": since},
        )
        return answer.status_code

    assert await change(formatdate(0, usegmt=True)) == 412
    assert await change(formatdate(0, usegmt=True), "PUT", Events=["a.b"]) == 412
    assert (await crm.get(at(made))).json() == made
    assert await change(formatdate(4_000_000_000, usegmt=True)) == 200
    assert await change("no date at all") == 200, "what is no date is no condition (RFC 9110)"


# ------------------------------------------------------------------------------- signals


async def test_a_signal_says_what_is_wrong_with_it(crm: httpx.AsyncClient) -> None:
    bad: list[tuple[str, bytes, int]] = [
        ("no such/1", b"", 422),
        ("a..b/1", b"", 422),
        ("a" * 129 + "/1", b"", 422),
        ("a.b/x", b"", 404),
        ("a.b/1.5", b"", 404),
        ("a.b/-1", b"", 422),
        ("a.b/2147483648", b"", 422),
        ("a.b/" + "9" * 5_000, b"", 404),
        ("a.b/1", b"{", 400),
        ("a.b/1", b'{"a": "\xff"}', 400),
        ("a.b/1", b"[1]", 422),
        ("a.b/1", b'"x"', 422),
        ("contact.create/1", b"", 422),  # it asks before the fact, and nobody waits here
    ]
    for path, body, status in bad:
        answer = await crm.post(
            f"{HOOKS}/{path}", content=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == status, (path, body, answer.text)
        assert answer.json().get("field") != "Type", "which is a webhook's property"
    assert (await crm.get("/api/v1/events")).json()["items"] == []
    for body in (b"", b" ", b"null", b"{}"):
        answer = await crm.post(
            f"{HOOKS}/window.closed/2147483647",
            content=body,
            headers={"Content-Type": "application/json"},
        )
        assert (answer.status_code, answer.content) == (204, b"")
    assert len((await crm.get("/api/v1/events")).json()["items"]) == 4


# ------------------------------------------------------------------------------- scripts

SCRIPT = """\
start:
  set/said:
    said:
      event@key: Event
      id@key: EventId
      entity@key: Entity
      key@key: PrimaryKey
      by@key: ChangedByAssociateId
      changes@key: Changes
      region@key: Region
  http.request/tell:
    inputs:
      method: POST
      url: URL
      headers:
        Content-Type: application/json
      body@key: said
"""


async def test_a_crmscript_runs_with_the_values_that_changed(
    crm: httpx.AsyncClient, receiver: Receiver
) -> None:
    made = await crm.post(
        "/api/v1/automations",
        json={
            "name": "crm.handler",
            "extension_id": "hookferry.trigger.event",
            "script": SCRIPT.replace("URL", receiver.url),
            "policy_kata": "commands:\n  http.request:\n    allow@bool: yes\n",
        },
    )
    assert made.status_code == 201, made.text
    hook = await register(
        crm, receiver, Type="crmscript", TargetUrl="crm.handler", Properties={"Region": "north"}
    )
    assert (hook["Type"], hook["TargetUrl"]) == ("crmscript", "crm.handler")
    published = await crm.post(
        "/api/v1/events",
        json={
            "type": "contact.changed",
            "data": {"name": "Ada", "phone": "1", "city": "Oslo"},
            "entity": "contact",
            "primary_key": 18,
            "changes": ["name", "city"],
            "actor": {"id": 5},
        },
    )
    [told] = await asyncio.to_thread(receiver.wait_for, 1)
    assert json.loads(told.body) == {
        "event": "contact.changed",
        "id": published.json()["id"],
        "entity": "contact",
        "key": 18,
        "by": 5,
        "changes": {"name": "Ada", "city": "Oslo"},
        "region": "north",
    }


async def test_a_webhooks_type_stays_what_it_is(crm: httpx.AsyncClient, receiver: Receiver) -> None:
    made = await register(crm, receiver)
    body = {"Name": "n", "Events": ["a.b"], "TargetUrl": "crm.handler", "Type": "crmscript"}
    answer = await crm.put(at(made), json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, "Type")


# ------------------------------------------------------------------------------- bad input


async def test_a_bad_definition_is_refused_in_superoffices_words(
    crm: httpx.AsyncClient, receiver: Receiver
) -> None:
    good = {"Name": "n", "Events": ["a.b"], "TargetUrl": receiver.url}
    made = await register(crm, receiver)
    tests = receiver.total
    bad: list[tuple[dict[str, Any], str | None]] = [
        ({"Name": None}, "Name"),
        ({"Name": "x" * 101}, "Name"),
        ({"Name": 7}, "Name"),
        ({"Events": None}, "Events"),
        ({"Events": []}, "Events"),
        ({"Events": "a.b"}, "Events"),
        ({"Events": ["a.b", "c d"]}, "Events[1]"),
        ({"TargetUrl": None}, "TargetUrl"),
        ({"TargetUrl": "nowhere"}, "TargetUrl"),
        ({"TargetUrl": "http://10.0.0.1/"}, "TargetUrl"),
        ({"Secret": "x" * 257}, "Secret"),
        ({"Secret": 7}, "Secret"),
        ({"State": "Broken"}, "State"),
        ({"State": 4}, "State"),
        ({"State": True}, "State"),
        ({"State": "TooManyErrors"}, "State"),
        ({"Type": "pigeon"}, "Type"),
        ({"Headers": {"Host": "x"}}, "Headers"),
        ({"Headers": {"X-Token": MASK}}, "Headers.X-Token"),
        ({"Headers": {"X-A": "a\r\nb"}}, "Headers.X-A"),
        ({"Properties": [1]}, "Properties"),
        ({"Properties": {"a": "x" * 20_000}}, "Properties"),
        ({"Properties": json.loads("[" * 70 + "]" * 70)}, None),
        ({"TargetURI": "x"}, "TargetURI"),
        ({"targeturl": "http://a.example/"}, "TargetUrl"),
    ]
    for change, field in bad:
        for method, url in (("POST", HOOKS), ("PUT", at(made))):
            answer = await crm.request(method, url, json=good | change)
            problem = answer.json()
            assert answer.status_code == 422, (change, problem)
            assert problem.get("field") == field, (change, problem)
    for change in ({"WebhookId": 5}, {"Secret": MASK}):
        answer = await crm.post(HOOKS, json=good | change)
        assert (answer.status_code, answer.json()["field"]) == (422, next(iter(change)))
    for body in (b"", b"{", b"[" * 100_000):
        for method, url in (("POST", HOOKS), ("PUT", at(made))):
            assert (await crm.request(method, url, content=body)).status_code == 400
    assert (await crm.get(HOOKS)).json() == [
        {name: value for name, value in made.items() if name != "_Links"}
    ]
    assert receiver.total == tests


async def test_what_is_not_json_is_refused_either_way(
    crm: httpx.AsyncClient, receiver: Receiver
) -> None:
    body = json.dumps({"Name": "n", "Events": ["a.b"], "TargetUrl": receiver.url}).encode()

    async def status(content_type: str, accept: str) -> tuple[int, str]:
        answer = await crm.post(
            f"{HOOKS}/Test",
            content=body,
            headers={"Content-Type": content_type, "Accept": accept},
        )
        return answer.status_code, answer.headers["Content-Type"]

    problem = "application/problem+json"
    for kind in (
        "application/json; charset=utf-8",
        "text/json",
        "Application/JSON",
        "application/json-patch+json",
        "application/merge-patch+json",
    ):
        assert await status(kind, "*/*") == (200, "application/json"), kind
    for kind in ("application/xml", "text/xml", "application/x-www-form-urlencoded"):
        assert await status(kind, "*/*") == (415, problem), kind
    for accept in ("application/json; charset=utf-8", "text/xml, application/json;q=0.5", "text/*"):
        assert await status("application/json", accept) == (200, "application/json"), accept
    for accept in ("application/xml", "text/xml", "text/html, image/*"):
        assert await status("application/json", accept) == (406, problem), accept


# ------------------------------------------------------------------------------- who sees what


async def test_other_profiles_are_not_seen(crm: httpx.AsyncClient, receiver: Receiver) -> None:
    made = await crm.post(
        "/api/v1/webhooks", json={"name": "x", "target_url": receiver.url, "events": ["*"]}
    )
    number = made.json()["number"]
    other = {"Name": "n", "Events": ["a.b"], "TargetUrl": receiver.url}
    assert (await crm.get(HOOKS)).json() == []
    for method, body in (("GET", None), ("PUT", other), ("PATCH", {"Name": "y"}), ("DELETE", None)):
        answer = await crm.request(method, f"{HOOKS}/{number}", json=body)
        assert answer.status_code == 404, method
    assert (await crm.get(f"{HOOKS}/{number}/LastError")).status_code == 404
    tested = await crm.post(f"{HOOKS}/Test", json=other | {"WebhookId": number, "Secret": MASK})
    assert tested.status_code == 404


async def test_a_key_sees_its_tenant_which_the_address_may_name(
    administrator: httpx.AsyncClient, crm: httpx.AsyncClient, receiver: Receiver
) -> None:
    ours = await register(crm, receiver)
    partner = await key_for(administrator, "Partner1")
    online = f"/Partner1{HOOKS}"
    assert (await crm.get(HOOKS, auth=partner)).json() == []
    assert (await crm.get(at(ours), auth=partner)).status_code == 404
    assert (await crm.get(online)).status_code == 403
    body = {"Name": "t", "Events": ["a.b"], "TargetUrl": receiver.url}
    theirs = (await crm.post(online, json=body, auth=partner)).json()
    assert theirs["WebhookId"] == ours["WebhookId"] == 1, "numbers are each tenant's own"
    assert theirs["_Links"]["Self"].endswith(f"{online}/1")
    for client, auth in ((crm, partner), (administrator, httpx.USE_CLIENT_DEFAULT)):
        assert (await client.get(theirs["_Links"]["Self"], auth=auth)).json() == theirs
    assert (await administrator.get(HOOKS, params={"tenant": "Partner1"})).json()[0]["Name"] == "t"
    assert (await crm.get(HOOKS, auth=partner)).json()[0]["Name"] == "t"
    assert (await administrator.get(f"/nobody{HOOKS}")).status_code == 404
    assert (await administrator.get(online, params={"tenant": "Partner1"})).status_code == 422
    assert (await crm.post(f"{online}/a.b/3", json={}, auth=partner)).status_code == 204
    [told] = await receiver.wait_for_async(1, where=of("a.b"))
    assert told.json()["ContextIdentifier"] == "Partner1"


async def test_a_post_is_repeated_with_the_same_key_once(
    crm: httpx.AsyncClient, receiver: Receiver
) -> None:
    body = {"Name": "n", "Events": ["a.b"], "TargetUrl": receiver.url}
    first = await crm.post(HOOKS, json=body, headers={"Idempotency-Key": "k"})
    again = await crm.post(HOOKS, json=body, headers={"Idempotency-Key": "k"})
    assert again.json() == first.json()
    assert len((await crm.get(HOOKS)).json()) == 1
