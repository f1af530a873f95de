"""Share links: tokens that let others read what a source caught, and nothing else.

A token is ``hfs_`` and 256 random bits; the ledger keeps its SHA-256 and nothing else. What may be
read with one is decided by the doors.
"""

from __future__ import annotations

import base64
import os
import re
from typing import Final

import msgspec

from hookferry.domain.source import Share, Source
from hookferry.engine.keys import RANDOM_BYTES, digest_of
from hookferry.errors import Conflict, InvalidField, NotFound

PREFIX: Final = "hfs_"
MAX_SHARES: Final = 20
"""Live links of one source."""
MAX_DAYS: Final = 30.0
DEFAULT_DAYS: Final = 7.0
MIN_DAYS: Final = 0.001
"""A minute and a half."""
_ID_BYTES: Final = 8
SHARE_ID: Final = re.compile(rf"[0-9a-f]{{{2 * _ID_BYTES}}}")


def share_id(share: Share) -> str:
    """Return what a link is called when it is listed and revoked: a part of its digest.

    It tells nothing of the token.
    """
    return share.digest[:_ID_BYTES].hex()


def live_shares(source: Source, now_ms: int) -> list[Share]:
    """Return a source's links that have not expired, newest first."""
    return [share for share in source.shares if share.expires_at_ms > now_ms]


def with_share(source: Source, now_ms: int, days: float) -> tuple[Source, Share, str]:
    """Give a source a link; the token returned is shown once.

    Args:
        source: which.
        now_ms: wall-clock Unix milliseconds.
        days: how long it works.

    Raises:
        InvalidField: too long or too short.
        Conflict: the source has too many.
    """
    if not MIN_DAYS <= days <= MAX_DAYS:
        raise InvalidField(f"days is {MIN_DAYS:g} to {MAX_DAYS:g}", field="days")
    live = live_shares(source, now_ms)
    if len(live) >= MAX_SHARES:
        raise Conflict(f"this source has {MAX_SHARES} share links; revoke those not in use")
    token = PREFIX + base64.urlsafe_b64encode(os.urandom(RANDOM_BYTES)).rstrip(b"=").decode()
    share = Share(digest_of(token), now_ms + int(days * 86_400_000))
    return msgspec.structs.replace(source, shares=(share, *live)), share, token


def without_share(source: Source, now_ms: int, wanted: str) -> Source:
    """Take a link away, by the id that it is listed with; raises NotFound."""
    live = live_shares(source, now_ms)
    kept = tuple(share for share in live if share_id(share) != wanted)
    if len(kept) == len(live):
        raise NotFound(f"this source has no share link {wanted[:40]!r}; it may have expired")
    return msgspec.structs.replace(source, shares=kept)
