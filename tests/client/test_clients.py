"""Both clients make the same calls, read the same answers and raise the same errors."""

import inspect
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import httpx
import msgspec
import pytest

from hookferry.client import (
    ApiError,
    AsyncClient,
    Client,
    Delivery,
    NewEvent,
    Outcome,
    Page,
    Published,
    RetryPolicy,
    SynchronousWebhookFailed,
    UnexpectedAnswer,
    Unreachable,
    Vetoed,
    Webhook,
)
from hookferry.client.retrying import RETRIED_STATUSES
from hookferry.errors import HookferryError, InvalidField
from hookferry.settings import Settings
from hookferry.testing import Receiver

KEY = "hf_0123456789"
AT_ONCE = RetryPolicy(attempts=3, first_wait=0.0)
WEBHOOK = {
    "id": "wh_1",
    "number": 1,
    "name": "shop",
    "target_url": "https://shop.example/hooks",
    "events": ["order.*"],
    "state": "active",
    "profile": "standard",
    "secret": "whsec_********",
    "a_member_of_the_future": True,
}
DELIVERY = {"id": "dlv_1", "event": "evt_1", "webhook": "wh_1", "state": "failed"}
PROBLEM = {
    "type": "/docs#invalid_field",
    "title": "Unprocessable Content",
    "status": 422,
    "code": "invalid_field",
    "detail": "a name has no spaces",
    "field": "name",
}

Answer = tuple[int, Any] | httpx.Response
Use = Callable[[Any], Any]


class Api:
    """A stand-in for the API: gives prepared answers, remembers what it was asked."""

    def __init__(self, kind: type[Client | AsyncClient]) -> None:
        self._kind = kind
        self.asked: list[httpx.Request] = []
        self.answers: list[Answer] = []

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, httpx.Response):
            return answer
        status, document = answer
        kind = "application/json" if status < 400 else "application/problem+json"
        return httpx.Response(status, content=json.dumps(document), headers={"content-type": kind})

    async def use(self, use: Use, *answers: Answer, **settings: Any) -> Any:
        """Use a client of this kind while the API has these answers; return the result."""
        self.answers = list(answers)
        client = self._kind(
            "http://hookferry.test:8080/",
            api_key=KEY,
            transport=httpx.MockTransport(self._handle),
            **{"retry": AT_ONCE, **settings},
        )
        try:
            result = use(client)
            return await result if inspect.isawaitable(result) else result
        finally:
            if isinstance(client, Client):
                client.close()
            else:
                await client.aclose()

    async def items(self, use: Use, *answers: Answer, **settings: Any) -> list[Any]:
        """Iterate over a listing to its end."""

        async def everything(client: Any) -> list[Any]:
            listing = use(client)
            if isinstance(client, Client):
                return list(listing)
            return [item async for item in listing]

        found = await self.use(everything, *answers, **settings)
        assert isinstance(found, list)
        return found


@pytest.fixture(params=[Client, AsyncClient])
async def api(request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    stand_in = Api(request.param)
    yield stand_in
    assert stand_in.answers == [], "not every answer was fetched"


JOB = {"id": "job_1", "kind": "resend", "state": "running", "done": 3}
EVENT = {"id": "evt_1", "type": "a.b", "state": "matched", "received_at": "2026-01-31T09:30:00Z"}
STATS = {
    "since": "2026-01-31T09:30:00Z",
    "deliveries": {"delivered": 2},
    "total_calls": 3,
    "total_errors": 1,
    "consecutive_failures": 0,
}
CREDENTIAL = {"id": "cred_1", "name": "crm", "kind": "basic", "username": "u"}
SOURCE = {
    "id": "src_1",
    "name": "shop",
    "guid": "ab" * 20,
    "url": f"https://hooks.example/webhooks/{'ab' * 20}",
    "verify": {"preset": "github"},
    "secrets": [{"secret": "********", "expires_at": None}],
    "respond": {
        "status": 200,
        "headers": {},
        "body": "ok",
        "webhook": None,
        "automation": None,
        "deadline": 10.0,
        "late": {"status": 202, "headers": {}, "body": ""},
    },
    "version": 3,
}
SHARE = {"id": "0" * 16, "expires_at": "2026-01-31T09:30:00Z", "token": "hfs_x"}
AUTOMATION = {"id": "auto_1", "name": "a.b", "extension_id": "t", "script": "start:"}
AUTOMATION_EVENT = {"id": "wh_1", "name": "h", "events": ["a.*"], "automations_kata": "x:"}
RUN_ITEM = {
    "id": "run_1",
    "automation": "a.b",
    "exit": "error",
    "error": "no",
    "started_at": "2026-01-31T09:30:00Z",
    "duration_ms": 1.5,
}
LINE = {"at_ms": 1.0, "level": "warn", "node": "start:log.warn", "message": "m", "function": None}
TIMER = {"id": "tmr_1", "name": "nightly", "cron": "0 3 * * *", "automation": "a.b"}
PACKAGE = {
    "id": "pkg_1",
    "name": "Example",
    "tenant": "default",
    "revision": 1,
    "records": [{"type": "automation", "uid": "a", "id": "auto_1", "name": "a.b"}],
    "created_at": "2026-01-31T09:30:00Z",
    "updated_at": "2026-01-31T09:30:00Z",
    "version": 1,
}
IMPORTED = {
    "package": "Example",
    "revision": 1,
    "imported": True,
    "records": [
        {
            "type": "automation",
            "items": [
                {
                    "uid": "a",
                    "id": "auto_1",
                    "name": "a.b",
                    "outcome": "created",
                    "location": "/api/v1/automations/auto_1",
                    "url": None,
                }
            ],
        }
    ],
}
PLUGIN = {"name": "cerb.webhooks", "kind": "built_in", "enabled": False}
PRESET = {
    "name": "github",
    "title": "GitHub",
    "evidence": "V",
    "verified": True,
    "secret": "the webhook's secret",
    "scheme": {},
    "deduplicate": {"header": "X-GitHub-Delivery"},
    "event_type": "github.push",
}
CAUGHT = {
    "id": "req_1",
    "source": "src_1",
    "source_name": "shop",
    "received_at": "2026-01-31T09:30:00Z",
    "verdict": "quarantined",
    "reason": "mismatch",
    "method": "POST",
    "path": "/a",
    "status": 401,
}
REQUEST = {
    **CAUGHT,
    "headers": [{"name": "X-A", "value": "b", "base64": None}],
    "body": "{}",
    "body_size": 2,
}
REPLAYED = {"request": "req_1", "made": "req_2", "verdict": "accepted", "status": 204}
EVENT_TYPE = {"name": "a.create", "phase": "before", "schema": {"type": "object"}, "example": 1}
OUTCOME = {
    "webhook": "wh_1",
    "name": "shop",
    "delivery": "dlv_1",
    "mode": "sync_critical",
    "outcome": "delivered",
    "status": 200,
    "detail": None,
    "duration_ms": 3.5,
}
MATCH = {
    "webhook": "wh_1",
    "name": "shop",
    "matches": False,
    "sends": False,
    "steps": [{"name": "condition", "passed": False, "detail": "the condition does not hold"}],
    "condition": [
        {
            "at": "condition",
            "path": "data.n",
            "op": "greater",
            "value": "5",
            "there": True,
            "seen": "1",
            "holds": False,
        }
    ],
    "webhook_changed_at": None,
    "match_error": None,
    "delivery": {"id": "dlv_1", "state": "skipped", "attempts": 0},
}
SINCE = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)


