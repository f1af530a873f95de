"""``/api/v1/webhooks``: subscriptions, their states, secrets and figures."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, Router, delete, get, patch, post
from litestar.params import FromPath, FromQuery, RawBody

from hookferry import ids
from hookferry.api.framework import IfMatch, Owner
from hookferry.api.resources.jobs import JobView, job_view
from hookferry.api.services import Services
from hookferry.api.wire import (
    Moment,
    Page,
    decode_body,
    decode_json,
    id_in_path,
    page_in_memory,
    time_ms,
    time_text,
    version_in,
)
from hookferry.domain.delivery import DeliveryState
from hookferry.domain.tenant import Tenant
from hookferry.domain.webhook import RateLimit, Retry, Webhook
from hookferry.engine.definition import WebhookDefinition
from hookferry.engine.masking import MASK, is_credential
from hookferry.engine.pings import PingResult
from hookferry.errors import InvalidField

MAX_STATS_HOURS = 720


class WebhookView(msgspec.Struct, kw_only=True):
    """A webhook as it is shown; null means "as the profile says"."""

    id: str
    number: int
    name: str
    tenant: str
    title: str
    description: str
    application: str
    events: tuple[str, ...]
    type: str
    mode: str
    target_url: str
    """An address; or, of type ``automation``, the name of the script that runs."""
    automations_kata: str
    """Of type ``automation``: handlers of which the first enabled one runs, instead of a target."""
    profile: str
    payload_format: str
    secret: str | None
    """Masked, except in the answers to create and rotate; null where there is none."""
    credential: str | None
    """The id of the credential that requests authenticate with."""
    properties: dict[str, Any]
    condition: dict[str, Any] | None
    channels: tuple[str, ...]
    handshake: bool
    allowed_rate: int | None
    """Requests a minute that the receiver allowed in the handshake; null for as many as come."""
    headers: dict[str, str]
    """Values that look like credentials are masked."""
    forward_headers: tuple[str, ...]
    """Names of headers of a caught request that are sent on; ``*`` for all but credentials."""
    retry: Retry | None
    timeout: float | None
    failure_limit: int | None
    failure_window: float | None
    rate_limit: RateLimit | None
    max_in_flight: int | None
    ordered: bool
    ca: str | None
    client_certificate: str | None
    """Masked."""
    proxy: str | None
    """Masked."""
    state: str
    created_at: Moment | None
    updated_at: Moment | None
    version: int
    """The ETag's content, for If-Match."""


class SecretView(msgspec.Struct):
    """A signing secret, shown once."""

    secret: str


class Rotation(msgspec.Struct, forbid_unknown_fields=True):
    """How to rotate a secret."""

    secret: str | None = None
    """The new one; left out, it is made."""
    overlap: float | None = None
    """Seconds during which the present secrets go on signing, 0 to 604,800; left out, it is the
    setting ``rotation_overlap_hours``."""


class Recovery(msgspec.Struct, forbid_unknown_fields=True):
    """What to recover."""

    since: str
    """Deliveries skipped or failed since this time (RFC 3339) are queued again."""


class WebhookStats(msgspec.Struct, kw_only=True):
    """How a webhook's receiver has been doing."""

    since: Moment | None
    deliveries: dict[str, int]
    """Deliveries accepted since then, by state."""
    total_calls: int
    total_errors: int
    consecutive_failures: int
    failing_since: Moment | None
    last_success_at: Moment | None
    last_failure_at: Moment | None


class LastError(msgspec.Struct):
    """The last failed attempt, or nulls."""

    error: str | None
    at: Moment | None


def masked_secret(webhook: Webhook) -> str | None:
    """Return what is shown in place of a secret."""
    return f"whsec_{MASK}" if webhook.secrets else None


