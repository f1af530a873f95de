"""A receiver's answer as a sentence that may be shown to people, whatever bytes it sent."""

from __future__ import annotations

import re
import unicodedata

MAX_CHARACTERS = 1_000
"""Longer texts are cut: this is a message for a dialogue, not a document."""

_CONTENT_TYPE = re.compile(rb"\r\ncontent-type:[ \t]*([^\r\n]*)", re.IGNORECASE)
_CHARSET = re.compile(rb';[ \t]*charset=[ \t]*"?([A-Za-z0-9_.:+-]{1,40})', re.IGNORECASE)
# Line breaks and tabs stay. Controls go, as do the characters that reorder or hide text.
_KEPT = frozenset("\n\t")
_INVISIBLE = frozenset(("Cc", "Cf", "Co", "Cn", "Cs"))


def readable_text(head: bytes, body: bytes, *, untyped: bool = False) -> str | None:
    """Return the text of a ``text/plain`` answer; None for any other, or for an empty one.

    Decoded by its charset where Python knows it as a text encoding, else as UTF-8; what does not
    decode is replaced. Control and formatting characters (bidirectional overrides included) are
    left out, and at most ``MAX_CHARACTERS`` are kept.

    Args:
        head: status line and headers, lines ended by CRLF.
        body: what was kept of the body.
        untyped: a body without a ``Content-Type`` is ``text/plain`` too.
    """
    found = _CONTENT_TYPE.search(head)
    if found is None and not untyped:
        return None
    media = b"text/plain" if found is None else found.group(1)
    if media.split(b";", 1)[0].strip().lower() != b"text/plain":
        return None
    charset = _CHARSET.search(media)
    name = charset.group(1).decode() if charset else "utf-8"
    # Four bytes make a character in the widest encoding; a cut one is replaced, then cut off.
    text = _decode(body[: 4 * MAX_CHARACTERS + 4], name)
    clean = "".join(
        character
        for character in text.replace("\r\n", "\n")
        if character in _KEPT or unicodedata.category(character) not in _INVISIBLE
    ).strip()
    if len(clean) > MAX_CHARACTERS:
        clean = clean[: MAX_CHARACTERS - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return clean or None


def _decode(data: bytes, charset: str) -> str:
    try:
        return data.decode(charset, "replace")
    except (LookupError, UnicodeError):  # no such charset, or not one of text (hex, zip)
        return data.decode("utf-8", "replace")
