"""Sources as their owners manage them: saving, addresses, secrets and share links.

The rule of each field is ``hookferry.catch.definition``; what is done with a request is not decided
here. Every save goes to the ledger first and is then read back into the directory.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Collection
from typing import Any, Final

import msgspec
import structlog

from hookferry.catch.definition import (
    BIN_HOURS,
    MAX_BIN_DAYS,
    SourceDefinition,
    SourceLimits,
    check_guid,
    parse_source,
)
from hookferry.catch.own_webhook import own_webhook
from hookferry.catch.shares import live_shares, with_share, without_share
from hookferry.catch.source_secrets import SourceSecrets, replaces_scheme
from hookferry.clock import Clock
from hookferry.domain.automation import Automation
from hookferry.domain.source import GUID_DIGITS, FormerGuid, Respond, Share, Source
from hookferry.domain.webhook import Mode, Webhook
from hookferry.engine.automation_references import runnable
from hookferry.engine.definition import merge_patch
from hookferry.engine.directory import Directory
from hookferry.engine.keys import digest_of
from hookferry.engine.sealing import Sealer
from hookferry.engine.webhook_secrets import MAX_OVERLAP
from hookferry.errors import (
    Conflict,
    HookferryError,
    InvalidField,
    NotFound,
    VersionMismatch,
)
from hookferry.ids import IdSource, encode
from hookferry.store.ports import ConfigStore

MAX_SOURCES: Final = 1_000
"""Live sources of one tenant, bins included."""
MAX_FORMER: Final = 5
"""Former addresses of one source that still lead to it."""
PREFIX: Final = "/webhooks/"
"""Where sources are, below the server's address (behaviours S-CB-12)."""

_PLAIN_FIELDS: Final = tuple(
    name
    for name in SourceDefinition.__struct_fields__
    if name in Source.__struct_fields__
    and name not in ("name", "guid", "verify", "verify_token", "respond")
)
"""Fields that a definition and a stored source share as they are."""

Beside = Collection[object]
"""What is saved in the same transaction, built already."""

log = structlog.get_logger(__name__)


