"""What every signing scheme shares: why a verification fails, and how headers are read.

The schemes themselves are one module each; ``hookferry.wire.schemes`` knows them by name.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from typing import Protocol, cast

import msgspec

from hookferry.errors import HookferryError


class HasItems(Protocol):
    """What headers are in most frameworks, mappings or not (``http.server`` has none)."""

    def items(self) -> Iterable[tuple[str, str]]:
        """Return names and values."""
        ...


Headers = HasItems | Iterable[tuple[str, str]]
"""Headers as whatever has ``items``, or as pairs; names in any case."""


class Reason(enum.StrEnum):
    """Why a request is not accepted as genuine; stable names."""

    NO_SECRET = "no_secret"  # noqa: S105  a reason, not a secret
    MISSING_HEADER = "missing_header"
    BAD_ENCODING = "bad_encoding"
    """A header is there but can't be what the scheme says."""
    MISMATCH = "mismatch"
    """No signature was made with any of the secrets over this content."""
    STALE = "stale"
    """The signature is right, and older than the tolerance: possibly a replay."""
    FUTURE = "future"
    """The signature is right, and from further in the future than the tolerance."""
    MALFORMED = "malformed"
    """The body or the URL is not what the scheme reads its signature from."""
    DIGEST_MISMATCH = "digest_mismatch"
    """What is signed names a digest of the body, and the body has another, or none is signed."""
    KEY_UNAVAILABLE = "key_unavailable"
    """The key that signed is at an address that is not the provider's, or is no usable key."""


class VerificationFailed(HookferryError):
    """A request is not genuine, or can't be shown to be.

    The detail never contains a secret or the signature that would have been right.

    Args:
        reason: why, for programs.
        detail: why and what to look at, for people.
    """

    code = "verification_failed"

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail, reason=reason)
        self.reason = reason


class Verified(msgspec.Struct, frozen=True):
    """What a genuine request says of itself."""

    id: str
    """The message's id: the same on every retry, so duplicates can be dropped by it. Empty where
    nothing that is signed has one."""
    timestamp: int | None
    """Unix seconds at which it was signed, or None under schemes that sign no time."""


def pairs_of(headers: Headers) -> Iterable[tuple[str, str]]:
    """Return headers as pairs, however a framework has them."""
    # Asking for the attribute: isinstance with a protocol takes twenty microseconds.
    items: Callable[[], Iterable[tuple[str, str]]] | None = getattr(headers, "items", None)
    return cast("Iterable[tuple[str, str]]", headers) if items is None else items()


def header(headers: Headers, name: str) -> str:
    """Return the value of the one header called ``name`` (lower case), without outer blanks.

    Raises:
        VerificationFailed: it is missing or empty; or it is there more than once, and which of
            them another program reads is anyone's guess.
    """
    values = [value for key, value in pairs_of(headers) if key.lower() == name]
    if len(values) > 1:
        raise VerificationFailed(Reason.BAD_ENCODING, f"the header {name} is there more than once")
    value = values[0].strip(" \t") if values else ""
    if not value:
        raise VerificationFailed(
            Reason.MISSING_HEADER, f"the header {name} is missing; was the request signed at all?"
        )
    return value


def check_age(timestamp: float, now: float, tolerance: float | None) -> None:
    """Raise VerificationFailed when ``timestamp`` is too far from ``now``, either way.

    Args:
        timestamp: Unix seconds at which the request was signed.
        now: Unix seconds.
        tolerance: seconds it may differ, or None for any age.
    """
    if tolerance is None:
        return
    age = now - timestamp
    if age > tolerance:
        raise VerificationFailed(
            Reason.STALE,
            f"signed {age:.0f} s ago, more than the {tolerance:g} s allowed: a late or replayed "
            "request, or this machine's clock is ahead",
        )
    if age < -tolerance:
        raise VerificationFailed(
            Reason.FUTURE,
            f"signed {-age:.0f} s in the future, more than the {tolerance:g} s allowed: the "
            "sender's clock is ahead, or this machine's is behind",
        )
