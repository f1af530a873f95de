"""Adyen's standard webhooks: every item of the body carries a signature over eight of its members.

Each item is verified. (Adyen's libraries look at the first alone, which leaves the others to
whoever can add one.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from hookferry.wire.inbound.checking import Checking, mismatch, no_secret
from hookferry.wire.inbound.encodings import decode_base64
from hookferry.wire.inbound.keys import parse_key
from hookferry.wire.inbound.reading import NOT_JSON
from hookferry.wire.inbound.received import Received, Trial
from hookferry.wire.verification import Reason, VerificationFailed, Verified

MAX_ITEMS = 100
"""Items of one request; Adyen sends one."""


class AdyenScheme(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Adyen standard webhooks; a secret is the HMAC key in hexadecimal digits."""

    type: str = "adyen"


class _Amount(msgspec.Struct, frozen=True):
    value: int
    currency: str


class _Item(msgspec.Struct, frozen=True, rename="camel"):
    psp_reference: str
    merchant_account_code: str
    merchant_reference: str
    amount: _Amount
    event_code: str
    success: str
    additional_data: dict[str, msgspec.Raw]
    original_reference: str | None = None


class _Wrapped(msgspec.Struct, frozen=True):
    item: _Item = msgspec.field(name="NotificationRequestItem")


class _Body(msgspec.Struct, frozen=True):
    items: list[_Wrapped] = msgspec.field(name="notificationItems")


class _Claim(NamedTuple):
    signed: bytes
    given: str
    raw: bytes


_decoder = msgspec.json.Decoder(_Body)
_text = msgspec.json.Decoder(str)


class AdyenVerifier(Checking):
    """Checks every item.

    Args:
        scheme: the definition.
        secrets: HMAC keys, any of which may have signed an item.

    Raises:
        InvalidField: a secret is not hexadecimal.
    """

    algorithm = "hmac-sha256"

    def __init__(self, scheme: AdyenScheme, secrets: Sequence[str]) -> None:
        self._keys = [parse_key(secret, "hmac-sha256", "hex") for secret in secrets]

    def verify(self, request: Received, now: float, keys: Mapping[str, bytes]) -> Verified:
        """Check a request; see ``Verifier``."""
        if not self._keys:
            raise no_secret()
        for number, claim in enumerate(_claims(request)):
            if not self._matches(claim):
                raise mismatch(
                    f"item {number} of notificationItems was not signed with this secret"
                )
        return Verified(id="", timestamp=None)

    def trials(self, request: Received, now: float, keys: Mapping[str, bytes]) -> tuple[Trial, ...]:
        """Return the signed content of each item."""
        return tuple(
            Trial(
                signed=claim.signed,
                given=(claim.given,),
                matches=self._matches(claim),
                note=f"item {number}",
            )
            for number, claim in enumerate(_claims(request))
        )

    def _matches(self, claim: _Claim) -> bool:
        return any(key.matches(claim.signed, (claim.raw,)) for key in self._keys)


def _claims(request: Received) -> list[_Claim]:
    """Read what each item signs.

    Raises:
        VerificationFailed: the body is not Adyen's, or an item has no signature.
    """
    try:
        items = _decoder.decode(request.body).items
    except NOT_JSON:
        raise VerificationFailed(
            Reason.MALFORMED,
            "the body is no standard webhook of Adyen's (notificationItems with "
            "NotificationRequestItem); its other webhooks are preset adyen_banking",
        ) from None
    if not 1 <= len(items) <= MAX_ITEMS:
        raise VerificationFailed(
            Reason.MALFORMED, f"notificationItems has 1 to {MAX_ITEMS} items, not {len(items)}"
        )
    return [_claim(number, wrapped.item) for number, wrapped in enumerate(items)]


def _claim(number: int, item: _Item) -> _Claim:
    try:
        given = _text.decode(item.additional_data.get("hmacSignature", msgspec.Raw(b"null")))
    except NOT_JSON:
        given = ""
    raw = decode_base64(given.encode())
    if not raw:
        raise VerificationFailed(
            Reason.BAD_ENCODING,
            f"item {number} of notificationItems has no additionalData.hmacSignature in base64",
        )
    signed = ":".join(
        (
            item.psp_reference,
            item.original_reference or "",
            item.merchant_account_code,
            item.merchant_reference,
            str(item.amount.value),
            item.amount.currency,
            item.event_code,
            item.success,
        )
    )
    return _Claim(signed.encode(), given, raw)
