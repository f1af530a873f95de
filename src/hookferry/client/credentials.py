"""The calls on ``credentials``: what hookferry's requests authenticate with at a receiver."""

from __future__ import annotations

from typing import Literal, TypedDict

from hookferry.client.answers import Credential
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

_credential = reader(Credential)
_page = reader(Page[Credential])

Kind = Literal["basic", "bearer", "api_key"]


class CredentialChanges(TypedDict, total=False):
    """What ``credentials.patch`` may change; None takes a field back to its default."""

    name: str
    kind: Kind
    description: str | None
    username: str | None
    password: str
    token: str
    header: str | None
    value: str


class _Credentials(Resource):
    """Sealed credentials: their values go in and never come out."""

    @listing
    def list(
        self, *, limit: int | None = None, cursor: str | None = None
    ) -> Call[Page[Credential]]:
        """List the credentials, newest first, without their values."""
        return Call("GET", "credentials", _page, given(limit=limit, cursor=cursor))

    @operation
    def create(
        self,
        name: str,
        kind: Kind,
        *,
        username: str | None = None,
        password: str | None = None,
        token: str | None = None,
        header: str | None = None,
        value: str | None = None,
        description: str | None = None,
    ) -> Call[Credential]:
        """Make a credential, which webhooks then choose by its name or id.

        Args:
            name: unique in its tenant.
            kind: ``basic`` has ``username`` and ``password``, ``bearer`` a ``token``, ``api_key``
                a ``header`` and the ``value`` it carries.
            username: of kind ``basic``.
            password: of kind ``basic``.
            token: of kind ``bearer``.
            header: of kind ``api_key``.
            value: of kind ``api_key``.
            description: for people.
        """
        body = encoded(
            given(
                name=name,
                kind=kind,
                username=username,
                password=password,
                token=token,
                header=header,
                value=value,
                description=description,
            )
        )
        return Call("POST", "credentials", _credential, body=body)

    @operation
    def get(self, credential: str) -> Call[Credential]:
        """Return a credential by its id, without its value."""
        return Call("GET", path("credentials", credential), _credential)

    @operation
    def patch(
        self, credential: str, changes: CredentialChanges, *, version: int | None = None
    ) -> Call[Credential]:
        """Change some of a credential's fields; requests that begin afterwards use it.

        Args:
            credential: its id.
            changes: the fields to change (RFC 7396).
            version: refuse unless it still has the ``version`` that you saw.
        """
        return Call(
            "PATCH",
            path("credentials", credential),
            _credential,
            body=encoded(changes),
            headers=if_match(version),
        )

    @operation
    def delete(self, credential: str, *, version: int | None = None) -> Call[None]:
        """Delete a credential that no webhook uses."""
        return Call("DELETE", path("credentials", credential), nothing, headers=if_match(version))


class Credentials(_Credentials, SyncResource):
    """Credentials, on a ``Client``."""


class AsyncCredentials(_Credentials, AsyncResource):
    """Credentials, on an ``AsyncClient``."""
