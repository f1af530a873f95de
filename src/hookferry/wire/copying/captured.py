"""What is copied: a caught request with the address that it is to be sent to, and what every form
of a copy has to know of it.

A copy sends the same method, path, query, headers (in order, with case and repeats) and body. What
belongs to one connection or frames the message (RFC 9110 section 7.6.1, RFC 9112 section 6) is
left to the tool that sends it: it speaks to another connection.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote_from_bytes, unquote_to_bytes

import msgspec

from hookferry.wire.hop_by_hop import OF_ONE_CONNECTION, TO_PROXIES

Header = tuple[bytes, bytes]

INLINE_BODY = 256 * 1024
"""Bytes of body that stand in a copy itself; a longer one is read from ``BODY_FILE``."""
BODY_FILE = "body.bin"
HIDDEN = "********"
"""What stands in place of a value that is not shown."""
MAX_ARGUMENT = 96 * 1024
"""Bytes of body given as one argument: Linux takes 128 KB (``MAX_ARG_STRLEN``)."""

ASCII = bytes(range(0x21, 0x7F)).decode()
"""What needs no percent-encoding to stand in a request line as it is."""

_HIDDEN = HIDDEN.encode()
_OF_ONE_CONNECTION = frozenset(name.encode() for name in OF_ONE_CONNECTION)
_TO_PROXIES = TO_PROXIES.encode()
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 section 5.6.2
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")  # section 5.5, obs-text included
_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}")
_TARGET = re.compile(rb"/[\x21-\x7e\x80-\xff]*")
_WITH_LENGTH = frozenset(("POST", "PUT", "PATCH"))


class Captured(msgspec.Struct, frozen=True, kw_only=True):
    """A request to copy. Raises ValueError where it is none that a parser lets through."""

    method: str
    origin: str
    """Scheme, host and port, such as ``https://hooks.example``; ASCII."""
    target: bytes
    """Path and query as received."""
    headers: tuple[Header, ...]
    """Those that are sent: of one connection there are none among them."""
    body: bytes
    left_out: tuple[str, ...] = ()
    """Names of headers that no tool could be made to send as they are."""
    masked: tuple[str, ...] = ()
    """Names of the headers, and after a ``?`` of the parameters, that are not sent as they came."""

    def __post_init__(self) -> None:
        if not _METHOD.fullmatch(self.method) or not _TARGET.fullmatch(self.target):
            raise ValueError("this request line is none that can be sent again")

    @property
    def inline(self) -> bool:
        """Whether its body stands in the copy."""
        return len(self.body) <= INLINE_BODY

    @property
    def wants_length(self) -> bool:
        """Whether an empty body is announced as one (RFC 9110 section 8.6)."""
        return self.method in _WITH_LENGTH

    def has(self, name: bytes) -> bool:
        """Tell whether a header of this name (lower case) is sent."""
        return any(known.lower() == name for known, _ in self.headers)


def captured(
    method: str,
    origin: str,
    target: bytes,
    headers: Iterable[Header],
    body: bytes,
    hidden: Callable[[str], bool] | None = None,
) -> Captured:
    """Return a request as it is to be copied, without the headers of its own connection.

    Args:
        method: as received.
        origin: scheme, host and port that it is to go to.
        target: path and query that it is to go to.
        headers: as received, or with values hidden.
        body: as received.
        hidden: tells whether the value of a header or parameter of this name was hidden; None
            where none was.

    Raises:
        ValueError: method or target are none that a parser lets through.
    """
    own, odd = [], []
    for name, value in of_message(headers):
        if is_sendable(name, value):
            own.append((name, value))
        else:
            odd.append(name.decode() if _TOKEN.fullmatch(name) else "one with a malformed name")
    return Captured(
        method=method,
        origin=origin,
        target=target,
        headers=tuple(own),
        body=body,
        left_out=tuple(dict.fromkeys(odd)),
        masked=() if hidden is None else tuple(dict.fromkeys(_masked(own, target, hidden))),
    )


def _masked(
    headers: Iterable[Header], target: bytes, hidden: Callable[[str], bool]
) -> Iterator[str]:
    """Yield what has a mask for its value, each name so that it can stand in a line of text."""
    for name, value in headers:
        if value == _HIDDEN and hidden(name.decode()):
            yield name.decode()
    for part in target.partition(b"?")[2].split(b"&"):
        raw, _, value = part.partition(b"=")
        if value == _HIDDEN and hidden(unquoted(raw)):
            yield f"?{url_text(raw, b'')}"


def of_message(headers: Iterable[Header]) -> Iterator[Header]:
    """Yield the headers that belong to the message, and not to its connection or its framing."""
    listed = list(headers)
    named = {
        option.strip().lower()
        for name, value in listed
        if name.lower() == b"connection"
        for option in value.split(b",")
    }
    for name, value in listed:
        lowered = name.lower()
        ends_here = lowered in _OF_ONE_CONNECTION or lowered.startswith(_TO_PROXIES)
        if not ends_here and lowered not in named:
            yield name, value


def is_sendable(name: bytes, value: bytes) -> bool:
    """Tell whether a header is one (RFC 9110 section 5), so that it can't end its line."""
    return (
        _TOKEN.fullmatch(name) is not None
        and _VALUE.fullmatch(value) is not None
        and value.strip(b" \t") == value
    )


def plain_text(data: bytes) -> str | None:
    """Return bytes as text that survives being shown, copied and pasted; None if they don't.

    That is valid UTF-8 of printable characters and line feeds. Tabs complete names in a shell,
    other controls steer terminals, and characters that can't be seen would be lost unnoticed.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return text if text.replace("\n", "").isprintable() else None


def base64_lines(data: bytes) -> str:
    """Return bytes in base64, in lines of 76 characters (RFC 2045 section 6.8)."""
    return base64.encodebytes(data).decode().rstrip("\n")


def unquoted(raw: bytes) -> str:
    """Return a name or value of a query as in a form; bytes that are not UTF-8 are replaced."""
    return unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8", "replace")


def url_text(path: bytes, query: bytes) -> str:
    """Return path and query as text; what is not ASCII is percent-encoded (RFC 3986)."""
    raw = path + b"?" + query if query else path
    return quote_from_bytes(raw, safe=ASCII)


def comments(lines: Iterable[str]) -> str:
    """Return notes as comments; shells and Python mark them alike."""
    return "".join(f"# {line}\n" for line in lines)


def notes(request: Captured) -> list[str]:
    """Return what there is to say about a copy in any form."""
    said = []
    if request.masked:
        said.append(
            f"Masked here as {HIDDEN}, and sent so: {', '.join(request.masked)}. "
            "Ask for the copy with reveal=true to have them as they came."
        )
    if request.left_out:
        said.append(f"Headers that can't be sent as they came: {', '.join(request.left_out)}.")
    if not request.inline:
        said.append(
            f"{BODY_FILE} is the request's body ({len(request.body):,} bytes): download it first."
        )
    return said
