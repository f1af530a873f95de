"""The calls on ``events`` (what was published) and ``deliveries`` (what became of it)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from hookferry.client.answers import Job
from hookferry.client.calls import (
    AsyncResource,
    Call,
    Page,
    Resource,
    SyncResource,
    encoded,
    given,
    listing,
    operation,
    path,
    reader,
)
from hookferry.client.log_answers import Attempt, Changed, Delivery, Event, Match

_event = reader(Event)
_events = reader(Page[Event])
_delivery = reader(Delivery)
_deliveries = reader(Page[Delivery])
_attempts = reader(Page[Attempt])
_changed = reader(Changed)
_job = reader(Job)
_matches = reader(Page[Match])


class _Events(Resource):
    """Published events."""

    @listing
    def list(
        self,
        *,
        type: str | None = None,
        state: str | None = None,
        external_id: str | None = None,
        after: datetime | None = None,
        before: datetime | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Call[Page[Event]]:
        """List events, newest first, without their data.

        Args:
            type: only of this type.
            state: ``matched``, ``unmatched`` or ``vetoed``.
            external_id: only that published with this ``id`` of your own.
            after: only those received at this time (one with a zone) or later.
            before: only those received earlier.
            limit: how many a page has, 250 at most.
            cursor: ``next`` of an earlier page, to go on from there.
        """
        query = given(
            type=type,
            state=state,
            external_id=external_id,
            after=after,
            before=before,
            limit=limit,
            cursor=cursor,
        )
        return Call("GET", "events", _events, query)

    @operation
    def get(self, event: str) -> Call[Event]:
        """Return an event by its id, with its data parsed."""
        return Call("GET", path("events", event), _event)

    @operation
    def data(self, event: str) -> Call[bytes]:
        """Return an event's data, byte for byte as published."""
        return Call("GET", path("events", event, "data"), bytes)

    @listing
    def deliveries(
        self, event: str, *, limit: int | None = None, cursor: str | None = None
    ) -> Call[Page[Delivery]]:
        """List an event's deliveries."""
        query = given(limit=limit, cursor=cursor)
        return Call("GET", path("events", event, "deliveries"), _deliveries, query)

    @listing
    def matches(
        self,
        event: str,
        *,
        webhook: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Call[Page[Match]]:
        """Tell why an event does or does not go to each webhook, as both are now.

        Args:
            event: its id.
            webhook: only about the webhook with this id.
            limit: how many a page has, 250 at most.
            cursor: ``next`` of an earlier page, to go on from there.
        """
        query = given(webhook=webhook, limit=limit, cursor=cursor)
        return Call("GET", path("events", event, "matches"), _matches, query)

    @operation
    def replay(self, event: str, *, webhooks: Sequence[str] | None = None) -> Call[Page[Delivery]]:
        """Deliver an event once more; the answer has the new deliveries.

        Args:
            event: its id.
            webhooks: ids of those that get it, subscribed or not; left out, those that match now.
        """
        body = encoded(given(webhooks=None if webhooks is None else [*webhooks]))
        return Call("POST", path("events", event, "replay"), _deliveries, body=body)


class Events(_Events, SyncResource):
    """Published events, on a ``Client``."""


class AsyncEvents(_Events, AsyncResource):
    """Published events, on an ``AsyncClient``."""


class _Deliveries(Resource):
    """What is owed to webhooks, and was."""

    @listing
    def list(
        self,
        *,
        webhook: str | None = None,
        event: str | None = None,
        event_type: str | None = None,
        state: str | None = None,
        status_code: int | None = None,
        after: datetime | None = None,
        before: datetime | None = None,
        text: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Call[Page[Delivery]]:
        """List deliveries, newest first.

        Args:
            webhook: only those to the webhook with this id.
            event: only those of the event with this id.
            event_type: only those of events of this type.
            state: only those in this state, such as ``failed``; several are joined by commas.
            status_code: only those whose last attempt was answered with this HTTP status.
            after: only those accepted at this time (one with a zone) or later.
            before: only those accepted earlier.
            text: only those with this in their event's payload or last error.
            limit: how many a page has, 250 at most.
            cursor: ``next`` of an earlier page, to go on from there.
        """
        query = given(
            webhook=webhook,
            event=event,
            event_type=event_type,
            state=state,
            status_code=status_code,
            after=after,
            before=before,
            text=text,
            limit=limit,
            cursor=cursor,
        )
        return Call("GET", "deliveries", _deliveries, query)

    @operation
    def get(self, delivery: str) -> Call[Delivery]:
        """Return a delivery by its id."""
        return Call("GET", path("deliveries", delivery), _delivery)

    @listing
    def attempts(
        self, delivery: str, *, limit: int | None = None, cursor: str | None = None
    ) -> Call[Page[Attempt]]:
        """List a delivery's attempts, newest first."""
        query = given(limit=limit, cursor=cursor)
        return Call("GET", path("deliveries", delivery, "attempts"), _attempts, query)

    @operation
    def attempt_body(self, delivery: str, attempt: str) -> Call[bytes]:
        """Return the body that an attempt sent, byte for byte."""
        return Call("GET", path("deliveries", delivery, "attempts", attempt, "body"), bytes)

    @operation
    def resend(self, delivery: str) -> Call[Delivery]:
        """Make a settled delivery due again: a new attempt on the same delivery."""
        return Call("POST", path("deliveries", delivery, "resend"), _delivery)

    @operation
    def resend_many(self, deliveries: Sequence[str]) -> Call[Changed]:
        """Make up to 1,000 settled deliveries due again at once, by their ids."""
        body = encoded({"ids": [*deliveries]})
        return Call("POST", "deliveries/resend", _changed, body=body)

    @operation
    def resend_where(
        self,
        *,
        webhook: str | None = None,
        event: str | None = None,
        event_type: str | None = None,
        state: str | None = None,
        status_code: int | None = None,
        after: datetime | None = None,
        before: datetime | None = None,
        text: str | None = None,
    ) -> Call[Job]:
        """Make all settled deliveries due again that a filter finds; parameters as of ``list``.

        That takes its time: ``client.jobs.get`` tells how far it is.
        """
        where = given(
            webhook=webhook,
            event=event,
            event_type=event_type,
            state=state,
            status_code=status_code,
            after=after,
            before=before,
            text=text,
        )
        return Call("POST", "deliveries/resend", _job, body=encoded({"filter": where}))

    @operation
    def cancel(self, delivery: str) -> Call[Delivery]:
        """Cancel a delivery that is still owed."""
        return Call("POST", path("deliveries", delivery, "cancel"), _delivery)


class Deliveries(_Deliveries, SyncResource):
    """Deliveries, on a ``Client``."""


class AsyncDeliveries(_Deliveries, AsyncResource):
    """Deliveries, on an ``AsyncClient``."""
