"""``event.publish`` and ``webhook.send``: scripts say that something happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hookferry.automate.actions.context import Context
from hookferry.automate.answers import json_of
from hookferry.engine.directory import Directory
from hookferry.engine.intake import Cause, Intake
from hookferry.engine.publication import Publication, decode_publication
from hookferry.errors import HookferryError, OutOfFuel, ScriptError
from hookferry.ids import encode
from hookferry.kata.values import size_of, text_of

MAX_EVENTS: Final = 100
"""Events of one run."""
_FIELDS: Final = (
    "type",
    "data",
    "id",
    "application",
    "entity",
    "primary_key",
    "changes",
    "actor",
    "occurred_at",
    "channels",
)


class Events:
    """Carries the commands out.

    Args:
        intake: takes the events.
        directory: webhooks by name.
    """

    def __init__(self, intake: Intake, directory: Directory) -> None:
        self._intake = intake
        self._directory = directory

    def publish(self, context: Context, inputs: Mapping[str, Any]) -> Any:
        """Publish an event as an application would; return its id once it is durable."""
        return self._published(context, inputs, None)

    def send(self, context: Context, inputs: Mapping[str, Any]) -> Any:
        """Publish an event that goes to one webhook alone."""
        wanted = text_of(inputs.get("webhook")).strip()
        webhooks = self._directory.webhooks(context.tenant.id)
        context.fuel.spend(len(webhooks) // 10)
        for webhook in webhooks:
            # A source's or timer's own webhook gets that one's events alone.
            if webhook.owner is None and wanted in (webhook.name, encode("wh", webhook.id)):
                return self._published(context, inputs, webhook.id)
        raise ScriptError(f"webhook.send: there is no webhook {wanted[:80]!r}")

    def _published(
        self, context: Context, inputs: Mapping[str, Any], addressed: int | None
    ) -> dict[str, Any]:
        if context.gathered.published >= MAX_EVENTS:
            raise OutOfFuel(f"a run publishes at most {MAX_EVENTS} events")
        context.gathered.published += 1
        hops = 1 if context.event is None else context.event.meta.hops + 1
        publication = _publication(context, inputs)
        try:
            receipt = context.waits(
                self._intake.publish_one(
                    context.tenant,
                    publication,
                    waits=False,
                    cause=Cause(hops=hops, addressed=addressed),
                )
            )
        except ScriptError:
            raise
        except HookferryError as error:
            raise ScriptError(error.detail) from None
        return {
            "id": encode("evt", receipt.event_id),
            "deliveries": receipt.deliveries,
            "duplicate": receipt.duplicate,
        }


def _publication(context: Context, inputs: Mapping[str, Any]) -> Publication:
    document = {name: inputs[name] for name in _FIELDS if inputs.get(name) is not None}
    document.setdefault("data", None)
    context.fuel.build(size_of(document, context.fuel))
    try:
        return decode_publication(json_of(document, "the event"))
    except ScriptError:
        raise
    except HookferryError as error:
        said = error.detail if error.field is None else f"{error.field}: {error.detail}"
        raise ScriptError(said) from None
