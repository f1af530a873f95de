"""A caught request as verification and greetings see it, and what they say of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from hookferry.wire.headers import values_of
from hookferry.wire.verification import Verified


class Received(msgspec.Struct, frozen=True):
    """A request as it came: bytes, undecoded."""

    method: str
    url: str
    """The whole address as the sender knows it (the source's public address), query included."""
    path: bytes
    """As received, percent-encoding and all, without the query."""
    query: bytes
    headers: Sequence[tuple[bytes, bytes]]
    """As received: order and repeats; names in lower case."""
    body: bytes

    def values(self, name: bytes) -> list[bytes]:
        """Return every value of a header, by its name in lower case."""
        return values_of(self.headers, name)


class KeyNeeded(Exception):
    """A request can only be verified with what is at an address (a signing certificate).

    The verifier has judged the address to be the provider's; whoever fetches it judges it again.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One signed content that verification tried, for the debugger."""

    signed: bytes
    """The exact bytes that were taken as signed."""
    given: tuple[str, ...]
    """The signatures that the request carries, as it carries them."""
    matches: bool
    note: str = ""
    """Which variant this is, such as ``with the port in the URL``."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What a verifier did with a request, for its operator's eyes only.

    Never has a secret in it, nor a signature that was not given.
    """

    genuine: bool
    reason: str | None
    """A name of ``hookferry.wire.verification.Reason``."""
    detail: str
    algorithm: str
    timestamp: int | None
    """Unix seconds that the request says it was signed at."""
    trials: tuple[Trial, ...]


class Verifier(Protocol):
    """A compiled verification, with its secrets. Stateless; made once per source version."""

    def verify(self, request: Received, now: float, keys: Mapping[str, bytes]) -> Verified:
        """Check a request in constant time.

        Args:
            request: what came.
            now: Unix seconds.
            keys: what was fetched, by address.

        Raises:
            VerificationFailed: it is not genuine.
            KeyNeeded: it can't be told without what is at an address.
        """
        ...

    def explain(self, request: Received, now: float, keys: Mapping[str, bytes]) -> Explanation:
        """Tell what ``verify`` does with a request, step by step; raises nothing but KeyNeeded."""
        ...
