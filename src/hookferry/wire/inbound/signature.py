"""The declarative scheme: a signature over a template, described by data alone.

It covers nine providers of ten. What it can't say is a module of its own beside this one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from hookferry.errors import InvalidField
from hookferry.wire.inbound.checking import (
    MAX_SIGNATURE,
    MAX_SIGNATURES,
    Checking,
    mismatch,
    no_secret,
)
from hookferry.wire.inbound.encodings import DECODERS, ENCODINGS
from hookferry.wire.inbound.keys import Mac, parse_key
from hookferry.wire.inbound.likely import likely_cause
from hookferry.wire.inbound.moments import UNITS, parse_moment
from hookferry.wire.inbound.reading import Reading, url_variants
from hookferry.wire.inbound.received import Received, Trial
from hookferry.wire.inbound.signature_scheme import (
    DEFAULT_TOLERANCE_S,
    EntryList,
    SignatureScheme,
    check_choice,
    key_form,
    tolerance_of,
)
from hookferry.wire.inbound.template import (
    COVER_BODY,
    Read,
    Template,
    compile_place,
)
from hookferry.wire.verification import Reason, VerificationFailed, Verified, check_age

MAX_PLACES = 16
"""Places that one scheme looks for signatures in."""


class _Claim(msgspec.Struct, frozen=True):
    """What a request offers to be checked."""

    given: tuple[bytes, ...]
    """Signatures as they stand in the request."""
    decoded: tuple[bytes, ...]


class SignatureVerifier(Checking):
    """A compiled ``SignatureScheme``.

    Args:
        scheme: the definition.
        secrets: any of them may have signed.

    Raises:
        InvalidField: the definition or a secret is not allowed; the detail says what is.
    """

    def __init__(self, scheme: SignatureScheme, secrets: Sequence[str]) -> None:
        self.algorithm = scheme.algorithm
        self._scheme = scheme
        self._secrets = tuple(secrets)
        form = key_form(scheme)
        self._keys = [parse_key(secret, scheme.algorithm, form) for secret in secrets]
        self._size = next((key.size for key in self._keys if isinstance(key, Mac)), None)
        check_choice("encoding", scheme.encoding, ENCODINGS)
        self._decode: Callable[[bytes], bytes | None] = DECODERS[scheme.encoding]
        self._prefix = scheme.prefix.encode()
        self._places = _signature_places(scheme)
        self._listed = scheme.entries
        alone = len(self._places) == 1 and scheme.entries is None
        self._single = self._places[0] if alone else None
        if self._listed is not None:
            _check_entries(self._listed)
        self._id = None if scheme.id is None else compile_place(scheme.id, "id")
        self._timestamp = (
            None if scheme.timestamp is None else compile_place(scheme.timestamp, "timestamp")
        )
        check_choice("timestamp_unit", scheme.timestamp_unit, tuple(UNITS))
        self._unit = scheme.timestamp_unit
        self._tolerance = tolerance_of(
            scheme.tolerance,
            DEFAULT_TOLERANCE_S if scheme.timestamp is not None else None,
            timed=scheme.timestamp is not None,
        )
        self._template = _template(scheme)
        self._digest = (
            None if scheme.body_digest is None else compile_place(scheme.body_digest, "body_digest")
        )
        self._check_covered(scheme)

    def verify(self, request: Received, now: float, keys: Mapping[str, bytes]) -> Verified:
        """Check a request; see ``Verifier``."""
        if not self._keys:
            raise no_secret()
        reading = Reading(request)
        claim = self._claim(reading)
        if self._digest is not None:
            _check_digest(reading, self._digest)
        if not self._signed(reading, claim):
            raise mismatch()
        timestamp: int | None = None
        if self._timestamp is not None:
            moment = parse_moment(self._timestamp(reading), self._unit)
            check_age(moment, now, self._tolerance)
            timestamp = int(moment)
        return Verified(id=self._id_in(reading), timestamp=timestamp)

    def trials(self, request: Received, now: float, keys: Mapping[str, bytes]) -> tuple[Trial, ...]:
        """Return each signed content that is tried."""
        reading = Reading(request)
        claim = self._claim(reading)
        given = tuple(one.decode("latin-1") for one in claim.given)
        return tuple(
            Trial(signed=content, given=given, matches=self._matches(content, claim), note=note)
            for note, content in self._contents(reading)
        )

    def claimed(self, request: Received) -> float | None:
        """Return the Unix seconds that the request says it was signed at."""
        if self._timestamp is None:
            return None
        reading = Reading(request)
        self._claim(reading)
        return parse_moment(self._timestamp(reading), self._unit)

    def hint(self, request: Received, now: float, failure: VerificationFailed) -> str:
        """Return the likely cause of a failure, or nothing."""

        def would(request: Received, secrets: Sequence[str], changes: Mapping[str, Any]) -> bool:
            scheme = msgspec.structs.replace(self._scheme, **changes)
            try:
                SignatureVerifier(scheme, secrets).verify(request, now, {})
            except (VerificationFailed, InvalidField):
                return False
            return True

        return likely_cause(request, failure.reason, self._scheme, self._secrets, would)

    def _contents(self, reading: Reading) -> list[tuple[str, bytes]]:
        """Return what may have been signed, with a note on each."""
        if not self._scheme.any_port:
            return [("", self._template.render(reading))]
        contents = []
        for note, url in url_variants(reading.request.url):
            reading.variant = url
            contents.append((note, self._template.render(reading)))
        return contents

    def _signed(self, reading: Reading, claim: _Claim) -> bool:
        """Tell whether one of the secrets signed the request."""
        if not self._scheme.any_port:
            return self._matches(self._template.render(reading), claim)
        return any(self._matches(content, claim) for _, content in self._contents(reading))

    def _matches(self, content: bytes, claim: _Claim) -> bool:
        for key in self._keys:  # noqa: SIM110  a generator costs as much as half the hash
            if key.matches(content, claim.decoded):
                return True
        return False

    def _id_in(self, reading: Reading) -> str:
        if self._id is None:
            return ""
        try:
            return self._id(reading).decode("utf-8", "replace")
        except VerificationFailed:
            return ""  # genuine all the same: where it is part of the template, it was read before

    def _claim(self, reading: Reading) -> _Claim:
        """Read the signatures.

        Raises:
            VerificationFailed: there is none, or none that can be one.
        """
        if self._single is not None:  # most schemes: one signature in one header
            value = self._single(reading)
            raw = self._decoded(value)
            if raw is None:
                raise VerificationFailed(Reason.BAD_ENCODING, self._shape())
            return _Claim((value,), (raw,))
        given: list[bytes] = []
        missing: VerificationFailed | None = None
        for place in self._places:
            try:
                given += self._entries(reading, place(reading))
            except VerificationFailed as failed:
                if failed.reason is not Reason.MISSING_HEADER:
                    raise
                missing = failed  # another place may have one
        if missing is not None and not given:
            raise missing
        decoded = [raw for raw in map(self._decoded, given) if raw is not None]
        if not decoded:
            raise VerificationFailed(Reason.BAD_ENCODING, self._shape())
        return _Claim(tuple(given), tuple(decoded))

    def _entries(self, reading: Reading, value: bytes) -> list[bytes]:
        """Return the signatures in one place's value."""
        if self._listed is None:
            return [value]
        separator, assign = self._listed.separator.encode(), self._listed.assign.encode()
        entries: dict[str, list[bytes]] = {}
        parts = value.split(separator, MAX_SIGNATURES)
        if len(parts) > MAX_SIGNATURES:
            raise VerificationFailed(
                Reason.BAD_ENCODING, f"the signature header has more than {MAX_SIGNATURES} entries"
            )
        for part in parts:
            name, assigned, entry = part.strip(b" \t").partition(assign)
            if assigned:
                entries.setdefault(name.decode("latin-1"), []).append(entry)
        reading.use_fields(entries)
        return entries.get(self._listed.name, [])

    def _decoded(self, text: bytes) -> bytes | None:
        if not text.startswith(self._prefix) or len(text) > MAX_SIGNATURE:
            return None
        raw = self._decode(text[len(self._prefix) :])
        if not raw or (self._size is not None and len(raw) != self._size):
            return None
        return raw

    def _shape(self) -> str:
        """Say what a signature looks like under this scheme."""
        size = "a signature" if self._size is None else f"{self._size} bytes"
        shape = f"the {self._scheme.encoding} of {size}"
        if self._scheme.prefix:
            shape = f"{self._scheme.prefix!r} and {shape}"
        if self._listed is not None:
            shape = f"an entry {self._listed.name + self._listed.assign!r} with {shape}"
        where = self._scheme.signature
        return f"{where if isinstance(where, str) else ' or '.join(where)} is not {shape}"

    def _check_covered(self, scheme: SignatureScheme) -> None:
        """Refuse a definition whose body, time, id or digest anybody could change unawares."""
        read = {scheme.timestamp, scheme.id, scheme.body_digest, *self._template.names}
        if scheme.entries is None and any((place or "").startswith("field:") for place in read):
            raise InvalidField(
                "'field:NAME' is an entry of the signature header, and entries does not say how it "
                'is made up, such as {"name": "v1", "separator": ",", "assign": "="}',
                field="entries",
            )
        for field in ("timestamp", "id", "body_digest"):
            place: str | None = getattr(scheme, field)
            if place is not None and not self._covers(field, place):
                raise InvalidField(
                    f"{field} is read from {place}, which is not in what is signed, so anybody "
                    f"could change it: put {{{place}}} into signed, or leave {field} out",
                    field=field,
                )
        if "form_sorted" in self._template.names and scheme.body_digest is None:
            raise InvalidField(
                "signed has {form_sorted}, which says nothing of a body that is no form: name the "
                "place of its digest in body_digest, such as 'query:bodySHA256'",
                field="body_digest",
            )
        if not (scheme.unsigned_body or scheme.body_digest or self._template.names & COVER_BODY):
            raise InvalidField(
                "signed leaves out the body, so whoever has seen one request could put any body "
                "to its signature: put {body} or {body_sha256} into signed, or, for a provider "
                'that signs no body, say "unsigned_body": true',
                field="signed",
            )

    def _covers(self, field: str, place: str) -> bool:
        names = self._template.names
        kind, _, _ = place.partition(":")
        if field in names or place in names:
            return True
        if kind in ("body", "form"):
            return bool(names & COVER_BODY)
        # A request's query is that of its URL (Received), so what signs either signs both.
        return kind == "query" and bool(names & {"query", "url", "url_decoded"})


