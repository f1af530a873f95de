"""The parts of a caught request that schemes read: headers, URL, JSON and form members.

Every part is read strictly and at most once. What can't be read is a ``VerificationFailed``, so
that verification fails closed. Which parts a scheme reads is ``template``'s matter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from hookferry.wire.headers import values_of
from hookferry.wire.inbound.received import Received
from hookferry.wire.verification import Reason, VerificationFailed

MAX_FORM_FIELDS = 1_000
"""Members read of a form or a query; a provider's have a few dozen."""

_URL = re.compile(
    r"(https?)://([^/?#]*@)?(\[[^\]/?#]*\]|[^/?#:]*)(?::([0-9]{1,5}))?([/?#].*)?", re.S
)
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_decode_json = msgspec.json.Decoder().decode
NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a msgspec decoder raises for bytes that are not the JSON that it wants."""


def show(name: bytes) -> str:
    """Return a header's name for a message."""
    return name.decode("latin-1")


def optional_header(request: Received, name: bytes) -> bytes:
    """Return the value of a header without outer blanks; empty when it is missing.

    Args:
        request: what came.
        name: in lower case.

    Raises:
        VerificationFailed: it is there more than once, and which of them another program reads is
            anyone's guess.
    """
    found = values_of(request.headers, name)
    if not found:
        return b""
    if len(found) > 1:
        raise VerificationFailed(
            Reason.BAD_ENCODING, f"the header {show(name)} is there more than once"
        )
    return found[0].strip(b" \t")


def one_header(request: Received, name: bytes) -> bytes:
    """Return the value of a header, as ``optional_header``.

    Raises:
        VerificationFailed: it is missing, empty, or there more than once.
    """
    value = optional_header(request, name)
    if not value:
        raise VerificationFailed(
            Reason.MISSING_HEADER,
            f"the header {show(name)} is missing; was the request signed at all?",
        )
    return value


class Url(NamedTuple):
    """The parts of an address that schemes take apart; all of them as written."""

    scheme: str
    user: str
    """With its ``@``."""
    host: str
    """An IPv6 address in its brackets."""
    port: str
    """Empty where it is left out or the scheme's own."""
    rest: str
    """Path and query."""


def split_url(url: str) -> Url:
    """Take an address apart.

    Raises:
        VerificationFailed: it is no absolute http or https URL.
    """
    found = _URL.fullmatch(url)
    if found is None:
        raise VerificationFailed(
            Reason.MALFORMED,
            "the scheme signs the address, and the source's public_url is no absolute URL",
        )
    scheme, user, host, port, rest = found.groups("")
    if port == _DEFAULT_PORTS[scheme]:
        port = ""
    return Url(scheme, user, host, port, rest)


def url_variants(url: str) -> list[tuple[str, str]]:
    """Return an address with and without its port, each with a note; the given one first."""
    found = _URL.fullmatch(url)
    if found is None:
        return [("", url)]
    scheme, user, host, port, rest = found.groups("")
    if port:
        return [
            ("with the port in the URL", url),
            ("without the port in the URL", f"{scheme}://{user}{host}{rest}"),
        ]
    return [
        ("without the port in the URL", url),
        ("with the port in the URL", f"{scheme}://{user}{host}:{_DEFAULT_PORTS[scheme]}{rest}"),
    ]


class Reading(msgspec.Struct, eq=False):
    """One request, whose body and query are decoded when something first asks for them."""

    request: Received
    variant: str | None = None
    """An address that the signed content is built with in place of the request's own."""
    _json: Any = msgspec.UNSET
    _form: dict[str, list[str]] | None = None
    _query: dict[str, list[str]] | None = None
    _fields: Mapping[str, list[bytes]] = {}

    @property
    def url(self) -> str:
        """The address that the signed content is built with; verification tries its variants."""
        return self.request.url if self.variant is None else self.variant

    def use_fields(self, fields: Mapping[str, list[bytes]]) -> None:
        """Remember the entries of the signature header, where it is a list of them."""
        self._fields = fields

    def field(self, name: str) -> bytes:
        """Return the one entry of the signature header that is called ``name``."""
        values = self._fields.get(name, ())
        if len(values) != 1:
            raise VerificationFailed(
                Reason.BAD_ENCODING,
                f"the signature header has {len(values) or 'no'} entries {name!r}; it needs one",
            )
        return values[0]

    def json(self, path: tuple[str, ...]) -> bytes:
        """Return the text or integer at a path of the body's JSON."""
        if self._json is msgspec.UNSET:
            try:
                self._json = _decode_json(self.request.body)
            except NOT_JSON:
                raise VerificationFailed(
                    Reason.MALFORMED, "the body is not JSON, and the scheme reads a member of it"
                ) from None
        value = self._json
        for name in path:
            if isinstance(value, dict):
                value = value.get(name)
            elif isinstance(value, list) and name.isdecimal() and len(name) < 7:
                value = value[int(name)] if int(name) < len(value) else None
            else:
                value = None
        if isinstance(value, str):
            return value.encode()
        if isinstance(value, int) and not isinstance(value, bool):
            return b"%d" % value
        raise VerificationFailed(
            Reason.MALFORMED,
            f"the body has no text or whole number at {'.'.join(path)!r}, which the scheme reads",
        )

    def form(self, name: str) -> bytes:
        """Return the one member of the body's form that is called ``name``."""
        return _one(self.form_members(), name, "the body's form")

    def query(self, name: str) -> bytes:
        """Return the one member of the query that is called ``name``."""
        return _one(self.query_members(), name, "the query")

    def is_form(self) -> bool:
        """Tell whether the body says to be a form."""
        kind = optional_header(self.request, b"content-type").partition(b";")[0]
        return kind.strip().lower() == b"application/x-www-form-urlencoded"

    def form_members(self) -> dict[str, list[str]]:
        """Return the members of a form, by name."""
        if self._form is None:
            self._form = _members(self.request.body, "the body's form")
        return self._form

    def query_members(self) -> dict[str, list[str]]:
        """Return the members of the query, by name."""
        if self._query is None:
            self._query = _members(self.request.query, "the query")
        return self._query


def _members(encoded: bytes, what: str) -> dict[str, list[str]]:
    try:
        pairs = parse_qsl(
            encoded.decode("utf-8", "surrogateescape"),
            keep_blank_values=True,
            max_num_fields=MAX_FORM_FIELDS,
            errors="surrogateescape",
        )
    except ValueError:
        raise VerificationFailed(
            Reason.MALFORMED, f"{what} has more than {MAX_FORM_FIELDS:,} members"
        ) from None
    members: dict[str, list[str]] = {}
    for name, value in pairs:
        members.setdefault(name, []).append(value)
    return members


def _one(members: dict[str, list[str]], name: str, what: str) -> bytes:
    values = members.get(name, [])
    if len(values) != 1:
        raise VerificationFailed(
            Reason.MALFORMED, f"{what} has {len(values) or 'no'} members {name!r}; it needs one"
        )
    return values[0].encode("utf-8", "surrogateescape")
