"""An automation: a script that a webhook, a source, a timer or another script runs."""

from __future__ import annotations

from typing import Final

import msgspec

ON_CALL: Final = "cerb.trigger.automation.function"
"""The trigger of what other automations call, and nothing else runs."""


class Automation(msgspec.Struct, frozen=True, kw_only=True):
    """One automation as stored (behaviours S-CB-30)."""

    id: int
    tenant_id: int
    name: str
    """Unique in its tenant; what event KATA, timers and other scripts call it by."""
    extension_id: str
    """The trigger that it is for: what it is given and what it may answer."""
    description: str = ""
    script: str = ""
    """In the automation language; empty where ``python`` runs instead."""
    policy_kata: str = ""
    """Which commands it may use."""
    python: str | None = None
    """The name of a function that a plugin registered, run instead of a script."""
    created_at_ms: int = 0
    updated_at_ms: int = 0
    version: int = 1
    deleted: bool = False

    def ended(self) -> Automation:
        """Return the automation as deleted: nobody needs its script any more."""
        return msgspec.structs.replace(self, deleted=True, script="", policy_kata="", python=None)


class PluginState(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a plugin is switched on; one without a record is. For the whole server."""

    id: int
    name: str
    """Unique."""
    enabled: bool = True
    updated_at_ms: int = 0
    version: int = 1
    deleted: bool = False
