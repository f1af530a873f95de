"""A request's headers, found by name: read several times each, in lists of a dozen or more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Pairs = Sequence[tuple[bytes, bytes]]
"""Names in lower case, in their order, repeats and all."""


class Headers(list[tuple[bytes, bytes]]):
    """Pairs that know where each name is first; not to be changed once made.

    Args:
        pairs: names in lower case, in their order, repeats and all.
    """

    __slots__ = ("first", "repeats")

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        super().__init__(pairs)
        first: dict[bytes, bytes] = dict(reversed(self))
        self.first = first
        """The first value of each name."""
        self.repeats = len(first) != len(self)
        """Some name is there twice."""

    def last(self, name: bytes) -> bytes | None:
        """Return the last value of a header, by its name in lower case."""
        return dict(self).get(name) if self.repeats else self.first.get(name)


def lowered(raw: Pairs) -> Headers:
    """Return headers with their names in lower case.

    Args:
        raw: as they came.
    """
    return Headers([(name.lower(), value) for name, value in raw])


def values_of(headers: Pairs, name: bytes) -> list[bytes]:
    """Return every value of a header, in their order.

    Args:
        headers: names in lower case.
        name: in lower case.
    """
    if type(headers) is Headers:
        first = headers.first
        if name not in first:
            return []
        if not headers.repeats:
            return [first[name]]
    return [value for known, value in headers if known == name]
