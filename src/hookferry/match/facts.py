"""What is known of an event while it is matched. Its data is decoded once, and only when asked."""

from __future__ import annotations

from hookferry.domain.event import EventMeta


class Facts:
    """An event as conditions and schemas see it.

    Args:
        type: its type.
        payload: its data as JSON, byte for byte.
        meta: what its publisher said beside.
    """

    __slots__ = ("meta", "payload", "type")

    def __init__(self, type: str, payload: bytes, meta: EventMeta) -> None:
        self.type = type
        self.payload = payload
        self.meta = meta
