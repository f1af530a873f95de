"""The calls on ``webhooks``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NotRequired, TypedDict, Unpack

from hookferry.client.answers import (
    Job,
    LastError,
    PingResult,
    RateLimit,
    Retry,
    Secret,
    Webhook,
    WebhookStats,
)
from hookferry.client.calls import (
    AsyncResource,
    Call,
    Page,
    Resource,
    SyncResource,
    encoded,
    given,
    if_match,
    listing,
    nothing,
    operation,
    path,
    reader,
)

_webhook = reader(Webhook)
_page = reader(Page[Webhook])
_job = reader(Job)
_secret = reader(Secret)
_stats = reader(WebhookStats)
_last_error = reader(LastError)
_ping = reader(PingResult)


class RetrySchedule(TypedDict):
    """``retry`` as a dictionary."""

    schedule: Sequence[float]
    """Seconds before each further attempt."""
    jitter: NotRequired[float]


class Rate(TypedDict):
    """``rate_limit`` as a dictionary."""

    per_second: float
    burst: NotRequired[int]


class ClientCertificate(TypedDict):
    """What a receiver asks for that knows its callers by certificate; both are PEM."""

    certificate: str
    private_key: str


class WebhookSettings(TypedDict, total=False):
    """What a webhook has besides name, target and events; None is "as the profile says"."""

    profile: str
    type: Literal["webhook", "automation"]
    """``automation`` runs a script, which ``target_url`` or ``automations_kata`` names."""
    automations_kata: str
    mode: Literal["async", "sync", "sync_critical"]
    payload_format: str | None
    """``json``; ``xml`` under hornbill, ``binary`` under cloudevents."""
    title: str
    description: str
    application: str
    """Only events of this application; empty for all."""
    secret: str | None
    credential: str | None
    """A credential's name or id."""
    properties: Mapping[str, Any]
    condition: Mapping[str, Any] | None
    """A condition tree, or ``{"cel": "..."}``."""
    channels: Sequence[str]
    handshake: bool
    """Ask the receiver for permission first, under profiles with a handshake."""
    headers: Mapping[str, str]
    forward_headers: Sequence[str]
    """Names of headers of a caught request that are sent on; ``*`` for all but credentials."""
    retry: RetrySchedule | Retry | None
    timeout: float | None
    """Seconds."""
    failure_limit: int | None
    failure_window: float | None
    """Seconds."""
    rate_limit: Rate | RateLimit | None
    max_in_flight: int | None
    ordered: bool
    ca: str | None
    client_certificate: ClientCertificate | None
    proxy: str | None


class WebhookChanges(WebhookSettings, total=False):
    """What ``webhooks.patch`` may change."""

    name: str
    target_url: str
    events: Sequence[str]


class WebhookDraft(WebhookSettings):
    """A webhook that is not saved, for ``webhooks.test``."""

    name: str
    target_url: str
    events: Sequence[str]


