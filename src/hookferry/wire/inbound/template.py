"""What a signature was made over, as text with variables: ``{timestamp}.{body}``.

A template is compiled once and rendered for each request. Variables that take an argument name a
place of the request (``{header:X-Id}``). Nothing here knows keys or signatures.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable

from hookferry.errors import InvalidField
from hookferry.wire.inbound.reading import Reading, one_header

MAX_TEMPLATE = 2_048
"""Characters of a template."""

Read = Callable[[Reading], bytes]

_VARIABLE = re.compile(r"\{([a-z0-9_]+)(?::([^{}]*))?\}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")  # RFC 9110 section 5.1
_HUBSPOT = re.compile(rb"%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.I)


def compile_place(text: str, field: str) -> Read:
    """Turn a place into what reads it.

    Args:
        text: ``header:NAME``, ``query:NAME``, ``body:PATH`` (a JSON path with dots),
            ``form:NAME``, or ``field:NAME`` (an entry of the signature header's list).
        field: the definition's field that has it, for messages.

    Raises:
        InvalidField: it is none of them.
    """
    kind, colon, name = text.partition(":")
    if colon and name:
        if kind == "header":
            header = header_name(name, field)
            return lambda reading: one_header(reading.request, header)
        if kind == "query":
            return lambda reading: reading.query(name)
        if kind == "body":
            path = tuple(name.split("."))
            return lambda reading: reading.json(path)
        if kind == "form":
            return lambda reading: reading.form(name)
        if kind == "field":
            return lambda reading: reading.field(name)
    raise InvalidField(
        f"{field} says where to read: 'header:NAME', 'query:NAME', 'body:PATH' (a JSON path such "
        "as signature.token), 'form:NAME', or 'field:NAME' for an entry of the signature header",
        field=field,
    )


def header_name(name: str, field: str) -> bytes:
    """Return a header's name as ``Received`` has it.

    Raises:
        InvalidField: it is no header's name.
    """
    if not _HEADER_NAME.fullmatch(name):
        raise InvalidField(
            f"{field} names a header {name[:60]!r}, which no header can be called; names are "
            "letters, digits and dashes",
            field=field,
        )
    return name.lower().encode()


def _url(reading: Reading) -> bytes:
    return reading.url.encode("utf-8", "surrogatepass")


def _url_decoded(reading: Reading) -> bytes:
    """HubSpot's v3 undoes the encoding of these characters before it signs (its documentation)."""
    return _HUBSPOT.sub(lambda found: bytes.fromhex(found[1].decode()), _url(reading))


def _form_sorted(reading: Reading) -> bytes:
    """Twilio's: each name with each of its values, sorted, a value given twice counted once.

    Of a body that is no form nothing is signed this way, so a scheme that can have such bodies has
    a ``body_digest`` as well, which vouches for them.
    """
    if not reading.is_form():
        return b""
    return "".join(
        name + value
        for name, values in sorted(reading.form_members().items())
        for value in sorted(set(values))
    ).encode("utf-8", "surrogateescape")


VARIABLES: dict[str, Read] = {
    "body": lambda reading: reading.request.body,
    "body_sha256": lambda reading: hashlib.sha256(reading.request.body).hexdigest().encode(),
    "body_crc32": lambda reading: b"%d" % zlib.crc32(reading.request.body),
    "form_sorted": _form_sorted,
    "method": lambda reading: reading.request.method.encode("utf-8", "surrogatepass"),
    "url": _url,
    "url_decoded": _url_decoded,
    "path": lambda reading: reading.request.path,
    "query": lambda reading: reading.request.query,
}
"""Variables without an argument; ``{id}`` and ``{timestamp}`` are the definition's places."""

COVER_BODY = {"body", "body_sha256", "body_crc32", "form_sorted"}


class Template:
    """A compiled template.

    Args:
        text: as written.
        places: what ``{id}`` and ``{timestamp}`` stand for, where the definition says it.

    Raises:
        InvalidField: a variable does not exist, or a brace is not part of one.
    """

    def __init__(self, text: str, places: dict[str, Read]) -> None:
        if not text or len(text) > MAX_TEMPLATE:
            raise InvalidField(
                f"signed has 1 to {MAX_TEMPLATE:,} characters, such as '{{timestamp}}.{{body}}'",
                field="signed",
            )
        self.names: set[str] = set()
        """The variables, those with an argument written as in the template."""
        self._parts: list[bytes | Read] = []
        end = 0
        for found in _VARIABLE.finditer(text):
            self._literal(text[end : found.start()])
            self._parts.append(self._variable(found[1], found[2], places))
            end = found.end()
        self._literal(text[end:])
        self._whole_body = text == "{body}"

    def render(self, reading: Reading) -> bytes:
        """Return the signed bytes of a request.

        Raises:
            VerificationFailed: a part is missing.
        """
        if self._whole_body:
            return reading.request.body
        return b"".join(
            [part if isinstance(part, bytes) else part(reading) for part in self._parts]
        )

    def _literal(self, text: str) -> None:
        if "{" in text or "}" in text:
            raise InvalidField(
                f"signed has a brace that is no variable's, near {text[:40]!r}; variables are "
                f"{_known()}",
                field="signed",
            )
        if text:
            self._parts.append(text.encode())

    def _variable(self, name: str, argument: str | None, places: dict[str, Read]) -> Read:
        if argument is not None:
            self.names.add(f"{name}:{argument}")
            return compile_place(f"{name}:{argument}", "signed")
        self.names.add(name)
        read = places.get(name) or VARIABLES.get(name)
        if read is not None:
            return read
        if name in ("id", "timestamp"):
            raise InvalidField(
                f"signed has {{{name}}}, and {name} does not say where it is, such as "
                f"'header:X-Request-{name.title()}'",
                field=name,
            )
        raise InvalidField(
            f"signed has an unknown variable {{{name[:40]}}}; variables are {_known()}",
            field="signed",
        )


def _known() -> str:
    return (
        ", ".join(
            f"{{{name}}}"
            for name in (*VARIABLES, "id", "timestamp", "header:NAME", "query:NAME", "body:PATH")
        )
        + ", {form:NAME} and {field:NAME}"
    )