def webhook_view(webhook: Webhook, tenant: Tenant, secret: str | None = None) -> WebhookView:
    """Show a webhook; only a secret that is passed is shown in clear."""
    return WebhookView(
        id=ids.encode("wh", webhook.id),
        number=webhook.number,
        name=webhook.name,
        tenant=tenant.name,
        title=webhook.title,
        description=webhook.description,
        application=webhook.application,
        events=webhook.events,
        type=webhook.type,
        mode=webhook.mode.value,
        target_url=webhook.target_url,
        automations_kata=webhook.automations_kata,
        profile=webhook.profile,
        payload_format=webhook.payload_format,
        credential=None if webhook.credential is None else ids.encode("cred", webhook.credential),
        properties=webhook.properties,
        condition=webhook.condition,
        channels=webhook.channels,
        handshake=webhook.handshake,
        allowed_rate=webhook.allowed_rate,
        secret=masked_secret(webhook) if secret is None else secret,
        headers={n: MASK if is_credential(n) else v for n, v in webhook.headers.items()},
        forward_headers=webhook.forward_headers,
        retry=webhook.retry,
        timeout=webhook.timeout,
        failure_limit=webhook.failure_limit,
        failure_window=webhook.failure_window,
        rate_limit=webhook.rate_limit,
        max_in_flight=webhook.max_in_flight,
        ordered=webhook.ordered,
        ca=webhook.ca,
        client_certificate=None if webhook.client_certificate is None else MASK,
        proxy=None if webhook.proxy is None else MASK,
        state=webhook.state.label,
        created_at=time_text(webhook.created_at_ms),
        updated_at=time_text(webhook.updated_at_ms),
        version=webhook.version,
    )


def _shown(
    webhook: Webhook, tenant: Tenant, secret: str | None = None, status: int = 200
) -> Response[WebhookView]:
    headers = {"ETag": f'"{webhook.version}"'}
    if status == 201:
        headers["Location"] = f"/api/v1/webhooks/{ids.encode('wh', webhook.id)}"
    return Response(webhook_view(webhook, tenant, secret), status_code=status, headers=headers)


