"""Profile ``superoffice``: what programs written for SuperOffice CRM's webhooks expect.

Source: behaviours of SuperOffice's webhooks, sections "Wire format" and "Retry"; where they leave a
choice, docs/profiles/superoffice.md says which was made.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.metadata import version
from secrets import token_urlsafe
from typing import Any, ClassVar

import msgspec

from hookferry.domain.event import Event, EventMeta
from hookferry.domain.tenant import DEFAULT_TENANT, Tenant
from hookferry.domain.webhook import Retry, Webhook
from hookferry.wire.body_signing import SuperOfficeKey, check_text_secret
from hookferry.wire.naming import split_type
from hookferry.wire.profiles.base import Profile, Rendering, SignatureNote, check_any_name
from hookferry.wire.timestamps import rfc3339_ms
from hookferry.wire.uuids import uuid_of

TEST_EVENT = "test"
STANDARD_KEYS = (
    "EventId",
    "Timestamp",
    "Changes",
    "Event",
    "PrimaryKey",
    "Entity",
    "ContextIdentifier",
    "ChangedByAssociateId",
    "WebhookName",
    "FieldValues",
)
"""The keys of the body, in order. Properties never override one."""

_ON_SITE = "Default"
"""The ContextIdentifier of an installation that has no tenants."""
_STATE_EVENT = re.compile(r"webhook([0-9]{1,18})\.(?:started|stopped|errors)")
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
_OBJECT = re.compile(rb"[ \t\n\r]*\{")
_encode = msgspec.json.Encoder().encode


class _Notification(Rendering):
    """The notifications of one webhook.

    Args:
        name: the webhook's name.
        properties: its properties.
        context: the ContextIdentifier.
    """

    content_type = "application/json; charset=utf-8"

    def __init__(self, name: str, properties: dict[str, Any], context: str) -> None:
        self._context = _encode(context)
        self._name = _encode(name)
        # Readers in .NET match keys in any case, the last one winning; so does the rule.
        taken = {key.lower() for key in STANDARD_KEYS}
        self._properties = b"".join(
            b",%b:%b" % (_encode(key), _encode(value))
            for key, value in properties.items()
            if key.lower() not in taken
        )

    def body(self, event: Event, event_id: str) -> bytes:
        """Render the notification, the publisher's data as ``FieldValues``."""
        meta = event.meta
        state = _STATE_EVENT.fullmatch(event.type)
        key = meta.primary_key
        entity = b""
        if state is None:
            entity = b',"Entity":%b' % _encode(meta.entity or split_type(event.type)[0])
        elif key is None:
            key = state[1]
        return (
            b'{"EventId":"%b","Timestamp":"%b0000Z","Changes":%b,"Event":"%b","PrimaryKey":%b%b,'
            b'"ContextIdentifier":%b,"ChangedByAssociateId":%b,"WebhookName":%b%b%b}'
        ) % (
            uuid_of(event.id).encode(),
            rfc3339_ms(event.time_ms)[:-1],  # SuperOffice writes seven decimals
            _encode(meta.changes or []),
            event.type.encode(),
            _number(key),
            entity,
            self._context,
            _number(meta.actor_id),
            self._name,
            _field_values(event.payload),
            self._properties,
        )

    def headers(
        self,
        event: Event,
        event_id: str,
        body: bytes,
        secrets: Sequence[SuperOfficeKey],
        now_s: int,
        attempt: int,
    ) -> bytes:
        """Render event, GUID and retries; the signature where there is a secret.

        The header has room for one signature: while a secret rotates, the newest signs alone.
        """
        lines = (
            b"X-SuperOffice-Event: %b\r\nX-SuperOffice-EventId: %b\r\nX-SuperOffice-Retry: %d\r\n"
            % (
                event.type.encode(),
                uuid_of(event.id).encode(),
                attempt - 1,
            )
        )
        if secrets:
            lines += b"X-SuperOffice-Signature: %b\r\n" % secrets[0].sign(body)
        if event.type == TEST_EVENT:
            lines += b"X-Hook-Test: true\r\n"
        return lines


def _number(value: str | int | None) -> bytes:
    """Return an id as a number, as all of SuperOffice's are: 0 for none; other text stays text."""
    if value is None:
        return b"0"
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return value.encode()
    return _encode(value)


def _field_values(payload: bytes) -> bytes:
    """Return the member ``FieldValues``: an object, always; nothing where there is no data."""
    if _OBJECT.match(payload):
        return b',"FieldValues":' + payload
    if payload.strip() == b"null":
        return b""
    return b',"FieldValues":{"value":%b}' % payload


class SuperOffice(Profile):
    """SuperOffice CRM's webhook notifications."""

    name = "superoffice"
    retry: ClassVar[Retry] = Retry(schedule=(1, 4), jitter=0.0)
    failure_limit = 7
    failure_window = None
    breaker = False
    unique_name = False
    secret_by_default = False
    takes_properties = True
    test_on_save = True
    user_agent = f"NetServer-Webhook/{version('hookferry')}"
    own_headers = ("x-superoffice-", "x-hook-test")
    signature: ClassVar[SignatureNote | None] = SignatureNote(
        scheme="superoffice",
        header=SuperOfficeKey.header,
        algorithm="HMAC-SHA256",
        encoding="base64",
        signed="the body as sent",
        key="the webhook's secret as typed, in UTF-8; the newest, while it rotates",
    )

    def check_name(self, name: str) -> None:
        """Raise InvalidField unless it is 1 to 100 characters; spaces inside are allowed."""
        check_any_name(self.name, name)

    def succeeded(self, status: int) -> bool:
        """Tell whether a status is 200, the only success."""
        return status == 200

    def new_secret(self) -> str:
        """Make a secret of 256 random bits, on demand only (S-SO-22): text that both sides know."""
        return token_urlsafe(32)

    def check_secret(self, secret: str) -> None:
        """Raise InvalidField unless it is 1 to 256 characters."""
        check_text_secret(secret)

    def prepare_secret(self, secret: str) -> SuperOfficeKey:
        """Return the key that signs."""
        return SuperOfficeKey(secret)

    def test_event(self, webhook: Webhook) -> tuple[str, bytes, EventMeta]:
        """Return SuperOffice's test event, which has no data."""
        return TEST_EVENT, b"null", EventMeta(entity=TEST_EVENT, primary_key=0, changes=[])

    def rendering(self, webhook: Webhook, tenant: Tenant, origin: str) -> _Notification:
        """Return the notifications of a webhook."""
        context = _ON_SITE if tenant.name == DEFAULT_TENANT else tenant.name
        return _Notification(webhook.name, webhook.properties, context)


SUPEROFFICE = SuperOffice()
