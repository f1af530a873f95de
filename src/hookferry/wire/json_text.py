"""JSON text, token by token: for what must keep the digits and must not recurse.

A payload was checked when it was accepted, so what is read here is valid JSON. It may be nested as
deep as a thousand levels, which a recursive reader would take in one place and refuse in another,
depending on how deep its caller's stack is.
"""

from __future__ import annotations

import re

import msgspec

TOKEN = re.compile(
    r"\{[ \t\n\r]*\}|\[[ \t\n\r]*\]"  # nothing in it
    r"|[{}\[\],]"
    r'|"[^"\\]*(?:\\.[^"\\]*)*"'
    r'|[^ \t\n\r{}\[\],:"]+'  # a number, true, false or null
)
"""The parts of valid JSON; blanks and colons, which say nothing, are passed over."""


_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.Encoder().encode


def without_nulls(payload: bytes) -> bytes:
    """Return an object without the members that are null; the values of others keep their bytes.

    Args:
        payload: valid JSON in UTF-8. What is no object becomes the member ``value`` of one, except
            null, which becomes an object without members.
    """
    try:
        members = _members.decode(payload)
    except msgspec.ValidationError:
        return b"{}" if payload.strip() == b"null" else b'{"value":%b}' % payload
    except RecursionError:
        return _without_nulls(payload.decode())
    return _encode({key: value for key, value in members.items() if bytes(value) != b"null"})


def _without_nulls(text: str) -> bytes:
    """As ``without_nulls``, slowly, for a container of any depth."""
    if text.lstrip(" \t\n\r")[0] == "[":
        return f'{{"value":{text}}}'.encode()
    kept: list[str] = []
    depth = start = 0
    value = ""
    for token in TOKEN.finditer(text):
        found = token[0]
        if depth == 0:
            depth, start = 1, token.end()
        elif found in ("{", "["):
            depth += 1
        elif depth > 1:
            if found in ("}", "]"):
                depth -= 1
                value = found
        elif found in (",", "}"):
            if value != "null":
                kept.append(text[start : token.start()])
            start = token.end()
        else:
            value = found  # the last token before a comma is the value, or its end
    return f"{{{','.join(kept)}}}".encode()
