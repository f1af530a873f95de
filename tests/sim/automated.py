"""Runs and stored values of the memory store."""

from __future__ import annotations

from hookferry.domain.run import Run
from hookferry.errors import Conflict
from hookferry.store.ports import VALUES_KEPT, RunFilter
from sim.disk import Disk, within


def is_wanted_run(run: Run, where: RunFilter, below_id: int | None) -> bool:
    return (
        run.tenant_id == where.tenant_id
        and within(run.id, where.after_ms, where.before_ms, below_id)
        and where.automation_id in (None, run.automation_id)
        and where.exit in (None, run.exit)
        and where.event_id in (None, run.event_id)
        and where.delivery_id in (None, run.delivery_id)
        and where.source_id in (None, run.source_id)
    )


def put_value(
    disk: Disk, place: tuple[int, str], value: bytes, expires_at_ms: int | None, now_ms: int
) -> None:
    others = [
        expires
        for other, (_, expires) in disk.values.items()
        if other[0] == place[0] and other != place
    ]
    if len([e for e in others if e is None or e > now_ms]) >= VALUES_KEPT:
        raise Conflict("this tenant stores too many values")
    disk.values[place] = value, expires_at_ms


def drop_expired(disk: Disk, now_ms: int, limit: int) -> int:
    expired = [p for p, (_, at) in disk.values.items() if at is not None and at <= now_ms]
    for place in expired[:limit]:
        del disk.values[place]
    return len(expired[:limit])
