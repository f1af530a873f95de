"""Why a signature probably does not match: the usual mistakes, tried one at a time.

For the debugger alone, whose reader may know what the secret is: a caller never gets any of it. It
says which change would make the request verify, never the signature that was expected.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from hookferry.wire.inbound.encodings import DECODERS
from hookferry.wire.inbound.keys import SECRET_ALGORITHMS, SECRET_FORMS
from hookferry.wire.inbound.moments import UNITS
from hookferry.wire.inbound.reading import url_variants
from hookferry.wire.inbound.received import Received
from hookferry.wire.inbound.signature_scheme import SignatureScheme
from hookferry.wire.verification import Reason

MAX_BODY = 131_072
"""Bytes of a body that is looked at; re-writing a larger one costs too much."""
MAX_HEADERS = 64
"""Headers looked at for a signature."""

_PREFIX = re.compile(rb"(?:sha1|sha256|sha512|v0|v1)[=,]")
_HMAC_BY_SIZE = {20: "hmac-sha1", 32: "hmac-sha256", 64: "hmac-sha512"}

Would = Callable[[Received, Sequence[str], Mapping[str, Any]], bool]
"""Tells whether a request would verify with these secrets and its scheme so changed."""


def likely_cause(
    request: Received, reason: Reason, scheme: SignatureScheme, secrets: Sequence[str], would: Would
) -> str:
    """Return what is probably wrong, as a sentence; empty when no usual mistake explains it.

    Args:
        request: what came.
        reason: why it does not verify.
        scheme: the ``SignatureScheme``.
        secrets: those that were tried.
        would: tries a change.
    """
    if not secrets:
        return ""
    for unit in UNITS:
        if scheme.timestamp is not None and would(request, secrets, {"timestamp_unit": unit}):
            return f"It would verify with timestamp_unit {unit!r}: the time is {UNITS[unit]}"
    if reason in (Reason.STALE, Reason.FUTURE) or len(request.body) > MAX_BODY:
        return ""
    any_age = {"tolerance": None}
    for text, changed in (*_bodies(request), *_urls(request)):
        if would(changed, secrets, any_age):
            return f"It would verify if {text}"
    for text, other in _secrets(scheme, secrets):
        if would(request, other[0], any_age | other[1]):
            return f"It would verify if {text}"
    for text, changes in _signatures(request, scheme):
        if would(request, secrets, any_age | changes):
            return f"It would verify with {text}"
    return ""


def _bodies(request: Received) -> Iterator[tuple[str, Received]]:
    """Yield the request with what programs on the way make of a body."""
    body = request.body
    changed: list[tuple[str, bytes]] = [
        ("the body ended with a line feed, which something has taken away", body + b"\n"),
        ("the body ended with CR LF, which something has taken away", body + b"\r\n"),
        ("the body had no line end at its end: something has added it", body.rstrip(b"\r\n")),
        (
            "its line ends were CR LF: something has changed them",
            body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"),
        ),
        ("its line ends were LF: something has changed them", body.replace(b"\r\n", b"\n")),
        ("it had no byte order mark", body.removeprefix(b"\xef\xbb\xbf")),
        ("the body were empty: the sender signs none", b""),
    ]
    unpacked = _unpacked(body)
    if unpacked is not None:
        changed.append(("the body were unpacked: the sender signs before it compresses", unpacked))
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        pass
    else:
        # Compact is what JavaScript writes, with blanks what Python does.
        for how, options in _JSON.items():
            try:
                text = json.dumps(document, **options).encode()
            except (ValueError, RecursionError):
                continue
            changed.append(
                (f"its JSON were written {how}: something has parsed and re-written it", text)
            )
    for text_, other in changed:
        if other != body:
            yield text_, msgspec.structs.replace(request, body=other)


_JSON: dict[str, dict[str, Any]] = {
    "without blanks": {"separators": (",", ":"), "ensure_ascii": False},
    "without blanks and in ASCII": {"separators": (",", ":")},
    "with blanks after commas and colons": {"ensure_ascii": False},
    "with blanks after commas and colons, in ASCII": {},
    "in lines, indented by 2": {"indent": 2, "ensure_ascii": False},
    "in lines, indented by 4": {"indent": 4, "ensure_ascii": False},
    "with sorted keys": {"separators": (",", ":"), "sort_keys": True, "ensure_ascii": False},
}


def _unpacked(body: bytes) -> bytes | None:
    if not body.startswith(b"\x1f\x8b"):
        return None
    try:
        return zlib.decompressobj(wbits=31).decompress(body, MAX_BODY)
    except zlib.error:
        return None


def _urls(request: Received) -> Iterator[tuple[str, Received]]:
    """Yield the request with what proxies make of its address."""
    url = request.url
    other = {"http": "https", "https": "http"}
    scheme, _, rest = url.partition("://")
    address, mark, query = url.partition("?")
    changed = [url for _, url in url_variants(url)[1:]]
    if scheme in other:
        changed.append(f"{other[scheme]}://{rest}")
    changed.append(address)
    changed.append((address[:-1] if address.endswith("/") else address + "/") + mark + query)
    for one in changed:
        if one != url:
            yield (
                f"the address were {one[:200]}: set the source's public_url to what the sender has",
                msgspec.structs.replace(request, url=one),
            )


def _secrets(
    scheme: SignatureScheme, secrets: Sequence[str]
) -> Iterator[tuple[str, tuple[Sequence[str], dict[str, Any]]]]:
    """Yield secrets as they may have been meant."""
    trimmed = [secret.strip() for secret in secrets]
    if trimmed != list(secrets) and all(trimmed):
        yield "the secret had no blanks around it", (trimmed, {})
    if scheme.algorithm not in SECRET_ALGORITHMS:
        return
    meant = {
        "raw": "the secret were taken as text",
        "hex": "the secret were decoded from hexadecimal digits",
        "base64": "the secret were decoded from base64",
        "whsec": "the secret were decoded from the base64 after 'whsec_'",
    }
    for form in SECRET_FORMS:
        if form != (scheme.key or "raw"):
            yield f"{meant[form]}: set key to {form!r}", (secrets, {"key": form})
    bare = [secret.partition("_")[2] for secret in secrets]
    if all(bare):
        yield "the secret were given without what stands before '_'", (bare, {})


def _signatures(request: Received, scheme: SignatureScheme) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the scheme with any header as its signature, read as that header looks."""
    for name, value in request.headers[:MAX_HEADERS]:
        text = value.strip(b" \t")
        found = _PREFIX.match(text)
        prefix = found[0] if found else b""
        for encoding, decode in DECODERS.items():
            raw = decode(text[len(prefix) :])
            if not raw or len(raw) < 20:
                continue
            algorithm = scheme.algorithm
            if algorithm.startswith("hmac-"):
                algorithm = _HMAC_BY_SIZE.get(len(raw), algorithm)
            place = f"header:{name.decode('latin-1')}"
            yield (
                f"signature {place!r}, prefix {prefix.decode()!r}, encoding {encoding!r} and "
                f"algorithm {algorithm!r}",
                {
                    "signature": place,
                    "prefix": prefix.decode(),
                    "encoding": encoding,
                    "algorithm": algorithm,
                    "entries": None,
                },
            )
