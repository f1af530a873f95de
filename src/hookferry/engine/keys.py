"""API keys: making, checking, listing and revoking them.

A key is ``hf_`` and 256 random bits; the ledger keeps its SHA-256 and nothing else. What a key
may do is decided by the doors from ``ApiKey.tenant_id``.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re

import msgspec

from hookferry import ids
from hookferry.clock import Clock
from hookferry.domain.tenant import ApiKey
from hookferry.engine.directory import Directory
from hookferry.errors import Conflict, InvalidField, NotFound, Unauthorized
from hookferry.ids import IdSource
from hookferry.store.ports import ConfigStore

PREFIX = "hf_"
RANDOM_BYTES = 32
MAX_KEYS = 10_000
"""Live keys of one installation; beyond it something makes keys in a loop."""
NAME = re.compile(r"[^\x00-\x1f\x7f]{1,100}")


def new_token() -> str:
    """Make a key: ``hf_`` and 43 characters of base64url, 256 random bits."""
    return PREFIX + base64.urlsafe_b64encode(os.urandom(RANDOM_BYTES)).rstrip(b"=").decode()


def digest_of(token: str) -> bytes:
    """Return what the ledger keeps of a key."""
    return hashlib.sha256(token.encode()).digest()


class Keys:
    """The rules for API keys.

    Args:
        config: where keys are saved.
        directory: the snapshot that is read.
        ids: makes their ids.
        clock: the time of creation.
    """

    def __init__(
        self, config: ConfigStore, directory: Directory, ids: IdSource, clock: Clock
    ) -> None:
        self._config = config
        self._directory = directory
        self._ids = ids
        self._clock = clock

    def authenticate(self, token: str) -> ApiKey:
        """Return the live key behind a token.

        The look-up is by digest, so its timing tells nothing about a key.

        Raises:
            Unauthorized: there is no such key, or it was revoked.
        """
        key = self._directory.key_by_digest(digest_of(token))
        if key is None:
            raise Unauthorized(
                "this API key is not known here or was revoked; send a live one as "
                "'Authorization: Bearer hf_...'"
            )
        return key

    async def create(
        self, name: str, tenant_id: int | None = None, *, token: str | None = None
    ) -> tuple[ApiKey, str]:
        """Make a key; the token returned is shown to its owner once and never again.

        Args:
            name: what it is for; 1 to 100 characters.
            tenant_id: the only tenant it may touch, or None for all of them.
            token: use this one instead of a new one (the first administrator's key).

        Raises:
            InvalidField: the name is not allowed or the token is too short to be safe.
            Conflict: the token is in use, or there are too many keys.
        """
        if not NAME.fullmatch(name):
            raise InvalidField(
                "a key's name is 1 to 100 characters without control characters", field="name"
            )
        if token is None:
            token = new_token()
        elif len(token) < 24 or not token.isascii() or not token.isprintable() or " " in token:
            raise InvalidField(
                "an API key of your own has at least 24 printable ASCII characters without "
                "spaces; make one with: openssl rand -base64 32",
                field="api_key",
            )
        digest = digest_of(token)
        if self._directory.key_by_digest(digest) is not None:
            raise Conflict("this API key exists already; make another")
        if len(self._directory.keys()) >= MAX_KEYS:
            raise Conflict(f"there are {MAX_KEYS} API keys; revoke those not in use")
        key = await self._config.save(
            ApiKey(
                id=self._ids.next(),
                name=name,
                digest=digest,
                tenant_id=tenant_id,
                created_at_ms=self._clock.wall_ms(),
            )
        )
        await self._directory.refresh()
        return key, token

    def list(self) -> list[ApiKey]:
        """Return the live keys, newest first."""
        return self._directory.keys()

    def get(self, key_id: int) -> ApiKey:
        """Return a live key.

        Raises:
            NotFound: there is none with this id.
        """
        for key in self.list():
            if key.id == key_id:
                return key
        raise NotFound(f"there is no API key {ids.encode('key', key_id)}")

    async def revoke(self, key_id: int) -> None:
        """Make a key invalid, for good.

        Raises:
            NotFound: there is none with this id.
            Conflict: it is the last key that may administer this installation.
        """
        key = self.get(key_id)
        if key.tenant_id is None and not any(
            other.tenant_id is None and other.id != key_id for other in self.list()
        ):
            raise Conflict(
                "this is the last administrator's key, and without one nobody could make "
                "another; create its successor first"
            )
        await self._config.save(msgspec.structs.replace(key, revoked=True))
        await self._directory.refresh()
