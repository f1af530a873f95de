"""How each field of a source's definition is written, for who wrote it otherwise.

Their rules are ``definition``'s. Here is only what an error says of a value that is of another type
altogether, and of a field that stands in the wrong place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NoReturn

import msgspec

from hookferry.engine.validation import explain_validation
from hookferry.errors import InvalidField, UnknownField

_SWITCH = "true or false"
_ANSWER = {
    "status": "a whole number, such as 200",
    "headers": 'an object of texts, such as {"content-type": "application/json"}',
    "body": r'a text; of JSON too, such as "{\"ok\": true}"',
}

FORMS: Final[Mapping[str, str]] = {
    "": 'a JSON object, such as {"name": "shop"}',
    "name": 'a text, such as "GitHub of the shop"',
    "guid": "a text of 40 hex digits, or left out to have it made",
    "description": "a text",
    "bin": _SWITCH,
    "enabled": _SWITCH,
    "draft": _SWITCH,
    "maintenance": _SWITCH,
    "methods": 'a list of texts, such as ["POST"]',
    "allow_ips": 'a list of texts, such as ["203.0.113.0/24"]',
    "max_body": "a whole number of bytes, such as 65536",
    "rate_limit": 'an object, such as {"per_second": 10, "burst": 20}',
    "rate_limit.per_second": "a number of requests, such as 10",
    "rate_limit.burst": "a whole number of requests, such as 20",
    "verify": 'an object, such as {"preset": "github", "secret": "..."} (docs/verification.md)',
    "handshakes": 'a list of texts, such as ["slack"]',
    "verify_token": "a text, the same that you give the sender",
    "deduplicate": 'an object, such as {"header": "X-Request-Id"}',
    "window": "a number of seconds, such as 300",
    "event_type": 'a type, such as "contact.created", or an object, such as {"path": "data.type"}',
    "condition": 'an object, such as {"path": "data.n", "op": "equals", "value": 1}',
    "respond": 'an object, such as {"status": 200, "body": "thanks"}',
    **{f"respond.{name}": form for name, form in _ANSWER.items()},
    "respond.webhook": "a text, the name or the id of a synchronous webhook",
    "respond.automation": "a text, the name or the id of an automation",
    "respond.deadline": "a number of seconds, such as 10",
    "respond.late": 'an object, such as {"status": 202}',
    **{f"respond.late.{name}": form for name, form in _ANSWER.items()},
    "automations_kata": 'a text, such as "automation/echo:\\n  uri: cerb:automation:example.echo"',
    "refuse_status": "a whole number, such as 400",
    "cors": 'a list of texts, such as ["https://app.example"]',
    "public_url": 'a text, such as "https://hooks.example/github"',
    "retention_days": "a number of days, such as 7",
    "keep": "a whole number of requests, such as 500",
    "silent_after": "a number of seconds, such as 3600",
    "expires_at": "a time with a zone, such as 2026-01-31T09:30:00Z (RFC 3339)",
}
"""By path. What has a list of values (``parse``) needs none."""

_OF_VERIFY = ("preset", "secret", "secrets")


def explain_source(
    error: msgspec.ValidationError, document: object, struct: type[msgspec.Struct]
) -> NoReturn:
    """Raise the error that says how a definition is written right.

    Args:
        error: what msgspec found.
        document: the definition as it was given.
        struct: the definition as it should be.

    Raises:
        InvalidField, UnknownField: naming the field.
    """
    try:
        explain_validation(error, struct, FORMS)
    except UnknownField as unknown:
        name = unknown.field
        if name not in _OF_VERIFY:
            raise
        value = {"secrets": '["...", "..."]', "preset": '"github"'}.get(name, '"..."')
        raise UnknownField(
            f'{name} belongs into verify: {{"verify": {{"{name}": {value}}}}}', field=name
        ) from None
    except InvalidField as invalid:
        at, unnamed, _ = (invalid.field or "").partition("[...]")
        if not unnamed:
            raise
        name = _header_without_text(document, at)
        raise InvalidField(
            f'{at}.{name} is a text: write its value in quotes, such as "1"', field=f"{at}.{name}"
        ) from None


def _header_without_text(document: Any, at: str) -> str:
    """Return the name of the first header whose value is none; msgspec does not say which."""
    for member in at.split("."):
        document = document[member]
    headers: dict[str, object] = document
    return next(name[:64] for name, value in headers.items() if not isinstance(value, str))
