"""The doors assembled: from ``Services`` to an ASGI application and its hot routes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from litestar import Litestar, Router

from hookferry.api.access import Access
from hookferry.api.framework import authenticated, owner_of, problem_response, refuse_unknown_query
from hookferry.api.hotroute import AsgiApp, HotRoute
from hookferry.api.publish import PublishRoute
from hookferry.api.resources.jobs import job_router
from hookferry.api.resources.webhooks import webhook_router
from hookferry.api.services import Services

MANAGEMENT_BODY = 1024 * 1024
"""Bytes of a management request's body."""


def build_api(services: Services) -> tuple[AsgiApp, Sequence[HotRoute]]:
    """Return the ASGI application with every door, and the hot routes for the server."""
    access = Access(services.keys, services.directory)
    management = Router(
        "/api/v1",
        route_handlers=[webhook_router(services), job_router(services)],
        guards=[authenticated(access)],
        dependencies={"owner": owner_of(access)},
    )
    app = Litestar(
        [management],
        guards=[refuse_unknown_query],
        exception_handlers={Exception: problem_response},
        request_max_body_size=MANAGEMENT_BODY,
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    return cast("AsgiApp", app), [PublishRoute(access, services.intake)]