def listed(document: object) -> dict[str, object]:
    return {"items": [document], "next": None}


CALLS: list[tuple[Use, Any, str, Any]] = [
    (
        lambda c: c.webhooks.create("shop", "https://x.example", ["a.*"], profile="raw"),
        WEBHOOK,
        "POST webhooks",
        {
            "name": "shop",
            "target_url": "https://x.example",
            "events": ["a.*"],
            "profile": "raw",
        },
    ),
    (lambda c: c.webhooks.get("wh_1"), WEBHOOK, "GET webhooks/wh_1", None),
    (
        lambda c: c.webhooks.patch("wh_1", {"title": "T", "retry": None}),
        WEBHOOK,
        "PATCH webhooks/wh_1",
        {"title": "T", "retry": None},
    ),
    (lambda c: c.webhooks.delete("wh_1"), None, "DELETE webhooks/wh_1", None),
    (lambda c: c.webhooks.pause("wh_1"), WEBHOOK, "POST webhooks/wh_1/pause", None),
    (lambda c: c.webhooks.resume("wh_1"), WEBHOOK, "POST webhooks/wh_1/resume", None),
    (lambda c: c.webhooks.stop("wh_1"), WEBHOOK, "POST webhooks/wh_1/stop", None),
    (lambda c: c.webhooks.restart("wh_1"), WEBHOOK, "POST webhooks/wh_1/restart", None),
    (
        lambda c: c.webhooks.recover("wh_1", SINCE),
        JOB,
        "POST webhooks/wh_1/recover",
        {"since": "2026-01-31T09:30:00Z"},
    ),
    (lambda c: c.webhooks.secret("wh_1"), {"secret": "s"}, "GET webhooks/wh_1/secret", None),
    (
        lambda c: c.webhooks.rotate_secret("wh_1", overlap=0),
        WEBHOOK,
        "POST webhooks/wh_1/secret",
        {"overlap": 0},
    ),
    (
        lambda c: c.webhooks.stats("wh_1", hours=2),
        STATS,
        "GET webhooks/wh_1/stats?hours=2",
        None,
    ),
    (
        lambda c: c.webhooks.last_error("wh_1"),
        {"error": "timeout", "at": None},
        "GET webhooks/wh_1/last_error",
        None,
    ),
    (lambda c: c.webhooks.test("wh_1"), {"success": True}, "POST webhooks/wh_1/test", None),
    (
        lambda c: c.webhooks.test({"name": "x"}),
        {"success": False, "error": "dns_failed"},
        "POST webhooks/test",
        {"name": "x"},
    ),
    (lambda c: c.events.get("evt_1"), EVENT, "GET events/evt_1", None),
    (
        lambda c: c.events.replay("evt_1", webhooks=["wh_2"]),
        listed(DELIVERY),
        "POST events/evt_1/replay",
        {"webhooks": ["wh_2"]},
    ),
    (lambda c: c.events.replay("evt_1"), listed(DELIVERY), "POST events/evt_1/replay", {}),
    (lambda c: c.deliveries.get("dlv_1"), DELIVERY, "GET deliveries/dlv_1", None),
    (lambda c: c.deliveries.resend("dlv_1"), DELIVERY, "POST deliveries/dlv_1/resend", None),
    (lambda c: c.deliveries.cancel("dlv_1"), DELIVERY, "POST deliveries/dlv_1/cancel", None),
    (
        lambda c: c.deliveries.resend_where(webhook="wh_1", state="failed", after=SINCE),
        JOB,
        "POST deliveries/resend",
        {"filter": {"webhook": "wh_1", "state": "failed", "after": "2026-01-31T09:30:00Z"}},
    ),
    (
        lambda c: c.deliveries.resend_many(["dlv_1"]),
        {"changed": ["dlv_1"]},
        "POST deliveries/resend",
        {"ids": ["dlv_1"]},
    ),
    (
        lambda c: c.deliveries.attempt_body("dlv_1", "att_1"),
        b"<a/>",
        "GET deliveries/dlv_1/attempts/att_1/body",
        None,
    ),
    (
        lambda c: c.webhooks.create(
            "shop", "https://x.example", ["a"], mode="sync", channels=["x"], credential="crm"
        ),
        {**WEBHOOK, "mode": "sync", "channels": ["x"], "credential": "cred_1"},
        "POST webhooks",
        {
            "name": "shop",
            "target_url": "https://x.example",
            "events": ["a"],
            "mode": "sync",
            "channels": ["x"],
            "credential": "crm",
        },
    ),
    (
        lambda c: c.credentials.create("crm", "basic", username="u", password="p"),
        CREDENTIAL,
        "POST credentials",
        {"name": "crm", "kind": "basic", "username": "u", "password": "p"},
    ),
    (lambda c: c.credentials.get("cred_1"), CREDENTIAL, "GET credentials/cred_1", None),
    (
        lambda c: c.credentials.patch("cred_1", {"password": "q", "description": None}),
        CREDENTIAL,
        "PATCH credentials/cred_1",
        {"password": "q", "description": None},
    ),
    (lambda c: c.credentials.delete("cred_1"), None, "DELETE credentials/cred_1", None),
    (
        lambda c: c.sources.create(
            "shop", verify={"preset": "github", "secret": "s"}, respond={"status": 200}
        ),
        SOURCE,
        "POST sources",
        {
            "name": "shop",
            "verify": {"preset": "github", "secret": "s"},
            "respond": {"status": 200},
        },
    ),
    (
        lambda c: c.sources.create_bin(expires_at=SINCE, keep=5),
        {**SOURCE, "bin": True},
        "POST sources",
        {"bin": True, "expires_at": "2026-01-31T09:30:00Z", "keep": 5},
    ),
    (lambda c: c.sources.create_bin(), SOURCE, "POST sources", {"bin": True}),
    (lambda c: c.sources.get("src_1"), SOURCE, "GET sources/src_1", None),
    (
        lambda c: c.sources.patch("src_1", {"draft": True, "window": None}),
        SOURCE,
        "PATCH sources/src_1",
        {"draft": True, "window": None},
    ),
    (lambda c: c.sources.delete("src_1"), None, "DELETE sources/src_1", None),
    (
        lambda c: c.sources.rotate("src_1", overlap=0),
        SOURCE,
        "POST sources/src_1/rotate",
        {"overlap": 0},
    ),
    (
        lambda c: c.sources.rotate_secret("src_1", "new"),
        SOURCE,
        "POST sources/src_1/secret",
        {"secret": "new"},
    ),
    (
        lambda c: c.sources.rotate_secret("src_1", "new", beside=True),
        SOURCE,
        "POST sources/src_1/secret",
        {"secret": "new", "beside": True},
    ),
    (
        lambda c: c.sources.stats("src_1", hours=168),
        {"since": "2026-01-31T09:30:00Z", "requests": {"accepted": 2}, "silent": True},
        "GET sources/src_1/stats?hours=168",
        None,
    ),
    (
        lambda c: c.sources.share("src_1", days=1),
        SHARE,
        "POST sources/src_1/shares",
        {"days": 1},
    ),
    (
        lambda c: c.sources.unshare("src_1", "00ff"),
        None,
        "DELETE sources/src_1/shares/00ff",
        None,
    ),
    (lambda c: c.requests.get("req_1"), REQUEST, "GET requests/req_1", None),
    (
        lambda c: c.requests.get("req_1", reveal=True),
        REQUEST,
        "GET requests/req_1?reveal=true",
        None,
    ),
    (lambda c: c.requests.raw("req_1"), b"\x00\xff", "GET requests/req_1/raw", None),
    (
        lambda c: c.requests.compare("req_1", "req_2"),
        {
            "same": False,
            "request_line": [{"at": "path", "change": "changed", "before": "/a", "after": "/b"}],
            "body": {
                "same": True,
                "form": "json",
                "sizes": [2, 2],
                "changes": [],
                "diff": None,
                "offset": None,
                "before": None,
                "after": None,
                "truncated": False,
            },
        },
        "GET requests/req_1/compare/req_2",
        None,
    ),
    (
        lambda c: c.requests.replay("req_1"),
        REPLAYED,
        "POST requests/req_1/replay",
        {"to": "pipeline"},
    ),
    (
        lambda c: c.requests.replay("req_1", target_url="https://x.example"),
        {"request": "req_1", "error": "timeout", "detail": "late"},
        "POST requests/req_1/replay",
        {"to": "url", "target_url": "https://x.example"},
    ),
    (
        lambda c: c.requests.replay_where({"verdict": "filtered"}, limit=5, cursor="c"),
        {"items": [], "next": "c2"},
        "POST requests/replay",
        {"to": "pipeline", "filter": {"verdict": "filtered"}, "limit": 5, "cursor": "c"},
    ),
    (
        lambda c: c.requests.verify("req_1"),
        {
            "genuine": False,
            "reason": "mismatch",
            "detail": "another secret",
            "algorithm": "hmac-sha256",
            "trials": [],
        },
        "POST requests/req_1/verify",
        None,
    ),
    (lambda c: c.requests.release("req_1"), REPLAYED, "POST requests/req_1/release", None),
    (lambda c: c.event_types.get("a.create"), EVENT_TYPE, "GET event_types/a.create", None),
    (
        lambda c: c.event_types.put("a.create", phase="before", schema={"type": "object"}),
        EVENT_TYPE,
        "PUT event_types/a.create",
        {"phase": "before", "schema": {"type": "object"}},
    ),
    (
        lambda c: c.event_types.archive("a.create"),
        {**EVENT_TYPE, "archived": True},
        "POST event_types/a.create/archive",
        None,
    ),
    (
        lambda c: c.event_types.send_example("a.create"),
        {"id": "evt_1", "deliveries": 1, "duplicate": False, "outcomes": [OUTCOME]},
        "POST event_types/a.create/example",
        None,
    ),
    (
        lambda c: c.event_types.asyncapi(application="crm"),
        {"asyncapi": "3.0.0"},
        "GET asyncapi?application=crm",
        None,
    ),
    (
        lambda c: c.automations.create("a.b", "t", script="start:", policy_kata=None),
        AUTOMATION,
        "POST automations",
        {"name": "a.b", "extension_id": "t", "script": "start:", "policy_kata": None},
    ),
    (lambda c: c.automations.get("auto_1"), AUTOMATION, "GET automations/auto_1", None),
    (
        lambda c: c.automations.patch("auto_1", {"description": None}),
        AUTOMATION,
        "PATCH automations/auto_1",
        {"description": None},
    ),
    (lambda c: c.automations.delete("auto_1"), None, "DELETE automations/auto_1", None),
    (
        lambda c: c.automations.simulate("auto_1", inputs={"n": 1}),
        {
            "exit": "return",
            "output": {"__exit": "return"},
            "answer": {"status": 200, "headers": {}, "body": "x", "body_base64": None},
            "log": [LINE],
            "steps": [
                {"at_ms": 0.5, "node": "s", "command": "set", "duration_ms": 1, "function": None}
            ],
        },
        "POST automations/auto_1/simulate",
        {"inputs": {"n": 1}},
    ),
    (
        lambda c: c.automation_events.create("h", ["a.*"], "x:", mode="sync"),
        AUTOMATION_EVENT,
        "POST automation_events",
        {"name": "h", "events": ["a.*"], "automations_kata": "x:", "mode": "sync"},
    ),
    (
        lambda c: c.automation_events.get("wh_1"),
        AUTOMATION_EVENT,
        "GET automation_events/wh_1",
        None,
    ),
    (
        lambda c: c.automation_events.patch("wh_1", {"events": ["b"]}),
        AUTOMATION_EVENT,
        "PATCH automation_events/wh_1",
        {"events": ["b"]},
    ),
    (lambda c: c.automation_events.delete("wh_1"), None, "DELETE automation_events/wh_1", None),
    (
        lambda c: c.runs.get("run_1"),
        {**RUN_ITEM, "returned": {"status_code": 200}, "log": [LINE], "steps_dropped": 3},
        "GET runs/run_1",
        None,
    ),
    (
        lambda c: c.timers.create("nightly", "0 3 * * *", automation="a.b", inputs={"n": None}),
        TIMER,
        "POST timers",
        {"name": "nightly", "cron": "0 3 * * *", "automation": "a.b", "inputs": {"n": None}},
    ),
    (lambda c: c.timers.get("tmr_1"), TIMER, "GET timers/tmr_1", None),
    (
        lambda c: c.timers.patch("tmr_1", {"enabled": False}),
        TIMER,
        "PATCH timers/tmr_1",
        {"enabled": False},
    ),
    (lambda c: c.timers.delete("tmr_1"), None, "DELETE timers/tmr_1", None),
    (lambda c: c.timers.fire("tmr_1"), {"event": "evt_1"}, "POST timers/tmr_1/fire", None),
    (
        lambda c: c.packages.import_({"package": {}, "records": []}, {"k": "v"}),
        IMPORTED,
        "POST packages/import",
        {"package": {"package": {}, "records": []}, "prompts": {"k": "v"}},
    ),
    (
        lambda c: c.packages.import_from_library("echo"),
        IMPORTED,
        "POST packages/import",
        {"library": "echo"},
    ),
    (
        lambda c: c.packages.export("mine", ["auto_1"], revision=2),
        {"package": {"name": "mine"}, "records": []},
        "POST packages/export",
        {"name": "mine", "records": ["auto_1"], "revision": 2},
    ),
    (lambda c: c.packages.get("pkg_1"), PACKAGE, "GET packages/pkg_1", None),
    (lambda c: c.packages.forget("pkg_1"), None, "DELETE packages/pkg_1", None),
    (
        lambda c: c.packages.from_library("echo"),
        {"package": {"name": "echo"}, "records": []},
        "GET packages/library/echo",
        None,
    ),
    (lambda c: c.plugins.get("cerb.webhooks"), PLUGIN, "GET plugins/cerb.webhooks", None),
    (lambda c: c.plugins.enable("a b"), PLUGIN, "POST plugins/a%20b/enable", None),
    (lambda c: c.plugins.disable("x"), PLUGIN, "POST plugins/x/disable", None),
    (lambda c: c.jobs.get("job_1"), JOB, "GET jobs/job_1", None),
    (
        lambda c: c.keys.create("ci", tenant="acme"),
        {"id": "key_1", "name": "ci", "tenant": "acme", "key": "hf_x"},
        "POST keys",
        {"name": "ci", "tenant": "acme"},
    ),
    (lambda c: c.keys.get("key_1"), {"id": "key_1", "name": "ci"}, "GET keys/key_1", None),
    (lambda c: c.keys.delete("key_1"), None, "DELETE keys/key_1", None),
    (lambda c: c.tenants.get("acme"), {"name": "acme"}, "GET tenants/acme", None),
    (
        lambda c: c.tenants.put("acme", strict_types=True),
        {"name": "acme", "strict_types": True},
        "PUT tenants/acme",
        {"strict_types": True},
    ),
    (lambda c: c.tenants.delete("acme"), None, "DELETE tenants/acme", None),
]


