"""``/api/v1/sources``: URLs that catch other systems' requests. Secrets never come out."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, Router, delete, get, patch, post
from litestar.params import FromPath, FromQuery, RawBody

from hookferry import ids
from hookferry.api.framework import IfMatch, Owner
from hookferry.api.resources.webhooks import MAX_STATS_HOURS
from hookferry.api.services import Services
from hookferry.api.wire import (
    Moment,
    Page,
    decode_body,
    decode_json,
    id_in_path,
    page_in_memory,
    time_text,
    version_in,
)
from hookferry.catch.defaults import InForce, in_force
from hookferry.catch.definition import SourceDefinition, SourceLimits
from hookferry.catch.shares import DEFAULT_DAYS, share_id
from hookferry.catch.sources import Sources
from hookferry.domain.request import Verdict
from hookferry.domain.source import Respond, Share, Source
from hookferry.domain.tenant import Tenant
from hookferry.domain.webhook import RateLimit
from hookferry.engine.masking import MASK
from hookferry.errors import InvalidField


class SourceSecretView(msgspec.Struct, kw_only=True):
    """A secret that a source verifies with."""

    secret: str
    """Masked."""
    expires_at: Moment | None
    """When it stops to verify; null where it stays."""


class FormerAddressView(msgspec.Struct, kw_only=True):
    """An address that was rotated away and still leads to its source."""

    guid: str
    expires_at: Moment | None


class SourceView(msgspec.Struct, kw_only=True):
    """A source as it is shown; null means "as the preset says, else the default"."""

    id: str
    name: str
    tenant: str
    guid: str
    url: str
    """Where its requests are taken; anything may follow after a slash."""
    former_guids: list[FormerAddressView]
    description: str
    bin: bool
    enabled: bool
    draft: bool
    maintenance: bool
    methods: tuple[str, ...]
    allow_ips: tuple[str, ...]
    max_body: int | None
    rate_limit: RateLimit | None
    verify: dict[str, Any] | None
    """Without its secrets."""
    secrets: list[SourceSecretView]
    """Newest first."""
    handshakes: tuple[str, ...] | None
    verify_token: str | None
    """Masked."""
    deduplicate: dict[str, Any] | None
    window: float | None
    event_type: str | dict[str, Any] | None
    parse: str
    condition: dict[str, Any] | None
    respond: Respond
    automations_kata: str
    refuse_status: int | None
    cors: tuple[str, ...]
    public_url: str | None
    retention_days: float | None
    keep: int | None
    silent_after: float | None
    expires_at: Moment | None
    in_force: InForce | None
    """What holds for the fields that are null, and what was said for the others; null where the
    preset that is named does not exist any more."""
    created_at: Moment | None
    updated_at: Moment | None
    version: int
    """The ETag's content, for If-Match."""


class AddressRotation(msgspec.Struct, forbid_unknown_fields=True):
    """How to give a source another address."""

    guid: str | None = None
    """The new one; left out, it is made."""
    overlap: float | None = None
    """Seconds during which the present one still leads here, 0 to 604,800; left out, it is the
    setting ``rotation_overlap_hours``."""