class _Webhooks(Resource):
    """Subscriptions: which events go where, and how."""

    @listing
    def list(self, *, limit: int | None = None, cursor: str | None = None) -> Call[Page[Webhook]]:
        """List the webhooks, newest first.

        Args:
            limit: how many a page has, 250 at most.
            cursor: ``next`` of an earlier page, to go on from there.
        """
        return Call("GET", "webhooks", _page, given(limit=limit, cursor=cursor))

    @operation
    def create(
        self,
        /,
        name: str,
        target_url: str,
        events: Sequence[str],
        **settings: Unpack[WebhookSettings],
    ) -> Call[Webhook]:
        """Create a webhook. The answer has its secret, which is not shown there again.

        Args:
            name: unique, without spaces (under most profiles).
            target_url: where its events are POSTed.
            events: patterns such as ``contact.created``, ``contact.*`` or ``*``.
            **settings: any further field of a webhook, such as ``profile``, ``mode``,
                ``condition`` or ``retry`` (``WebhookSettings``).

        Raises:
            ApiError: it was refused; ``test_failed`` and ``handshake_refused`` are the receiver's
                own no.
        """
        fields = {"name": name, "target_url": target_url, "events": [*events], **settings}
        return Call("POST", "webhooks", _webhook, body=encoded(fields), asks_receivers=True)

    @operation
    def get(self, webhook: str) -> Call[Webhook]:
        """Return a webhook by its id."""
        return Call("GET", path("webhooks", webhook), _webhook)

    @operation
    def patch(
        self, webhook: str, changes: WebhookChanges, *, version: int | None = None
    ) -> Call[Webhook]:
        """Change some of a webhook's fields.

        Args:
            webhook: its id.
            changes: the fields to change; None takes one back to its default (RFC 7396).
            version: refuse unless it still has the ``version`` that you saw.
        """
        return Call(
            "PATCH",
            path("webhooks", webhook),
            _webhook,
            body=encoded(changes),
            headers=if_match(version),
            asks_receivers=True,
        )

    @operation
    def delete(self, webhook: str, *, version: int | None = None) -> Call[None]:
        """Delete a webhook: its backlog is cancelled, its log stays.

        Args:
            webhook: its id.
            version: refuse unless it still has the ``version`` that you saw.
        """
        return Call("DELETE", path("webhooks", webhook), nothing, headers=if_match(version))

    @operation
    def pause(self, webhook: str) -> Call[Webhook]:
        """Stop sending; new events wait until ``resume``."""
        return Call("POST", path("webhooks", webhook, "pause"), _webhook)

    @operation
    def resume(self, webhook: str) -> Call[Webhook]:
        """Send on where ``pause`` stopped."""
        return Call("POST", path("webhooks", webhook, "resume"), _webhook)

    @operation
    def stop(self, webhook: str) -> Call[Webhook]:
        """Stop sending; new events are skipped."""
        return Call("POST", path("webhooks", webhook, "stop"), _webhook)

    @operation
    def restart(self, webhook: str) -> Call[Webhook]:
        """Make a stopped or disabled webhook active again; its backlog flows."""
        return Call("POST", path("webhooks", webhook, "restart"), _webhook)

    @operation
    def recover(self, webhook: str, since: datetime) -> Call[Job]:
        """Queue what was skipped or failed since a time (one with a zone)."""
        return Call(
            "POST", path("webhooks", webhook, "recover"), _job, body=encoded({"since": since})
        )

    @operation
    def secret(self, webhook: str) -> Call[Secret]:
        """Return the signing secret, if it was not shown before."""
        return Call("GET", path("webhooks", webhook, "secret"), _secret)

    @operation
    def rotate_secret(
        self, webhook: str, *, secret: str | None = None, overlap: float | None = None
    ) -> Call[Webhook]:
        """Give a webhook a new secret, which the answer has; the old one signs on for a while.

        Args:
            webhook: its id.
            secret: the new one; made by the server when left out.
            overlap: seconds during which the old one still signs; a day when left out, 0 takes it
                away at once.
        """
        fields = given(secret=secret, overlap=overlap)
        return Call("POST", path("webhooks", webhook, "secret"), _webhook, body=encoded(fields))

    @operation
    def stats(self, webhook: str, *, hours: int | None = None) -> Call[WebhookStats]:
        """Return how its receiver has been doing.

        Args:
            webhook: its id.
            hours: count the deliveries of so many hours back; a day when left out.
        """
        return Call("GET", path("webhooks", webhook, "stats"), _stats, given(hours=hours))

    @operation
    def last_error(self, webhook: str) -> Call[LastError]:
        """Return what went wrong last, and when."""
        return Call("GET", path("webhooks", webhook, "last_error"), _last_error)

    @operation
    def test(self, webhook: str | WebhookDraft) -> Call[PingResult]:
        """Send a ping and return what the receiver made of it.

        Args:
            webhook: the id of a webhook, or the fields of one that is not saved.
        """
        if isinstance(webhook, str):
            return Call("POST", path("webhooks", webhook, "test"), _ping, asks_receivers=True)
        return Call("POST", "webhooks/test", _ping, body=encoded(webhook), asks_receivers=True)


class Webhooks(_Webhooks, SyncResource):
    """Subscriptions, on a ``Client``."""


class AsyncWebhooks(_Webhooks, AsyncResource):
    """Subscriptions, on an ``AsyncClient``."""
