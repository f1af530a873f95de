"""``/api/v1/source_presets``: the providers whose requests a source can verify by name."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Router, get

from hookferry.api.wire import Page
from hookferry.wire.inbound.definition import signs_url
from hookferry.wire.inbound.presets import PRESETS, Evidence, Preset


class PresetView(msgspec.Struct, kw_only=True):
    """A preset: how one provider signs, greets and numbers its requests."""

    name: str
    title: str
    evidence: Evidence
    """``V``: a published vector verifies. ``S``: its documentation or source was read. ``M``: from
    memory."""
    verified: bool
    """False for evidence ``M``: compare with the provider's documentation before you rely on it."""
    secret: str
    """What the provider calls the secret or key that the source is given; empty for none."""
    needs: tuple[str, ...]
    """Fields that ``verify`` has to have beside the preset's name, such as ``webhook_id``."""
    needs_public_url: bool
    """It signs the address, so ``public_url`` has to be the one that the provider was given, where
    that is not the source's ``url``."""
    scheme: dict[str, Any]
    handshakes: tuple[str, ...]
    deduplicate: dict[str, Any]
    event_type: str | dict[str, Any]
    deadline: float | None
    """Seconds that the provider waits for an answer, where it says so."""
    notes: str


def preset_view(preset: Preset) -> PresetView:
    """Show a preset."""
    return PresetView(
        name=preset.name,
        title=preset.title,
        evidence=preset.evidence,
        verified=not preset.unverified,
        secret=preset.secret,
        needs=preset.needs,
        needs_public_url=signs_url(preset.scheme),
        scheme=preset.scheme,
        handshakes=preset.handshakes,
        deduplicate=preset.deduplicate,
        event_type=preset.event_type,
        deadline=preset.deadline,
        notes=preset.notes,
    )


def preset_router() -> Router:
    """Return the address ``/source_presets``."""

    @get("/", summary="List the providers whose requests a source can verify by name")
    async def list_presets() -> Page[PresetView]:
        return Page([preset_view(PRESETS[name]) for name in sorted(PRESETS)], None)

    return Router("/source_presets", route_handlers=[list_presets], tags=["sources"])
