"""Which source an address leads to: guids in memory, and the gates behind them.

Follows the directory. A source that can't be opened or compiled (its master key is gone, its
profile's package is) is out of order: its callers are asked to come back, and nothing is lost.
"""

from __future__ import annotations

from typing import Any

import structlog

from hookferry.catch.gate import Gate, GateLimits
from hookferry.clock import Clock
from hookferry.domain.source import Source
from hookferry.engine.directory import Directory
from hookferry.engine.planner import Unseal
from hookferry.errors import HookferryError

WEBHOOKS = "cerb.webhooks"
"""The plugin that sources are part of: while it is switched off, no address leads anywhere."""

log = structlog.get_logger(__name__)


class OutOfOrder:
    """What stands where a source's gate can't be made."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.door: Any = None
        """As a gate's."""


class Reception:
    """Finds gates.

    Args:
        directory: the sources.
        unseal: opens their secrets.
        limits: bounds of each.
    """

    def __init__(
        self, directory: Directory, unseal: Unseal, clock: Clock, limits: GateLimits
    ) -> None:
        self._directory = directory
        self._unseal = unseal
        self._clock = clock
        self._limits = limits
        self._gates: dict[int, Gate | OutOfOrder] = {}
        self._guids: dict[bytes, tuple[Gate | OutOfOrder, int | None]] = {}
        """By guid: what it leads to, and until when (Unix ms)."""
        for source in directory.all_sources():
            self._take(source)
        directory.on_source(self._take)

    def find(self, guid: bytes) -> Gate | OutOfOrder | None:
        """Return what an address leads to; None for unknown, disabled and expired alike."""
        found = self._guids.get(guid)
        if found is None or not self._directory.plugin_enabled(WEBHOOKS):
            return None
        gate, ends_at_ms = found
        if ends_at_ms is not None and ends_at_ms <= self._clock.wall_ms():
            return None
        return gate

    def gate(self, source: Source) -> Gate | None:
        """Return the gate of a source, disabled ones included; None where it is out of order."""
        gate = self._gates.get(source.id)
        if gate is None or gate.source.version != source.version:
            return self._make(source)
        return gate if isinstance(gate, Gate) else None

    def _take(self, source: Source) -> None:
        before = self._gates.pop(source.id, None)
        if before is not None:
            for guid in _guids(before.source):
                # One that was rotated away and has expired may be another source's by now.
                if self._guids.get(guid, (None,))[0] is before:
                    del self._guids[guid]
        if source.deleted or not source.enabled:
            return
        kept = before if isinstance(before, Gate) else None
        gate = self._gates[source.id] = self._make(source, kept) or OutOfOrder(source)
        ends_at_ms = source.expires_at_ms
        self._guids[source.guid.encode()] = (gate, ends_at_ms)
        now_ms = self._clock.wall_ms()
        for former in source.former_guids:
            if former.expires_at_ms > now_ms:
                until_ms = former.expires_at_ms
                if ends_at_ms is not None:
                    until_ms = min(until_ms, ends_at_ms)
                self._guids[former.guid.encode()] = (gate, until_ms)

    def _make(self, source: Source, before: Gate | None = None) -> Gate | None:
        clock = self._clock
        try:
            return Gate(
                source, self._unseal, self._limits, clock.monotonic(), clock.wall_ms(), before
            )
        except HookferryError as error:
            log.error("source_out_of_order", source=source.name, error=error.detail)
            return None


def _guids(source: Source) -> list[bytes]:
    return [guid.encode() for guid in (source.guid, *(f.guid for f in source.former_guids))]
