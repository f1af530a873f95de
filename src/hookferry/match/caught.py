"""What is read of the request that an event was born from: its headers, its query, itself.

Texts only, made from the bytes as they came. Where they are asked for is ``hookferry.match.facts``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from urllib.parse import unquote_to_bytes

from hookferry.domain.request import Caught

MAX_PARAMETERS = 1_000
"""Parameters of a query that are looked at; what comes after them is not seen."""

Reading = Callable[[Caught], str | None]
"""Reads one text of a request; None where it is not there."""


def named(caught: Caught, first: Mapping[bytes, bytes] | None = None) -> Mapping[bytes, bytes]:
    """Return the first value of each header, by its canonical name.

    Args:
        caught: the request.
        first: the same by its name in lower case, where it is at hand.
    """
    if first is not None and b"_" not in b"".join(first):
        return first
    if not caught.headers:
        return {}
    names, values = zip(*reversed(caught.headers), strict=True)
    if b"_" in b"".join(names):
        names = tuple(map(canonical, names))
    return dict(zip(map(bytes.lower, names), values, strict=True))


def parameter(name: str) -> Reading:
    """Return what reads the first parameter of a name in the query; one without ``=`` is empty.

    Decoded as form data is: ``+`` is a blank; bytes that are no UTF-8 become U+FFFD.
    """
    wanted = name.encode()

    def read(caught: Caught) -> str | None:
        for known, value in _pairs(caught.query):
            if known == wanted:
                return _unquoted(value).decode("utf-8", "replace")
        return None

    return read


REQUEST: dict[str, Reading] = {
    "method": lambda caught: caught.method,
    "path": lambda caught: caught.path.decode("latin-1"),
    "query": lambda caught: caught.query.decode("latin-1"),
    "client": lambda caught: caught.client or None,
}
"""What ``request`` has, by name; path and query as they came, percent-encoding and all."""


def members(caught: Caught) -> dict[str, dict[str, str]]:
    """Return a request as an expression sees it: header names in lower case, with dashes."""
    headers: dict[str, str] = {}
    for name, value in caught.headers:
        headers.setdefault(canonical(name).decode("latin-1"), value.decode("latin-1"))
    query: dict[str, str] = {}
    for name, value in _pairs(caught.query):
        query.setdefault(
            name.decode("utf-8", "replace"), _unquoted(value).decode("utf-8", "replace")
        )
    told = {name: read(caught) for name, read in REQUEST.items()}
    return {
        "headers": headers,
        "query": query,
        "request": {name: text for name, text in told.items() if text is not None},
    }


def size_of(caught: Caught) -> int:
    """Return the bytes that ``members`` are made of."""
    headers = sum(len(name) + len(value) for name, value in caught.headers)
    # The query is there twice: as it came, and its parameters.
    return headers + len(caught.path) + 2 * len(caught.query)


def canonical(name: bytes) -> bytes:
    """Return a header's name as it is looked for: in any case; ``_`` and ``-`` are the same."""
    return name.lower().replace(b"_", b"-")


def _pairs(query: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Walk over the parameters: names decoded, values as they came."""
    for pair in query.split(b"&", MAX_PARAMETERS)[:MAX_PARAMETERS]:
        name, _, value = pair.partition(b"=")
        if name:
            yield _unquoted(name), value


def _unquoted(text: bytes) -> bytes:
    if b"%" in text or b"+" in text:
        return unquote_to_bytes(text.replace(b"+", b" "))
    return text
