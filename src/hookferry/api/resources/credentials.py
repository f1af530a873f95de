"""``/api/v1/credentials``: what hookferry's requests authenticate with. Values never come out."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, Router, delete, get, patch, post
from litestar.params import FromPath, FromQuery, RawBody

from hookferry import ids
from hookferry.api.framework import IfMatch, Owner
from hookferry.api.services import Services
from hookferry.api.wire import (
    Moment,
    Page,
    decode_json,
    id_in_path,
    page_in_memory,
    time_text,
    version_in,
)
from hookferry.domain.credential import Credential, CredentialKind
from hookferry.domain.tenant import Tenant
from hookferry.engine.credentials import CredentialDefinition


class CredentialView(msgspec.Struct, kw_only=True):
    """A credential as it is shown: everything but its value."""

    id: str
    name: str
    tenant: str
    kind: CredentialKind
    description: str
    username: str | None
    """Of kind ``basic``."""
    header: str | None
    """Of kind ``api_key``."""
    created_at: Moment | None
    updated_at: Moment | None
    version: int
    """The ETag's content, for If-Match."""


def credential_view(credential: Credential, tenant: Tenant) -> CredentialView:
    """Show a credential."""
    kind = credential.kind
    return CredentialView(
        id=ids.encode("cred", credential.id),
        name=credential.name,
        tenant=tenant.name,
        kind=kind,
        description=credential.description,
        username=credential.username if kind is CredentialKind.BASIC else None,
        header=credential.header if kind is CredentialKind.API_KEY else None,
        created_at=time_text(credential.created_at_ms),
        updated_at=time_text(credential.updated_at_ms),
        version=credential.version,
    )


def _shown(credential: Credential, tenant: Tenant, status: int = 200) -> Response[CredentialView]:
    headers = {"ETag": f'"{credential.version}"'}
    if status == 201:
        headers["Location"] = f"/api/v1/credentials/{ids.encode('cred', credential.id)}"
    return Response(credential_view(credential, tenant), status_code=status, headers=headers)


def credential_router(s: Services) -> Router:
    """Return the addresses under ``/credentials``."""

    @get("/", summary="List credentials")
    async def list_credentials(
        owner: Owner, limit: FromQuery[int | None] = None, cursor: FromQuery[str | None] = None
    ) -> Page[CredentialView]:
        return page_in_memory(
            s.directory.credentials(owner.id),
            s.pages.of(limit),
            cursor,
            lambda c: credential_view(c, owner),
            lambda c: c.id,
        )

    @post("/", summary="Make a credential", opt={"body": CredentialDefinition})
    async def create(owner: Owner, body: RawBody) -> Response[CredentialView]:
        return _shown(await s.credentials.create(owner.id, decode_json(body)), owner, 201)

    @get("/{credential_id:str}", summary="Get a credential, without its value")
    async def get_one(owner: Owner, credential_id: FromPath[str]) -> Response[CredentialView]:
        return _shown(s.directory.credential(owner.id, id_in_path("cred", credential_id)), owner)

    @patch(
        "/{credential_id:str}",
        summary="Change a credential by a JSON merge patch (RFC 7396)",
        opt={"body": CredentialDefinition, "partial": True},
    )
    async def change(
        owner: Owner, credential_id: FromPath[str], body: RawBody, if_match: IfMatch = None
    ) -> Response[CredentialView]:
        credential = await s.credentials.patch(
            owner.id,
            id_in_path("cred", credential_id),
            decode_json(body),
            version=version_in(if_match),
        )
        return _shown(credential, owner)

    @delete("/{credential_id:str}", summary="Delete a credential that no webhook uses")
    async def remove(owner: Owner, credential_id: FromPath[str], if_match: IfMatch = None) -> None:
        await s.credentials.delete(
            owner.id, id_in_path("cred", credential_id), version=version_in(if_match)
        )

    handlers: list[Any] = [list_credentials, create, get_one, change, remove]
    return Router("/credentials", route_handlers=handlers, tags=["credentials"])
