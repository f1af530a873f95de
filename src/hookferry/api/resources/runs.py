"""``/api/v1/runs``: what automations did, as the log keeps it."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery

from hookferry import ids
from hookferry.api.framework import Owner
from hookferry.api.resources.simulations import LogLineView, StepView, log_view, steps_view
from hookferry.api.services import Services
from hookferry.api.wire import (
    Moment,
    Page,
    decode_cursor,
    id_in,
    id_in_path,
    page_of,
    time_ms,
    time_text,
)
from hookferry.domain.automation_names import named
from hookferry.domain.run import Run, RunExit
from hookferry.errors import InvalidField, NotFound
from hookferry.store.ports import RunFilter

EXITS = tuple(exit.value for exit in RunExit)


class RunItem(msgspec.Struct, kw_only=True):
    """A run as lists show it."""

    id: str
    automation: str
    """Its name at the time."""
    automation_id: str | None
    """Null where the name led nowhere."""
    event: str | None
    delivery: str | None
    source: str | None
    started_at: Moment | None
    duration_ms: float
    exit: str
    """``return``, ``error``, or ``exit`` where the script came to an end without a verdict."""
    error: str | None
    steps_used: int
    """What it took of its budget: commands, iterations and operations."""


class RunView(RunItem, kw_only=True):
    """A run, whole. ``[cut]`` stands where there was too much to be kept."""

    returned: Any
    """What it answered."""
    dictionary: Any
    """Every placeholder at its end."""
    log: list[LogLineView]
    log_dropped: int
    """Lines that are not kept."""
    steps: list[StepView]
    steps_dropped: int
    """Steps that are not kept."""


class RunSearch(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs; the names of the lists' query parameters."""

    exit: str | None = None
    event: str | None = None
    delivery: str | None = None
    source: str | None = None
    after: str | None = None
    before: str | None = None


def search_in_query(
    exit: FromQuery[str | None] = None,
    event: FromQuery[str | None] = None,
    delivery: FromQuery[str | None] = None,
    source: FromQuery[str | None] = None,
    after: FromQuery[str | None] = None,
    before: FromQuery[str | None] = None,
) -> RunSearch:
    """Return the search that a query spells out; the automation is its handler's business."""
    return RunSearch(
        exit=exit, event=event, delivery=delivery, source=source, after=after, before=before
    )


Searched = NamedDependency[RunSearch]
SEARCH = Provide(search_in_query, sync_to_thread=False)
"""The dependency ``wanted``: which runs a call is about."""


def _filter(tenant_id: int, wanted: RunSearch, automation_id: int | None) -> RunFilter:
    """Turn a search into the ledger's filter; raises InvalidField."""
    if wanted.exit is not None and wanted.exit not in EXITS:
        raise InvalidField(f"exit is one of {', '.join(EXITS)}", field="exit")
    numbers = {
        f"{name}_id": None if text is None else id_in(kind, text, field=name)
        for kind, name, text in (
            ("evt", "event", wanted.event),
            ("dlv", "delivery", wanted.delivery),
            ("src", "source", wanted.source),
        )
    }
    return RunFilter(
        tenant_id=tenant_id,
        automation_id=automation_id,
        exit=None if wanted.exit is None else RunExit(wanted.exit),
        after_ms=time_ms(wanted.after, field="after"),
        before_ms=time_ms(wanted.before, field="before"),
        **numbers,
    )


async def run_page(
    s: Services,
    tenant_id: int,
    wanted: RunSearch,
    automation_id: int | None,
    limit: int | None,
    cursor: str | None,
) -> Page[RunItem]:
    """Return a page of runs."""
    size = s.pages.of(limit)
    found = await s.store.runs(
        _filter(tenant_id, wanted, automation_id), limit=size + 1, below_id=decode_cursor(cursor)
    )
    return page_of(found, size, run_item, lambda run: run.id)


def _automation_id(s: Services, tenant_id: int, wanted: str) -> int:
    """Return the id of an automation that is there by its name, or of any by its id; raises
    InvalidField."""
    found = s.directory.automation_by_name(tenant_id, named(wanted))
    if found is not None:
        return found.id
    if not wanted.startswith("auto_"):
        raise InvalidField(
            f"there is no automation {wanted[:80]!r}; runs of one that was deleted or renamed are "
            "found by its id",
            field="automation",
        )
    return id_in("auto", wanted, field="automation")


def run_item(run: Run) -> RunItem:
    """Show a run as lists do."""
    return RunItem(**_known(run))


def run_view(run: Run) -> RunView:
    """Show a run, whole."""
    return RunView(
        **_known(run),
        returned=run.returned,
        dictionary=run.dictionary,
        log=log_view(run.log),
        log_dropped=run.log_dropped,
        steps=steps_view(run.steps),
        steps_dropped=run.steps_dropped,
    )


def _known(run: Run) -> dict[str, Any]:
    def text(kind: str, number: int | None) -> str | None:
        return None if number is None else ids.encode(kind, number)

    return {
        "id": ids.encode("run", run.id),
        "automation": run.automation,
        "automation_id": text("auto", run.automation_id),
        "event": text("evt", run.event_id),
        "delivery": text("dlv", run.delivery_id),
        "source": text("src", run.source_id),
        "started_at": time_text(run.started_at_ms),
        "duration_ms": run.duration_ms,
        "exit": run.exit.value,
        "error": run.error,
        "steps_used": run.steps_used,
    }


def run_router(s: Services) -> Router:
    """Return the addresses under ``/runs``."""

    @get("/", summary="List runs of automations, newest first")
    async def list_runs(
        owner: Owner,
        wanted: Searched,
        automation: FromQuery[str | None] = None,
        limit: FromQuery[int | None] = None,
        cursor: FromQuery[str | None] = None,
    ) -> Page[RunItem]:
        number = None if automation is None else _automation_id(s, owner.id, automation)
        return await run_page(s, owner.id, wanted, number, limit, cursor)

    @get("/{run_id:str}", summary="Get a run with its log")
    async def get_one(owner: Owner, run_id: FromPath[str]) -> RunView:
        found = await s.store.run(owner.id, id_in_path("run", run_id))
        if found is None:
            raise NotFound("there is no such run (any more); runs are kept as long as attempts")
        return run_view(found)

    handlers: list[Any] = [list_runs, get_one]
    return Router("/runs", route_handlers=handlers, dependencies={"wanted": SEARCH}, tags=["runs"])
