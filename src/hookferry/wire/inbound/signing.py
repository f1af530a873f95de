"""Signing as a provider does, for tests of whoever receives: the other half of verification.

Only what is signed with a secret that both sides have. Times and ids go where the scheme reads
them; where that is the body, the body has them already.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from hookferry.errors import InvalidField
from hookferry.wire.inbound.definition import parse_scheme
from hookferry.wire.inbound.keys import Mac, parse_key
from hookferry.wire.inbound.reading import Reading
from hookferry.wire.inbound.received import Received
from hookferry.wire.inbound.signature import signed_content
from hookferry.wire.inbound.signature_scheme import SignatureScheme, key_form
from hookferry.wire.inbound.tokens import BasicScheme, BearerScheme, TokenScheme
from hookferry.wire.verification import VerificationFailed

_ENCODE: dict[str, Callable[[bytes], str]] = {
    "hex": bytes.hex,
    "base64": lambda raw: base64.b64encode(raw).decode(),
    "base64url": lambda raw: base64.urlsafe_b64encode(raw).decode(),
}
_MOMENTS: dict[str, Callable[[int], str]] = {
    "s": str,
    "ms": lambda seconds: str(seconds * 1000),
    "iso": lambda seconds: datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
}


def sign_request(
    scheme: Mapping[str, Any],
    secret: str,
    body: bytes,
    *,
    message_id: str,
    timestamp: int,
    method: str,
    url: str,
) -> dict[str, str]:
    """Return the headers that make a request genuine.

    Args:
        scheme: as a source writes it.
        secret: the one that both sides have.
        body: byte for byte as it will be sent.
        message_id: where the scheme has one in a header.
        timestamp: Unix seconds, where the scheme has them in a header.
        method: the request's, where it is signed.
        url: the address as the receiver knows it, where it is signed.

    Raises:
        InvalidField, UnknownField: the scheme or the secret is none, or nobody but the provider
            can sign under it.
    """
    definition = parse_scheme(scheme)
    if isinstance(definition, BasicScheme):
        return {"Authorization": "Basic " + base64.b64encode(secret.encode()).decode()}
    if isinstance(definition, BearerScheme):
        return {"Authorization": f"Bearer {secret}"}
    if isinstance(definition, TokenScheme):
        return {_header(definition.place, "place"): definition.prefix + secret}
    if not isinstance(definition, SignatureScheme):
        raise InvalidField("requests can't be signed under this scheme here", field="scheme")
    key = parse_key(secret, definition.algorithm, key_form(definition))
    if not isinstance(key, Mac):
        raise InvalidField(
            f"{definition.algorithm} signs with a private key, which only the provider has",
            field="scheme",
        )
    return _signed(definition, key, body, message_id, timestamp, method, url)


def _signed(
    scheme: SignatureScheme,
    key: Mac,
    body: bytes,
    message_id: str,
    timestamp: int,
    method: str,
    url: str,
) -> dict[str, str]:
    if "form" in scheme.signed:
        raise InvalidField("what is signed of a form can't be signed here", field="scheme")
    headers: dict[str, str] = {}
    fields: dict[str, str] = {}
    moment = _MOMENTS[scheme.timestamp_unit](timestamp)
    for place, value in ((scheme.timestamp, moment), (scheme.id, message_id)):
        kind, _, name = (place or "").partition(":")
        if kind == "header":
            headers[name] = value
        elif kind == "field":
            fields[name] = value
    path, _, query = url.partition("://")[2].partition("/")[2].partition("?")
    sent = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    reading = Reading(Received(method, url, b"/" + path.encode(), query.encode(), sent, body))
    reading.use_fields({name: [value.encode()] for name, value in fields.items()})
    try:
        content = signed_content(scheme, reading)
    except VerificationFailed as failed:
        raise InvalidField(f"this can't be signed: {failed.detail}", field="body") from None
    signature = scheme.prefix + _ENCODE[scheme.encoding](key.digest(content))
    first = scheme.signature if isinstance(scheme.signature, str) else scheme.signature[0]
    if scheme.entries is not None:
        fields[scheme.entries.name] = signature
        signature = scheme.entries.separator.join(
            f"{name}{scheme.entries.assign}{value}" for name, value in fields.items()
        )
    headers[_header(first, "signature")] = signature
    return headers


def _header(place: str, field: str) -> str:
    kind, _, name = place.partition(":")
    if kind != "header":
        raise InvalidField(
            f"the scheme has its {field} at {place!r}, which is no header that could be added",
            field="scheme",
        )
    return name
