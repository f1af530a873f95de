"""The calls on ``event_types``: what events there are, what their data looks like, examples."""

from __future__ import annotations

from typing import Any, Literal, TypedDict, Unpack

from hookferry.client.answers import Application, EventType
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
    operation,
    path,
    reader,
)
from hookferry.client.log_answers import Published

_event_type = reader(EventType)
_page = reader(Page[EventType])
_applications = reader(Page[Application])
_published = reader(Published)
_document = reader(dict[str, Any])


class EventTypeSettings(TypedDict, total=False):
    """What ``event_types.put`` says of a type; what is left out gets its default."""

    application: str
    phase: Literal["before", "after"] | None
    description: str
    schema: dict[str, Any] | bool | None
    schema_mode: Literal["off", "warn", "enforce"]
    example: Any


class _EventTypes(Resource):
    """The catalogue of event types."""

    @listing
    def list(
        self,
        *,
        application: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Call[Page[EventType]]:
        """List the registered event types, newest first.

        Args:
            application: only those of this application.
            limit: how many a page has, 250 at most.
            cursor: ``next`` of an earlier page, to go on from there.
        """
        query = given(application=application, limit=limit, cursor=cursor)
        return Call("GET", "event_types", _page, query)

    @operation
    def get(self, name: str) -> Call[EventType]:
        """Return an event type."""
        return Call("GET", path("event_types", name), _event_type)

    @operation
    def put(
        self,
        /,
        name: str,
        *,
        version: int | None = None,
        **settings: Unpack[EventTypeSettings],
    ) -> Call[EventType]:
        """Register an event type, or set it to exactly these settings.

        Args:
            name: such as ``contact.create``.
            version: refuse unless it still has the ``version`` that you saw.
            **settings: ``application``, ``phase``, ``description``, ``schema``, ``schema_mode``,
                ``example``; those left out get their defaults.
        """
        return Call(
            "PUT",
            path("event_types", name),
            _event_type,
            body=encoded(settings),
            headers=if_match(version),
        )

    @operation
    def archive(self, name: str) -> Call[EventType]:
        """Take an event type out of use."""
        return Call("POST", path("event_types", name, "archive"), _event_type)

    @operation
    def send_example(self, name: str) -> Call[Published]:
        """Publish a type's example as an event of it; raises what ``publish`` does."""
        return Call("POST", path("event_types", name, "example"), _published, asks_receivers=True)

    @listing
    def applications(
        self, *, limit: int | None = None, cursor: str | None = None
    ) -> Call[Page[Application]]:
        """List the applications that event types name."""
        return Call("GET", "applications", _applications, given(limit=limit, cursor=cursor))

    @operation
    def asyncapi(self, *, application: str | None = None) -> Call[dict[str, Any]]:
        """Return the catalogue, or one application's part, as an AsyncAPI 3.0 document."""
        return Call("GET", "asyncapi", _document, given(application=application))


class EventTypes(_EventTypes, SyncResource):
    """Event types, on a ``Client``."""


class AsyncEventTypes(_EventTypes, AsyncResource):
    """Event types, on an ``AsyncClient``."""
