"""How often a request has been through hookferry: the header ``Hookferry-Hops``.

Each request that is sent for a caught event says how many events of hookferry's led to it, so that
a source that is fed by hookferry itself counts on, and a circle comes to its end (SEMANTICS
section 8).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

HOPS_HEADER = "Hookferry-Hops"
MAX_COUNT = 999
"""The largest number that is written and read; circles end long before."""
_NAME = HOPS_HEADER.lower().encode()
_COUNT = re.compile(rb"[0-9]{1,3}")


def hops_in(headers: Sequence[tuple[bytes, bytes]]) -> int:
    """Return how many hops a request says it has behind it; 0 where it says nothing that counts.

    Of several values the largest: who could add a second one must not be able to lower it.

    Args:
        headers: as received, in any case.
    """
    return max(
        (
            int(value)
            for name, value in headers
            if name.lower() == _NAME and _COUNT.fullmatch(value)
        ),
        default=0,
    )


def hops_line(hops: int) -> bytes:
    """Return the header line, CRLF included, of a request that has so many hops behind it."""
    return b"%b: %d\r\n" % (HOPS_HEADER.encode(), min(hops, MAX_COUNT))
