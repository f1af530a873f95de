"""Timers as their owners manage them. When they fire, and what then happens, is ``ticking``.

To run an automation is to deliver an event to it. So a timer that names one has a webhook of type
``automation``, which gets its events alone; it is made, changed and deleted with the timer, in the
same transaction.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final

import msgspec
import structlog

from hookferry.automate.schedule import next_due
from hookferry.clock import Clock
from hookferry.domain.automation import Automation
from hookferry.domain.timer import Timer
from hookferry.domain.webhook import AUTOMATION, Retry, Webhook
from hookferry.engine.automation_references import runnable
from hookferry.engine.definition import MAX_TEXT, check_text, merge_patch
from hookferry.engine.directory import Directory
from hookferry.engine.validation import explain_validation
from hookferry.errors import Conflict, InvalidField, VersionMismatch
from hookferry.ids import IdSource, encode
from hookferry.kata.printer import print_tree
from hookferry.kata.tree import Node, Tree
from hookferry.match.patterns import check_event_type
from hookferry.store.ports import ConfigRecord, ConfigStore

MAX_TIMERS: Final = 1_000
"""Live timers of one tenant."""
MAX_DATA: Final = 64 * 1024
"""Bytes of ``data``, and of ``inputs``, as JSON."""
NAME = re.compile(r"[^\s\x00-\x1f\x7f]{1,100}")
INPUT = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")

log = structlog.get_logger(__name__)


class TimerDefinition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A timer as its owner writes it: when, and either an automation or an event."""

    name: str
    cron: str
    """Minute, hour, day of month, month, day of week."""
    timezone: str = "UTC"
    """On whose clocks that is, such as ``Europe/Berlin``."""
    enabled: bool = True
    description: str = ""
    automation: str | None = None
    """Name or id of the automation to run."""
    inputs: dict[str, Any] = {}
    """What it is given."""
    event_type: str | None = None
    """The type of the event to publish."""
    data: Any = None
    """The event's data."""


class Timers:
    """The rules for timers.

    Args:
        config: where they are saved.
        directory: the snapshot that is read.
        ids: makes their ids.
        clock: times of creation and change, and what is due next.
    """

    def __init__(
        self, config: ConfigStore, directory: Directory, ids: IdSource, clock: Clock
    ) -> None:
        self._config = config
        self._directory = directory
        self._ids = ids
        self._clock = clock

    async def create(self, tenant_id: int, document: object) -> Timer:
        """Save a new timer.

        Args:
            tenant_id: whose it is.
            document: the decoded JSON of its definition.

        Raises:
            InvalidField, UnknownField: the definition can't be taken.
            NameTaken: another timer of the tenant has this name.
            Conflict: the tenant has too many.
        """
        timer = self.draft(tenant_id, document)
        self.check_room(tenant_id, 1)
        return await self._save(timer, "timer_created")

    def check_room(self, tenant_id: int, more: int) -> None:
        """Raise Conflict unless a tenant may have this many more timers."""
        if len(self._directory.timers(tenant_id)) + more > MAX_TIMERS:
            raise Conflict(
                f"this tenant may have {MAX_TIMERS:,} timers, which is the limit; delete those "
                "not in use"
            )

    def draft(
        self,
        tenant_id: int,
        document: object,
        *,
        timer_id: int | None = None,
        beside: Collection[Automation] = (),
    ) -> Timer:
        """Build a timer from a definition without saving it.

        Args:
            tenant_id: whose it would be.
            document: the decoded JSON of its definition.
            timer_id: its id; made when left out.
            beside: automations that would be saved with it.

        Raises:
            InvalidField, UnknownField: the definition can't be taken.
        """
        if isinstance(document, dict):  # nulls inside of data and inputs are theirs to keep
            document = {name: value for name, value in document.items() if value is not None}
        definition = parse_timer(document)
        now = self._clock.wall_ms()
        timer = Timer(
            id=self._ids.next() if timer_id is None else timer_id,
            tenant_id=tenant_id,
            name=definition.name,
            cron=definition.cron,
            created_at_ms=now,
            updated_at_ms=now,
        )
        return self._applied(timer, definition, beside)

    async def patch(
        self, tenant_id: int, timer_id: int, patch: object, *, version: int | None = None
    ) -> Timer:
        """Change a timer by a JSON merge patch (RFC 7396); its next due time is found anew.

        Raises:
            NotFound: there is no such timer.
            VersionMismatch: it is not at ``version`` any more.
            InvalidField, UnknownField, NameTaken: the result can't be taken.
        """
        after = self.draft_patch(tenant_id, timer_id, patch, version=version)
        return await self._save(after, "timer_changed")

    def draft_patch(
        self,
        tenant_id: int,
        timer_id: int,
        patch: object,
        *,
        version: int | None = None,
        beside: Collection[Automation] = (),
    ) -> Timer:
        """Build what ``patch`` would save; raises as it does, but for NameTaken.

        Args:
            tenant_id: whose it is.
            timer_id: which.
            patch: the decoded JSON.
            version: the version that the caller saw, where that matters.
            beside: automations that would be saved with it.
        """
        before = self._at(tenant_id, timer_id, version)
        if not isinstance(patch, dict):
            raise InvalidField("a merge patch is a JSON object with the fields to change")
        definition = parse_timer(merge_patch(_document(before), patch))
        return self._applied(self._next(before), definition, beside)

    async def delete(self, tenant_id: int, timer_id: int, *, version: int | None = None) -> None:
        """Delete a timer: it fires no more, and what it still owes is cancelled.

        Raises:
            NotFound, VersionMismatch: as the names say.
        """
        found = self._at(tenant_id, timer_id, version)
        await self._save(self._next(found).ended(), "timer_deleted")

    # ------------------------------------------------------------------ parts

    def _at(self, tenant_id: int, timer_id: int, version: int | None) -> Timer:
        found = self._directory.timer(tenant_id, timer_id)
        if version is not None and found.version != version:
            raise VersionMismatch(
                f"this timer is at version {found.version}, not {version}; read it again and "
                "repeat your change",
                version=found.version,
            )
        return found

    def _next(self, timer: Timer) -> Timer:
        return msgspec.structs.replace(
            timer, version=timer.version + 1, updated_at_ms=self._clock.wall_ms()
        )

    def _applied(self, timer: Timer, d: TimerDefinition, beside: Collection[Automation]) -> Timer:
        due = next_due(d.cron, d.timezone, timer.updated_at_ms)
        if due is None:
            raise InvalidField("cron names a time that never comes", field="cron")
        fields: dict[str, Any] = msgspec.structs.asdict(d)
        if d.automation is not None and d.automation != timer.automation:
            known = (*beside, *self._directory.automations(timer.tenant_id))
            fields["automation"] = runnable(d.automation, known, field="automation").name
        return msgspec.structs.replace(timer, next_due_ms=due if d.enabled else None, **fields)

    def with_own(self, timer: Timer) -> list[ConfigRecord]:
        """Return what is saved in one transaction where a timer is: it, and its own webhook."""
        webhook = own_webhook(timer, self._directory.owned(timer.id), self._ids)
        return [timer] if webhook is None else [timer, webhook]

    async def _save(self, timer: Timer, event: str) -> Timer:
        await self._config.save_together(self.with_own(timer))
        await self._directory.refresh()
        log.info(event, timer=encode("tmr", timer.id), version=timer.version)
        return timer


