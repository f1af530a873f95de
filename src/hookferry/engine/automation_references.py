"""Automations as webhooks, sources and timers name them: found when these are saved."""

from __future__ import annotations

from collections.abc import Iterable

from hookferry.domain.automation import ON_CALL, Automation
from hookferry.domain.automation_names import named
from hookferry.errors import InvalidField
from hookferry.ids import encode


def runnable(wanted: str, known: Iterable[Automation], *, field: str) -> Automation:
    """Return the automation that a record is to run.

    Args:
        wanted: its name, ``cerb:automation:<name>`` or its id.
        known: the tenant's automations, those that are saved in the same transaction first.
        field: what to name in the error.

    Raises:
        InvalidField: there is none, or only other automations may call it.
    """
    name = named(wanted)
    for automation in known:
        if name in (automation.name, encode("auto", automation.id)):
            if automation.extension_id == ON_CALL:
                raise InvalidField(
                    f"{automation.name!r} has the trigger {ON_CALL!r}: only other automations "
                    "run it",
                    field=field,
                )
            return automation
    raise InvalidField(
        f"there is no automation {wanted[:80]!r}; make it first, with POST /api/v1/automations",
        field=field,
    )
