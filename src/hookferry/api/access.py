"""Who may do what: from an ``Authorization`` header to an API key, and from there to a tenant.

Both kinds of door ask here, the hot routes and the framework's.
"""

from __future__ import annotations

import base64
import binascii

from hookferry.domain.tenant import DEFAULT_TENANT, ApiKey, Tenant
from hookferry.engine.directory import Directory
from hookferry.engine.keys import Keys
from hookferry.errors import Forbidden, NotFound, Unauthorized

CACHED_KEYS = 10_000
"""Authorization headers whose key is remembered; only valid ones, so no stranger fills it."""
MAX_AUTHORIZATION = 512
"""Bytes of an Authorization header that is looked at."""


class Access:
    """Authenticates and authorizes.

    Args:
        keys: knows the API keys.
        directory: knows the tenants; its version tells when remembered keys may be stale.
    """

    def __init__(self, keys: Keys, directory: Directory) -> None:
        self._keys = keys
        self._directory = directory
        self._known: dict[bytes, ApiKey] = {}
        self._version = -1

    def key_of(self, authorization: bytes | None) -> ApiKey:
        """Return the key behind an ``Authorization`` header (RFC 6750 section 2.1).

        Basic (RFC 7617) is taken too, since programs written for another API may know nothing
        else: the key is the password, or the user name where the password is empty. No answer
        asks for it, so no browser keeps it and sends it along with other sites' requests.

        Raises:
            Unauthorized: the header is missing, of another scheme, or its key is not valid.
        """
        if self._version != self._directory.version:
            self._known.clear()
            self._version = self._directory.version
        if authorization is not None:
            known = self._known.get(authorization)
            if known is not None:
                return known
            if len(authorization) <= MAX_AUTHORIZATION and authorization.isascii():
                scheme, _, credentials = authorization.decode().partition(" ")
                token = _token(scheme.lower(), credentials.strip())
                if token is not None:
                    key = self._keys.authenticate(token)
                    if len(self._known) >= CACHED_KEYS:
                        self._known.clear()
                    self._known[authorization] = key
                    return key
        raise Unauthorized("send your API key as 'Authorization: Bearer hf_...'")

    def tenant_of(self, key: ApiKey, asked: str | None) -> Tenant:
        """Return the tenant that a request is about.

        Args:
            key: who asks.
            asked: the tenant named, or None: that of the key, else the default one.

        Raises:
            NotFound: there is no such tenant.
            Forbidden: the key is bound to another one.
        """
        if key.tenant_id is None:
            return self._directory.tenant(DEFAULT_TENANT if asked is None else asked)
        try:
            own = self._directory.tenant_by_id(key.tenant_id)
        except NotFound:
            raise Forbidden("the tenant that this API key is bound to was deleted") from None
        if asked is not None and asked != own.name:
            raise Forbidden(
                f"this API key is bound to the tenant {own.name!r}; leave 'tenant' out, or use a "
                "key that may touch the other",
                field="tenant",
            )
        return own

    def require_administrator(self, key: ApiKey) -> None:
        """Raise Forbidden unless the key is bound to no tenant."""
        if key.tenant_id is not None:
            raise Forbidden(
                "this needs an administrator's API key; the one sent is bound to a tenant"
            )


def _token(scheme: str, credentials: str) -> str | None:
    """Return the API key in a header's credentials, or None where they can't hold one."""
    if scheme == "bearer":
        return credentials
    if scheme != "basic":
        return None
    try:
        user, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return password or user
