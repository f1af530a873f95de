"""The webhook that a source owns whose callers an automation answers.

To run an automation is to deliver an event to it, synchronously where the caller waits (SEMANTICS
section 10). So such a source has a webhook of type ``automation``, which gets its events alone; it
is made, changed and deleted with the source, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from hookferry.domain.source import Source
from hookferry.domain.webhook import AUTOMATION, Mode, Retry, Webhook

TURN_SECONDS: Final = 25.0
"""How long a request waits for its turn where many runs of its source are under way: less than the
usual deadline, so that its caller is told to come back. How long a run takes is limited by its
automation's policy."""


def own_webhook(
    source: Source, before: Webhook | None, new_id: Callable[[], int]
) -> Webhook | None:
    """Return what is to be saved together with a source; None for nothing.

    Args:
        source: as it is to be saved.
        before: the webhook that it owns up to now.
        new_id: makes an id.
    """
    if source.deleted or not source.automated:
        return None if before is None else _changed(before, source, {"deleted": True})
    wanted: dict[str, Any] = {
        # Webhooks whose names have to be unique have no blanks in them: no clash with these.
        "name": f"source {source.name}",
        "target_url": source.respond.automation or "",
        "automations_kata": source.automations_kata,
    }
    if before is not None:
        same = all(getattr(before, name) == value for name, value in wanted.items())
        return None if same else _changed(before, source, wanted)
    return Webhook(
        id=new_id(),
        tenant_id=source.tenant_id,
        number=0,
        events=(),
        type=AUTOMATION,
        mode=Mode.SYNC,
        owner=source.id,
        retry=Retry(schedule=()),
        timeout=TURN_SECONDS,
        created_at_ms=source.updated_at_ms,
        updated_at_ms=source.updated_at_ms,
        **wanted,
    )


def _changed(webhook: Webhook, source: Source, changes: dict[str, Any]) -> Webhook:
    return msgspec.structs.replace(
        webhook, version=webhook.version + 1, updated_at_ms=source.updated_at_ms, **changes
    )
