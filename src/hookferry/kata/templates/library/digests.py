"""Digests and message authentication codes."""

from __future__ import annotations

import hashlib
import hmac
import zlib
from collections.abc import Callable
from typing import Final

from hookferry.errors import ScriptError
from hookferry.kata.templates.library.coercion import from_octets, octets, text
from hookferry.kata.templates.registry import Run, register
from hookferry.kata.values import Value

_ALGORITHMS: Final[dict[str, Callable[..., hashlib._Hash]]] = {
    "md5": lambda data=b"": hashlib.md5(data, usedforsecurity=False),
    "sha1": lambda data=b"": hashlib.sha1(data, usedforsecurity=False),
    "sha224": hashlib.sha224,
    "sha256": hashlib.sha256,
    "sha384": hashlib.sha384,
    "sha512": hashlib.sha512,
    "sha3-224": hashlib.sha3_224,
    "sha3-256": hashlib.sha3_256,
    "sha3-384": hashlib.sha3_384,
    "sha3-512": hashlib.sha3_512,
}
"""PHP's names of the algorithms that Python has."""
_DIGEST_BYTES: Final = 500
"""Bytes that are digested in the time of a step: a quarter of what is copied, and less."""


def _paid(run: Run, value: Value, name: str) -> bytes:
    data = octets(text(run, value, name))
    run.fuel.spend(len(data) // _DIGEST_BYTES)
    return data


def _shown(run: Run, digest: bytes, binary: Value) -> str:
    run.fuel.build(2 * len(digest))
    return from_octets(digest) if binary else digest.hex()


def _named(algorithm: Value, caller: str) -> Callable[..., hashlib._Hash]:
    found = _ALGORITHMS.get(algorithm.lower()) if isinstance(algorithm, str) else None
    if found is None:
        raise ScriptError(f"{caller} takes one of these algorithms: {', '.join(_ALGORITHMS)}")
    return found


@register(
    "filter",
    "md5",
    examples=(("{{ 'You can verify this hash'|md5 }}", "1c20552e3bae1c4711cf697137002581"),),
)
def md5(run: Run, value: Value) -> str:
    """Return a text's MD5 digest in hex. Not safe for new uses; some services still ask for it."""
    return hash_of(run, value, "md5")


@register(
    "filter",
    "sha1",
    examples=(
        ("{{ 'You can verify this hash'|sha1 }}", "50ae61a375994fd178cd47fc7d29f7ec5724dda3"),
    ),
)
def sha1(run: Run, value: Value) -> str:
    """Return a text's SHA-1 digest in hex."""
    return hash_of(run, value, "sha1")


@register(
    "filter",
    "sha256",
    examples=(
        (
            "{{ 'abc'|sha256 }}",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
    ),
)
def sha256(run: Run, value: Value) -> str:
    """Return a text's SHA-256 digest in hex."""
    return hash_of(run, value, "sha256")


@register(
    "filter",
    "hash",
    examples=(
        ("{{ 'abc'|hash('md5') }}", "900150983cd24fb0d6963f7d28e17f72"),
        ("{{ 'abc'|hash('crc32b') }}", "352441c2"),
    ),
)
def hash_of(run: Run, value: Value, algorithm: Value, binary: Value = False) -> str:
    """Return a text's digest in hex, or its raw bytes: md5, sha1, sha256, sha512, sha3-256 ..."""
    data = _paid(run, value, "|hash")
    if algorithm == "crc32b":
        return _shown(run, zlib.crc32(data).to_bytes(4, "big"), binary)
    return _shown(run, _named(algorithm, "|hash")(data).digest(), binary)


@register(
    "filter",
    "hash_hmac",
    examples=(
        (
            "{{ 'what do ya want for nothing?'|hash_hmac('Jefe', 'sha256') }}",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            "{{ 'what do ya want for nothing?'|hash_hmac('Jefe', 'sha1', true)|base64_encode }}",
            "7/zfauXrL6LSdBbV8YTfnCWafHk=",
        ),
    ),
)
def hash_hmac(run: Run, value: Value, key: Value, algorithm: Value, binary: Value = False) -> str:
    """Return a text's HMAC under a key (RFC 2104) in lower-case hex, or its raw bytes."""
    data = _paid(run, value, "|hash_hmac")
    secret = _paid(run, key, "|hash_hmac")
    return _shown(run, hmac.digest(secret, data, _named(algorithm, "|hash_hmac")), binary)