def signed_content(scheme: SignatureScheme, reading: Reading) -> bytes:
    """Return the bytes that a scheme signs of a request.

    Raises:
        InvalidField: the template is none.
        VerificationFailed: a part of it is missing.
    """
    return _template(scheme).render(reading)


def _template(scheme: SignatureScheme) -> Template:
    places = {"id": scheme.id, "timestamp": scheme.timestamp}
    return Template(
        scheme.signed,
        {name: compile_place(place, name) for name, place in places.items() if place is not None},
    )


def _check_digest(reading: Reading, read: Read) -> None:
    """Check the body against the hex SHA-256 at a signed place; Twilio's ``bodySHA256``.

    A form may do without, since its members are signed.

    Raises:
        VerificationFailed: the place has another digest, or none while the body is no form.
    """
    try:
        given = read(reading)
    except VerificationFailed:
        if reading.is_form() or not reading.request.body:
            return
        raise VerificationFailed(
            Reason.DIGEST_MISMATCH,
            "the body is no form, and the request has no digest that would vouch for it",
        ) from None
    if given.lower() != hashlib.sha256(reading.request.body).hexdigest().encode():
        raise VerificationFailed(
            Reason.DIGEST_MISMATCH,
            "the digest that is signed is not the SHA-256 of the body as it was received",
        )


def _signature_places(scheme: SignatureScheme) -> list[Read]:
    places = [scheme.signature] if isinstance(scheme.signature, str) else scheme.signature
    if not 1 <= len(places) <= (MAX_PLACES if scheme.entries is None else 1):
        raise InvalidField(
            f"signature names 1 to {MAX_PLACES} places, such as 'header:X-Signature'; or one, "
            "where it is a list of entries",
            field="signature",
        )
    for place in places:
        if place.startswith("field:"):
            raise InvalidField(
                "signature names the header; which of its entries is a signature is entries.name",
                field="signature",
            )
    return [compile_place(place, "signature") for place in places]


def _check_entries(entries: EntryList) -> None:
    for field in ("name", "separator", "assign"):
        value = getattr(entries, field)
        if not 1 <= len(value) <= 32 or not value.isascii():
            raise InvalidField(
                f"entries.{field} is 1 to 32 ASCII characters", field=f"entries.{field}"
            )
    if entries.separator == entries.assign:
        raise InvalidField(
            "entries.separator and entries.assign are the same, so entries can't be told apart",
            field="entries.separator",
        )
