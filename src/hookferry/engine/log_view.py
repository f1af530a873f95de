"""What the log shows of an attempt: the request as it was sent, and how it was signed.

The log keeps an attempt's head, and the body only as the event it was rendered from. Here it is
rendered again, under the version of the webhook that the attempt was made from. What can't be
told for certain is not guessed: the reason stands in its place. Of a run it is the event's data,
which the script is given as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, Protocol

import msgspec
import structlog

from hookferry.domain.delivery import HELD, OWING, WAITED_FOR, Attempt, Delivery
from hookferry.domain.event import Event
from hookferry.domain.webhook import AUTOMATION, Webhook
from hookferry.engine.directory import Directory
from hookferry.engine.dispatch import Carrier
from hookferry.engine.planner import Planner
from hookferry.errors import HookferryError
from hookferry.ids import encode
from hookferry.wire.profiles import profile_named
from hookferry.wire.profiles.base import SignatureNote

log = structlog.get_logger(__name__)

NOT_KEPT: Final = "the log of this attempt does not say which version of the webhook it was"
"""Attempts of older builds."""
FORGOTTEN: Final = "retention has forgotten the version of the webhook that it was rendered from"
EVENT_FORGOTTEN: Final = "retention has forgotten the event"
DIFFERS: Final = (
    "the request had another length than this build and its settings render now, so what was sent "
    "is not known"
)
NOT_MADE: Final = "no request was made: it could not be rendered"
FAILED: Final = "it can't be rendered any more"


class SentSignature(msgspec.Struct, frozen=True):
    """The signature that a request carried."""

    value: str
    """As in its header."""
    note: SignatureNote
    """How it was computed."""


class SentRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a request beside its head."""

    body: bytes | None = None
    truncated: bool = False
    """The body has more than was asked for."""
    content_type: str | None = None
    """As its header says; None where it has none, as the caught request that it passes on."""
    missing: str | None = None
    """Why there is no body."""
    signature: SentSignature | None = None
    """None where it was not signed, or where it is not known what signed it."""


class RequestLog(Protocol):
    """What is read of the ledger's log."""

    async def event(self, tenant_id: int, event_id: int) -> Event | None:
        """Return one event."""
        ...

    async def webhook_at(self, tenant_id: int, webhook_id: int, version: int) -> Webhook | None:
        """Return a webhook as it was at a version."""
        ...


class SentRequests:
    """Shows requests as they were sent.

    Args:
        store: the ledger's log.
        directory: webhooks as they are now.
        planner: how webhooks are rendered.
    """

    def __init__(self, store: RequestLog, directory: Directory, planner: Planner) -> None:
        self._store = store
        self._directory = directory
        self._planner = planner

    async def of(
        self, delivery: Delivery, attempts: Sequence[Attempt], *, most: int | None = None
    ) -> dict[int, SentRequest]:
        """Return what attempts of a delivery sent, by the attempt's id.

        Each version of the webhook is read and rendered once.

        Args:
            delivery: whose attempts they are.
            attempts: which.
            most: bytes of a body that are wanted, None for all; many versions of a large body are
                never in memory whole.
        """
        if not attempts:
            return {}
        event = await self._store.event(delivery.tenant_id, delivery.event_id)
        rendered: dict[int, _Rendered] = {}
        for attempt in attempts:
            version = attempt.webhook_version
            if version not in rendered:
                rendered[version] = await self._rendered(delivery, event, version, most)
        return {a.id: rendered[a.webhook_version].sent(a) for a in attempts}

    async def _rendered(
        self, delivery: Delivery, event: Event | None, version: int, most: int | None
    ) -> _Rendered:
        if event is None:
            return _Rendered(missing=EVENT_FORGOTTEN)
        if not version:
            return _Rendered(missing=NOT_KEPT)
        webhook = self._directory.webhook_by_id(delivery.webhook_id)
        if webhook is None or webhook.version != version:
            webhook = await self._store.webhook_at(delivery.tenant_id, delivery.webhook_id, version)
        if webhook is None:
            return _Rendered(missing=FORGOTTEN)
        if webhook.type == AUTOMATION:
            # A caught request has the type that its own headers say.
            kind = "application/json" if event.meta.caught is None else None
            data = event.payload
            return _Rendered(body=data[:most], length=len(data), run=True, content_type=kind)
        try:
            note = profile_named(webhook.profile).signature
            rendering = self._planner.rendering(webhook)
            body = Carrier(event).body(rendering)
        except HookferryError as error:
            return _Rendered(missing=f"{FAILED}: {error.detail}")
        except Exception:  # a profile may be a plugin, and its bug must not hide the whole log
            log.exception("request_not_shown", webhook=encode("wh", webhook.id))
            return _Rendered(missing=f"{FAILED}: the profile {webhook.profile!r} failed")
        return _Rendered(body=body[:most], length=len(body), note=note)


class _Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """The request of one version of a webhook."""

    body: bytes | None = None
    length: int = 0
    missing: str | None = None
    note: SignatureNote | None = None
    run: bool = False
    """It ran a script here: its head has neither a length nor a type."""
    content_type: str | None = None
    """Of what a script was given."""

    def sent(self, attempt: Attempt) -> SentRequest:
        """Return what an attempt sent, going by its head."""
        head = attempt.request_head
        if not head:
            return SentRequest(missing=NOT_MADE)
        signature = None
        if self.note is not None:
            value = header_of(head, self.note.header)
            signature = None if value is None else SentSignature(value, self.note)
        body, missing = self.body, self.missing
        stands = self.run or header_of(head, "Content-Length") == str(self.length)
        if body is not None and not stands:
            body, missing = None, DIFFERS
        return SentRequest(
            body=body,
            truncated=body is not None and len(body) < self.length,
            content_type=self.content_type if self.run else header_of(head, "Content-Type"),
            missing=missing,
            signature=signature,
        )


def header_of(head: bytes, name: str) -> str | None:
    """Return the value of the first header of this name in a request's head."""
    wanted = name.lower().encode()
    for line in head.split(b"\r\n")[1:]:
        found, colon, value = line.partition(b":")
        if colon and found.lower() == wanted:
            return value.strip().decode("latin-1")
    return None


def waiting_for(delivery: Delivery) -> Literal["answer", "verdict"] | None:
    """Return what holds a delivery back that owes but has no due time.

    ``answer`` while its own caller waits for it; ``verdict`` while it waits for what the event's
    synchronous webhooks say (SEMANTICS section 4).
    """
    if delivery.state in OWING:
        if delivery.due_ms == WAITED_FOR:
            return "answer"
        if delivery.due_ms == HELD:
            return "verdict"
    return None