@pytest.mark.parametrize(("use", "answer", "request_line", "body"), CALLS)
async def test_each_call_goes_to_its_address_with_its_body_and_reads_its_answer(
    api: Api, use: Use, answer: Any, request_line: str, body: Any
) -> None:
    response: Answer = (200, answer)
    if answer is None:
        response = httpx.Response(204)
    elif isinstance(answer, bytes):
        response = httpx.Response(200, content=answer)
    result = await api.use(use, response)
    [asked] = api.asked
    assert f"{asked.method} {asked.url.raw_path.decode()}" == request_line.replace(
        " ", " /api/v1/", 1
    )
    assert asked.url.host == "hookferry.test"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert (json.loads(asked.content) if asked.content else None) == body
    assert ("idempotency-key" in asked.headers) == (asked.method == "POST")
    if answer is None or isinstance(answer, bytes):
        assert result == answer
    elif isinstance(result, Page):
        assert result.items == [Delivery(**DELIVERY)]  # type: ignore[arg-type]
    else:
        read = msgspec.json.decode(msgspec.json.encode(result))
        expected = {k: v for k, v in answer.items() if k != "a_member_of_the_future"}
        assert {k: read[k] for k in expected} == expected


LISTS: list[tuple[Use, Any, str]] = [
    (lambda c: c.webhooks.list(limit=10), WEBHOOK, "webhooks?limit=10"),
    (
        lambda c: c.events.list(type="a.b", state="matched", after=SINCE, before=SINCE),
        EVENT,
        "events?type=a.b&state=matched&after=2026-01-31T09%3A30%3A00%2B00%3A00"
        "&before=2026-01-31T09%3A30%3A00%2B00%3A00",
    ),
    (lambda c: c.events.deliveries("evt_1"), DELIVERY, "events/evt_1/deliveries"),
    (
        lambda c: c.deliveries.list(webhook="wh_1", status_code=500, text="a&b"),
        DELIVERY,
        "deliveries?webhook=wh_1&status_code=500&text=a%26b",
    ),
    (
        lambda c: c.deliveries.attempts("dlv_1"),
        {"id": "att_1", "number": 1, "success": False, "error": "timeout"},
        "deliveries/dlv_1/attempts",
    ),
    (
        lambda c: c.events.matches("evt_1", webhook="wh_1"),
        MATCH,
        "events/evt_1/matches?webhook=wh_1",
    ),
    (lambda c: c.credentials.list(), CREDENTIAL, "credentials"),
    (
        lambda c: c.automations.list(name="a.b", extension_id="t"),
        {name: value for name, value in AUTOMATION.items() if name != "script"},
        "automations?name=a.b&extension_id=t",
    ),
    (
        lambda c: c.automations.runs("auto_1", exit="error"),
        RUN_ITEM,
        "automations/auto_1/runs?exit=error",
    ),
    (
        lambda c: c.runs.list(automation="auto_1", event="evt_1", after=SINCE),
        RUN_ITEM,
        "runs?automation=auto_1&event=evt_1&after=2026-01-31T09%3A30%3A00%2B00%3A00",
    ),
    (lambda c: c.automation_events.list(name="h"), AUTOMATION_EVENT, "automation_events?name=h"),
    (lambda c: c.timers.list(enabled=True), TIMER, "timers?enabled=true"),
    (lambda c: c.packages.list(limit=5), PACKAGE, "packages?limit=5"),
    (
        lambda c: c.packages.library(),
        {"name": "echo", "title": "Echo", "description": "Answers."},
        "packages/library",
    ),
    (lambda c: c.plugins.list(), PLUGIN, "plugins"),
    (
        lambda c: c.sources.list(name="shop", enabled=True, bin=False),
        SOURCE,
        "sources?name=shop&enabled=true&bin=false",
    ),
    (lambda c: c.sources.shares("src_1"), {**SHARE, "token": None}, "sources/src_1/shares"),
    (lambda c: c.sources.presets(), PRESET, "source_presets"),
    (
        lambda c: c.requests.list(
            source="src_1",
            verdict="quarantined,rejected",
            header="x-a:b",
            after=SINCE,
            where={"path": "data.n", "op": "exists"},
        ),
        CAUGHT,
        "requests?source=src_1&verdict=quarantined%2Crejected&header=x-a%3Ab"
        "&after=2026-01-31T09%3A30%3A00%2B00%3A00"
        "&where=%7B%22path%22%3A%22data.n%22%2C%22op%22%3A%22exists%22%7D",
    ),
    (
        lambda c: c.event_types.list(application="crm"),
        EVENT_TYPE,
        "event_types?application=crm",
    ),
    (
        lambda c: c.event_types.applications(),
        {"name": "crm", "event_types": ["a.create"]},
        "applications",
    ),
    (lambda c: c.keys.list(), {"id": "key_1", "name": "ci"}, "keys"),
    (lambda c: c.tenants.list(), {"name": "acme"}, "tenants"),
]


