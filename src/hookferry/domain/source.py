"""A source: a URL that catches other systems' requests, and what is to be done with them."""

from __future__ import annotations

from typing import Any

import msgspec

from hookferry.domain.webhook import RateLimit, SealedSecret

GUID_DIGITS = 40
"""Hex digits of a source's guid: 160 random bits (behaviours S-CB-12)."""


class FormerGuid(msgspec.Struct, frozen=True):
    """A guid that was rotated away and still leads to its source for a while."""

    guid: str
    expires_at_ms: int


class Share(msgspec.Struct, frozen=True):
    """A read-only link to what a source caught; only a digest of its token is kept."""

    digest: bytes
    """SHA-256 of the token, which has 256 random bits."""
    expires_at_ms: int


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """How a source tells genuine requests from others, as written, without its secrets."""

    scheme: dict[str, Any]
    """What ``hookferry.wire.inbound`` compiles: a preset's name with changes, or a whole scheme."""
    secrets: tuple[SealedSecret, ...] = ()
    """Any of them may have signed, newest first."""


class Reply(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An answer as it is configured; ``headers`` and ``body`` may be templates."""

    status: int = 204
    headers: dict[str, str] = {}
    body: str = ""


class Respond(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a caller is answered whose request was taken (SEMANTICS section 10).

    At once; or what a webhook's receiver or an automation answers to the event.
    """

    status: int = 204
    headers: dict[str, str] = {}
    body: str = ""
    webhook: str | None = None
    """Name or id of the synchronous webhook whose answer is the caller's."""
    automation: str | None = None
    """Name or id of the automation whose answer is the caller's."""
    deadline: float | None = None
    """Seconds that the caller waits for it; None for 10, and for 30 where an automation answers."""
    late: Reply = Reply(status=202)
    """The answer once the deadline has passed; what runs goes on."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One source as stored. None means "as the verification's preset says, else the default"."""

    id: int
    tenant_id: int
    name: str
    """Unique in its tenant."""
    guid: str
    """Its address: ``/webhooks/<guid>``; lower-case hex."""
    former_guids: tuple[FormerGuid, ...] = ()
    description: str = ""
    bin: bool = False
    """It only inspects: requests are kept and become no events."""
    enabled: bool = True
    """Off, it is answered as if it did not exist."""
    draft: bool = False
    """Requests are kept as samples and run nothing (catch-raw's test mode)."""
    maintenance: bool = False
    """Everything is answered 503 with Retry-After, so that senders repeat it later."""
    methods: tuple[str, ...] = ()
    """Methods taken; empty for any."""
    allow_ips: tuple[str, ...] = ()
    """Addresses and networks that may call; empty for all."""
    max_body: int | None = None
    """Bytes of body taken; None for the server's limit."""
    rate_limit: RateLimit | None = None
    verify: Verification | None = None
    """None takes anybody's requests."""
    handshakes: tuple[str, ...] | None = None
    """Names of ``hookferry.wire.greetings`` that are answered."""
    verify_token: bytes | None = None
    """What a subscription must name (``hub.verify_token``), under handshakes that ask for it;
    sealed."""
    deduplicate: dict[str, Any] | None = None
    """``{"header"}``, ``{"json_path"}``, ``{"template"}``, ``{"body_hash": true}``; or ``{}`` for
    no duplicates at all."""
    window: float | None = None
    """Seconds for which a duplicate key is kept."""
    event_type: str | dict[str, Any] | None = None
    """A type, or where a request says it."""
    parse: str = "auto"
    """``auto`` takes a body that is not what its content type says as text or bytes; ``require``
    refuses it with 400."""
    condition: dict[str, Any] | None = None
    respond: Respond = Respond()
    automations_kata: str = ""
    """Handlers of which the first enabled one runs and answers (behaviours S-CB-16)."""
    refuse_status: int | None = None
    """Answered instead of 401, for providers that give an address up after one."""
    cors: tuple[str, ...] = ()
    """Origins whose pages may call, or ``*``."""
    public_url: str | None = None
    """The address as the sender knows it, for schemes that sign it."""
    retention_days: float | None = None
    keep: int | None = None
    """Requests kept, the newest; None for as many as retention leaves."""
    silent_after: float | None = None
    """Seconds without a request after which the source counts as silent."""
    expires_at_ms: int | None = None
    """A bin's end: it is deleted with everything it caught."""
    shares: tuple[Share, ...] = ()
    created_at_ms: int = 0
    updated_at_ms: int = 0
    version: int = 1
    deleted: bool = False

    @property
    def automated(self) -> bool:
        """An automation answers its callers."""
        return self.respond.automation is not None or bool(self.automations_kata)

    def ended(self) -> Source:
        """Return the source as deleted: nobody needs what could still open something."""
        return msgspec.structs.replace(
            self, deleted=True, verify=None, verify_token=None, shares=(), automations_kata=""
        )
