"""What a profile is, and the defaults of SEMANTICS section 3 that most profiles share."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from hookferry.domain.event import Event
from hookferry.domain.webhook import Retry
from hookferry.errors import InvalidField

DEFAULT_RETRY = Retry(
    schedule=(5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400), jitter=0.2
)
_NO_SPACES = re.compile(r"[^\s\x00-\x1f\x7f]{1,100}")


class Profile(ABC):
    """One kind of receiver. All class attributes are defaults that a webhook may override."""

    name: ClassVar[str]
    content_type: ClassVar[str] = "application/json"
    retry: ClassVar[Retry] = DEFAULT_RETRY
    failure_limit: ClassVar[int | None] = None
    """Failed attempts in a row that disable the webhook, or None for no such limit."""
    failure_window: ClassVar[float | None] = 5 * 86_400.0
    """Seconds of failures without a success that disable the webhook, or None."""
    gone_disables: ClassVar[bool] = True
    """A 410 answer disables the webhook."""
    breaker: ClassVar[bool] = True
    """429, 502, 503, 504 and Retry-After slow the lane down without spending attempts."""
    unique_name: ClassVar[bool] = True

    def check_name(self, name: str) -> None:
        """Raise InvalidField unless ``name`` is allowed: 1 to 100 characters, no spaces."""
        if not _NO_SPACES.fullmatch(name):
            raise InvalidField(
                f"a webhook's name under profile {self.name!r} is 1 to 100 characters without "
                "spaces or control characters",
                field="name",
            )

    def succeeded(self, status: int) -> bool:
        """Tell whether a status is a success: 2xx."""
        return 200 <= status < 300

    @abstractmethod
    def new_secret(self) -> str | None:
        """Make a signing secret, or None where the profile has none by default."""

    @abstractmethod
    def check_secret(self, secret: str) -> None:
        """Raise InvalidField unless ``secret`` can sign under this profile."""

    @abstractmethod
    def prepare_secret(self, secret: str) -> Any:
        """Turn a secret into what ``headers`` signs with, once, ahead of the hot path.

        Each profile has its own kind of key, which only its own ``headers`` takes.
        """

    @abstractmethod
    def body(self, event: Event) -> bytes:
        """Render the request body; the same bytes for every attempt."""

    @abstractmethod
    def headers(
        self, event_id: str, body: bytes, secrets: Sequence[Any], now_s: int, attempt: int
    ) -> bytes:
        """Render the headers that differ from request to request.

        Args:
            event_id: the event's typed id.
            body: what ``body`` returned.
            secrets: prepared secrets that sign now, newest first.
            now_s: Unix seconds of this attempt.
            attempt: 1 for the first.

        Returns:
            Whole header lines, each ended by CRLF.
        """