@pytest.mark.parametrize(("use", "document", "request_line"), LISTS)
async def test_lists_are_fetched_page_by_page_as_iteration_reaches_them(
    api: Api, use: Use, document: Any, request_line: str
) -> None:
    first = {"items": [document, document], "next": "cursor=2"}
    items = await api.items(use, (200, first), (200, {"items": [document], "next": None}))
    assert len(items) == 3
    assert len(set(map(repr, items))) == 1
    one, two = (r.url.raw_path.decode().removeprefix("/api/v1/") for r in api.asked)
    assert one == request_line
    assert two == request_line + ("&" if "?" in request_line else "?") + "cursor=cursor%3D2"


async def test_a_single_page_can_be_had_with_its_cursor(api: Api) -> None:
    page = await api.use(
        lambda c: c.webhooks.list(cursor="x").page(), (200, {"items": [WEBHOOK], "next": "y"})
    )
    assert page.next == "y"
    assert isinstance(page.items[0], Webhook)
    assert api.asked[0].url.query == b"cursor=x"


async def test_publishing_sends_what_was_given_and_data_bytes_as_they_are(api: Api) -> None:
    accepted = (202, {"id": "evt_1", "deliveries": 2, "duplicate": False})
    result = await api.use(
        lambda c: c.publish(
            "order.paid", {"id": 17}, id="mine", actor={"id": 1, "name": "A"}, occurred_at=SINCE
        ),
        accepted,
    )
    assert result == Published(id="evt_1", deliveries=2)
    assert json.loads(api.asked[0].content) == {
        "type": "order.paid",
        "data": {"id": 17},
        "id": "mine",
        "actor": {"id": 1, "name": "A"},
        "occurred_at": "2026-01-31T09:30:00Z",
    }
    await api.use(lambda c: c.publish("order.paid", b'{"a": 1.0}'), accepted)
    assert api.asked[1].content == b'{"type":"order.paid","data":{"a": 1.0}}'
    await api.use(lambda c: c.publish("order.paid", None), accepted)
    assert api.asked[2].content == b'{"type":"order.paid","data":null}'


