"""Standard Webhooks 1.0: secrets, signing, verification.

The signed content is ``{id}.{timestamp}.{body}``. A ``whsec_`` secret signs it with HMAC-SHA256
(``v1``), a ``whsk_`` key with Ed25519 (``v1a``), which a ``whpk_`` key verifies. The header
``webhook-signature`` carries one signature per secret, separated by spaces, so that a secret can be
rotated without a gap.
Source: the specification at standardwebhooks.com, version 1.0.

Where the signature goes in a request that hookferry sends is ``hookferry.wire.profiles``.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hmac import HMAC

from hookferry.errors import InvalidField
from hookferry.wire.verification import (
    Headers,
    Reason,
    VerificationFailed,
    Verified,
    check_age,
    header,
)

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"

TOLERANCE_S = 300.0
"""Seconds a timestamp may differ from the receiver's clock, either way."""
MIN_SECRET_BYTES = 24
MAX_SECRET_BYTES = 75
NEW_SECRET_BYTES = 32
MAX_SIGNATURES = 32
"""Signatures looked at in one header; what a stranger sends costs no more than that."""
MAX_PUBLIC_SIGNATURES = 8
"""The same for those that a public key verifies, each of which hashes the content anew."""

_HMAC = "whsec_"
_PRIVATE = "whsk_"
_PUBLIC = "whpk_"
_SECONDS = re.compile(r"[0-9]{1,11}")
_MESSAGE_ID = re.compile(r"[!-\-/-~]{1,256}")


class SigningKey(Protocol):
    """A secret, prepared to sign."""

    def sign(self, content: bytes) -> bytes:
        """Return the signature of ``content`` as it stands in the header, version included."""
        ...


class VerifyingKey(Protocol):
    """A secret or public key, prepared to verify."""

    version: str

    def verify(self, content: bytes, signatures: Sequence[str]) -> bool:
        """Tell whether one of ``signatures`` (base64, without the version) is this key's."""
        ...


class HmacKey:
    """A ``whsec_`` secret: HMAC-SHA256."""

    __slots__ = ("_keyed",)
    version = "v1"

    def __init__(self, key: bytes) -> None:
        self._keyed = HMAC(key, hashes.SHA256())

    def sign(self, content: bytes) -> bytes:
        """Return ``v1,`` and the base64 of the HMAC."""
        # A copy of the keyed state: 1.6 us for 1 KB against 2.7 of hmac.digest, which hashes the
        # key again each time and lets go of the GIL, to wait for it behind the ledger's thread.
        signing = self._keyed.copy()
        signing.update(content)
        return b"v1," + binascii.b2a_base64(signing.finalize(), newline=False)

    def verify(self, content: bytes, signatures: Sequence[str]) -> bool:
        """Compare in constant time, as text: base64 has several spellings of the same bytes.

        The content is hashed once, however many signatures a stranger lists.
        """
        right = self.sign(content)
        return any(hmac.compare_digest(right, b"v1," + one.encode()) for one in signatures)


class Ed25519Key:
    """A ``whpk_`` public key: Ed25519 (RFC 8032)."""

    __slots__ = ("_public",)
    version = "v1a"

    def __init__(self, public: Ed25519PublicKey) -> None:
        self._public = public

    def verify(self, content: bytes, signatures: Sequence[str]) -> bool:
        """Check the signatures; secrets play no part, so time may depend on the input.

        Each hashes the content anew, so only the first few are looked at.
        """
        return any(self._signed(content, one) for one in signatures[:MAX_PUBLIC_SIGNATURES])

    def _signed(self, content: bytes, signature: str) -> bool:
        raw = _decode(signature)
        if raw is None:
            return False
        try:
            self._public.verify(raw, content)
        except InvalidSignature:
            return False
        return True

    def text(self) -> str:
        """Return the key as receivers are given it."""
        return _PUBLIC + base64.b64encode(self._public.public_bytes_raw()).decode()


class Ed25519SigningKey(Ed25519Key):
    """A ``whsk_`` key pair: Ed25519 (RFC 8032)."""

    __slots__ = ("_private",)

    def __init__(self, private: Ed25519PrivateKey) -> None:
        super().__init__(private.public_key())
        self._private = private

    def sign(self, content: bytes) -> bytes:
        """Return ``v1a,`` and the base64 of the signature."""
        return b"v1a," + binascii.b2a_base64(self._private.sign(content), newline=False)


