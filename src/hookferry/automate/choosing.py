"""Which automation a webhook of type ``automation`` runs, and with which inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookferry.automate.running import Choose, Chosen
from hookferry.domain.automation_names import named
from hookferry.domain.webhook import Webhook
from hookferry.kata.handlers import parse_handlers
from hookferry.kata.templates import Run


def chooser(webhook: Webhook) -> Choose:
    """Return what says which automation runs, compiled once for a version of a webhook.

    Raises:
        ScriptRefused: its handlers can't be read (any more).
    """
    if webhook.automations_kata:
        handlers = parse_handlers(webhook.automations_kata)

        def first(scope: Mapping[str, Any], run: Run) -> Chosen | None:
            choice = handlers.choose(scope, run)
            return None if choice is None else Chosen(choice.automation, choice.inputs)

        return first
    chosen = Chosen(named(webhook.target_url))

    def one(scope: Mapping[str, Any], run: Run) -> Chosen:
        return chosen

    return one