async def test_a_batch_tells_of_each_event_whether_it_was_accepted(api: Api) -> None:
    rows = [{"id": "evt_1", "deliveries": 1, "duplicate": True}, PROBLEM]
    results = await api.use(
        lambda c: c.publish_batch(
            [NewEvent(type="a", data=1), NewEvent(type="b c", data=b"[ ]", tenant="acme")]
        ),
        (207, rows),
    )
    assert results[0] == Published(id="evt_1", deliveries=1, duplicate=True)
    assert isinstance(results[1], ApiError)
    assert (results[1].code, results[1].field) == ("invalid_field", "name")
    assert api.asked[0].url.path == "/api/v1/events/batch"
    assert (
        api.asked[0].content == b'[{"type":"a","data":1},{"type":"b c","data":[ ],"tenant":"acme"}]'
    )


@pytest.mark.parametrize(
    ("code", "kind"),
    [("vetoed", Vetoed), ("synchronous_webhook_failed", SynchronousWebhookFailed)],
)
async def test_a_refusing_webhook_raises_with_its_own_words_and_is_final(
    api: Api, code: str, kind: type[Exception]
) -> None:
    refused = {**OUTCOME, "outcome": "vetoed", "status": 403, "detail": "Sold out"}
    problem = {"status": 424, "code": code, "detail": "Sold out", "id": "evt_1"}
    with pytest.raises(SynchronousWebhookFailed) as caught:
        await api.use(lambda c: c.publish("a.create", 1), (424, {**problem, "outcomes": [refused]}))
    error = caught.value
    assert type(error) is kind
    assert isinstance(error, ApiError)
    assert (error.status, error.code, error.detail, error.id) == (424, code, "Sold out", "evt_1")
    assert error.outcomes == (Outcome(**refused),)  # type: ignore[arg-type]
    assert len(api.asked) == 1
    with pytest.raises(kind) as strange:
        await api.use(lambda c: c.publish("a.create", 1), (424, {**problem, "outcomes": ["new"]}))
    assert isinstance(strange.value, SynchronousWebhookFailed)
    assert (strange.value.outcomes, strange.value.document["outcomes"]) == ((), ["new"])


