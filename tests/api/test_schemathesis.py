"""schemathesis asks the server everything that its OpenAPI document allows, and much that it does
not: no server error, no undocumented answer, nothing that breaks a schema is taken.

``make contract`` asks more: ``CONTRACT_EXAMPLES`` cases of each operation, HEAD included, and
calls that build on each other's answers.
"""

from __future__ import annotations

import asyncio
import copy
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema

from hookferry.catch.stream import Watcher
from hookferry.domain.run import LogLine, Run, Step
from hookferry.ids import encode
from hookferry.transport.port import ErrorKind, Outcome, Request

from .kit import ADMIN, House, running_house, until

EXAMPLES = int(os.environ.get("CONTRACT_EXAMPLES", "0"))
"""Cases per operation of the long run; 0 for the short one."""

_KEY = "Idempotency-Key"
MOST_NEVER = 4
"""Operations that may have found nothing left to succeed with."""

SETTINGS = """
base-url = "{url}"
headers = {{ Authorization = "Bearer {key}" }}
request-timeout = 30

[generation]
max-examples = {examples}
deterministic = {short}
no-shrink = true
database = "none"

[phases]
coverage.unexpected-methods = {methods}
stateful.enabled = {long}
stateful.max-steps = 4

# A condition on the version is checked before the body (RFC 9110 section 13.2.1): 412.
[checks]
negative_data_rejection.expected-statuses = [
    "400", "401", "403", "404", "405", "406", "409", "412", "415", "422",
]
# Some rules are beyond JSON Schema: that a name is free, that a certificate belongs to its key.
positive_data_acceptance.enabled = false

# The good events of a batch are taken although others are not: 207.
[[operations]]
include-operation-id = "events_batch"
checks.negative_data_rejection.expected-statuses = [
    "207", "400", "401", "403", "404", "409", "422",
]
"""


Answered = dict[str, Counter[int]]
"""How often each operation was answered with which status."""


def ask(
    url: str, document: dict[str, Any], *, only: str | None = None
) -> tuple[Answered, list[str]]:
    """Ask a server all that its document allows; return how it answered, and what was wrong."""
    config = SchemathesisConfig.from_str(
        SETTINGS.format(
            url=url,
            key=ADMIN,
            examples=EXAMPLES or 1,
            # Methods that an address does not take: each of them, in test_openapi.
            methods='["trace", "delete", "put"]' if EXAMPLES else "[]",
            short=str(not EXAMPLES).lower(),
            long=str(bool(EXAMPLES)).lower(),
        )
    )
    asked = {
        path: {m: operation for m, operation in item.items() if EXAMPLES or m != "head"}
        for path, item in document["paths"].items()
        if only in (None, path)
    }
    # With the same key every time, most calls would be refused for it; two addresses will do.
    for path, item in asked.items():
        for method, operation in item.items():
            if path not in ("/api/v1/events", "/api/v1/keys"):
                kept = [p for p in operation.get("parameters", []) if p["name"] != _KEY]
                item[method] = operation | {"parameters": kept}
    document = document | {"paths": asked}
    schema = schemathesis.openapi.from_dict(document, config=config)
    answered: Answered = {}
    wrong: dict[tuple[str, str], str] = {}
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            for case_id, interaction in event.recorder.interactions.items():
                if interaction.response is not None:
                    label = event.recorder.cases[case_id].value.operation.label
                    status = interaction.response.status_code
                    answered.setdefault(label, Counter())[status] += 1
            for case_id, checks in event.recorder.checks.items():
                for check in checks:
                    if check.status == Status.FAILURE and check.failure_info is not None:
                        case = event.recorder.cases[case_id].value
                        told = check.failure_info
                        wrong[case.operation.label, check.name] = (
                            f"{case.operation.label}: {check.name}: {told.failure.title}: "
                            f"{told.failure.message}\n{told.code_sample}"
                        )
        elif isinstance(event, events.NonFatalError):
            wrong[event.label, "error"] = f"{event.label}: {event.value!r}"
        elif isinstance(event, events.FatalError):
            raise event.exception
    return answered, list(wrong.values())


async def document_of(house: House) -> dict[str, Any]:
    document: dict[str, Any] = (await house.client.get("/openapi.json")).json()
    return document


def moods(request: Request) -> Outcome:
    """Receivers of every mood, by the length of what they are sent."""
    head = b"HTTP/1.1 %d X\r\nContent-Type: text/plain\r\n"
    match len(request.body) % 5:
        case 0:
            return Outcome(error=ErrorKind.TIMEOUT, detail="no answer", duration=0.001)
        case 1:
            return Outcome(status=410, head=head % 410)
        case 2:
            return Outcome(status=403, head=head % 403, body=b"not today \xff\x00")
        case _:
            return Outcome(status=200, head=head % 200, body=b"ok")


