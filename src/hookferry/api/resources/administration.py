"""``/api/v1/tenants`` and ``/api/v1/keys``: for administrators' keys only."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, Router, delete, get, post, put
from litestar.params import FromPath, FromQuery, RawBody
from litestar.types import Guard

from hookferry import ids
from hookferry.api.framework import IfMatch
from hookferry.api.services import Services
from hookferry.api.wire import (
    Moment,
    Page,
    decode_body,
    id_in_path,
    page_in_memory,
    time_text,
    version_in,
)
from hookferry.domain.tenant import ApiKey, Tenant
from hookferry.engine.masking import MASK
from hookferry.engine.tenants import TenantSettings
from hookferry.errors import NotFound


class TenantView(msgspec.Struct, kw_only=True):
    """A tenant as it is shown."""

    name: str
    webhooks_active: bool
    strict_types: bool
    webhook_key: str | None
    """Masked."""
    created_at: Moment | None
    updated_at: Moment | None
    version: int


class NewKey(msgspec.Struct, forbid_unknown_fields=True):
    """A key to make."""

    name: str
    tenant: str | None = None
    """Bind it to this tenant; left out, it is an administrator's."""


class KeyView(msgspec.Struct, kw_only=True):
    """An API key as it is shown."""

    id: str
    name: str
    tenant: str | None
    created_at: Moment | None
    key: str | None = None
    """The key itself, in the answer to its creation only."""


def tenant_view(tenant: Tenant) -> TenantView:
    """Show a tenant."""
    return TenantView(
        name=tenant.name,
        webhooks_active=tenant.webhooks_active,
        strict_types=tenant.strict_types,
        webhook_key=None if tenant.webhook_key is None else MASK,
        created_at=time_text(tenant.created_at_ms),
        updated_at=time_text(tenant.updated_at_ms),
        version=tenant.version,
    )


def _shown(tenant: Tenant) -> Response[TenantView]:
    return Response(tenant_view(tenant), headers={"ETag": f'"{tenant.version}"'})


def tenant_router(s: Services, guard: Guard) -> Router:
    """Return the addresses under ``/tenants``."""

    @get("/", summary="List tenants")
    async def list_tenants(
        limit: FromQuery[int | None] = None, cursor: FromQuery[str | None] = None
    ) -> Page[TenantView]:
        return page_in_memory(
            s.directory.tenants(), s.pages.of(limit), cursor, tenant_view, lambda t: t.id
        )

    @get("/{name:str}", summary="Get a tenant")
    async def get_one(name: FromPath[str]) -> Response[TenantView]:
        return _shown(s.directory.tenant(name))

    @put(
        "/{name:str}",
        summary="Create or change a tenant",
        opt={"body": TenantSettings, "optional": True},
    )
    async def put_one(
        name: FromPath[str], body: RawBody, if_match: IfMatch = None
    ) -> Response[TenantView]:
        settings = decode_body(body, TenantSettings)
        return _shown(await s.tenants.put(name, settings, version=version_in(if_match)))

    @delete("/{name:str}", summary="Delete a tenant that has no webhooks and keys")
    async def remove(name: FromPath[str]) -> None:
        await s.tenants.delete(name)

    handlers: list[Any] = [list_tenants, get_one, put_one, remove]
    return Router("/tenants", route_handlers=handlers, guards=[guard], tags=["tenants"])


def key_router(s: Services, guard: Guard) -> Router:
    """Return the addresses under ``/keys``."""

    def view(key: ApiKey, token: str | None = None) -> KeyView:
        tenant = None
        if key.tenant_id is not None:
            try:
                tenant = s.directory.tenant_by_id(key.tenant_id).name
            except NotFound:
                tenant = "(deleted)"
        return KeyView(
            id=ids.encode("key", key.id),
            name=key.name,
            tenant=tenant,
            created_at=time_text(key.created_at_ms),
            key=token,
        )

    @get("/", summary="List API keys")
    async def list_keys(
        limit: FromQuery[int | None] = None, cursor: FromQuery[str | None] = None
    ) -> Page[KeyView]:
        return page_in_memory(s.keys.list(), s.pages.of(limit), cursor, view, lambda k: k.id)

    @post("/", summary="Make an API key; it is shown once", opt={"body": NewKey})
    async def create(body: RawBody) -> Response[KeyView]:
        wanted = decode_body(body, NewKey)
        tenant_id = None if wanted.tenant is None else s.directory.tenant(wanted.tenant).id
        key, token = await s.keys.create(wanted.name, tenant_id)
        location = f"/api/v1/keys/{ids.encode('key', key.id)}"
        return Response(view(key, token), status_code=201, headers={"Location": location})

    @get("/{key_id:str}", summary="Get an API key's description")
    async def get_one(key_id: FromPath[str]) -> KeyView:
        return view(s.keys.get(id_in_path("key", key_id)))

    @delete("/{key_id:str}", summary="Revoke an API key")
    async def revoke(key_id: FromPath[str]) -> None:
        await s.keys.revoke(id_in_path("key", key_id))

    handlers: list[Any] = [list_keys, create, get_one, revoke]
    return Router("/keys", route_handlers=handlers, guards=[guard], tags=["keys"])
