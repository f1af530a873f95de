"""HTTP Message Signatures (RFC 9421) with Content-Digest (RFC 9530).

A signature over header fields says nothing of the body, so the one that counts has to cover
``content-digest``, and that digest is computed again over the bytes received.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import parse_qsl, quote

import msgspec

from hookferry.errors import InvalidField
from hookferry.wire.inbound.checking import Checking, mismatch, no_secret
from hookferry.wire.inbound.keys import PUBLIC_FORMS, SECRET_FORMS, parse_key
from hookferry.wire.inbound.reading import MAX_FORM_FIELDS, one_header, split_url
from hookferry.wire.inbound.received import Received, Trial
from hookferry.wire.inbound.signature_scheme import DEFAULT_TOLERANCE_S, Tolerance, tolerance_of
from hookferry.wire.inbound.structured_fields import (
    InnerList,
    Item,
    NotStructured,
    Token,
    parse_dictionary,
    serialize_inner_list,
    serialize_item,
)
from hookferry.wire.verification import Reason, VerificationFailed, Verified, check_age

MAX_LABELS = 8
"""Signatures of one request that are looked at."""

ALGORITHMS = {
    "hmac-sha256": "hmac-sha256",
    "ed25519": "ed25519",
    "ecdsa-p256-sha256": "ecdsa-p256-sha256-fixed",
    "rsa-pss-sha512": "rsa-pss-sha512",
    "rsa-v1_5-sha256": "rsa-sha256",
}
"""Names of RFC 9421 section 6.2.2, and those of ``keys``."""

_DIGESTS = {"sha-256": "sha256", "sha-512": "sha512"}
_COMPONENT = re.compile(r"@[a-z-]{1,32}|[!#$%&'*+.^_`|~0-9a-z-]{1,128}")


class HttpSignatureScheme(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """RFC 9421."""

    type: str = "http_signature"
    algorithm: str
    """One of ``ALGORITHMS``; a request that names another is refused."""
    key: str | None = None
    """As in a signature scheme."""
    keyid: str | None = None
    """The only ``keyid`` taken; left out, any that one of the keys has made."""
    tag: str | None = None
    """The only ``tag`` taken."""
    covered: list[str] = []
    """Components that have to be signed, besides ``content-digest``; such as ``@method``."""
    tolerance: Tolerance = msgspec.UNSET
    """Seconds that ``created`` may be off, either way; 300 when left out, null for any."""


class _Signature(NamedTuple):
    """One labelled signature of a request."""

    label: str
    base: bytes
    raw: bytes
    parameters: Mapping[str, object]


class HttpSignatureVerifier(Checking):
    """Checks labelled signatures.

    Args:
        scheme: the definition.
        secrets: keys, any of which may have signed.

    Raises:
        InvalidField: the definition or a key is not allowed.
    """

    def __init__(self, scheme: HttpSignatureScheme, secrets: Sequence[str]) -> None:
        if scheme.algorithm not in ALGORITHMS:
            raise InvalidField(f"algorithm is one of {', '.join(ALGORITHMS)}", field="algorithm")
        forms = SECRET_FORMS if scheme.algorithm.startswith("hmac") else PUBLIC_FORMS
        form = forms[0] if scheme.key is None else scheme.key
        if form not in forms:
            raise InvalidField(f"key is one of {', '.join(forms)}", field="key")
        for name in scheme.covered:
            if not _COMPONENT.fullmatch(name):
                raise InvalidField(
                    "covered names components in lower case, such as '@method', '@target-uri' or "
                    "'date'",
                    field="covered",
                )
        self.algorithm = scheme.algorithm
        self._keys = [parse_key(one, ALGORITHMS[scheme.algorithm], form) for one in secrets]
        self._scheme = scheme
        self._covered = ("content-digest", *scheme.covered)
        self._tolerance = tolerance_of(scheme.tolerance, DEFAULT_TOLERANCE_S, timed=True)

    def verify(self, request: Received, now: float, keys: Mapping[str, bytes]) -> Verified:
        """Check a request; see ``Verifier``."""
        if not self._keys:
            raise no_secret()
        for signature in self._signatures(request):
            if self._matches(signature):
                break
        else:
            raise mismatch()
        check_content_digest(request)
        created = _seconds(signature.parameters, "created")
        self._check_times(created, _seconds(signature.parameters, "expires"), now)
        nonce = signature.parameters.get("nonce")
        return Verified(id=nonce if isinstance(nonce, str) else "", timestamp=created)

    def trials(self, request: Received, now: float, keys: Mapping[str, bytes]) -> tuple[Trial, ...]:
        """Return the signature base of each labelled signature that can count."""
        return tuple(
            Trial(
                signed=one.base,
                given=(serialize_item(Item(one.raw, {})),),
                matches=self._matches(one),
                note=f"labelled {one.label}",
            )
            for one in self._signatures(request)
        )

    def claimed(self, request: Received) -> float | None:
        """Return when the first signature says it was created."""
        return _seconds(self._signatures(request)[0].parameters, "created")

    def _matches(self, signature: _Signature) -> bool:
        return any(key.matches(signature.base, (signature.raw,)) for key in self._keys)

    def _signatures(self, request: Received) -> list[_Signature]:
        """Return the signatures that can count, by the rules of the definition.

        Raises:
            VerificationFailed: there is none; as the last of them fails.
        """
        inputs = _dictionary(request, b"signature-input")
        values = _dictionary(request, b"signature")
        if len(inputs) > MAX_LABELS:
            raise VerificationFailed(
                Reason.BAD_ENCODING, f"the request has more than {MAX_LABELS} signatures"
            )
        found: list[_Signature] = []
        failure = VerificationFailed(
            Reason.BAD_ENCODING, "Signature-Input and Signature have no label in common"
        )
        for label, described in inputs.items():
            value = values.get(label)
            try:
                if isinstance(described, InnerList) and isinstance(value, Item):
                    found.append(self._signature(request, label, described, value))
            except VerificationFailed as failed:
                failure = failed
        if not found:
            raise failure
        return found

    def _signature(
        self, request: Received, label: str, described: InnerList, value: Item
    ) -> _Signature:
        parameters = described.parameters
        wanted = {
            "alg": self._scheme.algorithm if "alg" in parameters else None,
            "keyid": self._scheme.keyid,
            "tag": self._scheme.tag,
        }
        for name, only in wanted.items():
            if only is not None and parameters.get(name) != only:
                raise VerificationFailed(
                    Reason.BAD_ENCODING,
                    f"the signature {label!r} has another {name} than the source takes",
                )
        names = {item.value for item in described.items}
        for name in self._covered:
            if name not in names:
                reason = (
                    Reason.DIGEST_MISMATCH if name == "content-digest" else Reason.MISSING_HEADER
                )
                raise VerificationFailed(
                    reason, f"the signature {label!r} does not cover {name}, and has to"
                )
        one_header(request, b"content-digest")  # two of them would be read as one list
        if not isinstance(value.value, bytes):
            raise VerificationFailed(
                Reason.BAD_ENCODING, f"the signature {label!r} is no byte sequence (:base64:)"
            )
        return _Signature(label, signature_base(request, described), value.value, parameters)

    def _check_times(self, created: int | None, expires: int | None, now: float) -> None:
        if self._tolerance is None:
            return
        if created is None:
            raise VerificationFailed(
                Reason.STALE,
                "the signature says no 'created', so its age is unknown; set tolerance to null to "
                "take it at any age",
            )
        check_age(created, now, self._tolerance)
        if expires is not None and now > expires:
            raise VerificationFailed(
                Reason.STALE, f"the signature expired {now - expires:.0f} s ago"
            )


def signature_base(request: Received, described: InnerList) -> bytes:
    """Return the signed bytes (RFC 9421 section 2.5).

    Args:
        request: what came.
        described: the covered components and their parameters, from Signature-Input.

    Raises:
        VerificationFailed: a component is missing, given twice, or of a kind not supported.
    """
    lines: list[str] = []
    seen: set[str] = set()
    for item in described.items:
        identifier = serialize_item(item)
        if identifier in seen:
            raise VerificationFailed(Reason.BAD_ENCODING, f"{identifier} is covered twice")
        seen.add(identifier)
        lines.append(f"{identifier}: {_component(request, item)}")
    lines.append(f'"@signature-params": {serialize_inner_list(described)}')
    return "\n".join(lines).encode("latin-1", "replace")


def check_content_digest(request: Received) -> None:
    """Compute the digests of Content-Digest (RFC 9530 section 2) again; every known one counts.

    Raises:
        VerificationFailed: one is another, or none is of a known algorithm.
    """
    known = 0
    for name, item in _dictionary(request, b"content-digest").items():
        algorithm = _DIGESTS.get(name)
        if algorithm is None:
            continue
        known += 1
        right = hashlib.new(algorithm, request.body).digest()
        given = item.value if isinstance(item, Item) else b""
        if not isinstance(given, bytes) or not hmac.compare_digest(right, given):
            raise VerificationFailed(
                Reason.DIGEST_MISMATCH,
                f"Content-Digest has a {name} that is not of the body as it was received",
            )
    if not known:
        raise VerificationFailed(
            Reason.DIGEST_MISMATCH, "Content-Digest has neither sha-256 nor sha-512"
        )


def _component(request: Received, item: Item) -> str:
    """Return a component's value (RFC 9421 section 2)."""
    name = item.value
    if not isinstance(name, str) or isinstance(name, Token) or not _COMPONENT.fullmatch(name):
        raise VerificationFailed(
            Reason.BAD_ENCODING, f"{serialize_item(item)} is no component: names are in quotes"
        )
    if name == "@query-param":
        return _query_param(request, item)
    if item.parameters:
        raise VerificationFailed(
            Reason.BAD_ENCODING,
            f"{serialize_item(item)} has parameters that are not supported here",
        )
    if name.startswith("@"):
        return _derived(request, name)
    values = request.values(name.encode())
    if not values:
        raise VerificationFailed(
            Reason.MISSING_HEADER, f"the signature covers the header {name}, which is missing"
        )
    return ", ".join(value.strip(b" \t").decode("latin-1") for value in values)


