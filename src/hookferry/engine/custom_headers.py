"""The rule of headers that somebody may add to hookferry's own requests."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hookferry.engine.masking import is_credential, refuse_mask
from hookferry.errors import InvalidField

MAX_HEADER_NAME = 64
HEADER_NAME = re.compile(rf"[!#$%&'*+\-.^_`|~0-9A-Za-z]{{1,{MAX_HEADER_NAME}}}")
"""RFC 9110 section 5.6.2, with a bound."""
_VALUE = re.compile(r"(?:[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)?")  # section 5.5, ASCII only
_FORBIDDEN = frozenset(
    {
        # What frames the message or belongs to one connection (RFC 9110 section 7.6.1).
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        # What describes the body, which the profile renders.
        "content-encoding",
        "content-type",
    }
)
_FORBIDDEN_PREFIXES = ("proxy-", "webhook-")


def check_token(name: str, field: str) -> None:
    """Raise InvalidField, naming ``field``, unless a header can have this name."""
    if not HEADER_NAME.fullmatch(name):
        raise InvalidField(
            f"{name[:MAX_HEADER_NAME]!r} is not a header name: 1 to {MAX_HEADER_NAME} letters, "
            "digits and !#$%&'*+-.^_`|~ (RFC 9110)",
            field=field,
        )


def check_header_name(name: str, field: str, *, own: Sequence[str] = ()) -> None:
    """Raise InvalidField unless a header of this name may be added.

    Args:
        name: as it would be sent.
        field: what to name in the error.
        own: lower-case beginnings of names that are the profile's.
    """
    check_token(name, field)
    lowered = name.lower()
    if lowered in _FORBIDDEN or lowered.startswith((*_FORBIDDEN_PREFIXES, *own)):
        raise InvalidField(
            f"the header {name!r} is set by hookferry or its profile and can't be yours; "
            "choose another name, such as one that starts with 'X-'",
            field=field,
        )


def check_header_value(name: str, value: str, field: str, *, most: int) -> None:
    """Raise InvalidField unless a header may have this value, of at most ``most`` bytes."""
    if len(value) > most or not _VALUE.fullmatch(value):
        raise InvalidField(
            f"the value of header {name!r} has at most {most:,} printable ASCII characters, no "
            "line breaks, and no blanks at its ends",
            field=field,
        )


def check_headers(
    headers: dict[str, str], *, count: int, value_bytes: int, own: Sequence[str]
) -> None:
    """Raise InvalidField unless all these headers may be added to a request.

    Args:
        headers: values by name.
        count: how many there may be.
        value_bytes: bytes of one value.
        own: lower-case beginnings of names that are the profile's.
    """
    if len(headers) > count:
        raise InvalidField(f"headers has at most {count} entries", field="headers")
    seen: set[str] = set()
    for name, value in headers.items():
        check_header_name(name, "headers", own=own)
        field = f"headers.{name}"
        if name.lower() in seen:
            raise InvalidField(
                f"the header {name!r} is given twice (names ignore case)", field=field
            )
        seen.add(name.lower())
        check_header_value(name, value, field, most=value_bytes)
        if is_credential(name):
            refuse_mask(value, field)
