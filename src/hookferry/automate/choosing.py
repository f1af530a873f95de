"""Which automation a webhook of type ``automation`` runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookferry.automate.running import Choose, Chosen
from hookferry.domain.automation_names import named
from hookferry.domain.webhook import Webhook
from hookferry.kata.templates import Run


def chooser(webhook: Webhook) -> Choose:
    """Return what says which automation runs, compiled once for a version of a webhook."""
    chosen = Chosen(named(webhook.target_url))

    def one(scope: Mapping[str, Any], run: Run) -> Chosen:
        return chosen

    return one