class Sources:
    """The rules for sources.

    Args:
        config: where they are saved.
        directory: the snapshot that is read.
        sealer: seals their secrets.
        ids: makes their ids.
        clock: times of creation, change and expiry.
        origin: tells the server's own address, without a path.
        limits: what the operator allows a definition to say.
        rotation_overlap: seconds that a former address and replaced secrets go on working, where a
            rotation does not say.
    """

    def __init__(
        self,
        config: ConfigStore,
        directory: Directory,
        sealer: Sealer,
        ids: IdSource,
        clock: Clock,
        origin: Callable[[], str],
        *,
        limits: SourceLimits = SourceLimits(),  # noqa: B008 - frozen
        rotation_overlap: float = 24 * 3600.0,
    ) -> None:
        self._config = config
        self._directory = directory
        self._ids = ids
        self._clock = clock
        self.origin = origin
        self._overlap = rotation_overlap
        self._secrets = SourceSecrets(sealer, clock, overlap=rotation_overlap)
        self.limits = limits

    def url(self, source: Source) -> str:
        """Return the address where this server takes a source's requests."""
        return f"{self.origin().rstrip('/')}{PREFIX}{source.guid}"

    # ------------------------------------------------------------------ definitions

    async def create(self, tenant_id: int, document: object) -> Source:
        """Save a new source.

        Args:
            tenant_id: whose it is.
            document: the decoded JSON of its definition.

        Raises:
            InvalidField, UnknownField, ScriptRefused: the definition can't be taken.
            NameTaken: another source has this name or this guid.
            Conflict: the tenant has too many.
        """
        drafted = self.draft(tenant_id, document)
        self.check_room(tenant_id, 1)
        saved = await self._save(drafted)
        _tell("source_created", saved)
        return saved

    def check_room(self, tenant_id: int, more: int) -> None:
        """Raise Conflict unless a tenant may have this many more sources."""
        if len(self._directory.sources(tenant_id)) + more > MAX_SOURCES:
            raise Conflict(
                f"this tenant may have {MAX_SOURCES:,} sources, which is the limit; delete those "
                "not in use, bins included"
            )

    def draft(
        self,
        tenant_id: int,
        document: object,
        *,
        source_id: int | None = None,
        beside: Beside = (),
    ) -> Source:
        """Build a source from a definition without saving it.

        Args:
            tenant_id: whose it would be.
            document: the decoded JSON of its definition.
            source_id: its id; made when left out.
            beside: automations and webhooks that would be saved with it.

        Raises:
            InvalidField, UnknownField, ScriptRefused: the definition can't be taken.
        """
        definition = parse_source(merge_patch({}, document), self.limits)
        now = self._clock.wall_ms()
        guid = definition.guid or new_guid()
        source = Source(
            id=self._ids.next() if source_id is None else source_id,
            tenant_id=tenant_id,
            # Nothing of its guid: the name is shown to whoever has a share link.
            name=definition.name or f"bin-{secrets.token_hex(4)}",
            guid=guid,
            created_at_ms=now,
            updated_at_ms=now,
        )
        return self._applied(source, definition, beside)

    async def patch(
        self, tenant_id: int, source_id: int, patch: object, *, version: int | None = None
    ) -> Source:
        """Change a source by a JSON merge patch (RFC 7396): null sets a field's default.

        A ``guid`` is replaced at once; ``rotate`` lets the former one lead here for a while.
        Secrets that ``verify`` names replace the present ones at once, as ``rotate_secret`` does
        not; a ``verify`` without any keeps them. One that names ``preset``, ``type`` or
        ``signature`` replaces the scheme whole.

        Raises:
            NotFound: there is no such source.
            VersionMismatch: it is not at ``version`` any more.
            InvalidField, UnknownField, ScriptRefused, NameTaken: the result can't be taken.
        """
        saved = await self._save(self.draft_patch(tenant_id, source_id, patch, version=version))
        _tell("source_changed", saved, fields=sorted(patch) if isinstance(patch, dict) else ())
        return saved

    def draft_patch(
        self,
        tenant_id: int,
        source_id: int,
        patch: object,
        *,
        version: int | None = None,
        beside: Beside = (),
    ) -> Source:
        """Build what ``patch`` would save.

        Args:
            tenant_id: whose it is.
            source_id: which.
            patch: the decoded JSON.
            version: the version that the caller saw, where that matters.
            beside: automations and webhooks that would be saved with it.

        Raises:
            NotFound, VersionMismatch, InvalidField, UnknownField, ScriptRefused: as ``patch``.
        """
        before = self._at(tenant_id, source_id, version)
        if not isinstance(patch, dict):
            raise InvalidField("a merge patch is a JSON object with the fields to change")
        document = self._document(before)
        if replaces_scheme(patch.get("verify")):
            document.pop("verify", None)
        definition = parse_source(merge_patch(document, patch), self.limits)
        if definition.bin and not before.bin:
            raise InvalidField(
                "a source does not become a bin, which would be deleted with all that it caught; "
                "make a bin beside it",
                field="bin",
            )
        return self._next(self._applied(before, definition, beside))

    async def delete(self, tenant_id: int, source_id: int, *, version: int | None = None) -> None:
        """Delete a source: its address is unknown from now on; what it caught stays its time.

        Raises:
            NotFound, VersionMismatch: as the names say.
        """
        source = self._at(tenant_id, source_id, version)
        saved = await self._save_change(source.ended())
        _tell("source_deleted", saved)

    # ------------------------------------------------------------------ addresses and secrets

    async def rotate(
        self,
        tenant_id: int,
        source_id: int,
        *,
        guid: str | None = None,
        overlap: float | None = None,
    ) -> Source:
        """Give a source a new address; the present one leads to it for a while.

        Args:
            tenant_id: whose it is.
            source_id: which.
            guid: the new one, or None to have it made.
            overlap: seconds during which the present one still leads here, 0 to 7 days; 0 ends
                it and all former ones at once, for one that leaked; None is as the operator set.

        Raises:
            NotFound: there is no such source.
            InvalidField: the guid or the overlap is not allowed.
            NameTaken: another source has the guid.
            Conflict: too many former ones still lead here.
        """
        source = self._directory.source(tenant_id, source_id)
        if overlap is None:
            overlap = self._overlap
        if not 0 <= overlap <= MAX_OVERLAP:
            raise InvalidField(f"overlap is 0 to {MAX_OVERLAP:,g} seconds", field="overlap")
        if guid is None:
            guid = new_guid()
        else:
            check_guid(guid, field="guid")
        if guid == source.guid:
            raise InvalidField("this is the source's guid already; give another", field="guid")
        now = self._clock.wall_ms()
        former = [f for f in source.former_guids if f.expires_at_ms > now and f.guid != guid]
        former = [FormerGuid(source.guid, now + int(overlap * 1000)), *former] if overlap else []
        if len(former) > MAX_FORMER:
            raise Conflict(
                f"{MAX_FORMER} former addresses still lead to this source; wait until one "
                "expires, or rotate with overlap 0"
            )
        saved = await self._save_change(
            msgspec.structs.replace(source, guid=guid, former_guids=tuple(former))
        )
        _tell("source_rotated", saved, overlap=overlap)
        return saved

    async def rotate_secret(
        self,
        tenant_id: int,
        source_id: int,
        secret: str,
        *,
        overlap: float | None = None,
        beside: bool = False,
    ) -> Source:
        """Give a source a new secret; the present ones verify beside it for a while.

        Args:
            tenant_id: whose it is.
            source_id: which.
            secret: the new one.
            overlap: seconds during which the present ones still verify, 0 to 7 days; 0 takes
                them away at once, for one that leaked; None is as the operator set.
            beside: the present ones stay for good (several senders, a secret each).

        Raises:
            NotFound: there is no such source.
            InvalidField, Conflict: as ``SourceSecrets.rotated``.
        """
        source = self._directory.source(tenant_id, source_id)
        verify = self._secrets.rotated(source, secret, overlap, beside=beside)
        saved = await self._save_change(msgspec.structs.replace(source, verify=verify))
        _tell("source_secret_rotated", saved)
        return saved

    # ------------------------------------------------------------------ share links

    def shares(self, tenant_id: int, source_id: int) -> list[Share]:
        """Return a source's live links, newest first; raises NotFound."""
        return live_shares(self._directory.source(tenant_id, source_id), self._clock.wall_ms())

    async def share(self, tenant_id: int, source_id: int, days: float) -> tuple[Share, str]:
        """Make a link through which others read what a source caught.

        Returns:
            The link as it is listed, and its token, which is shown once.

        Raises:
            NotFound: there is no such source.
            InvalidField, Conflict: as ``with_share``.
        """
        source = self._directory.source(tenant_id, source_id)
        shared, share, token = with_share(source, self._clock.wall_ms(), days)
        _tell("source_shared", await self._save_change(shared), days=days)
        return share, token

    async def unshare(self, tenant_id: int, source_id: int, wanted: str) -> None:
        """Make a link invalid, by the id that it is listed with; raises NotFound."""
        source = self._directory.source(tenant_id, source_id)
        unshared = without_share(source, self._clock.wall_ms(), wanted)
        _tell("source_unshared", await self._save_change(unshared))

    def shared(self, token: str) -> Source:
        """Return the source that a link's token lets its holder read.

        The look-up is by digest, so its timing tells nothing about a token.

        Raises:
            NotFound: there is no such link, or it has expired or was revoked.
        """
        digest, now = digest_of(token), self._clock.wall_ms()
        for source in self._directory.all_sources():
            if any(share.digest == digest for share in live_shares(source, now)):
                return source
        raise NotFound("this link leads nowhere (any more); ask for a new one")

    # ------------------------------------------------------------------ parts

    def document(self, source: Source) -> dict[str, Any]:
        """Return the definition behind a source, without its secrets."""
        document = self._document(source)
        document.pop("verify_token", None)
        return document

    def _at(self, tenant_id: int, source_id: int, version: int | None) -> Source:
        source = self._directory.source(tenant_id, source_id)
        if version is not None and source.version != version:
            raise VersionMismatch(
                f"this source is at version {source.version}, not {version}; read it again and "
                "repeat your change",
                version=source.version,
            )
        return source

    def _document(self, source: Source) -> dict[str, Any]:
        """Return the definition behind a source; secrets are left out and stay."""
        document = {name: getattr(source, name) for name in _PLAIN_FIELDS}
        document |= {"name": source.name, "guid": source.guid, "respond": source.respond}
        document["verify_token"] = self._secrets.token_of(source)
        if source.verify is not None:
            document["verify"] = source.verify.scheme
        if source.expires_at_ms is not None:
            document["expires_at"] = dt.datetime.fromtimestamp(source.expires_at_ms / 1000, dt.UTC)
        return {
            name: value
            for name, value in msgspec.to_builtins(document).items()
            if value is not None
        }

    def _applied(self, source: Source, d: SourceDefinition, beside: Beside) -> Source:
        changed = {name: getattr(d, name) for name in _PLAIN_FIELDS}
        if d.name is not None:
            changed["name"] = d.name
        if d.guid is not None and d.guid != source.guid:
            changed["guid"] = d.guid
            changed["former_guids"] = tuple(f for f in source.former_guids if f.guid != d.guid)
        if d.verify is None:
            changed["verify"] = None
        elif source.verify is None or d.verify != source.verify.scheme:
            changed["verify"] = self._secrets.verification(source, d.verify)
        changed["verify_token"] = self._secrets.seal_token(source, d.verify_token)
        if d.respond != source.respond:
            changed["respond"] = self._resolved(source, d.respond, beside)
        changed["expires_at_ms"] = self._end_of(source, d)
        return msgspec.structs.replace(source, **changed)

    def _end_of(self, source: Source, d: SourceDefinition) -> int | None:
        """Return when a bin ends, in Unix milliseconds; raises InvalidField."""
        if not d.bin:
            return None
        now = self._clock.wall_ms()
        if d.expires_at is None:
            return now + BIN_HOURS * 3_600_000
        remedy = InvalidField(
            f"expires_at is a time with a zone, such as 2026-01-31T09:30:00Z (RFC 3339), at most "
            f"{MAX_BIN_DAYS} days from now",
            field="expires_at",
        )
        if d.expires_at.tzinfo is None:
            raise remedy
        end = round(d.expires_at.timestamp() * 1000)
        if end != source.expires_at_ms and not now < end <= now + MAX_BIN_DAYS * 86_400_000:
            raise remedy
        return end

    def _resolved(self, source: Source, respond: Respond, beside: Beside) -> Respond:
        """Return ``respond`` with who answers as it is kept.

        A webhook by its id, which stays though its name changes; an automation by its name, as
        handlers and timers call it.
        """
        before = source.respond
        if respond.automation is not None and respond.automation != before.automation:
            drafted = [record for record in beside if isinstance(record, Automation)]
            known = (*drafted, *self._directory.automations(source.tenant_id))
            found = runnable(respond.automation, known, field="respond.automation")
            respond = msgspec.structs.replace(respond, automation=found.name)
        if respond.webhook is not None and respond.webhook != before.webhook:
            webhook_id = self._webhook_named(source, respond.webhook, beside)
            respond = msgspec.structs.replace(respond, webhook=webhook_id)
        return respond

    def _webhook_named(self, source: Source, wanted: str, beside: Beside) -> str:
        drafted = {record.id: record for record in beside if isinstance(record, Webhook)}
        known = {webhook.id: webhook for webhook in self._directory.webhooks(source.tenant_id)}
        found = [
            webhook
            for webhook in (known | drafted).values()
            if webhook.owner is None and wanted in (webhook.name, encode("wh", webhook.id))
        ]
        if len(found) != 1:
            raise InvalidField(
                f"there is no webhook {wanted[:80]!r}; make it first, with mode 'sync'"
                if not found
                else f"there are {len(found)} webhooks {wanted[:80]!r}; give the id of one",
                field="respond.webhook",
            )
        _check_answers(found[0])
        return encode("wh", found[0].id)

    def with_own(self, source: Source) -> list[Source | Webhook]:
        """Return what is saved in one transaction where a source is: it, and its own webhook."""
        own = own_webhook(source, self._directory.owned(source.id), self._ids.next)
        return [source] if own is None else [source, own]

    async def _save_change(self, source: Source) -> Source:
        return await self._save(self._next(source))

    def _next(self, source: Source) -> Source:
        return msgspec.structs.replace(
            source, version=source.version + 1, updated_at_ms=self._clock.wall_ms()
        )

    async def _save(self, source: Source) -> Source:
        """Save a source, and in the same transaction the webhook that it owns, if that changes."""
        try:
            await self._config.save_together(self.with_own(source))
        except HookferryError as error:
            error.extra.pop("record", None)  # whoever changes a source knows of one record only
            raise
        await self._directory.refresh()
        return source


def new_guid() -> str:
    """Make a guid: 160 random bits in lower-case hex (behaviours S-CB-12)."""
    return secrets.token_hex(GUID_DIGITS // 2)


def _check_answers(webhook: Webhook) -> None:
    if webhook.mode is Mode.ASYNC:
        raise InvalidField(
            f"the webhook {webhook.name!r} is asynchronous, so it has no answer to pass on; set "
            "its mode to 'sync' or 'sync_critical'",
            field="respond.webhook",
        )


def _tell(event: str, source: Source, **more: object) -> None:
    """Log a change: who was changed, never to what."""
    log.info(event, source=encode("src", source.id), version=source.version, **more)
