"""Secrets and public keys as they are written, prepared to check signatures.

The algorithm comes from the definition alone, never from a request. MACs are compared in constant
time; with public keys there is no secret whose comparison could leak.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from hookferry.errors import InvalidField
from hookferry.wire.inbound.encodings import decode_base64, decode_hex

MAX_SECRET = 16_384
"""Characters of a secret or public key."""
MAX_PUBLIC_SIGNATURES = 8
"""Signatures that a public key is tried on, of those in one request."""
MIN_RSA_BITS = 1_024
"""What a provider's old keys may have; below it a key can be factored."""
MAX_RSA_BITS = 8_192
"""Checking a signature of a longer key costs a stranger's request too much."""

_MACS = {
    "hmac-sha1": "sha1",
    "hmac-sha256": "sha256",
    "hmac-sha384": "sha384",
    "hmac-sha512": "sha512",
}


_IPAD = bytes(byte ^ 0x36 for byte in range(256))
_OPAD = bytes(byte ^ 0x5C for byte in range(256))


class Key(Protocol):
    """One secret or public key, with its algorithm."""

    def matches(self, content: bytes, signatures: Sequence[bytes]) -> bool:
        """Tell whether one of ``signatures`` is this key's over ``content``."""
        ...


class Mac:
    """HMAC (RFC 2104), or with ``prefix`` the plain hash of the secret followed by the content.

    Args:
        key: the secret's bytes.
        digest: a name that ``hashlib`` knows.
        prefix: the old construction that HubSpot's first two versions use; it can be extended by
            whoever sees a signature, so only its own presets should ask for it.
    """

    __slots__ = ("_inner", "_outer", "size")

    def __init__(self, key: bytes, digest: str, *, prefix: bool = False) -> None:
        # Keyed once: half the price of hmac.digest for 1 KB, and of hmac.new's copies 2/3.
        state = hashlib.new(digest)
        self.size = state.digest_size
        self._outer = None
        if prefix:
            state.update(key)
        else:
            if len(key) > state.block_size:
                key = hashlib.new(digest, key).digest()
            padded = key.ljust(state.block_size, b"\0")
            self._outer = hashlib.new(digest, padded.translate(_OPAD))
            state.update(padded.translate(_IPAD))
        self._inner = state

    def digest(self, content: bytes) -> bytes:
        """Return the authentication code of ``content``."""
        inner = self._inner.copy()
        inner.update(content)
        if self._outer is None:
            return inner.digest()
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()

    def matches(self, content: bytes, signatures: Sequence[bytes]) -> bool:
        """Compare in constant time; the content is hashed once, however many there are."""
        right = self.digest(content)
        for signature in signatures:  # noqa: SIM110  as in signature.py
            if hmac.compare_digest(right, signature):
                return True
        return False


class PublicKey(ABC):
    """A key that only verifies. Each signature hashes the content anew, so a few count."""

    __slots__ = ()

    def matches(self, content: bytes, signatures: Sequence[bytes]) -> bool:
        """Tell whether one of the first few signatures is this key's."""
        return any(self._signed(content, one) for one in signatures[:MAX_PUBLIC_SIGNATURES])

    def _signed(self, content: bytes, signature: bytes) -> bool:
        try:
            self._check(content, signature)
        except InvalidSignature:
            return False
        return True

    @abstractmethod
    def _check(self, content: bytes, signature: bytes) -> None:
        """Raise InvalidSignature unless ``signature`` is this key's."""


class Ed25519(PublicKey):
    """RFC 8032."""

    __slots__ = ("_key",)

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key

    def _check(self, content: bytes, signature: bytes) -> None:
        self._key.verify(signature, content)


class EcdsaP256(PublicKey):
    """ECDSA on P-256 with SHA-256.

    Args:
        key: the public key.
        fixed: whether signatures are the 64 bytes of r and s (IEEE P1363, as in JWT and RFC 9421)
            and not DER.
    """

    __slots__ = ("_fixed", "_key")

    def __init__(self, key: ec.EllipticCurvePublicKey, *, fixed: bool) -> None:
        self._key = key
        self._fixed = fixed

    def _check(self, content: bytes, signature: bytes) -> None:
        if self._fixed:
            if len(signature) != 64:
                raise InvalidSignature
            r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
            signature = encode_dss_signature(r, s)
        self._key.verify(signature, content, ec.ECDSA(hashes.SHA256()))


class Rsa(PublicKey):
    """RSA with PKCS #1 v1.5 padding, or PSS (RFC 8017).

    Args:
        key: the public key.
        digest: the hash.
        pss: whether the padding is PSS, its salt as long as the hash.
    """

    __slots__ = ("_digest", "_key", "_padding")

    def __init__(
        self, key: rsa.RSAPublicKey, digest: hashes.HashAlgorithm, *, pss: bool = False
    ) -> None:
        self._key = key
        self._digest = digest
        self._padding: padding.PSS | padding.PKCS1v15 = (
            padding.PSS(padding.MGF1(digest), digest.digest_size) if pss else padding.PKCS1v15()
        )

    def _check(self, content: bytes, signature: bytes) -> None:
        self._key.verify(signature, content, self._padding, self._digest)


def _ed25519(key: PublicKeyTypes) -> Key | None:
    return Ed25519(key) if isinstance(key, Ed25519PublicKey) else None


