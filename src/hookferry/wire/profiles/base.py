"""What a profile is, and the defaults of SEMANTICS section 3 that most profiles share.

A profile says how requests of one kind look and what their answers mean. Its ``rendering`` is a
webhook's own: made once per version of the webhook, ahead of the hot path.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from hookferry.domain.event import NO_META, Event, EventMeta
from hookferry.domain.tenant import Tenant
from hookferry.domain.webhook import Retry, Webhook
from hookferry.errors import InvalidField

DEFAULT_RETRY = Retry(
    schedule=(5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400), jitter=0.2
)
NO_RETRY = Retry(schedule=(), jitter=0.0)
TEST_TYPE = "hookferry.test"
_NO_SPACES = re.compile(r"[^\s\x00-\x1f\x7f]{1,100}")
_ANY_NAME = re.compile(r"[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]{0,98}[^\s\x00-\x1f\x7f])?")


class SignatureNote(msgspec.Struct, frozen=True, kw_only=True):
    """How a profile's signature is computed, for the log and for receivers' authors."""

    scheme: str
    """Its name in ``hookferry.verify``."""
    header: str
    """The header that carries it."""
    algorithm: str
    """Such as ``HMAC-SHA256``."""
    encoding: str
    """Such as ``base64``."""
    signed: str
    """What is signed, in words."""
    key: str
    """What it is signed with, in words."""


class Rendering(ABC):
    """How one webhook's requests look. Shared between webhooks where nothing in it is their own:
    a body rendered once is then sent to all of them."""

    content_type: str
    """Of the body; where it is a caught request's own, that has its own."""
    original: ClassVar[bool] = False
    """A caught event's body is sent as it came, and not what it says as JSON."""

    @abstractmethod
    def body(self, event: Event, event_id: str) -> bytes:
        """Render the request body; the same bytes for every attempt.

        Args:
            event: what happened. Its payload is its data as JSON, also where it was caught; or,
                under ``original``, the bytes that were caught.
            event_id: its typed id.
        """

    @abstractmethod
    def headers(
        self,
        event: Event,
        event_id: str,
        body: bytes,
        secrets: Sequence[Any],
        now_s: int,
        attempt: int,
    ) -> bytes:
        """Render the headers that differ from request to request.

        Args:
            event: what happened.
            event_id: its typed id.
            body: what ``body`` returned.
            secrets: prepared secrets that sign now, newest first.
            now_s: Unix seconds of this attempt.
            attempt: 1 for the first.

        Returns:
            Whole header lines, each ended by CRLF.
        """


class Profile(ABC):
    """One kind of receiver. All class attributes are defaults that a webhook may override."""

    name: ClassVar[str]
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
    secret_by_default: ClassVar[bool] = True
    """A new webhook gets a secret unless it brings one: every request is signed."""
    formats: ClassVar[tuple[str, ...]] = ("json",)
    """The values of ``payload_format``, the default first."""
    takes_properties: ClassVar[bool] = False
    """The body has room for the webhook's ``properties``."""
    tenant_key: ClassVar[bool] = False
    """Signed with the tenant's one webhook key; webhooks have no secret of their own."""
    test_on_save: ClassVar[bool] = False
    """A webhook is saved only after its receiver took a test event."""
    handshake: ClassVar[bool] = False
    """The receiver must allow hookferry before a webhook is saved (CloudEvents web hooks, 4)."""
    user_agent: ClassVar[str | None] = None
    """The User-Agent where it is not hookferry's own."""
    own_headers: ClassVar[tuple[str, ...]] = ()
    """Lower-case beginnings of the header names that are this profile's to write."""
    signature: ClassVar[SignatureNote | None] = None
    """How requests are signed, or None where they are not."""

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
        """Make a signing secret, or None where webhooks have none of their own."""

    @abstractmethod
    def check_secret(self, secret: str) -> None:
        """Raise InvalidField unless ``secret`` can sign under this profile."""

    @abstractmethod
    def prepare_secret(self, secret: str) -> Any:
        """Turn a secret into what the rendering signs with, once, ahead of the hot path.

        Each profile has its own kind of key, which only its own rendering takes.
        """

    def test_event(self, webhook: Webhook) -> tuple[str, bytes, EventMeta]:
        """Return type, payload and what else a test event says."""
        payload = msgspec.json.encode({"webhook": webhook.name, "test": True})
        return TEST_TYPE, payload, NO_META

    @abstractmethod
    def rendering(self, webhook: Webhook, tenant: Tenant, origin: str) -> Rendering:
        """Return how a webhook's requests look.

        Args:
            webhook: whose.
            tenant: whose the webhook is.
            origin: the address under which this hookferry is known, without a trailing slash.
        """


def check_any_name(profile: str, name: str) -> None:
    """Raise InvalidField unless a name is 1 to 100 characters; spaces inside are allowed."""
    if not _ANY_NAME.fullmatch(name):
        raise InvalidField(
            f"a webhook's name under profile {profile!r} is 1 to 100 characters, none of them a "
            "control character, and neither starts nor ends with a space",
            field="name",
        )
