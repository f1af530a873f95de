"""``/api/v1/jobs``: long pieces of work and their progress."""

from __future__ import annotations

import msgspec
from litestar import Router, get
from litestar.params import FromPath

from hookferry import ids
from hookferry.api.framework import Owner
from hookferry.api.services import Services
from hookferry.api.wire import Moment, id_in_path, time_text
from hookferry.store.ports import Job


class JobView(msgspec.Struct):
    """A job as it is shown."""

    id: str
    kind: str
    state: str
    done: int
    """How many deliveries it has queued so far."""
    created_at: Moment | None
    updated_at: Moment | None


def job_view(job: Job) -> JobView:
    """Show a job."""
    return JobView(
        ids.encode("job", job.id),
        job.kind,
        job.state,
        job.done,
        time_text(job.created_at_ms),
        time_text(job.updated_at_ms),
    )


def job_router(s: Services) -> Router:
    """Return the addresses under ``/jobs``."""

    @get("/{job_id:str}", summary="Get a job with its progress")
    async def get_one(owner: Owner, job_id: FromPath[str]) -> JobView:
        return job_view(await s.actions.job(owner.id, id_in_path("job", job_id)))

    return Router("/jobs", route_handlers=[get_one], tags=["jobs"])
