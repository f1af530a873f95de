"""From a match to deliveries: what is owed, skipped, waited for or held when an event is accepted.

Pure: the states of SEMANTICS section 1 at acceptance, and the arrangement of section 4 for events
whose publisher waits. Storing them is the committer's, sending them the lanes' and ``synchronous``.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hookferry.domain.delivery import HELD, WAITED_FOR, Delivery, DeliveryState
from hookferry.domain.event import Event
from hookferry.domain.tenant import Tenant
from hookferry.domain.webhook import Mode, Webhook, WebhookState
from hookferry.engine.synchronous import MAX_CALLS_PER_EVENT, PAUSED, Asked
from hookferry.errors import Conflict

_SKIPPED_IN_STATE = {
    WebhookState.STOPPED: "webhook_stopped",
    WebhookState.TOO_MANY_ERRORS: "webhook_too_many_errors",
    WebhookState.UNKNOWN: "webhook_state_unknown",
}


class Waiting(msgspec.Struct):
    """What of an event's deliveries the publisher waits for."""

    before: bool
    calls: list[tuple[Webhook, Delivery]]
    asked: tuple[Asked, ...]


def arrange(matched: Sequence[Webhook], deliveries: list[Delivery], before: bool) -> Waiting:
    """Set the synchronous deliveries apart, in place.

    Those of an event that asks hold the asynchronous ones back until their verdict.

    Raises:
        Conflict: there are more than a publisher can wait for.
    """
    calls: list[tuple[Webhook, Delivery]] = []
    asked: list[Asked] = []
    undecided = False
    for position, webhook in enumerate(matched):
        if webhook.mode is Mode.ASYNC:
            continue
        delivery = deliveries[position]
        reason = delivery.last_error
        if delivery.state is DeliveryState.PENDING:
            if webhook.state is WebhookState.PAUSED:
                reason = PAUSED
                vetoes = before and webhook.mode is Mode.SYNC_CRITICAL
                undecided = undecided or vetoes
                delivery = msgspec.structs.replace(
                    delivery,
                    state=DeliveryState.VETOED if vetoes else DeliveryState.FAILED,
                    last_error=reason,
                )
            else:
                delivery = msgspec.structs.replace(delivery, due_ms=WAITED_FOR)
                calls.append((webhook, delivery))
                undecided = True
            deliveries[position] = delivery
        asked.append(Asked(delivery.id, webhook.id, webhook.mode, reason))
    if len(calls) > MAX_CALLS_PER_EVENT:
        raise Conflict(
            f"{len(calls)} synchronous webhooks match this event; a publisher waits for at most "
            f"{MAX_CALLS_PER_EVENT}: make some of them asynchronous"
        )
    if before and undecided:
        for position, delivery in enumerate(deliveries):
            if delivery.state is DeliveryState.PENDING and delivery.due_ms < WAITED_FOR:
                deliveries[position] = msgspec.structs.replace(delivery, due_ms=HELD)
    return Waiting(before, calls, tuple(asked))


def unless_for(webhook_id: int, delivery: Delivery) -> Delivery:
    """Return a delivery, skipped if it is for a webhook that is being disabled."""
    if delivery.webhook_id != webhook_id or delivery.state is not DeliveryState.PENDING:
        return delivery
    reason = _SKIPPED_IN_STATE[WebhookState.TOO_MANY_ERRORS]
    return msgspec.structs.replace(delivery, state=DeliveryState.SKIPPED, last_error=reason)


def owed(delivery_id: int, event: Event, webhook: Webhook, tenant: Tenant, due: int) -> Delivery:
    """Return what an event owes a webhook: pending, or skipped with the reason.

    Args:
        delivery_id: its id.
        event: what happened.
        webhook: to whom.
        tenant: whose both are.
        due: now, on the engine's timeline in milliseconds.
    """
    reason = _SKIPPED_IN_STATE.get(webhook.state)
    if not tenant.webhooks_active:
        reason = "tenant_webhooks_off"
    return Delivery(
        delivery_id,
        event.id,
        webhook.id,
        event.tenant_id,
        DeliveryState.PENDING if reason is None else DeliveryState.SKIPPED,
        due,
        0,
        None,
        reason,
        event.received_at_ms,
    )