def _derived(request: Received, name: str) -> str:
    """Return a component that is no header (RFC 9421 section 2.2)."""
    url = split_url(request.url)
    path, mark, query = url.rest.partition("?")
    if name == "@method":
        return request.method
    if name == "@target-uri":
        return request.url
    if name == "@scheme":
        return url.scheme
    if name == "@authority":
        return url.host.lower() + (f":{url.port}" if url.port else "")
    if name == "@path":
        return path or "/"
    if name == "@query":
        return f"?{query}"
    if name == "@request-target":
        return (path or "/") + mark + query
    raise VerificationFailed(
        Reason.BAD_ENCODING, f"the signature covers {name}, which no request has"
    )


def _query_param(request: Received, item: Item) -> str:
    wanted = item.parameters.get("name")
    query = split_url(request.url).rest.partition("?")[2]
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS)
    except ValueError:
        pairs = []
    values = [value for name, value in pairs if _quoted(name) == wanted]
    if len(item.parameters) != 1 or len(values) != 1:
        raise VerificationFailed(
            Reason.BAD_ENCODING, f"{serialize_item(item)} is not one member of the query"
        )
    return _quoted(values[0])


def _quoted(text: str) -> str:
    """Percent-encode as forms do, with %20 for a blank (RFC 9421 section 2.2.8)."""
    return quote(text, safe="*").replace("~", "%7E")


def _dictionary(request: Received, name: bytes) -> dict[str, Item | InnerList]:
    value = one_header(request, name)
    try:
        return parse_dictionary(value)
    except NotStructured as error:
        raise VerificationFailed(
            Reason.BAD_ENCODING, f"{name.decode()} is no dictionary (RFC 8941): {error}"
        ) from None


def _seconds(parameters: Mapping[str, object], name: str) -> int | None:
    value = parameters.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise VerificationFailed(Reason.BAD_ENCODING, f"{name} is not a number of Unix seconds")
    return value
