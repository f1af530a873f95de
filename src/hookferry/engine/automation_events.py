"""Automation events: handlers that run on events (behaviours S-CB-30), and what may be said of one.

One is a webhook of type ``automation`` whose handlers choose what runs, and that nothing owns.
"""

from __future__ import annotations

from typing import Any

import msgspec

from hookferry.domain.webhook import AUTOMATION, Mode, Webhook
from hookferry.engine.definition import merge_patch
from hookferry.engine.validation import explain_validation
from hookferry.errors import InvalidField


class AutomationEventDefinition(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """Handlers that run on events, as their owner writes them."""

    name: str
    """1 to 100 characters without spaces, unique among the tenant's webhooks."""
    events: tuple[str, ...]
    """Patterns of event types, such as ``contact.*``."""
    automations_kata: str
    """The handlers; the first enabled one runs."""
    description: str = ""
    condition: dict[str, Any] | None = None
    """Only events that it holds for."""
    mode: Mode = Mode.ASYNC
    """``sync`` and ``sync_critical`` make publishers wait for what is answered."""


FIELDS = AutomationEventDefinition.__struct_fields__


def is_automation_event(webhook: Webhook) -> bool:
    """Tell whether a webhook is handlers that somebody has run on events."""
    return webhook.type == AUTOMATION and webhook.owner is None and bool(webhook.automations_kata)


def webhook_fields(document: object) -> dict[str, Any]:
    """Return the fields of a definition, as a webhook's; None for those that are left out.

    Raises:
        UnknownField, InvalidField: the document is no such definition.
    """
    try:
        definition = msgspec.convert(merge_patch({}, document), AutomationEventDefinition)
    except msgspec.ValidationError as error:
        explain_validation(error, AutomationEventDefinition)
    if not definition.automations_kata.strip():
        raise InvalidField(
            "automations_kata has no handlers; one is, for example, 'automation/a:' with "
            "'uri: cerb:automation:example.name' under it",
            field="automations_kata",
        )
    fields: dict[str, Any] = msgspec.to_builtins(definition)
    return fields