def let_streams_end(house: House) -> None:
    """End each live stream a moment after it began: nobody here has time for all of it."""
    streams = house.services.catching.streams
    watch = streams.watch

    def briefly(tenant_id: int, source_id: int, after_id: int | None) -> Watcher:
        watcher = watch(tenant_id, source_id, after_id)
        asyncio.get_running_loop().call_later(0.01, watcher.end)
        return watcher

    streams.watch = briefly  # type: ignore[method-assign]


class World:
    """Something of everything, so that what is asked for is there.

    Attributes:
        known: what stands in an address, by the name of the parameter (of a tag, where it differs).
        doomed: the same for what is deleted.
        special: the same for single operations.
    """

    def __init__(self) -> None:
        self.known: dict[str, Any] = {"tenants.name": "default", "event_types.name": "a.b"}
        self.doomed: dict[str, Any] = {"tenants.name": "spare"}
        self.special: dict[str, dict[str, Any]] = {}
        self.known["plugins.name"] = "cerb.webhooks"
        self.known["packages.name"] = "echo"

    async def furnish(self, house: House) -> None:
        """Make it all."""

        async def post(path: str, **body: Any) -> Any:
            answer = await house.client.post(f"/api/v1/{path}", json=body)
            assert answer.status_code < 300, answer.text
            return answer.json()

        await house.client.put("/api/v1/tenants/spare", json={})
        for name in ("a.b", "a.create"):
            body = {"application": "x", "example": {"id": 7}}
            assert (await house.client.put(f"/api/v1/event_types/{name}", json=body)).is_success
        for kept in (self.known, self.doomed):
            hook = await house.webhook(f"w{len(kept)}", events=["a.b", "contact.*"])
            kept["webhook_id"] = hook["id"]
            one = await house.webhook(f"s{len(kept)}", profile="superoffice", events=["a.b"])
            kept["number"] = one["number"]
            body = {"name": f"c{len(kept)}", "kind": "bearer", "token": "hidden"}
            kept["credential_id"] = (await post("credentials", **body))["id"]
            verify = {"preset": "github", "secret": "hidden"}
            source = await post("sources", name=f"src{len(kept)}", verify=verify)
            kept["source_id"] = source["id"]
            share = await post(f"sources/{source['id']}/shares")
            kept |= {"share_id": share["id"], "token": share["token"]}
            kept["key_id"] = (await post("keys", name="bound", tenant="default"))["id"]
            await self.automate(kept, post)
            name = "Doomed" if kept is self.doomed else "Example"
            record = {
                "uid": "a",
                "_context": "automation",
                "name": f"{name.lower()}.hello",
                "extension_id": "cerb.trigger.webhook.respond",
                "script": "start:\n  return:\n    status_code: 200\n",
            }
            await post("packages/import", package={"name": name}, records=[record])
            packages = await house.client.get("/api/v1/packages")
            kept["package_id"] = packages.json()["items"][0]["id"]
        # Of a source that stays: the doomed one is gone by then.
        self.special["sources_remove_share"] = {n: self.known[n] for n in ("source_id", "share_id")}
        quarantined = []
        for _ in range(3):
            await house.client.post(f"/webhooks/{source['guid']}/x", json={"a": 1})
            page = await house.client.get("/api/v1/requests")
            quarantined.append(page.json()["items"][0]["id"])
        self.known |= {"request_id": quarantined[0], "other_id": quarantined[1]}
        self.special["requests_release"] = {"request_id": quarantined[2]}
        self.special["shared_get_shared"] = {"token": share["token"]}
        let_streams_end(house)
        for mode in ("sync", "sync_critical"):
            await house.webhook(mode, mode=mode, events=["*.create"])
        self.known["job_id"] = (await post("deliveries/resend", filter={}))["id"]
        self.known["event_name"] = "contact.created"
        self.known["primary_key"] = 7
        await house.publish(type="a.b")
        await until(lambda: len(house.transport.sent) > 3)
        await house.engine.committer.flush()
        [delivery, *_] = (await house.client.get("/api/v1/deliveries")).json()["items"]
        self.known |= {"delivery_id": delivery["id"], "event_id": delivery["event"]}
        tries = await house.client.get(f"/api/v1/deliveries/{delivery['id']}/attempts")
        self.known["attempt_id"] = tries.json()["items"][0]["id"]
        run = Run(
            id=house.services.ids.next(),
            tenant_id=1,
            automation_id=None,
            automation="a",
            log=(LogLine("warn", "start:log.warn", "careful", 1.0),),
            steps=(Step("start", "start", 0.5),),
            returned={"status_code": 200},
        )
        await house.store.put_runs([run])
        self.known["run_id"] = encode("run", run.id)
        held = await house.webhook("held", events=["held.back"])
        await house.client.post(f"/api/v1/webhooks/{held['id']}/pause")
        told = await house.publish(type="held.back")
        page = await house.client.get(f"/api/v1/events/{told['id']}/deliveries")
        self.special["deliveries_cancel"] = {"delivery_id": page.json()["items"][0]["id"]}

    async def automate(self, kept: dict[str, Any], post: Callable[..., Awaitable[Any]]) -> None:
        """Make an automation, and what runs one."""
        name = f"a{len(kept)}"
        answers = "cerb.trigger.webhook.respond"
        script = "start:\n  return:\n    status_code: 200\n"
        made = await post("automations", name=name, extension_id=answers, script=script)
        kept["automation_id"] = made["id"]
        handler = f"automation/a:\n  uri: cerb:automation:{name}\n"
        made = await post(
            "automation_events", name=name, events=["a.nothing"], automations_kata=handler
        )
        kept["automation_events.webhook_id"] = made["id"]
        timer = {"name": name, "cron": "0 0 1 1 *", "event_type": "a.b", "data": {"a": [None]}}
        kept["timer_id"] = (await post("timers", **timer))["id"]

    def shown_in(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return the document with what there is as the examples of its parameters."""
        document = copy.deepcopy(document)
        for item in document["paths"].values():
            for method, operation in item.items():
                names = self.known | (self.doomed if method == "delete" else {})
                names |= self.special.get(operation["operationId"], {})
                for parameter in operation.get("parameters", []):
                    name = parameter["name"]
                    value = names.get(f"{operation['tags'][0]}.{name}", names.get(name))
                    if parameter["in"] == "path":
                        assert value is not None, f"there is no {name} to ask for"
                        parameter["example"] = value
        return document


@pytest.mark.timeout(3600 if EXAMPLES else 300)
async def test_no_server_error_and_no_undocumented_answer(tmp_path: Path) -> None:
    async with running_house(tmp_path) as house:
        world = World()
        await world.furnish(house)
        house.transport.outcome = moods
        document = world.shown_in(await document_of(house))
        url = f"http://127.0.0.1:{house.port}"
        answered, wrong = await asyncio.to_thread(ask, url, document)
    assert not wrong, "\n\n".join(wrong)
    assert sum(count.total() for count in answered.values()) > 1_000
    # It was about something: every operation refused at least once, and succeeded at least once,
    # but for a few that need what an earlier call has stopped, archived or deleted.
    never = []
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method != "head" and operation["tags"] != ["probes"]:
                statuses = answered[f"{method.upper()} {path}"]
                assert any(400 <= status < 500 for status in statuses), (method, path, statuses)
                if not any(status < 300 for status in statuses):
                    never.append((method, path, statuses))
    assert len(never) <= MOST_NEVER, never


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/jobs/{job_id}", "404"),
        ("/api/v1/keys", "200"),
        ("/api/v1/keys", "422"),
    ],
)
async def test_a_status_that_is_not_in_the_document_is_noticed(
    house: House, path: str, status: str
) -> None:
    document = copy.deepcopy(await document_of(house))
    url = f"http://127.0.0.1:{house.port}"
    answered, wrong = await asyncio.to_thread(ask, url, document, only=path)
    assert not wrong
    assert f"GET {path}" in answered
    del document["paths"][path]["get"]["responses"][status]
    _, wrong = await asyncio.to_thread(ask, url, document, only=path)
    assert [one for one in wrong if "status_code_conformance" in one]


async def test_a_field_that_is_not_as_documented_is_noticed(house: House) -> None:
    document = copy.deepcopy(await document_of(house))
    document["components"]["schemas"]["Health"]["properties"]["status"] = {"type": "integer"}
    url = f"http://127.0.0.1:{house.port}"
    _, wrong = await asyncio.to_thread(ask, url, document, only="/healthz")
    assert any("response_schema_conformance" in one for one in wrong)


async def test_a_server_error_is_noticed(house: House) -> None:
    async def fails() -> None:
        raise RuntimeError("a fault on purpose")

    house.store.ping = fails  # type: ignore[method-assign]
    url = f"http://127.0.0.1:{house.port}"
    _, wrong = await asyncio.to_thread(ask, url, await document_of(house), only="/readyz")
    assert any("not_a_server_error" in one for one in wrong)
