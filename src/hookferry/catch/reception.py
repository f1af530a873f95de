"""Which source an address leads to: guids in memory, and the gates behind them.

Follows the directory. A source that can't be opened or compiled (its master key is gone, its
profile's package is) is out of order: its callers are asked to come back, and nothing is lost.
"""

from __future__ import annotations

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
        self._guids: dict[bytes, tuple[int, int | None]] = {}
        """By guid: the source, and until when a former guid leads there (Unix ms)."""
        for source in directory.all_sources():
            self._take(source)
        directory.on_source(self._take)

    def find(self, guid: bytes) -> Gate | OutOfOrder | None:
        """Return what an address leads to; None for unknown, disabled and expired alike."""
        found = self._guids.get(guid)
        if found is None or not self._directory.plugin_enabled(WEBHOOKS):
            return None
        source_id, expires_at_ms = found
        if expires_at_ms is not None and expires_at_ms <= self._clock.wall_ms():
            return None
        gate = self._gates[source_id]
        ends = gate.source.expires_at_ms
        if ends is not None and ends <= self._clock.wall_ms():
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
                if self._guids.get(guid, (None,))[0] == source.id:
                    del self._guids[guid]
        if source.deleted or not source.enabled:
            return
        kept = before if isinstance(before, Gate) else None
        self._gates[source.id] = self._make(source, kept) or OutOfOrder(source)
        self._guids[source.guid.encode()] = (source.id, None)
        now_ms = self._clock.wall_ms()
        for former in source.former_guids:
            if former.expires_at_ms > now_ms:
                self._guids[former.guid.encode()] = (source.id, former.expires_at_ms)

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
