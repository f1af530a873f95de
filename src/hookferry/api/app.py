"""The doors assembled: from ``Services`` to an ASGI application and its hot routes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, cast

from litestar import Litestar, Router

from hookferry.api import openapi
from hookferry.api.access import Access
from hookferry.api.catching import CatchRoute
from hookferry.api.dialects.superoffice import superoffice_routers
from hookferry.api.framework import (
    IS_HEAD,
    administrator,
    authenticated,
    check_query,
    owner_of,
    problem_response,
)
from hookferry.api.hotroute import (
    SECURITY_HEADERS,
    AsgiApp,
    HotRoute,
    Message,
    Receive,
    Scope,
    Send,
)
from hookferry.api.idempotency import IdempotencyDoor
from hookferry.api.publish import PublishRoute
from hookferry.api.resources.administration import key_router, tenant_router
from hookferry.api.resources.answers import answer_router
from hookferry.api.resources.attempts import attempt_router
from hookferry.api.resources.automation_events import automation_event_router
from hookferry.api.resources.automations import automation_router
from hookferry.api.resources.catalogue import catalogue_router
from hookferry.api.resources.credentials import credential_router
from hookferry.api.resources.deliveries import delivery_router
from hookferry.api.resources.event_types import event_type_router
from hookferry.api.resources.events import BATCH_BODY, event_router
from hookferry.api.resources.exports import export_router
from hookferry.api.resources.jobs import job_router
from hookferry.api.resources.matches import match_router
from hookferry.api.resources.packages import package_router
from hookferry.api.resources.plugins import plugin_router
from hookferry.api.resources.probes import probe_router
from hookferry.api.resources.request_exports import request_export_router
from hookferry.api.resources.request_streams import caught_router, stream_router
from hookferry.api.resources.requests import request_router
from hookferry.api.resources.runs import run_router
from hookferry.api.resources.shared import shared_router
from hookferry.api.resources.simulations import simulation_router
from hookferry.api.resources.source_presets import preset_router
from hookferry.api.resources.sources import source_router
from hookferry.api.resources.timers import timer_router
from hookferry.api.resources.webhooks import webhook_router
from hookferry.api.services import Services

MANAGEMENT_BODY = 1024 * 1024
"""Bytes of a management request's body."""


def build_api(services: Services) -> tuple[AsgiApp, Sequence[HotRoute]]:
    """Return the ASGI application with every door, and the hot routes for the server."""
    access = Access(services.keys, services.directory)

    @functools.cache
    def describe() -> dict[str, Any]:
        return openapi.describe(
            doors, services.pages, services.webhooks.limits, services.sources.limits
        )

    doors = _application(services, access, describe)
    app = cast("AsgiApp", doors)
    app = IdempotencyDoor(
        app,
        access,
        services.store,
        services.sealer,
        services.clock,
        lambda path: BATCH_BODY if path == "/api/v1/events/batch" else MANAGEMENT_BODY,
        services.idempotency_s,
    )
    catching = services.catching
    return EveryAnswer(app), [
        PublishRoute(access, services.intake),
        CatchRoute(catching.reception, catching.pipeline, services.proxies, services.clock),
    ]


def _application(s: Services, access: Access, describe: Callable[[], dict[str, Any]]) -> Litestar:
    admin = administrator(access)
    management = Router(
        "/api/v1",
        route_handlers=[
            event_router(s, access),
            delivery_router(s),
            export_router(s),
            attempt_router(s),
            webhook_router(s),
            credential_router(s),
            source_router(s),
            preset_router(),
            caught_router(s),
            stream_router(s),
            answer_router(s),
            request_router(s),
            request_export_router(s),
            job_router(s),
            package_router(s),
            event_type_router(s),
            catalogue_router(s),
            match_router(s),
            automation_router(s),
            simulation_router(s),
            automation_event_router(s),
            run_router(s),
            timer_router(s),
            plugin_router(s, admin),
            tenant_router(s, admin),
            key_router(s, admin),
        ],
        guards=[authenticated(access)],
        dependencies={"owner": owner_of(access)},
    )
    return Litestar(
        [management, *superoffice_routers(s, access), shared_router(s), probe_router(s, describe)],
        guards=[check_query],
        exception_handlers={Exception: problem_response},
        request_max_body_size=MANAGEMENT_BODY,
        openapi_config=None,  # described by hookferry.api.openapi
        logging_config=None,
        debug=False,
    )


_NO_METHOD = "?"
"""A method that no address has: the refusal lists those that it has."""


class EveryAnswer:
    """What all answers have in common: the security headers, HEAD as GET, and what OPTIONS says.

    Args:
        app: the ASGI application behind.
    """

    def __init__(self, app: AsgiApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        method = scope["method"] if scope["type"] == "http" else None
        if method == "HEAD":
            # The server below still knows, and sends no body.
            scope = {**scope, "method": "GET", IS_HEAD: True}
        elif method == "OPTIONS":
            # The framework's own answer lists the methods of the handler that was added first.
            scope = {**scope, "method": _NO_METHOD}
        listing = False

        async def guarded(message: Message) -> None:
            nonlocal listing
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", []))
                if method == "OPTIONS" and message["status"] == HTTPStatus.METHOD_NOT_ALLOWED:
                    listing = True
                    headers = [pair for pair in headers if bytes(pair[0]).lower() == b"allow"]
                    message = {**message, "status": HTTPStatus.NO_CONTENT}
                given = {bytes(name).lower() for name, _ in headers}
                headers += [pair for pair in SECURITY_HEADERS if pair[0] not in given]
                message = {**message, "headers": headers}
            elif listing:
                message = {**message, "body": b""}
            await send(message)

        await self._app(scope, receive, guarded)