def parse_timer(document: object) -> TimerDefinition:
    """Turn a decoded JSON document into a definition that keeps every rule of its own.

    Args:
        document: as its owner wrote it, nulls taken out.

    Raises:
        InvalidField, UnknownField: naming the field and what would be allowed.
    """
    try:
        d = msgspec.convert(document, TimerDefinition)
    except msgspec.ValidationError as error:
        explain_validation(error, TimerDefinition)
    if not NAME.fullmatch(d.name):
        raise InvalidField(
            "a timer's name is 1 to 100 characters without spaces or control characters",
            field="name",
        )
    check_text("description", d.description, MAX_TEXT)
    if (d.automation is None) is (d.event_type is None):
        raise InvalidField(
            "a timer runs an automation or publishes an event: give automation or event_type",
            field="automation",
        )
    if d.event_type is not None:
        check_event_type(d.event_type, field="event_type")
        if d.inputs:
            raise InvalidField("inputs are an automation's; an event has data", field="inputs")
    elif d.data is not None:
        raise InvalidField("data is an event's; an automation has inputs", field="data")
    for name in d.inputs:
        if not INPUT.fullmatch(name):
            raise InvalidField(
                f"{name[:80]!r} is no name of an input: letters, digits and '_', 64 at most, and "
                "no digit first",
                field="inputs",
            )
    for field, value in (("inputs", d.inputs), ("data", d.data)):
        if len(msgspec.json.encode(value)) > MAX_DATA:
            raise InvalidField(f"{field} has at most {MAX_DATA:,} bytes as JSON", field=field)
    return d


def own_webhook(timer: Timer, before: Webhook | None, ids: IdSource) -> Webhook | None:
    """Return what is to be saved together with a timer; None for nothing.

    Args:
        timer: as it is to be saved.
        before: the webhook that it owns up to now.
        ids: makes the id of a new one.
    """
    if timer.deleted or timer.automation is None:
        return None if before is None else _changed(before, timer, {"deleted": True})
    wanted: dict[str, Any] = {
        # Webhooks whose names have to be unique have no blanks in them: no clash with these.
        "name": f"timer {timer.name}",
        "automations_kata": handler_of(timer.automation, timer.inputs),
    }
    if before is not None:
        same = all(getattr(before, name) == value for name, value in wanted.items())
        return None if same else _changed(before, timer, wanted)
    return Webhook(
        id=ids.next(),
        tenant_id=timer.tenant_id,
        number=0,
        target_url="",
        events=(),
        type=AUTOMATION,
        owner=timer.id,
        # The next due time comes by itself; a run that failed may have done half of its work.
        retry=Retry(schedule=()),
        created_at_ms=timer.updated_at_ms,
        updated_at_ms=timer.updated_at_ms,
        **wanted,
    )


def _changed(webhook: Webhook, timer: Timer, changes: dict[str, Any]) -> Webhook:
    return msgspec.structs.replace(
        webhook, version=webhook.version + 1, updated_at_ms=timer.updated_at_ms, **changes
    )


def handler_of(automation: str, inputs: dict[str, Any]) -> str:
    """Return event KATA that runs one automation with inputs that are what they are.

    Args:
        automation: its name.
        inputs: JSON values; their texts are no templates.
    """
    given = tuple(
        Node(key=name, annotations=("raw", "json"), text=msgspec.json.encode(value).decode())
        for name, value in inputs.items()
    )
    children = [Node(key="uri", text=f"cerb:automation:{automation}")]
    if given:
        children.append(Node(key="inputs", children=given))
    return print_tree(
        Tree(children=(Node(key="automation", id="timer", children=tuple(children)),))
    )


def _document(timer: Timer) -> dict[str, object]:
    """Return the definition behind a timer."""
    return {
        name: value
        for name in TimerDefinition.__struct_fields__
        if (value := getattr(timer, name)) is not None
    }