def webhook_router(s: Services) -> Router:
    """Return the addresses under ``/webhooks``."""

    @get("/", summary="List webhooks")
    async def list_webhooks(
        owner: Owner, limit: FromQuery[int | None] = None, cursor: FromQuery[str | None] = None
    ) -> Page[WebhookView]:
        return page_in_memory(
            [webhook for webhook in s.directory.webhooks(owner.id) if webhook.owner is None],
            s.pages.of(limit),
            cursor,
            lambda w: webhook_view(w, owner),
            lambda w: w.id,
        )

    @post("/", summary="Create a webhook", opt={"body": WebhookDefinition})
    async def create(owner: Owner, body: RawBody) -> Response[WebhookView]:
        webhook, secret = await s.webhooks.create(owner.id, decode_json(body))
        return _shown(webhook, owner, secret, 201)

    @post("/test", status_code=200, summary="Ping a definition", opt={"body": WebhookDefinition})
    async def test_definition(owner: Owner, body: RawBody) -> PingResult:
        draft, _ = await s.webhooks.draft(owner.id, decode_json(body))
        return await s.pings.ping(draft)

    @get("/{webhook_id:str}", summary="Get a webhook")
    async def get_one(owner: Owner, webhook_id: FromPath[str]) -> Response[WebhookView]:
        return _shown(s.directory.webhook(owner.id, id_in_path("wh", webhook_id)), owner)

    @patch(
        "/{webhook_id:str}",
        summary="Change a webhook by a JSON merge patch (RFC 7396)",
        opt={"body": WebhookDefinition, "partial": True},
    )
    async def change(
        owner: Owner, webhook_id: FromPath[str], body: RawBody, if_match: IfMatch = None
    ) -> Response[WebhookView]:
        webhook = await s.webhooks.patch(
            owner.id,
            id_in_path("wh", webhook_id),
            decode_json(body),
            version=version_in(if_match),
        )
        return _shown(webhook, owner)

    @delete("/{webhook_id:str}", summary="Delete a webhook; what it owes is cancelled")
    async def remove(owner: Owner, webhook_id: FromPath[str], if_match: IfMatch = None) -> None:
        await s.webhooks.delete(
            owner.id, id_in_path("wh", webhook_id), version=version_in(if_match)
        )

    @post("/{webhook_id:str}/test", status_code=200, summary="Ping a webhook")
    async def test_saved(owner: Owner, webhook_id: FromPath[str]) -> PingResult:
        return await s.pings.ping(s.directory.webhook(owner.id, id_in_path("wh", webhook_id)))

    @post("/{webhook_id:str}/pause", status_code=200, summary="Hold deliveries back")
    async def pause(owner: Owner, webhook_id: FromPath[str]) -> Response[WebhookView]:
        return _shown(await s.webhooks.pause(owner.id, id_in_path("wh", webhook_id)), owner)

    @post("/{webhook_id:str}/resume", status_code=200, summary="Go on after a pause")
    async def resume(owner: Owner, webhook_id: FromPath[str]) -> Response[WebhookView]:
        return _shown(await s.webhooks.resume(owner.id, id_in_path("wh", webhook_id)), owner)

    @post("/{webhook_id:str}/stop", status_code=200, summary="Skip new events, hold the backlog")
    async def stop(owner: Owner, webhook_id: FromPath[str]) -> Response[WebhookView]:
        return _shown(await s.webhooks.stop(owner.id, id_in_path("wh", webhook_id)), owner)

    @post("/{webhook_id:str}/restart", status_code=200, summary="Make a stopped webhook active")
    async def restart(owner: Owner, webhook_id: FromPath[str]) -> Response[WebhookView]:
        return _shown(await s.webhooks.restart(owner.id, id_in_path("wh", webhook_id)), owner)

    @post(
        "/{webhook_id:str}/recover",
        status_code=202,
        summary="Queue what was skipped or failed since a time",
        opt={"body": Recovery},
    )
    async def recover(owner: Owner, webhook_id: FromPath[str], body: RawBody) -> JobView:
        webhook = s.directory.webhook(owner.id, id_in_path("wh", webhook_id))
        since = time_ms(decode_body(body, Recovery).since, field="since")
        return job_view(await s.actions.recover(webhook, since or 0))

    @get(
        "/{webhook_id:str}/secret", summary="Get the newest secret, once", opt={"problems": (409,)}
    )
    async def read_secret(owner: Owner, webhook_id: FromPath[str]) -> SecretView:
        return SecretView(await s.webhooks.read_secret_once(owner.id, id_in_path("wh", webhook_id)))

    @post(
        "/{webhook_id:str}/secret",
        status_code=200,
        summary="Rotate the secret, with overlap",
        opt={"body": Rotation, "optional": True},
    )
    async def rotate(
        owner: Owner, webhook_id: FromPath[str], body: RawBody
    ) -> Response[WebhookView]:
        rotation = decode_body(body, Rotation)
        webhook, secret = await s.webhooks.rotate_secret(
            owner.id,
            id_in_path("wh", webhook_id),
            secret=rotation.secret,
            overlap=rotation.overlap,
        )
        return _shown(webhook, owner, secret)

    @get("/{webhook_id:str}/stats", summary="How the receiver has been doing")
    async def stats(
        owner: Owner, webhook_id: FromPath[str], hours: FromQuery[int] = 24
    ) -> WebhookStats:
        webhook = s.directory.webhook(owner.id, id_in_path("wh", webhook_id))
        if not 1 <= hours <= MAX_STATS_HOURS:
            raise InvalidField(f"hours is 1 to {MAX_STATS_HOURS}", field="hours")
        since = s.clock.wall_ms() - hours * 3_600_000
        counts = await s.store.webhook_counts(owner.id, webhook.id, since)
        health = s.directory.health(webhook.id)
        return WebhookStats(
            since=time_text(since),
            deliveries={state.name.lower(): counts.get(state, 0) for state in DeliveryState},
            total_calls=health.total_calls,
            total_errors=health.total_errors,
            consecutive_failures=health.consecutive_failures,
            failing_since=time_text(health.failing_since_ms),
            last_success_at=time_text(health.last_success_ms),
            last_failure_at=time_text(health.last_failure_ms),
        )

    @get("/{webhook_id:str}/last_error", summary="The last failed attempt")
    async def last_error(owner: Owner, webhook_id: FromPath[str]) -> LastError:
        webhook = s.directory.webhook(owner.id, id_in_path("wh", webhook_id))
        health = s.directory.health(webhook.id)
        return LastError(health.last_error, time_text(health.last_failure_ms))

    handlers: list[Any] = [
        list_webhooks,
        create,
        test_definition,
        get_one,
        change,
        remove,
        test_saved,
        pause,
        resume,
        stop,
        restart,
        recover,
        read_secret,
        rotate,
        stats,
        last_error,
    ]
    return Router("/webhooks", route_handlers=handlers, tags=["webhooks"])
