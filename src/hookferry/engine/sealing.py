"""Secrets at rest: AES-256-GCM under a ring of master keys.

Sealing and opening, and the names under which the fields of records are sealed; who may see what
was opened is decided by the callers. The
layout of a sealed value is 1 version byte, 8 bytes of key id, 12 bytes of nonce, then ciphertext
and tag. Version, key id, field name and row id are authenticated with it, so a value copied to
another row or column does not open (DESIGN section 4).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hookferry.domain.source import Source
from hookferry.domain.webhook import Webhook
from hookferry.errors import BadSettings, UnsealFailed

_VERSION = b"\x01"
_KEY_ID_BYTES = 8
_NONCE_BYTES = 12  # NIST SP 800-38D section 8.2.2; random nonces hold for 2^32 values a key
_HEAD = 1 + _KEY_ID_BYTES
KEY_BYTES = 32

SECRET_FIELD = "secret"  # noqa: S105 - the name of the field, not a secret
CLIENT_CERTIFICATE_FIELD = "client_certificate"
PROXY_FIELD = "proxy"
CREDENTIAL_FIELD = "value"
TENANT_KEY_FIELD = "webhook_key"
VERIFY_TOKEN_FIELD = "verify_token"  # noqa: S105 - as above
SOURCE_SECRET_FIELD = "source_secret"  # noqa: S105 - the name of the field, not a secret


def key_id(key: bytes) -> bytes:
    """Return the 8 bytes that name a master key without telling anything about it."""
    return hashlib.sha256(b"hookferry key id\0" + key).digest()[:_KEY_ID_BYTES]


def new_master_key() -> str:
    """Make a master key as the setting wants it: base64 of 32 random bytes."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


class Sealer:
    """Seals with the current key, opens with any key of the ring.

    Args:
        ring: 32-byte keys by key id.
        current: id of the key that seals; one of ``ring``.
    """

    def __init__(self, ring: Mapping[bytes, bytes], current: bytes) -> None:
        self._ring = {name: AESGCM(key) for name, key in ring.items()}
        self._current = current
        self._sealing = self._ring[current]

    @classmethod
    def from_setting(cls, text: str) -> Sealer:
        """Build a ring from base64 keys, newest first, separated by commas.

        Raises:
            BadSettings: a part is not base64 of exactly 32 bytes.
        """
        keys = []
        for part in text.split(","):
            try:
                key = base64.b64decode(part.strip(), validate=True)
            except (binascii.Error, ValueError):
                key = b""
            if len(key) != KEY_BYTES:
                raise BadSettings(
                    "the master key is base64 of 32 bytes (several, newest first, separated by "
                    "commas while you rotate); make one with: openssl rand -base64 32",
                    field="master_key",
                )
            keys.append(key)
        return cls({key_id(key): key for key in keys}, key_id(keys[0]))

    def seal(self, plain: bytes, *, row: int, field: str) -> bytes:
        """Seal a value for one place.

        Args:
            plain: the value.
            row: id of the record that keeps it.
            field: name of the field that keeps it.
        """
        head = _VERSION + self._current
        nonce = os.urandom(_NONCE_BYTES)
        return head + nonce + self._sealing.encrypt(nonce, plain, _place(head, row, field))

    def unseal(self, sealed: bytes, *, row: int, field: str) -> bytes:
        """Open a value that was sealed for this row and field.

        Raises:
            UnsealFailed: its key is not in the ring, or the value was damaged or moved.
        """
        head = sealed[:_HEAD]
        opener = self._ring.get(head[1:])
        if head[:1] != _VERSION or opener is None:
            raise UnsealFailed(
                f"the {field} of record {row} was sealed with a master key that is not given; "
                "add the former key behind the present one in HOOKFERRY_MASTER_KEY"
            )
        nonce = sealed[_HEAD : _HEAD + _NONCE_BYTES]
        try:
            return opener.decrypt(nonce, sealed[_HEAD + _NONCE_BYTES :], _place(head, row, field))
        except (InvalidTag, ValueError):
            raise UnsealFailed(
                f"the {field} of record {row} is damaged or belongs to another record; restore "
                "it from a backup or set it anew"
            ) from None


def _place(head: bytes, row: int, field: str) -> bytes:
    return b"hookferry:" + head + row.to_bytes(8, "big") + field.encode()


def open_secrets(sealer: Sealer, webhook: Webhook, now_ms: int) -> list[str]:
    """Return the secrets that sign at ``now_ms`` (Unix milliseconds), newest first.

    Raises:
        UnsealFailed: one of them can't be opened.
    """
    return [
        sealer.unseal(secret.sealed, row=webhook.id, field=SECRET_FIELD).decode()
        for secret in webhook.secrets
        if secret.expires_at_ms is None or secret.expires_at_ms > now_ms
    ]


def open_source_secrets(sealer: Sealer, source: Source, now_ms: int) -> list[str]:
    """Return the secrets that a source's callers may sign with at ``now_ms``, newest first.

    Raises:
        UnsealFailed: one of them can't be opened.
    """
    return [
        sealer.unseal(secret.sealed, row=source.id, field=SOURCE_SECRET_FIELD).decode()
        for secret in (source.verify.secrets if source.verify is not None else ())
        if secret.expires_at_ms is None or secret.expires_at_ms > now_ms
    ]


def open_client_certificate(sealer: Sealer, webhook: Webhook) -> bytes | None:
    """Return the PEM chain and private key of a webhook; raises UnsealFailed."""
    if webhook.client_certificate is None:
        return None
    return sealer.unseal(webhook.client_certificate, row=webhook.id, field=CLIENT_CERTIFICATE_FIELD)


def open_proxy(sealer: Sealer, webhook: Webhook) -> str | None:
    """Return the URL of a webhook's proxy, credentials included; raises UnsealFailed."""
    if webhook.proxy is None:
        return None
    return sealer.unseal(webhook.proxy, row=webhook.id, field=PROXY_FIELD).decode()
