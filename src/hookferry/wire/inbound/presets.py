"""Providers as data: how each signs, and what a source that catches from it does by default.

Nothing here is code for one provider. A provider that is missing needs no preset: its scheme can
be written whole where a preset's name would stand (``definition``).

``evidence`` says how far a preset can be relied on: ``V``, a vector that the provider or its
library publishes verifies; ``S``, its documentation or source was read; ``M``, written from memory
and flagged as unverified wherever it is shown.
"""

from __future__ import annotations

import difflib
from typing import Any, Literal

import msgspec

from hookferry.errors import InvalidField
from hookferry.wire.inbound.providers import PROVIDERS
from hookferry.wire.inbound.unverified_providers import UNVERIFIED_PROVIDERS

Evidence = Literal["V", "S", "M"]


class Preset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One provider's defaults; a source may override each."""

    name: str
    title: str
    evidence: Evidence
    scheme: dict[str, Any]
    """What ``definition.compile_verification`` compiles, together with ``needs``."""
    needs: tuple[str, ...] = ()
    """Fields of the scheme that only the source's owner knows, such as PayPal's ``webhook_id``."""
    secret: str
    """What the provider calls the secret or key that the source is given; empty for none."""
    deduplicate: dict[str, Any]
    """As ``Source.deduplicate``."""
    event_type: str | dict[str, Any]
    """As ``Source.event_type``."""
    handshakes: tuple[str, ...] = ()
    """Names of ``hookferry.wire.greetings``."""
    deadline: float | None = None
    """Seconds that the provider waits for an answer, where it says so."""
    notes: str = ""

    @property
    def unverified(self) -> bool:
        """Whether nobody has checked the preset against the provider yet."""
        return self.evidence == "M"


PRESETS: dict[str, Preset] = {
    name: msgspec.convert({"name": name, "evidence": "M", **entry}, Preset)
    for name, entry in sorted({**UNVERIFIED_PROVIDERS, **PROVIDERS}.items())
}
"""By name."""


def preset_named(name: str) -> Preset:
    """Return a preset.

    Raises:
        InvalidField: there is none of that name; the detail has the nearest.
    """
    preset = PRESETS.get(name)
    if preset is None:
        close = difflib.get_close_matches(name[:60], PRESETS, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(PRESETS)}"
        raise InvalidField(
            f"there is no preset {name[:60]!r}; {hint}. A provider without one is described by a "
            "whole scheme",
            field="preset",
        )
    return preset