def _ecdsa(fixed: bool) -> Callable[[PublicKeyTypes], Key | None]:
    def make(key: PublicKeyTypes) -> Key | None:
        if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
            return EcdsaP256(key, fixed=fixed)
        return None

    return make


def _rsa(digest: hashes.HashAlgorithm, pss: bool = False) -> Callable[[PublicKeyTypes], Key | None]:
    def make(key: PublicKeyTypes) -> Key | None:
        if isinstance(key, rsa.RSAPublicKey) and MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
            return Rsa(key, digest, pss=pss)
        return None

    return make


_PUBLIC: dict[str, tuple[str, Callable[[PublicKeyTypes], Key | None]]] = {
    "ed25519": ("an Ed25519", _ed25519),
    "ecdsa-p256-sha256": ("a P-256", _ecdsa(fixed=False)),
    "ecdsa-p256-sha256-fixed": ("a P-256", _ecdsa(fixed=True)),
    "rsa-sha1": ("an RSA", _rsa(hashes.SHA1())),  # noqa: S303  what old providers sign with
    "rsa-sha256": ("an RSA", _rsa(hashes.SHA256())),
    "rsa-sha384": ("an RSA", _rsa(hashes.SHA384())),
    "rsa-sha512": ("an RSA", _rsa(hashes.SHA512())),
    "rsa-pss-sha512": ("an RSA", _rsa(hashes.SHA512(), pss=True)),
}

SECRET_PREFIX = "sha256-secret-prefix"  # noqa: S105  the name of an algorithm
SECRET_ALGORITHMS = (*_MACS, SECRET_PREFIX)
PUBLIC_ALGORITHMS = tuple(_PUBLIC)
SECRET_FORMS = ("raw", "hex", "base64", "whsec")
PUBLIC_FORMS = ("pem", "base64", "hex")


def parse_key(secret: str, algorithm: str, form: str) -> Key:
    """Prepare a secret or public key.

    Args:
        secret: as its owner has it from the provider.
        algorithm: one of ``SECRET_ALGORITHMS`` or ``PUBLIC_ALGORITHMS``.
        form: how it is written: one of ``SECRET_FORMS``; or of ``PUBLIC_FORMS``, where ``base64``
            and ``hex`` are of the DER (SubjectPublicKeyInfo), or of Ed25519's 32 bytes.

    Raises:
        InvalidField: it is not that; the detail never quotes it.
    """
    if algorithm in _PUBLIC:
        return public_key_for(_load(secret, form), algorithm)
    raw = secret_bytes(secret, form)
    if algorithm == SECRET_PREFIX:
        return Mac(raw, "sha256", prefix=True)
    return Mac(raw, _MACS[algorithm])


def public_key_for(key: PublicKeyTypes, algorithm: str) -> Key:
    """Return a public key with the algorithm that the definition names.

    Raises:
        InvalidField: it is a key for another.
    """
    kind, make = _PUBLIC[algorithm]
    made = make(key)
    if made is None:
        raise _refused(f"{algorithm} needs {kind} public key, and this is another one")
    return made


def secret_bytes(secret: str, form: str) -> bytes:
    """Return the bytes of a shared secret.

    Raises:
        InvalidField: it is empty, too long, or not written in this form.
    """
    if not secret or len(secret) > MAX_SECRET:
        raise _refused(f"a secret has 1 to {MAX_SECRET:,} characters, and this has {len(secret)}")
    raw: bytes | None
    if form == "raw":
        try:
            raw = secret.encode()
        except UnicodeEncodeError:
            raise _refused("it contains half of a surrogate pair, which is no character") from None
    elif form == "hex":
        raw = decode_hex(secret.encode("utf-8", "replace"))
        if raw is None:
            raise _refused("this scheme's secrets are hexadecimal digits, an even number of them")
    else:
        if form == "whsec" and not secret.startswith("whsec_"):
            raise _refused("this scheme's secrets begin with 'whsec_'")
        text = secret.removeprefix("whsec_") if form == "whsec" else secret
        raw = decode_base64((text + "=" * (-len(text) % 4)).encode("utf-8", "replace"))
        if raw is None:
            raise _refused("this scheme's secrets are base64 (letters, digits, '+', '/')")
    if not raw:
        raise _refused("it has no bytes, so that anybody could sign")
    return raw


def _load(secret: str, form: str) -> PublicKeyTypes:
    if not secret or len(secret) > MAX_SECRET:
        raise _refused(f"a public key has 1 to {MAX_SECRET:,} characters")
    text = secret.strip().encode("utf-8", "replace")
    try:
        if form == "pem":
            return load_pem_public_key(text)
        der = binascii.unhexlify(text) if form == "hex" else base64.b64decode(text, validate=True)
        if len(der) == 32:
            return Ed25519PublicKey.from_public_bytes(der)
        return load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        written = {
            "pem": "in PEM (-----BEGIN PUBLIC KEY-----)",
            "base64": "as base64 of its DER, or of Ed25519's 32 bytes",
            "hex": "as hexadecimal digits of Ed25519's 32 bytes, or of its DER",
        }[form]
        raise _refused(f"a public key is given {written}") from None


def _refused(why: str) -> InvalidField:
    return InvalidField(f"this is no secret or key for the scheme: {why}", field="secret")
