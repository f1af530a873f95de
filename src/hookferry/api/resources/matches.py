"""``/api/v1/events/{id}/matches``: why an event did or did not go to each webhook."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Router, get
from litestar.params import FromPath, FromQuery, QueryParameter

from hookferry import ids
from hookferry.api.framework import Owner
from hookferry.api.services import Services
from hookferry.api.wire import Moment, Page, decode_cursor, id_in, id_in_path, page_of, time_text
from hookferry.domain.delivery import Delivery
from hookferry.domain.event import Event
from hookferry.domain.webhook import Webhook
from hookferry.engine.matching import Reasons, Step
from hookferry.errors import NotFound
from hookferry.match.conditions import Check
from hookferry.match.facts import Facts
from hookferry.store.ports import DeliveryFilter
from hookferry.wire.bodies import data_of


class MatchedDelivery(msgspec.Struct, kw_only=True):
    """The delivery that an event and a webhook have on record."""

    id: str
    state: str
    attempts: int
    last_status: int | None
    last_error: str | None
    """The last attempt's error kind, or why it was skipped or cancelled."""


class MatchView(msgspec.Struct, kw_only=True):
    """Why an event goes to a webhook or not, as both are now; and what is on record."""

    webhook: str
    name: str
    matches: bool
    """Whether the event would get a delivery to this webhook."""
    sends: bool
    """Whether that delivery would be sent, and not skipped."""
    steps: list[Step]
    """What decides, in order; the first that did not pass is why not."""
    condition: list[Check]
    """The comparisons of the condition that were made, in order; the last one decided."""
    webhook_changed_at: Moment | None
    """When the webhook was last saved, if that was after the event: what is told above need not
    be what was true then."""
    match_error: str | None
    """Why the condition could not be evaluated when the event was accepted."""
    delivery: MatchedDelivery | None
    """The newest delivery of the event to this webhook."""


def match_router(s: Services) -> Router:
    """Return the addresses that tell why an event matched."""
    matcher = s.intake.matcher

    async def view(event: Event, facts: Facts, webhook: Webhook) -> MatchView:
        where = DeliveryFilter(tenant_id=event.tenant_id, event_id=event.id, webhook_id=webhook.id)
        deliveries = await s.store.deliveries(where, limit=1, below_id=None)
        return match_view(event, webhook, matcher.explain(event, facts, webhook), deliveries)

    @get("/{event_id:str}/matches", summary="Tell why an event did or did not match webhooks")
    async def matches(
        owner: Owner,
        event_id: FromPath[str],
        webhook: Annotated[
            str | None, QueryParameter(description="id of one webhook; left out, all of them")
        ] = None,
        limit: FromQuery[int | None] = None,
        cursor: FromQuery[str | None] = None,
    ) -> Page[MatchView]:
        event = await s.store.event(owner.id, id_in_path("evt", event_id))
        if event is None:
            raise NotFound(f"there is no event {event_id[:80]}")
        facts = Facts(event.type, data_of(event), event.meta)
        if webhook is not None:
            one = s.directory.webhook(owner.id, id_in("wh", webhook, field="webhook"))
            return Page([await view(event, facts, one)], None)
        size = s.pages.of(limit)
        below = decode_cursor(cursor)
        found = [w for w in s.directory.webhooks(owner.id) if below is None or w.id < below]
        # One look-up each: an event may have ten thousand deliveries, a page has few webhooks.
        views = {w.id: await view(event, facts, w) for w in found[:size]}
        return page_of(found[: size + 1], size, lambda w: views[w.id], lambda w: w.id)

    handlers: list[Any] = [matches]
    return Router("/events", route_handlers=handlers, tags=["events"])


def match_view(
    event: Event, webhook: Webhook, reasons: Reasons, deliveries: list[Delivery]
) -> MatchView:
    """Show why, beside what is on record."""
    text = ids.encode("wh", webhook.id)
    changed = webhook.updated_at_ms > event.received_at_ms
    return MatchView(
        webhook=text,
        name=webhook.name,
        matches=reasons.matches,
        sends=reasons.sends,
        steps=reasons.steps,
        condition=reasons.condition,
        webhook_changed_at=time_text(webhook.updated_at_ms) if changed else None,
        match_error=(event.meta.match_errors or {}).get(text),
        delivery=_shown(deliveries[0]) if deliveries else None,
    )


def _shown(delivery: Delivery) -> MatchedDelivery:
    return MatchedDelivery(
        id=ids.encode("dlv", delivery.id),
        state=delivery.state.name.lower(),
        attempts=delivery.attempts,
        last_status=delivery.last_status,
        last_error=delivery.last_error,
    )
