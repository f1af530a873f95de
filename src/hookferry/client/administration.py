"""The calls on ``keys``, ``tenants`` and ``jobs``."""

from __future__ import annotations

from typing import Any

from hookferry.client.answers import ApiKey, Job, Tenant
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

_key = reader(ApiKey)
_keys = reader(Page[ApiKey])
_tenant = reader(Tenant)
_tenants = reader(Page[Tenant])
_job = reader(Job)


class _Keys(Resource):
    """API keys; for administrators."""

    @listing
    def list(self, *, limit: int | None = None, cursor: str | None = None) -> Call[Page[ApiKey]]:
        """List the API keys, newest first; what they are is not shown."""
        return Call("GET", "keys", _keys, given(limit=limit, cursor=cursor), of_tenant=False)

    @operation
    def create(self, name: str, *, tenant: str | None = None) -> Call[ApiKey]:
        """Make an API key. The answer has it in clear, and no other ever will.

        Args:
            name: what it is for.
            tenant: the only tenant it may touch; left out, it is an administrator's.
        """
        body = encoded(given(name=name, tenant=tenant))
        return Call("POST", "keys", _key, body=body, of_tenant=False)

    @operation
    def get(self, key: str) -> Call[ApiKey]:
        """Return what an API key is for, by its id."""
        return Call("GET", path("keys", key), _key, of_tenant=False)

    @operation
    def delete(self, key: str) -> Call[None]:
        """Make an API key invalid, for good."""
        return Call("DELETE", path("keys", key), nothing, of_tenant=False)


class Keys(_Keys, SyncResource):
    """API keys, on a ``Client``."""


class AsyncKeys(_Keys, AsyncResource):
    """API keys, on an ``AsyncClient``."""


class _Tenants(Resource):
    """Tenants; for administrators."""

    @listing
    def list(self, *, limit: int | None = None, cursor: str | None = None) -> Call[Page[Tenant]]:
        """List the tenants, newest first."""
        return Call("GET", "tenants", _tenants, given(limit=limit, cursor=cursor), of_tenant=False)

    @operation
    def get(self, name: str) -> Call[Tenant]:
        """Return a tenant."""
        return Call("GET", path("tenants", name), _tenant, of_tenant=False)

    @operation
    def put(self, /, name: str, *, version: int | None = None, **settings: Any) -> Call[Tenant]:
        """Create a tenant, or set it to exactly these settings.

        Args:
            name: letters, digits, ``_``, ``-`` and ``.``, 64 at most.
            version: refuse unless it still has the ``version`` that you saw.
            **settings: ``webhooks_active``, ``strict_types``, ``webhook_key``; those left out get
                their defaults, except the key, which stays.
        """
        return Call(
            "PUT",
            path("tenants", name),
            _tenant,
            body=encoded(settings),
            headers=if_match(version),
            of_tenant=False,
        )

    @operation
    def delete(self, name: str) -> Call[None]:
        """Delete a tenant that has no webhooks and no API keys."""
        return Call("DELETE", path("tenants", name), nothing, of_tenant=False)


class Tenants(_Tenants, SyncResource):
    """Tenants, on a ``Client``."""


class AsyncTenants(_Tenants, AsyncResource):
    """Tenants, on an ``AsyncClient``."""


class _Jobs(Resource):
    """Long pieces of work."""

    @operation
    def get(self, job: str) -> Call[Job]:
        """Return a job with its progress."""
        return Call("GET", path("jobs", job), _job)


class Jobs(_Jobs, SyncResource):
    """Jobs, on a ``Client``."""


class AsyncJobs(_Jobs, AsyncResource):
    """Jobs, on an ``AsyncClient``."""
