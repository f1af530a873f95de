"""Tenants: making, changing and deleting them. What belongs to a tenant has its own module."""

from __future__ import annotations

import re

import msgspec

from hookferry.clock import Clock
from hookferry.domain.tenant import DEFAULT_TENANT, Tenant
from hookferry.engine.directory import Directory
from hookferry.engine.masking import refuse_mask
from hookferry.engine.sealing import TENANT_KEY_FIELD, Sealer
from hookferry.errors import Conflict, InvalidField, NotFound, VersionMismatch
from hookferry.ids import IdSource
from hookferry.store.ports import ConfigStore

MAX_KEY = 256
"""Characters in a webhook key, as in any secret outside ``standard`` (SEMANTICS section 11)."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class TenantSettings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What ``PUT`` says of a tenant; what is left out gets its default, the key excepted."""

    webhooks_active: bool = True
    strict_types: bool = False
    webhook_key: str | msgspec.UnsetType | None = msgspec.UNSET
    """Left out, the key stays as it is; null takes it away."""


class Tenants:
    """The rules for tenants.

    Args:
        config: where tenants are saved.
        directory: the snapshot that is read.
        sealer: seals the webhook key.
        ids: makes their ids.
        clock: times of creation and change.
    """

    def __init__(
        self,
        config: ConfigStore,
        directory: Directory,
        sealer: Sealer,
        ids: IdSource,
        clock: Clock,
    ) -> None:
        self._config = config
        self._directory = directory
        self._sealer = sealer
        self._ids = ids
        self._clock = clock

    async def put(
        self, name: str, settings: TenantSettings, *, version: int | None = None
    ) -> Tenant:
        """Create a tenant or change it.

        Args:
            name: letters, digits, '_', '-' and '.', 64 at most.
            settings: how it is to be.
            version: the version that the caller saw, where that matters.

        Raises:
            InvalidField: the name or the key is not allowed.
            VersionMismatch: somebody else saved first.
        """
        if not NAME.fullmatch(name):
            raise InvalidField(
                "a tenant's name is 1 to 64 letters, digits, '_', '-' and '.', and starts with a "
                "letter or digit",
                field="name",
            )
        now = self._clock.wall_ms()
        try:
            found: Tenant | None = self._directory.tenant(name)
        except NotFound:
            found = None
        if version is not None and (found is None or found.version != version):
            raise VersionMismatch(
                f"the tenant {name!r} is not at version {version} any more; read it again and "
                "repeat your change"
            )
        if found is None:
            tenant = Tenant(id=self._ids.next(), name=name, created_at_ms=now)
        else:
            tenant = msgspec.structs.replace(found, version=found.version + 1)
        key = tenant.webhook_key
        if settings.webhook_key is None:
            key = None
        elif settings.webhook_key is not msgspec.UNSET:
            refuse_mask(settings.webhook_key, "webhook_key")
            if not 1 <= len(settings.webhook_key) <= MAX_KEY:
                raise InvalidField(
                    f"a webhook key has 1 to {MAX_KEY} characters", field="webhook_key"
                )
            key = self._sealer.seal(
                settings.webhook_key.encode(), row=tenant.id, field=TENANT_KEY_FIELD
            )
        saved = await self._config.save(
            msgspec.structs.replace(
                tenant,
                webhooks_active=settings.webhooks_active,
                strict_types=settings.strict_types,
                webhook_key=key,
                updated_at_ms=now,
            )
        )
        await self._directory.refresh()
        return saved

    async def delete(self, name: str) -> None:
        """Delete a tenant that owns nothing (any more); its log stays until retention forgets it.

        Raises:
            NotFound: there is none with this name.
            Conflict: it has webhooks, sources, timers, automations, credentials or keys, or is the
                default tenant.
        """
        tenant = self._directory.tenant(name)
        if name == DEFAULT_TENANT:
            raise Conflict(
                "the default tenant can't be deleted, since requests that name no tenant mean "
                "it; switch it off with webhooks_active: false"
            )
        live = sum(webhook.owner is None for webhook in self._directory.webhooks(tenant.id))
        if live:
            raise Conflict(
                f"the tenant {name!r} has {live} webhooks; delete them first, which cancels what "
                "they still owe",
                webhooks=live,
            )
        if self._directory.sources(tenant.id):
            raise Conflict(f"the tenant {name!r} has sources, which catch; delete them first")
        if self._directory.timers(tenant.id) or self._directory.automations(tenant.id):
            raise Conflict(f"the tenant {name!r} has timers or automations; delete them first")
        if self._directory.credentials(tenant.id):
            raise Conflict(f"the tenant {name!r} has credentials; delete them first")
        keys = self._directory.keys()
        if any(key.tenant_id == tenant.id for key in keys):
            raise Conflict(f"the tenant {name!r} has API keys bound to it; revoke them first")
        await self._config.save(
            msgspec.structs.replace(
                tenant,
                deleted=True,
                version=tenant.version + 1,
                updated_at_ms=self._clock.wall_ms(),
            )
        )
        await self._directory.refresh()
