"""Which headers belong to one connection, and end with it.

What goes over another connection, to another server, has its own. A ``Connection`` header names
further ones (RFC 9110 section 7.6.1).
"""

from __future__ import annotations

from typing import Final

OF_ONE_CONNECTION: Final = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Names in lower case: those between two neighbours, and those that frame a message for them
(RFC 9112 section 6)."""
TO_PROXIES: Final = "proxy-"
"""How the names of others begin, which are between a client and its proxy."""
