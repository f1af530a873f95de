"""A scheme as a source's ``verify`` writes it, without its secret, and how it becomes a verifier.

``{"preset": "github"}``, with fields that change the preset's; or a whole scheme, whose ``type``
says which kind it is (``signature`` when it is left out). Each kind is a module beside this one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from hookferry.errors import InvalidField, UnknownField
from hookferry.wire.inbound.adyen import AdyenScheme, AdyenVerifier
from hookferry.wire.inbound.http_signatures import HttpSignatureScheme, HttpSignatureVerifier
from hookferry.wire.inbound.jwt import JwtScheme, JwtVerifier
from hookferry.wire.inbound.paypal import PaypalScheme, PaypalVerifier
from hookferry.wire.inbound.presets import preset_named
from hookferry.wire.inbound.received import Verifier
from hookferry.wire.inbound.signature import SignatureVerifier
from hookferry.wire.inbound.signature_scheme import EntryList, SignatureScheme
from hookferry.wire.inbound.sns import SnsScheme, SnsVerifier
from hookferry.wire.inbound.standard import StandardScheme, StandardVerifier
from hookferry.wire.inbound.tokens import BasicScheme, BearerScheme, TokenScheme, TokenVerifier

MAX_SECRETS = 8
"""Secrets that are tried on a request; rotation needs two."""


class Kind(NamedTuple):
    """One kind of scheme: what it may say, and what checks it."""

    scheme: type[msgspec.Struct]
    verifier: Callable[[Any, Sequence[str]], Verifier]


KINDS: dict[str, Kind] = {
    "signature": Kind(SignatureScheme, SignatureVerifier),
    "standard_webhooks": Kind(StandardScheme, StandardVerifier),
    "basic": Kind(BasicScheme, TokenVerifier),
    "bearer": Kind(BearerScheme, TokenVerifier),
    "token": Kind(TokenScheme, TokenVerifier),
    "jwt": Kind(JwtScheme, JwtVerifier),
    "http_signature": Kind(HttpSignatureScheme, HttpSignatureVerifier),
    "adyen": Kind(AdyenScheme, AdyenVerifier),
    "sns": Kind(SnsScheme, SnsVerifier),
    "paypal": Kind(PaypalScheme, PaypalVerifier),
}

_AT = re.compile(r" - at `\$\.?([^`]*)`$")


def compile_verification(
    scheme: Mapping[str, Any], secrets: Sequence[str], *, beside: Sequence[str] = ()
) -> Verifier:
    """Turn a scheme and its secrets into what checks requests.

    Args:
        scheme: as written, without the secret.
        secrets: any of them may have signed, newest first; without one every request fails with
            ``no_secret``, unless the scheme needs none.
        beside: what else may stand where the scheme was written, for the error of a misspelt field.

    Raises:
        InvalidField, UnknownField: naming the field, and what would be allowed.
    """
    if len(secrets) > MAX_SECRETS:
        raise InvalidField(
            f"there are {len(secrets)} secrets, and at most {MAX_SECRETS} are tried; take away "
            "those that nobody signs with",
            field="secret",
        )
    kind, definition = _parse(scheme, beside)
    return kind.verifier(definition, secrets)


def parse_scheme(scheme: Mapping[str, Any]) -> msgspec.Struct:
    """Return a scheme as its kind's struct; raises as ``compile_verification``."""
    return _parse(scheme, ())[1]


def check_verification(scheme: Mapping[str, Any]) -> None:
    """Raise as ``compile_verification`` does unless a scheme is well-formed; needs no secret."""
    compile_verification(scheme, ())


def whole_scheme(scheme: Mapping[str, Any]) -> dict[str, Any]:
    """Return a scheme with its preset's fields written out.

    Raises:
        InvalidField: there is no such preset, or it is given another type.
    """
    whole = dict(scheme)
    name = whole.pop("preset", None)
    if name is None:
        return whole
    if not isinstance(name, str):
        raise InvalidField("preset is the name of one, such as 'github'", field="preset")
    preset = preset_named(name)
    if "type" in whole:
        raise InvalidField(
            f"type is the preset's; leave it out, or leave out preset and write the whole scheme "
            f"({name} is {msgspec.json.encode(preset.scheme).decode()})",
            field="type",
        )
    return {**preset.scheme, **whole}


def signs_url(scheme: Mapping[str, Any]) -> bool:
    """Tell whether the address is part of what is signed, so that it has to be the sender's.

    Under ``http_signature`` it may be, as each request says.

    Raises:
        InvalidField: as ``whole_scheme``.
    """
    return "{url" in str(whole_scheme(scheme).get("signed", ""))


def _parse(scheme: Mapping[str, Any], beside: Sequence[str]) -> tuple[Kind, msgspec.Struct]:
    whole = whole_scheme(scheme)
    try:
        msgspec.json.encode(whole)
    except (TypeError, UnicodeEncodeError, RecursionError):
        raise InvalidField("a scheme is a JSON object", field=None) from None
    named = whole.get("type", "signature")
    kind = KINDS.get(named) if isinstance(named, str) else None
    if kind is None:
        raise InvalidField(f"type is one of {', '.join(KINDS)}", field="type")
    known = kind.scheme.__struct_fields__
    for field in whole:
        if field not in known:
            known = ("preset", *known, *beside)
            raise UnknownField.near(field[:60], known, where=f"a {named} scheme")
    try:
        return kind, msgspec.convert(whole, kind.scheme)
    except msgspec.ValidationError as error:
        raise _explained(error) from None


def _explained(error: msgspec.ValidationError) -> InvalidField | UnknownField:
    text = str(error)
    at = _AT.search(text)
    missing = re.match(r"Object missing required field `([^`]*)`", text)
    place = at[1] if at else ""
    unknown = re.match(r"Object contains unknown field `([^`]*)`", text)
    if unknown:  # only inside a member: those of the scheme itself were looked at before
        return UnknownField.near(unknown[1][:60], EntryList.__struct_fields__, where=place)
    if missing:
        field = ".".join(filter(None, (place, missing[1])))
        return InvalidField(f"{field} is missing, and required", field=field)
    return InvalidField(f"{place or 'the scheme'}: {_AT.sub('', text)}", field=place or None)
