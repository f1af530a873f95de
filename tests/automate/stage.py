"""Scripts that run whole: automations of a ledger in memory, with everything but a server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from automate.kit import Office
from hookferry.automate.acting import Services
from hookferry.automate.actions.events import Events
from hookferry.automate.actions.queries import Queries
from hookferry.automate.actions.requests import Requests
from hookferry.automate.actions.storage import Storage
from hookferry.automate.plugins import Plugins
from hookferry.automate.running import Chosen, Ended, RunLimits, Running
from hookferry.automate.simulator import Simulator
from hookferry.clock import SystemClock
from hookferry.domain.automation import Automation
from hookferry.domain.credential import Credential
from hookferry.domain.event import Event, EventMeta
from hookferry.domain.request import Caught
from hookferry.domain.tenant import Tenant
from hookferry.domain.webhook import AUTOMATION, Webhook
from hookferry.transport.port import Outcome, Request, Transport
from hookferry.wire.bodies import first_value, form_of

ALL = "commands:\n  all:\n    allow: yes\n"
TENANT = Tenant(id=1, name="default")
WEBHOOK = Webhook(
    id=5, tenant_id=1, number=1, name="w", target_url="", events=("*",), type=AUTOMATION
)


class Line:
    """A transport that answers as a test says, and keeps what was sent."""

    def __init__(self) -> None:
        self.sent: list[Request] = []
        self.answers: Callable[[Request], Outcome | None] = lambda _: saying(200)

    def send(self, request: Request, done: Callable[[Outcome], None]) -> None:
        self.sent.append(request)
        outcome = self.answers(request)
        if outcome is not None:
            asyncio.get_running_loop().call_soon(done, outcome)

    async def aclose(self) -> None:
        return None

    @property
    def head(self) -> list[str]:
        """The lines of the last request's head."""
        return self.sent[-1].head.decode("latin-1").split("\r\n")


def saying(status: int, *headers: str, body: bytes = b"") -> Outcome:
    head = "\r\n".join([f"HTTP/1.1 {status} Said", *headers, "", ""]).encode("latin-1")
    return Outcome(status=status, head=head, body=body)


class Stage:
    """Runs scripts.

    Args:
        transport: sends what they send.
        limits: of each run.
    """

    def __init__(
        self,
        transport: Transport | None = None,
        limits: RunLimits = RunLimits(),  # noqa: B008 - frozen
    ) -> None:
        self.office = Office()
        self.store = self.office.store
        self.clock = SystemClock()
        self.line = Line()
        directory = self.office.directory
        self.actions = Services(
            requests=Requests(transport or self.line, directory, presented),
            storage=Storage(self.store),
            events=Events(None, directory),  # type: ignore[arg-type]
            queries=Queries(self.store),
        ).actions()
        self.running = Running(
            directory, self.actions, Plugins(directory), self.office.ids, self.clock, limits
        )
        self.simulator = Simulator(self.running, self.store, self.clock)

    async def saves(
        self, script: str, name: str = "example.tried", *, policy: str = ALL, **fields: Any
    ) -> Automation:
        """Save an automation as it is, whether the rules would take it or not."""
        known = self.office.directory.automation_by_name(1, name)
        made = Automation(
            id=self.office.ids.next() if known is None else known.id,
            version=1 if known is None else known.version + 1,
            tenant_id=1,
            name=name,
            extension_id=fields.pop("extension_id", "cerb.trigger.webhook.respond"),
            script=script,
            policy_kata=policy,
            **fields,
        )
        saved = await self.store.save(made)
        await self.office.directory.refresh()
        return saved

    async def runs(
        self,
        name: str = "example.tried",
        *,
        scope: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        event: Event | None = None,
        tenant: Tenant = TENANT,
    ) -> Ended:
        """Run a saved automation."""
        chosen = Chosen(name, inputs or {})
        ended = await self.running.run(tenant, lambda *_: chosen, scope or {}, event=event)
        assert ended is not None
        return ended

    async def plays(self, script: str, *, policy: str = ALL, **given: Any) -> Ended:
        """Save a script and run it."""
        await self.saves(script, policy=policy)
        return await self.runs(**given)

    async def does(self, command: str, inputs: Mapping[str, Any], **given: Any) -> Any:
        """Carry out one command whose inputs are placeholders; return its output."""
        lines = ["start:", f"  {command}:", "    output: out", "    inputs:"]
        lines += [f"      {name}@key: {name}" for name in inputs]
        lines += ["    on_error:", "      return:", "        failed@key: out"]
        lines += ["  return:", "    out@key: out"]
        ended = await self.plays("\n".join(lines), scope=inputs, **given)
        assert ended.result is not None
        assert ended.result.error is None, ended.result.error
        return ended.result.returned.get("failed") or ended.result.returned["out"]

    async def fails(self, command: str, inputs: Mapping[str, Any], **given: Any) -> str:
        """Carry out one command that is not to work; return why it does not."""
        out = await self.does(command, inputs, **given)
        assert isinstance(out, dict), out
        error: str = out["error"]
        return error


def presented(credential: Credential) -> tuple[str, str]:
    """Present a credential that is not sealed."""
    return credential.header or "Authorization", credential.value.decode()


def published(data: object = None, **meta: Any) -> Event:
    """An event that somebody published."""
    return Event(
        7,
        1,
        "contact.created",
        msgspec.json.encode(data),
        1_790_000_000_000,
        meta=EventMeta(**meta),
    )


def caught(
    body: bytes = b"",
    *headers: tuple[str, str],
    method: str = "POST",
    path: str = "",
    query: str = "",
) -> Event:
    """An event that a request became."""
    raw = tuple((n.encode("latin-1"), v.encode("latin-1")) for n, v in headers)
    kind, coding = first_value(raw, b"content-type"), first_value(raw, b"content-encoding")
    request = Caught(
        request_id=3,
        source_id=4,
        form=form_of(kind, body, coding),
        method=method,
        path=path.encode("latin-1"),
        query=query.encode("latin-1"),
        client="203.0.113.9",
        headers=raw,
    )
    return Event(7, 1, "hook", body, 1_790_000_000_000, meta=EventMeta(caught=request))