async def test_what_waits_for_receivers_may_take_as_long_as_they_unless_told_otherwise(
    api: Api,
) -> None:
    accepted = (202, {"id": "evt_1", "deliveries": 0})
    await api.use(lambda c: c.publish("a", 1), accepted)
    await api.use(lambda c: c.webhooks.create("s", "https://x.example", ["a"]), (201, WEBHOOK))
    await api.use(lambda c: c.webhooks.get("wh_1"), (200, WEBHOOK))
    await api.use(lambda c: c.publish("a", 1), accepted, timeout=2.0)
    patience = [asked.extensions["timeout"] for asked in api.asked]
    longest = Settings().attempt_timeout_max
    assert [p["read"] for p in patience] == [30 + longest, 30 + longest, 30, 2]
    assert {p["connect"] for p in patience} == {30, 2}


async def test_credentials_are_read_and_not_printed(api: Api) -> None:
    webhook = await api.use(
        lambda c: c.webhooks.create("shop", "https://x.example", ["*"]),
        (201, {**WEBHOOK, "secret": "whsec_very_secret"}),
    )
    key = await api.use(
        lambda c: c.keys.create("ci"), (201, {"id": "key_1", "name": "ci", "key": "hf_very_secret"})
    )
    secret = await api.use(lambda c: c.webhooks.secret("wh_1"), (200, {"secret": "very_secret"}))
    assert (webhook.secret, key.key, secret.secret) == (
        "whsec_very_secret",
        "hf_very_secret",
        "very_secret",
    )
    for answer in (webhook, key, secret):
        for shown in (repr(answer), str(answer), repr(list(answer.__rich_repr__()))):
            assert "********" in shown
            assert "very_secret" not in shown
    assert "name='shop'" in repr(webhook)


