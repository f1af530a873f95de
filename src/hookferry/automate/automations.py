"""Automations as their owners manage them: saving scripts that can run, and nothing else.

What is refused here is refused before it is saved, with every problem at its line and column. How
an automation runs is ``running``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
import structlog

from hookferry.automate import plugins
from hookferry.clock import Clock
from hookferry.domain.automation import ON_CALL, Automation
from hookferry.domain.automation_names import NAME, named
from hookferry.domain.webhook import AUTOMATION
from hookferry.engine.definition import MAX_TEXT, check_text, merge_patch
from hookferry.engine.directory import Directory
from hookferry.engine.validation import explain_validation
from hookferry.errors import Conflict, InvalidField, ScriptRefused, VersionMismatch
from hookferry.ids import IdSource, encode
from hookferry.kata.commands.compiler import MAX_TEXT as MAX_TEXT_OF_SCRIPTS
from hookferry.kata.policy import compile_policy
from hookferry.kata.script import compile_script
from hookferry.store.ports import ConfigStore

MAX_AUTOMATIONS: Final = 1_000
"""Live automations of one tenant."""
MAX_SCRIPT: Final = MAX_TEXT_OF_SCRIPTS
"""Characters of a script, and of a policy."""
ON_REQUEST: Final = "cerb.trigger.webhook.respond"
ON_EVENT: Final = "hookferry.trigger.event"
ON_TIMER: Final = "cerb.trigger.automation.timer"
TRIGGERS: Final = (ON_REQUEST, ON_EVENT, ON_TIMER, ON_CALL)
_USES_NAMED: Final = 5
"""Users that a refusal names."""

log = structlog.get_logger(__name__)


class AutomationDefinition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An automation as its owner writes it."""

    name: str
    """Lower-case letters, digits, ``_``, ``.`` and ``-``, such as ``example.webhook.respond``."""
    extension_id: str
    """Its trigger: what it is for."""
    description: str = ""
    script: str = ""
    """What runs."""
    policy_kata: str = ""
    """Which commands the script may use; actions that nothing allows are refused when it runs."""
    python: str | None = None
    """Instead of a script: the name under which an installed package offers a function."""


