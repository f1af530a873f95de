"""What a test receiver records of each request, and what it can be told to answer."""

from __future__ import annotations

import enum
import json
from typing import Any

import msgspec

from hookferry.wire.verification import VerificationFailed, Verified
from hookferry.wire.xml import to_json


class Received(msgspec.Struct, frozen=True):
    """One request, as it came."""

    method: str
    path: str
    """The request target: path and query, not decoded."""
    headers: tuple[tuple[str, str], ...]
    """In order, repeats kept, names as spelled."""
    body: bytes
    received_at: float
    """Unix seconds at which it was complete."""
    verified: Verified | None
    """What the signature vouches for; None when it failed, or the receiver has no secret."""
    problem: VerificationFailed | None
    """Why the signature was not accepted; None when it was, or the receiver has no secret."""

    def header(self, name: str) -> str | None:
        """Return the first header of this name, in any case."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)

    def json(self) -> Any:
        """Return the body, parsed: JSON, or the XML that hookferry writes of JSON."""
        media_type = (self.header("content-type") or "").partition(";")[0].strip().lower()
        return json.loads(to_json(self.body) if media_type.endswith("/xml") else self.body)


class Conduct(enum.Enum):
    """What happens to a request once it is recorded."""

    ANSWER = enum.auto()
    HANG = enum.auto()
    """No answer until the receiver is told to ``release``."""
    CLOSE = enum.auto()
    """The connection is closed without an answer."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, or the lack of one."""

    status: int = 204
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    delay: float = 0.0
    """Seconds to wait before answering."""
    conduct: Conduct = Conduct.ANSWER