async def test_an_events_data_can_be_had_byte_for_byte(api: Api) -> None:
    data = await api.use(lambda c: c.events.data("evt_1"), httpx.Response(200, content=b"[1.0 ]"))
    assert data == b"[1.0 ]"
    assert api.asked[0].url.path == "/api/v1/events/evt_1/data"


async def test_a_problem_document_becomes_a_typed_error(api: Api) -> None:
    with pytest.raises(ApiError) as refused:
        await api.use(lambda c: c.webhooks.get("wh_1"), (422, PROBLEM))
    error = refused.value
    assert isinstance(error, HookferryError)
    assert (error.status, error.code, error.field) == (422, "invalid_field", "name")
    assert error.detail == "a name has no spaces"
    assert error.document == PROBLEM
    assert str(error) == "422 invalid_field: a name has no spaces"


@pytest.mark.parametrize(
    ("status", "content", "content_type"),
    [
        (404, b"<html>" + b"x" * 1000, "text/html"),
        (302, b"", "text/plain"),
        (500, b"{", "application/problem+json"),
    ],
)
async def test_what_is_not_hookferrys_answer_is_an_error_that_says_so(
    api: Api, status: int, content: bytes, content_type: str
) -> None:
    headers = {"content-type": content_type, "location": "http://elsewhere.test/"}
    with pytest.raises(ApiError, match="base URL") as refused:
        await api.use(
            lambda c: c.webhooks.get("wh_1"),
            httpx.Response(status, content=content, headers=headers),
        )
    assert refused.value.code == f"http_{status}"
    assert len(refused.value.detail) < 400
    assert len(api.asked) == 1  # a redirect is not followed: the key stays here


async def test_a_success_that_can_not_be_read_says_so(api: Api) -> None:
    with pytest.raises(UnexpectedAnswer, match="versions"):
        await api.use(lambda c: c.webhooks.get("wh_1"), (200, {"id": 5}))


async def test_ids_and_names_stay_in_their_path_segment(api: Api) -> None:
    await api.use(lambda c: c.tenants.get("../a/b?c#d%"), (200, {"name": "x"}))
    assert api.asked[0].url.raw_path == b"/api/v1/tenants/..%2Fa%2Fb%3Fc%23d%25"


async def test_the_tenant_goes_with_calls_that_are_about_a_tenants_things(api: Api) -> None:
    await api.use(lambda c: c.webhooks.get("wh_1"), (200, WEBHOOK), tenant="acme")
    await api.use(
        lambda c: c.publish("a", 1), (202, {"id": "evt_1", "deliveries": 0}), tenant="acme"
    )
    await api.use(lambda c: c.tenants.get("acme"), (200, {"name": "acme"}), tenant="acme")
    assert [r.url.query for r in api.asked] == [b"tenant=acme", b"tenant=acme", b""]


async def test_a_version_seen_is_insisted_on(api: Api) -> None:
    await api.use(lambda c: c.webhooks.patch("wh_1", {}, version=3), (200, WEBHOOK))
    await api.use(lambda c: c.webhooks.delete("wh_1", version=4), httpx.Response(204))
    await api.use(lambda c: c.tenants.put("acme", version=5), (200, {"name": "acme"}))
    assert [r.headers["if-match"] for r in api.asked] == ['"3"', '"4"', '"5"']


# --------------------------------------------------------------------------- retries


async def test_a_server_that_says_later_is_asked_again_with_the_same_idempotency_key(
    api: Api,
) -> None:
    later = httpx.Response(503, headers={"retry-after": "0"})
    result = await api.use(
        lambda c: c.publish("a", 1), later, later, (202, {"id": "evt_1", "deliveries": 0})
    )
    assert result.id == "evt_1"
    assert len({r.headers["idempotency-key"] for r in api.asked}) == 1
    assert len({r.content for r in api.asked}) == 1
    await api.use(lambda c: c.publish("a", 1), (202, {"id": "evt_2", "deliveries": 0}))
    assert len({r.headers["idempotency-key"] for r in api.asked}) == 2  # another publish, another


async def test_a_repeat_that_meets_its_own_first_try_still_running_waits_for_it(api: Api) -> None:
    running = (409, {"status": 409, "code": "idempotency_in_progress", "detail": "wait"})
    result = await api.use(
        lambda c: c.publish("a", 1), running, (202, {"id": "evt_1", "deliveries": 0})
    )
    assert result.id == "evt_1"


