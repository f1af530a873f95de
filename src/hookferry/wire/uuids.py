"""UUIDs that carry an event's id: the same on every attempt, nothing to store, nothing to hash.

RFC 9562 section 5.8 (version 8) leaves 122 bits to the maker. Most significant first: the 64 bits
of the event's id, in the three places around version and variant, then 58 bits for a number, which
is 0 where all webhooks are told the same UUID. Like the ids, they sort by time.
"""

from __future__ import annotations

import uuid

_VERSION = 8
_VARIANT = 0b10
_NUMBER_BITS = 58


def uuid_of(event_id: int, number: int = 0) -> str:
    """Return the UUID of an event.

    Args:
        event_id: its id, 64 bits.
        number: what sets UUIDs of one event apart, such as a webhook's number; 58 bits.
    """
    digits = (
        f"{event_id >> 16:012x}{_VERSION << 12 | event_id >> 4 & 0xFFF:04x}"
        f"{_VARIANT << 62 | (event_id & 0xF) << _NUMBER_BITS | number:016x}"
    )
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def event_in(text: str) -> int | None:
    """Return the id of the event inside a UUID of ours, or None for any other text or UUID."""
    try:
        found = uuid.UUID(text)
    except ValueError:
        return None
    if found.variant != uuid.RFC_4122 or found.version != _VERSION:
        return None
    bits = found.int
    return bits >> 80 << 16 | (bits >> 64 & 0xFFF) << 4 | bits >> _NUMBER_BITS & 0xF
