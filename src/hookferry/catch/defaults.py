"""What holds for a source where it does not say: its preset's word, else the default.

A record keeps what its owner said and no more, so that a preset which learns something serves the
sources that exist too.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from hookferry.catch.definition import SourceLimits
from hookferry.domain.source import Source
from hookferry.match.readings import DEFAULT_TYPE
from hookferry.wire.inbound.presets import Preset, preset_named

WINDOW_SECONDS: Final = 72 * 3600.0
"""How long a duplicate key is kept (SEMANTICS section 5)."""
BIN_REQUESTS: Final = 500
"""Requests that a bin keeps."""
REFUSE_STATUS: Final = 401
DEADLINE_SECONDS: Final = 10.0
"""How long a caller waits for a webhook's answer, or a listener's."""
RUN_DEADLINE_SECONDS: Final = 30.0
"""How long it waits for an automation's: a run's own limit, 25 seconds, strikes first."""


class InForce(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a source that have defaults, as they work."""

    handshakes: tuple[str, ...]
    deduplicate: dict[str, Any] | None
    """Null or empty: no request is taken for a duplicate."""
    window: float
    """Seconds."""
    event_type: str | dict[str, Any]
    max_body: int
    """Bytes."""
    refuse_status: int
    deadline: float
    """Seconds that a caller waits, where it does."""
    retention_days: float
    keep: int | None
    """Null for as many as retention leaves."""


def preset_of(source: Source) -> Preset | None:
    """Return the preset that a source's verification names, if it names one.

    Raises:
        InvalidField: there is no such preset (any more).
    """
    if source.verify is None:
        return None
    name = source.verify.scheme.get("preset")
    return None if name is None else preset_named(name)


def in_force(source: Source, limits: SourceLimits) -> InForce:
    """Return what holds for a source.

    Raises:
        InvalidField: the preset that it names does not exist (any more).
    """
    preset = preset_of(source)
    handshakes, key, kind = source.handshakes, source.deduplicate, source.event_type
    if preset is not None:
        handshakes = preset.handshakes if handshakes is None else handshakes
        key = preset.deduplicate if key is None else key
        kind = preset.event_type if kind is None else kind
    return InForce(
        handshakes=tuple(handshakes or ()),
        deduplicate=key,
        window=WINDOW_SECONDS if source.window is None else source.window,
        event_type=DEFAULT_TYPE if kind is None else kind,
        max_body=limits.caught_limit if source.max_body is None else source.max_body,
        refuse_status=REFUSE_STATUS if source.refuse_status is None else source.refuse_status,
        deadline=_deadline(source),
        retention_days=limits.request_retention_days
        if source.retention_days is None
        else source.retention_days,
        keep=BIN_REQUESTS if source.keep is None and source.bin else source.keep,
    )


def _deadline(source: Source) -> float:
    if source.respond.deadline is not None:
        return source.respond.deadline
    return RUN_DEADLINE_SECONDS if source.automated else DEADLINE_SECONDS