async def test_a_repeat_waits_for_its_first_try_as_long_as_receivers_may_take_and_no_longer(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = (409, {"status": 409, "code": "idempotency_in_progress", "detail": "wait"})
    accepted = (202, {"id": "evt_1", "deliveries": 0})
    assert (await api.use(lambda c: c.publish("a", 1), *[running] * 9, accepted)).id == "evt_1"
    assert len({r.headers["idempotency-key"] for r in api.asked}) == 1
    with pytest.raises(ApiError, match="idempotency_in_progress"):
        await api.use(lambda c: c.publish("a", 1), running, retry=RetryPolicy(attempts=1))
    with pytest.raises(ApiError, match="idempotency_in_progress"):  # no receiver is asked by this
        await api.use(lambda c: c.deliveries.resend("dlv_1"), *[running] * AT_ONCE.attempts)
    monkeypatch.setattr("hookferry.client.sessions.RECEIVER_SECONDS", 0.0)
    with pytest.raises(ApiError, match="idempotency_in_progress"):
        await api.use(lambda c: c.publish("a", 1), *[running] * AT_ONCE.attempts)


async def test_after_the_last_attempt_the_refusal_is_raised(api: Api) -> None:
    problem = (503, {"status": 503, "code": "storage_full", "detail": "the disk is full"})
    with pytest.raises(ApiError) as refused:
        await api.use(lambda c: c.publish("a", 1), problem, problem, problem)
    assert refused.value.code == "storage_full"
    assert len(api.asked) == 3


async def test_other_refusals_are_not_repeated(api: Api) -> None:
    for status in {400, 401, 403, 404, 409, 412, 413, 422, 500}:
        with pytest.raises(ApiError):
            await api.use(lambda c: c.publish("a", 1), (status, {"code": "x"}))


@pytest.mark.parametrize("kind", [Client, AsyncClient])
async def test_a_broken_connection_is_tried_again_over_real_sockets(kind: Any) -> None:
    async with Receiver() as server:
        server.answer(202, body=b'{"id":"evt_1","deliveries":0}')
        server.close_next(2)
        client = kind(server.url, api_key=KEY, retry=AT_ONCE)
        result = client.publish("a", 1)
        result = await result if inspect.isawaitable(result) else result
        assert result.id == "evt_1"
        keys = {r.header("idempotency-key") for r in server.requests}
        assert (len(server.requests), len(keys)) == (3, 1)
        server.close_next(3)
        with pytest.raises(Unreachable, match="after 3 attempts") as failed:
            again = client.publish("a", 1)
            await again if inspect.isawaitable(again) else None
        assert isinstance(failed.value.__cause__, httpx.TransportError)
        assert KEY not in str(failed.value)
        await client.aclose() if isinstance(client, AsyncClient) else client.close()


async def test_clients_are_context_managers_that_close_their_connections() -> None:
    async with Receiver() as server:
        server.answer(200, body=json.dumps(WEBHOOK).encode())
        with Client(server.url, api_key=KEY) as client:
            client.webhooks.get("wh_1")
        with pytest.raises(RuntimeError, match="closed"):
            client.webhooks.get("wh_1")
        async with AsyncClient(server.url, api_key=KEY) as other:
            await other.webhooks.get("wh_1")
        with pytest.raises(RuntimeError, match="closed"):
            await other.webhooks.get("wh_1")


def test_waits_double_up_to_a_limit_with_luck_spread_over_them() -> None:
    policy = RetryPolicy(attempts=8, first_wait=0.25, longest_wait=2.0)
    assert [policy.wait_before(n, None, luck=1.0) for n in range(1, 9)] == [
        0.25,
        0.5,
        1.0,
        2.0,
        2.0,
        2.0,
        2.0,
        None,
    ]
    assert policy.wait_before(1, None, luck=0.0) == 0.0
    waits = {policy.wait_before(3, None) for _ in range(100)}
    assert len(waits) > 90
    assert all(w is not None and 0 <= w <= 1.0 for w in waits)


def test_retry_after_is_waited_for_in_seconds_or_until_a_date_unless_it_is_too_long() -> None:
    policy = RetryPolicy(longest_retry_after=60)

    def wait(text: str) -> float | None:
        answer = httpx.Response(503, headers={"retry-after": text})
        return policy.wait_before(1, answer, luck=0.0)

    assert wait("7") == 7.0
    assert wait("61") is None
    soon = wait(format_datetime(datetime.fromtimestamp(datetime.now(UTC).timestamp() + 30, UTC)))
    assert soon is not None
    assert 25 < soon <= 30
    assert wait("Thu, 01 Jan 1970 00:00:00 GMT") == 0.0
    assert wait("Thu, 01 Jan 1970 00:00:00 -0000") == 0.0
    assert wait("soon") == 0.0
    assert wait("-1") == 0.0
    for status in range(200, 600):
        repeated = policy.wait_before(1, httpx.Response(status)) is not None
        assert repeated == (status in RETRIED_STATUSES)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("base_url", "api_key", "field"),
    [
        ("127.0.0.1:8080", KEY, "base_url"),
        ("ftp://127.0.0.1", KEY, "base_url"),
        ("", KEY, "base_url"),
        ("http://127.0.0.1:8080", "", "api_key"),
        ("http://127.0.0.1:8080", KEY + "\n", "api_key"),
        ("http://127.0.0.1:8080", "ключ", "api_key"),
    ],
)
def test_a_wrong_url_or_key_is_refused_when_the_client_is_made(
    kind: Any, base_url: str, api_key: str, field: str
) -> None:
    with pytest.raises(InvalidField) as refused:
        kind(base_url, api_key=api_key)
    assert refused.value.field == field


def test_methods_keep_their_documentation() -> None:
    client = Client(api_key=KEY)
    assert "stored durably" in (client.publish.__doc__ or "")
    assert "signing secret" in (client.webhooks.secret.__doc__ or "")
    assert "newest first" in (type(client.webhooks).list.__doc__ or "")
    client.close()
