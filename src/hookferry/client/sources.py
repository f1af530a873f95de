"""The calls on ``sources``: URLs that catch other systems' requests, bins among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypedDict, Unpack

from hookferry.client.answers import RateLimit
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
from hookferry.client.source_answers import Preset, Share, Source, SourceStats
from hookferry.client.webhooks import Rate

_source = reader(Source)
_page = reader(Page[Source])
_stats = reader(SourceStats)
_share = reader(Share)
_shares = reader(Page[Share])
_presets = reader(Page[Preset])


class ReplyFields(TypedDict, total=False):
    """An answer as a dictionary."""

    status: int
    headers: Mapping[str, str]
    body: str


class RespondFields(ReplyFields, total=False):
    """``respond`` as a dictionary."""

    webhook: str | None
    """A synchronous webhook's name or id: its answer is the caller's."""
    automation: str | None
    """An automation's name or id: its answer is the caller's."""
    deadline: float | None
    """Seconds that the caller waits for it."""
    late: ReplyFields | None


class SourceSettings(TypedDict, total=False):
    """What a source has besides its name; None is "as the preset says, else the default"."""

    guid: str
    description: str | None
    enabled: bool
    draft: bool
    maintenance: bool
    methods: Sequence[str] | None
    allow_ips: Sequence[str] | None
    max_body: int | None
    """Bytes."""
    rate_limit: Rate | RateLimit | None
    verify: Mapping[str, Any] | None
    """``{"preset": ...}`` or a whole scheme, with ``secret`` or ``secrets``."""
    handshakes: Sequence[str] | None
    verify_token: str | None
    deduplicate: Mapping[str, Any] | None
    """``{"header"}``, ``{"json_path"}``, ``{"template"}`` or ``{"body_hash": True}``; ``{}`` for
    no duplicates at all."""
    window: float | None
    """Seconds."""
    event_type: str | Mapping[str, Any] | None
    parse: Literal["auto", "require"]
    condition: Mapping[str, Any] | None
    respond: RespondFields | None
    automations_kata: str | None
    """Handlers of which the first enabled one runs and answers the caller."""
    refuse_status: int | None
    cors: Sequence[str] | None
    public_url: str | None
    retention_days: float | None
    keep: int | None
    silent_after: float | None
    """Seconds."""


class SourceChanges(SourceSettings, total=False):
    """What ``sources.patch`` may change."""

    name: str
    bin: Literal[False]
    """A bin becomes a source that stays; give ``expires_at`` as None with it."""
    expires_at: datetime | None


class _Sources(Resource):
    """URLs that catch."""

    @listing
    def list(
        self,
        *,
        name: str | None = None,
        enabled: bool | None = None,
        bin: bool | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Call[Page[Source]]:
        """List the sources, newest first, without their secrets.

        Args:
            name: only the one of this name.
            enabled: only those that are, or are not.
            bin: only bins, or only others.
            limit: how many a page has, 250 at most.
            cursor: ``next`` of an earlier page, to go on from there.
        """
        wanted = given(name=name, enabled=enabled, bin=bin, limit=limit, cursor=cursor)
        return Call("GET", "sources", _page, wanted)

    @operation
    def create(self, /, name: str, **settings: Unpack[SourceSettings]) -> Call[Source]:
        """Make a source; the answer has its ``url``.

        Args:
            name: unique in its tenant.
            **settings: any further field of a source, such as ``verify``, ``deduplicate`` or
                ``respond`` (``SourceSettings``).
        """
        return Call("POST", "sources", _source, body=encoded({"name": name, **settings}))

    @operation
    def create_bin(
        self,
        /,
        name: str | None = None,
        *,
        expires_at: datetime | None = None,
        **settings: Unpack[SourceSettings],
    ) -> Call[Source]:
        """Make a bin: a source that only inspects, and is deleted with all that it caught.

        Args:
            name: made by the server when left out.
            expires_at: its end (a time with a zone), 30 days from now at most; a day from now
                when left out.
            **settings: any further field of a source.
        """
        fields = {"bin": True, **given(name=name, expires_at=expires_at), **settings}
        return Call("POST", "sources", _source, body=encoded(fields))

    @operation
    def get(self, source: str) -> Call[Source]:
        """Return a source by its id, without its secrets."""
        return Call("GET", path("sources", source), _source)

    @operation
    def patch(
        self, source: str, changes: SourceChanges, *, version: int | None = None
    ) -> Call[Source]:
        """Change some of a source's fields.

        Args:
            source: its id.
            changes: the fields to change; None takes one back to its default (RFC 7396). Secrets
                in ``verify`` replace the present ones at once; without any, they stay.
            version: refuse unless it still has the ``version`` that you saw.
        """
        return Call(
            "PATCH",
            path("sources", source),
            _source,
            body=encoded(changes),
            headers=if_match(version),
        )

    @operation
    def delete(self, source: str, *, version: int | None = None) -> Call[None]:
        """Delete a source: its address is unknown from then on.

        Args:
            source: its id.
            version: refuse unless it still has the ``version`` that you saw.
        """
        return Call("DELETE", path("sources", source), nothing, headers=if_match(version))

    @operation
    def rotate(
        self, source: str, *, guid: str | None = None, overlap: float | None = None
    ) -> Call[Source]:
        """Give a source another address; the present one leads to it for a while.

        Args:
            source: its id.
            guid: the new one, 40 lower-case hex digits; made by the server when left out.
            overlap: seconds during which the present one still leads here; a day when left out,
                0 ends it and all former ones at once.
        """
        fields = given(guid=guid, overlap=overlap)
        return Call("POST", path("sources", source, "rotate"), _source, body=encoded(fields))

    @operation
    def rotate_secret(
        self, source: str, secret: str, *, overlap: float | None = None, beside: bool = False
    ) -> Call[Source]:
        """Give a source a further secret; the present ones verify on for a while.

        Args:
            source: its id.
            secret: the new one, as the sender has it.
            overlap: seconds during which the present ones still verify; a day when left out, 0
                takes them away at once.
            beside: the present ones stay for good.
        """
        fields = given(secret=secret, overlap=overlap, beside=beside or None)
        return Call("POST", path("sources", source, "secret"), _source, body=encoded(fields))

    @operation
    def stats(self, source: str, *, hours: int | None = None) -> Call[SourceStats]:
        """Return what a source has caught.

        Args:
            source: its id.
            hours: count the requests of so many hours back; a day when left out.
        """
        return Call("GET", path("sources", source, "stats"), _stats, given(hours=hours))

    @operation
    def share(self, source: str, *, days: float | None = None) -> Call[Share]:
        """Make a link through which others read what a source caught; its token is shown once.

        Args:
            source: its id.
            days: how long it works, 30 at most; a week when left out.
        """
        body = encoded(given(days=days))
        return Call("POST", path("sources", source, "shares"), _share, body=body)

    @listing
    def shares(self, source: str) -> Call[Page[Share]]:
        """List a source's links that have not expired, without their tokens."""
        return Call("GET", path("sources", source, "shares"), _shares)

    @operation
    def unshare(self, source: str, share: str) -> Call[None]:
        """Make a link invalid, by its id."""
        return Call("DELETE", path("sources", source, "shares", share), nothing)

    @listing
    def presets(self) -> Call[Page[Preset]]:
        """List the providers whose requests a source can verify by name."""
        return Call("GET", "source_presets", _presets, of_tenant=False)


class Sources(_Sources, SyncResource):
    """Sources, on a ``Client``."""


class AsyncSources(_Sources, AsyncResource):
    """Sources, on an ``AsyncClient``."""