class NewSourceSecret(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A further secret for a source."""

    secret: str
    overlap: float | None = None
    """Seconds during which the present secrets still verify, 0 to 604,800; left out, it is the
    setting ``rotation_overlap_hours``."""
    beside: bool = False
    """The present secrets stay for good."""


class SourceStats(msgspec.Struct, kw_only=True):
    """What a source has caught."""

    since: Moment | None
    requests: dict[str, int]
    """Requests received since then, by verdict."""
    last_request_at: Moment | None
    """Of those that are kept."""
    silent: bool
    """Nothing came for longer than ``silent_after``; false where that is not set."""


class NewShare(msgspec.Struct, forbid_unknown_fields=True):
    """A share link to make."""

    days: float = DEFAULT_DAYS
    """How long it works."""


class ShareView(msgspec.Struct, kw_only=True):
    """A link through which others read what a source caught."""

    id: str
    expires_at: Moment | None
    token: str | None = None
    """Only in the answer that made it."""


def source_view(source: Source, tenant: Tenant, sources: Sources, now_ms: int) -> SourceView:
    """Show a source; former addresses and secrets that have ended by ``now_ms`` are left out."""
    verify = source.verify
    return SourceView(
        id=ids.encode("src", source.id),
        name=source.name,
        tenant=tenant.name,
        guid=source.guid,
        url=sources.url(source),
        former_guids=[
            FormerAddressView(guid=former.guid, expires_at=time_text(former.expires_at_ms))
            for former in source.former_guids
            if former.expires_at_ms > now_ms
        ],
        description=source.description,
        bin=source.bin,
        enabled=source.enabled,
        draft=source.draft,
        maintenance=source.maintenance,
        methods=source.methods,
        allow_ips=source.allow_ips,
        max_body=source.max_body,
        rate_limit=source.rate_limit,
        verify=None if verify is None else verify.scheme,
        secrets=[
            SourceSecretView(secret=MASK, expires_at=time_text(secret.expires_at_ms))
            for secret in (() if verify is None else verify.secrets)
            if secret.expires_at_ms is None or secret.expires_at_ms > now_ms
        ],
        handshakes=source.handshakes,
        verify_token=None if source.verify_token is None else MASK,
        deduplicate=source.deduplicate,
        window=source.window,
        event_type=source.event_type,
        parse=source.parse,
        condition=source.condition,
        respond=source.respond,
        automations_kata=source.automations_kata,
        refuse_status=source.refuse_status,
        cors=source.cors,
        public_url=source.public_url,
        retention_days=source.retention_days,
        keep=source.keep,
        silent_after=source.silent_after,
        expires_at=time_text(source.expires_at_ms),
        in_force=_in_force(source, sources.limits),
        created_at=time_text(source.created_at_ms),
        updated_at=time_text(source.updated_at_ms),
        version=source.version,
    )


def _in_force(source: Source, limits: SourceLimits) -> InForce | None:
    try:
        return in_force(source, limits)
    except InvalidField:
        return None  # it can still be seen, changed and deleted


def share_view(share: Share, token: str | None = None) -> ShareView:
    """Show a share link; only a token that is passed is shown."""
    return ShareView(id=share_id(share), expires_at=time_text(share.expires_at_ms), token=token)


def source_router(s: Services) -> Router:
    """Return the addresses under ``/sources``."""

    def shown(source: Source, tenant: Tenant, status: int = 200) -> Response[SourceView]:
        headers = {"ETag": f'"{source.version}"'}
        if status == 201:
            headers["Location"] = f"/api/v1/sources/{ids.encode('src', source.id)}"
        view = source_view(source, tenant, s.sources, s.clock.wall_ms())
        return Response(view, status_code=status, headers=headers)

    @get("/", summary="List sources")
    async def list_sources(
        owner: Owner,
        name: FromQuery[str | None] = None,
        enabled: FromQuery[bool | None] = None,
        bin: FromQuery[bool | None] = None,
        limit: FromQuery[int | None] = None,
        cursor: FromQuery[str | None] = None,
    ) -> Page[SourceView]:
        found = [
            source
            for source in s.directory.sources(owner.id)
            if name in (None, source.name)
            and enabled in (None, source.enabled)
            and bin in (None, source.bin)
        ]
        now = s.clock.wall_ms()
        return page_in_memory(
            found,
            s.pages.of(limit),
            cursor,
            lambda source: source_view(source, owner, s.sources, now),
            lambda source: source.id,
        )

    @post("/", summary="Make a source, or a bin", opt={"body": SourceDefinition})
    async def create(owner: Owner, body: RawBody) -> Response[SourceView]:
        return shown(await s.sources.create(owner.id, decode_json(body)), owner, 201)

    @get("/{source_id:str}", summary="Get a source, without its secrets")
    async def get_one(owner: Owner, source_id: FromPath[str]) -> Response[SourceView]:
        return shown(s.directory.source(owner.id, id_in_path("src", source_id)), owner)

    @patch(
        "/{source_id:str}",
        summary="Change a source by a JSON merge patch (RFC 7396)",
        opt={"body": SourceDefinition, "partial": True},
    )
    async def change(
        owner: Owner, source_id: FromPath[str], body: RawBody, if_match: IfMatch = None
    ) -> Response[SourceView]:
        source = await s.sources.patch(
            owner.id,
            id_in_path("src", source_id),
            decode_json(body),
            version=version_in(if_match),
        )
        return shown(source, owner)

    @delete("/{source_id:str}", summary="Delete a source; its address is unknown from then on")
    async def remove(owner: Owner, source_id: FromPath[str], if_match: IfMatch = None) -> None:
        await s.sources.delete(owner.id, id_in_path("src", source_id), version=version_in(if_match))

    @post(
        "/{source_id:str}/rotate",
        status_code=200,
        summary="Give a source another address, with overlap",
        opt={"body": AddressRotation, "optional": True},
    )
    async def rotate(owner: Owner, source_id: FromPath[str], body: RawBody) -> Response[SourceView]:
        rotation = decode_body(body, AddressRotation)
        source = await s.sources.rotate(
            owner.id,
            id_in_path("src", source_id),
            guid=rotation.guid,
            overlap=rotation.overlap,
        )
        return shown(source, owner)

    @post(
        "/{source_id:str}/secret",
        status_code=200,
        summary="Give a source a further secret, with overlap",
        opt={"body": NewSourceSecret},
    )
    async def rotate_secret(
        owner: Owner, source_id: FromPath[str], body: RawBody
    ) -> Response[SourceView]:
        wanted = decode_body(body, NewSourceSecret)
        source = await s.sources.rotate_secret(
            owner.id,
            id_in_path("src", source_id),
            wanted.secret,
            overlap=wanted.overlap,
            beside=wanted.beside,
        )
        return shown(source, owner)

    @get("/{source_id:str}/stats", summary="What a source has caught")
    async def stats(
        owner: Owner, source_id: FromPath[str], hours: FromQuery[int] = 24
    ) -> SourceStats:
        source = s.directory.source(owner.id, id_in_path("src", source_id))
        if not 1 <= hours <= MAX_STATS_HOURS:
            raise InvalidField(f"hours is 1 to {MAX_STATS_HOURS}", field="hours")
        now = s.clock.wall_ms()
        since = now - hours * 3_600_000
        counts = await s.store.request_counts(owner.id, source.id, since)
        newest = await s.store.newest_request(owner.id, source.id)
        last = ids.time_of(newest) if newest else None
        quiet_since = source.created_at_ms if last is None else last
        return SourceStats(
            since=time_text(since),
            requests={verdict.label: counts.get(verdict, 0) for verdict in Verdict},
            last_request_at=time_text(last),
            silent=source.silent_after is not None
            and now - quiet_since > source.silent_after * 1000,
        )

    @get("/{source_id:str}/shares", summary="List a source's share links")
    async def list_shares(owner: Owner, source_id: FromPath[str]) -> Page[ShareView]:
        shares = s.sources.shares(owner.id, id_in_path("src", source_id))
        return Page([share_view(share) for share in shares], None)

    @post(
        "/{source_id:str}/shares",
        summary="Make a link through which others read what a source caught",
        opt={"body": NewShare, "optional": True},
    )
    async def create_share(
        owner: Owner, source_id: FromPath[str], body: RawBody
    ) -> Response[ShareView]:
        number = id_in_path("src", source_id)
        wanted = decode_body(body, NewShare)
        share, token = await s.sources.share(owner.id, number, wanted.days)
        view = share_view(share, token)
        at = f"/api/v1/sources/{ids.encode('src', number)}/shares/{view.id}"
        return Response(view, status_code=201, headers={"Location": at})

    @delete("/{source_id:str}/shares/{share_id:str}", summary="Make a share link invalid")
    async def remove_share(owner: Owner, source_id: FromPath[str], share_id: FromPath[str]) -> None:
        await s.sources.unshare(owner.id, id_in_path("src", source_id), share_id)

    handlers: list[Any] = [
        list_sources,
        create,
        get_one,
        change,
        remove,
        rotate,
        rotate_secret,
        stats,
        list_shares,
        create_share,
        remove_share,
    ]
    return Router("/sources", route_handlers=handlers, tags=["sources"])
