"""What a declarative scheme can say: the struct, and the rules of single fields.

How it verifies is ``signature``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from hookferry.errors import InvalidField
from hookferry.wire.inbound.keys import (
    PUBLIC_ALGORITHMS,
    PUBLIC_FORMS,
    SECRET_ALGORITHMS,
    SECRET_FORMS,
)

DEFAULT_TOLERANCE_S = 300.0
"""Seconds that a time of signing may be off, either way, where a scheme says nothing else."""
MAX_TOLERANCE_S = 604_800.0
"""A week; whoever wants more turns the check off and says so."""


class EntryList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A signature header that is a list, such as ``t=1700000000,v1=...,v1=...``."""

    name: str
    """Of the entries that are signatures."""
    separator: str = ","
    assign: str = "="


Tolerance = float | Literal["any"] | msgspec.UnsetType | None
"""As written: null says what ``any`` does, where null is not what leaves a field out."""


class SignatureScheme(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A signature over a template. Places are written as ``template.compile_place`` says."""

    type: str = "signature"
    algorithm: str = "hmac-sha256"
    """One of ``SECRET_ALGORITHMS`` or ``PUBLIC_ALGORITHMS``."""
    key: str | None = None
    """How secrets are written: ``raw`` (the default), ``hex``, ``base64``, ``whsec``; public keys
    ``pem`` (the default), ``base64``, ``hex``."""
    signature: str | list[str]
    """The place of the signature, or several places, any of which may have a right one."""
    prefix: str = ""
    """What stands before each signature, and has to."""
    entries: EntryList | None = None
    """How the signature header is made up, where it is a list."""
    encoding: str = "hex"
    """One of ``ENCODINGS``."""
    signed: str = "{body}"
    """The template of what is signed."""
    id: str | None = None
    """The place of the message's id."""
    timestamp: str | None = None
    """The place of the time of signing."""
    timestamp_unit: str = "s"
    """One of ``UNITS``."""
    tolerance: Tolerance = msgspec.UNSET
    """Seconds the time may be off, either way; ``any``, or null, for any. 300 where a time is
    signed."""
    body_digest: str | None = None
    """A signed place with the hex SHA-256 of the body, for bodies that are no form (Twilio)."""
    unsigned_body: bool = False
    """Whether the provider signs no body, so that the owner knows what a signature is worth."""
    any_port: bool = False
    """Whether the URL is also tried with or without its port."""


def tolerance_of(given: Tolerance, default: float | None, *, timed: bool) -> float | None:
    """Return the tolerance of a definition, in seconds.

    Args:
        given: as written.
        default: when it is left out.
        timed: whether the scheme signs a time.

    Raises:
        InvalidField: it is out of range, or the scheme signs no time.
    """
    if given is msgspec.UNSET:
        return default
    if given is None or given == "any":
        return None
    if not timed:
        raise InvalidField(
            "tolerance needs a timestamp, and this scheme signs none: repeats are told by their "
            "duplicate key (deduplicate) instead",
            field="tolerance",
        )
    if not 1 <= given <= MAX_TOLERANCE_S:  # also refuses NaN
        raise InvalidField(
            f"tolerance is 1 to {MAX_TOLERANCE_S:,.0f} seconds, or 'any'",
            field="tolerance",
        )
    return float(given)


def check_choice(field: str, given: str, allowed: Sequence[str]) -> None:
    """Raise InvalidField unless a field has one of the values allowed."""
    if given not in allowed:
        raise InvalidField(f"{field} is one of {', '.join(allowed)}", field=field)


def key_form(scheme: SignatureScheme) -> str:
    """Return how the secrets of a scheme are written.

    Raises:
        InvalidField: it is no form of this algorithm's, or there is no such algorithm.
    """
    check_choice("algorithm", scheme.algorithm, (*SECRET_ALGORITHMS, *PUBLIC_ALGORITHMS))
    forms = SECRET_FORMS if scheme.algorithm in SECRET_ALGORITHMS else PUBLIC_FORMS
    form = forms[0] if scheme.key is None else scheme.key
    check_choice("key", form, forms)
    return form