# --------------------------------------------------------------------------- secrets


def new_secret() -> str:
    """Make an HMAC secret: ``whsec_`` and 32 random bytes."""
    return _HMAC + base64.b64encode(secrets.token_bytes(NEW_SECRET_BYTES)).decode()


def new_key_pair() -> tuple[str, str]:
    """Make an Ed25519 key pair: the ``whsk_`` to sign with and the ``whpk_`` to hand out."""
    private = Ed25519PrivateKey.generate()
    key = Ed25519SigningKey(private)
    pair = private.private_bytes_raw() + private.public_key().public_bytes_raw()
    return _PRIVATE + base64.b64encode(pair).decode(), key.text()


def parse_signing_key(secret: str) -> HmacKey | Ed25519SigningKey:
    """Prepare a secret to sign with.

    Args:
        secret: ``whsec_`` and the base64 of 24 to 75 bytes; or ``whsk_`` and the base64 of a
            32-byte Ed25519 seed, alone or followed by its 32-byte public key.

    Raises:
        InvalidField: it is neither; the detail says what is wrong and never quotes it.
    """
    if secret.startswith(_HMAC):
        raw = _decode_key(secret.removeprefix(_HMAC))
        if raw is None:
            raise _refusal(f"what follows {_HMAC!r} has to be base64 (letters, digits, '+', '/')")
        if not MIN_SECRET_BYTES <= len(raw) <= MAX_SECRET_BYTES:
            raise _refusal(
                f"it has {len(raw)} bytes; {_HMAC!r} is followed by the base64 of "
                f"{MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes"
            )
        return HmacKey(raw)
    if secret.startswith(_PRIVATE):
        raw = _decode_key(secret.removeprefix(_PRIVATE))
        if raw is None or len(raw) not in (32, 64):
            raise _refusal(
                f"{_PRIVATE!r} is followed by the base64 of a 32-byte Ed25519 seed, alone or with "
                "its 32-byte public key"
            )
        private = Ed25519PrivateKey.from_private_bytes(raw[:32])
        # A public half that belongs to another seed means that the wrong two were put together,
        # and receivers would refuse everything.
        if len(raw) == 64 and private.public_key().public_bytes_raw() != raw[32:]:
            raise _refusal(f"the public key in this {_PRIVATE!r} does not belong to its seed")
        return Ed25519SigningKey(private)
    if secret.startswith(_PUBLIC):
        raise _refusal(
            f"{_PUBLIC!r} is a public key, which can only verify; sign with its {_PRIVATE!r}"
        )
    raise _refusal(
        f"it starts with {_HMAC!r} (HMAC; base64 of {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} "
        f"bytes) or {_PRIVATE!r} (Ed25519); leave it out and one is made"
    )


def parse_verifying_key(secret: str) -> HmacKey | Ed25519Key:
    """Prepare a secret or a ``whpk_`` public key to verify with.

    Raises:
        InvalidField: it is neither.
    """
    if not secret.startswith(_PUBLIC):
        return parse_signing_key(secret)
    raw = _decode_key(secret.removeprefix(_PUBLIC))
    if raw is None or len(raw) != 32:
        raise _refusal(f"{_PUBLIC!r} is followed by the base64 of a 32-byte Ed25519 public key")
    return Ed25519Key(Ed25519PublicKey.from_public_bytes(raw))


def public_key(secret: str) -> str | None:
    """Return the ``whpk_`` that belongs to a ``whsk_``, or None for an HMAC secret.

    Raises:
        InvalidField: it is neither.
    """
    key = parse_signing_key(secret)
    return key.text() if isinstance(key, Ed25519SigningKey) else None


# --------------------------------------------------------------------------- signatures


def check_message_id(message_id: str) -> None:
    """Raise InvalidField unless a message id can be signed without ambiguity.

    Visible ASCII without ``.``, which separates it from the timestamp in the signed content: with
    it, one signature would hold for two readings of the same bytes.
    """
    if not _MESSAGE_ID.fullmatch(message_id):
        raise InvalidField(
            "a message id is 1 to 256 visible ASCII characters without '.', which separates the "
            "parts of the signed content",
            field="id",
        )