class Automations:
    """The rules for automations.

    Args:
        config: where they are saved.
        directory: the snapshot that is read.
        ids: makes their ids.
        clock: times of creation and change.
    """

    def __init__(
        self, config: ConfigStore, directory: Directory, ids: IdSource, clock: Clock
    ) -> None:
        self._config = config
        self._directory = directory
        self._ids = ids
        self._clock = clock

    def draft(self, tenant_id: int, document: object) -> Automation:
        """Build and check an automation without saving it.

        Args:
            tenant_id: whose it would be.
            document: the decoded JSON of its definition.

        Raises:
            InvalidField, UnknownField: the definition can't be taken.
            ScriptRefused: the script or the policy can't; every problem is listed.
        """
        definition = parse_automation(merge_patch({}, document))
        now = self._clock.wall_ms()
        return Automation(
            id=self._ids.next(),
            tenant_id=tenant_id,
            created_at_ms=now,
            updated_at_ms=now,
            **msgspec.structs.asdict(definition),
        )

    async def create(self, tenant_id: int, document: object) -> Automation:
        """Save a new automation.

        Raises:
            InvalidField, UnknownField, ScriptRefused: as ``draft``.
            NameTaken: another one of the tenant has this name.
            Conflict: the tenant has too many.
        """
        automation = self.draft(tenant_id, document)
        if len(self._directory.automations(tenant_id)) >= MAX_AUTOMATIONS:
            raise Conflict(
                f"this tenant has {MAX_AUTOMATIONS:,} automations, which is the limit; delete "
                "those that nothing runs"
            )
        return await self._save(automation, "automation_created")

    async def patch(
        self, tenant_id: int, automation_id: int, patch: object, *, version: int | None = None
    ) -> Automation:
        """Change an automation by a JSON merge patch (RFC 7396); what runs already goes on.

        Raises:
            NotFound: there is no such automation.
            VersionMismatch: it is not at ``version`` any more.
            InvalidField, UnknownField, ScriptRefused, NameTaken: the result can't be taken.
            Conflict: a timer, webhook or source names it, and it would be renamed, or a function.
        """
        before = self._at(tenant_id, automation_id, version)
        if not isinstance(patch, dict):
            raise InvalidField("a merge patch is a JSON object with the fields to change")
        definition = parse_automation(merge_patch(_document(before), patch))
        if definition.name != before.name:
            self._refuse_used(before, "renamed")
        self.check_trigger(before, definition.extension_id)
        after = msgspec.structs.replace(
            before,
            version=before.version + 1,
            updated_at_ms=self._clock.wall_ms(),
            **msgspec.structs.asdict(definition),
        )
        return await self._save(after, "automation_changed")

    async def delete(
        self, tenant_id: int, automation_id: int, *, version: int | None = None
    ) -> None:
        """Delete an automation; its runs stay their time. Handlers that name it find it no more.

        Raises:
            NotFound, VersionMismatch: as the names say.
            Conflict: a timer, webhook or source names it as what it runs.
        """
        found = self._at(tenant_id, automation_id, version)
        self._refuse_used(found, "deleted")
        gone = msgspec.structs.replace(
            found.ended(), version=found.version + 1, updated_at_ms=self._clock.wall_ms()
        )
        await self._save(gone, "automation_deleted")

    def check_trigger(self, before: Automation, extension_id: str) -> None:
        """Check the trigger that an automation is to have; raises Conflict where it would be a
        function, which other automations run alone, and something else names it."""
        if extension_id == ON_CALL != before.extension_id:
            self._refuse_used(before, "made a function, which only other automations run")

    def used_by(self, automation: Automation) -> list[str]:
        """Return the ids of the timers, sources and webhooks that name an automation.

        Handlers in event KATA are not looked into: their ``uri`` may be a template.
        """
        tenant_id, name = automation.tenant_id, automation.name
        timers = [t for t in self._directory.timers(tenant_id) if t.automation == name]
        sources = [
            source
            for source in self._directory.sources(tenant_id)
            if source.respond.automation == name
        ]
        webhooks = [
            webhook
            for webhook in self._directory.webhooks(tenant_id)
            if webhook.type == AUTOMATION
            and webhook.owner is None
            and named(webhook.target_url) == name
        ]
        return [
            *(encode("tmr", timer.id) for timer in timers),
            *(encode("src", source.id) for source in sources),
            *(encode("wh", webhook.id) for webhook in webhooks),
        ]

    def _refuse_used(self, automation: Automation, what: str) -> None:
        uses = self.used_by(automation)
        if uses:
            shown = ", ".join(uses[:_USES_NAMED])
            rest = f" and {len(uses) - _USES_NAMED} more" if len(uses) > _USES_NAMED else ""
            raise Conflict(
                f"this automation is named by {shown}{rest}; have them run another one, or delete "
                f"them, before it is {what}",
                used_by=uses[:_USES_NAMED],
            )

    def _at(self, tenant_id: int, automation_id: int, version: int | None) -> Automation:
        found = self._directory.automation(tenant_id, automation_id)
        if version is not None and found.version != version:
            raise VersionMismatch(
                f"this automation is at version {found.version}, not {version}; read it again and "
                "repeat your change",
                version=found.version,
            )
        return found

    async def _save(self, automation: Automation, event: str) -> Automation:
        saved = await self._config.save(automation)
        await self._directory.refresh()
        log.info(event, automation=encode("auto", saved.id), version=saved.version)
        return saved


def parse_automation(document: object) -> AutomationDefinition:
    """Turn a decoded JSON document into a definition that keeps every rule of its own.

    Args:
        document: as its owner wrote it, nulls taken out.

    Raises:
        InvalidField, UnknownField: naming the field and what would be allowed.
        ScriptRefused: the script or the policy can't be taken; every problem is listed.
    """
    try:
        d = msgspec.convert(document, AutomationDefinition)
    except msgspec.ValidationError as error:
        explain_validation(error, AutomationDefinition)
    if not NAME.fullmatch(d.name):
        raise InvalidField(
            "an automation's name is 1 to 128 lower-case letters, digits, '_', '.' and '-', such "
            "as 'example.webhook.respond'",
            field="name",
        )
    if d.extension_id not in TRIGGERS:
        raise InvalidField(
            f"extension_id is one of {', '.join(map(repr, TRIGGERS))}", field="extension_id"
        )
    check_text("description", d.description, MAX_TEXT)
    for field in ("script", "policy_kata"):
        if len(getattr(d, field)) > MAX_SCRIPT:
            raise InvalidField(f"{field} has at most {MAX_SCRIPT:,} characters", field=field)
    if (d.python is None) is not bool(d.script.strip()):
        raise InvalidField(
            "an automation has a script, or names a function of an installed package in python: "
            "give one of them",
            field="script",
        )
    if d.python is None:
        _compile(compile_script, d.script, "script")
    else:
        plugins.load(d.python)
    _compile(compile_policy, d.policy_kata, "policy_kata")
    return d


def _compile(compile_text: Callable[[str], Any], text: str, field: str) -> None:
    try:
        compile_text(text)
    except ScriptRefused as refused:
        refused.field = field
        raise


def _document(automation: Automation) -> dict[str, object]:
    """Return the definition behind an automation."""
    return {
        name: value
        for name in AutomationDefinition.__struct_fields__
        if (value := getattr(automation, name)) is not None
    }