def sign(message_id: bytes, timestamp: bytes, body: bytes, keys: Iterable[SigningKey]) -> bytes:
    """Return the value of ``webhook-signature``: one signature per key, in the keys' order.

    The hot path: nothing is checked here.

    Args:
        message_id: the message's id, one that ``check_message_id`` passes.
        timestamp: Unix seconds in decimal.
        body: the body, byte for byte as sent.
        keys: what signs, newest first.
    """
    content = b"%b.%b.%b" % (message_id, timestamp, body)
    return b" ".join([key.sign(content) for key in keys])


def verify(
    keys: Sequence[VerifyingKey],
    headers: Headers,
    body: bytes,
    *,
    now: float,
    tolerance: float | None = TOLERANCE_S,
) -> Verified:
    """Check that a request was signed with one of ``keys``, lately.

    The age is judged last: ``stale`` and ``future`` are said only of what is genuine otherwise.

    Args:
        keys: any of them may have signed.
        headers: the request's headers.
        body: the request's body, byte for byte as received.
        now: Unix seconds.
        tolerance: seconds the timestamp may differ from ``now``, or None for any age.

    Raises:
        VerificationFailed: it was not; ``reason`` says why.
    """
    return verify_parts(
        keys,
        (
            header(headers, ID_HEADER),
            header(headers, TIMESTAMP_HEADER),
            header(headers, SIGNATURE_HEADER),
        ),
        body,
        now=now,
        tolerance=tolerance,
    )


def verify_parts(
    keys: Sequence[VerifyingKey],
    parts: tuple[str, str, str],
    body: bytes,
    *,
    now: float,
    tolerance: float | None,
) -> Verified:
    """As ``verify``, with the values of the three headers: id, timestamp, signature."""
    message_id, timestamp, listed = parts
    if not message_id.isascii():
        raise VerificationFailed(Reason.BAD_ENCODING, f"{ID_HEADER} is not ASCII")
    if not _SECONDS.fullmatch(timestamp):
        raise VerificationFailed(
            Reason.BAD_ENCODING, f"{TIMESTAMP_HEADER} is not a number of Unix seconds"
        )
    content = b"%b.%b.%b" % (message_id.encode(), timestamp.encode(), body)
    _check_signatures(keys, content, listed)
    check_age(int(timestamp), now, tolerance)
    return Verified(id=message_id, timestamp=int(timestamp))


def _check_signatures(keys: Sequence[VerifyingKey], content: bytes, listed: str) -> None:
    """Raise VerificationFailed unless one of the signatures listed is one of the keys'."""
    signatures = listed.split(" ", MAX_SIGNATURES)
    if len(signatures) > MAX_SIGNATURES:
        raise VerificationFailed(
            Reason.BAD_ENCODING, f"{SIGNATURE_HEADER} lists more than {MAX_SIGNATURES} signatures"
        )
    comparable: dict[str, list[str]] = {key.version: [] for key in keys}
    for entry in signatures:
        version, _, signature = entry.partition(",")
        if version in comparable and _decode(signature):
            comparable[version].append(signature)
    if any(key.verify(content, comparable[key.version]) for key in keys):
        return
    if not any(comparable.values()):
        wanted = " or ".join(f"'{version},<base64>'" for version in sorted(comparable))
        raise VerificationFailed(
            Reason.BAD_ENCODING, f"{SIGNATURE_HEADER} lists no signature of the form {wanted}"
        )
    raise VerificationFailed(
        Reason.MISMATCH,
        "no signature listed was made over this body with this secret: compare the secrets, and "
        "verify the body's bytes as received, before any parsing",
    )


def _decode(text: str) -> bytes | None:
    """Decode base64 in its one canonical spelling, or return None."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if base64.b64encode(raw).decode() == text else None


def _decode_key(text: str) -> bytes | None:
    """Decode what follows a prefix; padding may be left off, as the reference library allows."""
    return _decode(text + "=" * (-len(text) % 4))


def _refusal(why: str) -> InvalidField:
    return InvalidField(f"this is not a signing secret: {why}", field="secret")
