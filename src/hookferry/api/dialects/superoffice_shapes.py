"""SuperOffice's words for a webhook, both ways: its property names, states and answers.

Pure: what is shown is made from a stored webhook, what is sent becomes a definition for
``hookferry.engine.webhooks``, whose rules decide. Addresses and calls are ``superoffice``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from hookferry.api.wire import Moment, time_text
from hookferry.domain.webhook import AUTOMATION, HTTP, Webhook, WebhookState
from hookferry.engine.masking import MASK, is_credential
from hookferry.engine.validation import explain_validation
from hookferry.errors import HookferryError, InvalidField, UnknownField

PROFILE = "superoffice"
TYPE = "webhook"
SCRIPT = "crmscript"
"""The type of a webhook whose target is a script (S-SO-07); here, an automation."""
MAX_DEPTH = 64
"""Levels of nesting in a body; a definition has a handful."""

StateName = Literal["Unknown", "Active", "Stopped", "TooManyErrors"]

STATE_NAMES: dict[WebhookState, StateName] = {
    WebhookState.UNKNOWN: "Unknown",
    WebhookState.ACTIVE: "Active",
    WebhookState.STOPPED: "Stopped",
    WebhookState.TOO_MANY_ERRORS: "TooManyErrors",
    WebhookState.PAUSED: "Stopped",  # SuperOffice has no word for it; nothing is sent in either
}
_STATES = {
    "unknown": WebhookState.UNKNOWN,
    "active": WebhookState.ACTIVE,
    "stopped": WebhookState.STOPPED,
    "toomanyerrors": WebhookState.TOO_MANY_ERRORS,
}
_TYPES = {TYPE: HTTP, SCRIPT: AUTOMATION}
_NEVER = dt.datetime(1, 1, 1, tzinfo=dt.UTC)


class Links(msgspec.Struct, rename="pascal"):
    """Where a webhook and the list of all are."""

    self_: str = msgspec.field(name="Self")
    archive: str


class ShownWebhook(msgspec.Struct, kw_only=True, rename="pascal"):
    """A webhook in SuperOffice's words; with ``$select``, what was not selected is null."""

    webhook_id: int | None
    """The webhook's ``number``."""
    name: str | None
    events: list[str] | None
    target_url: str | None
    secret: str | None
    """Masked; null where there is none."""
    state: StateName | None
    type: str | None
    headers: dict[str, str] | None
    """Values that look like credentials are masked."""
    properties: dict[str, Any] | None
    registered: Moment | None
    registered_associate: None = None
    """Always null: who made a webhook is not kept."""
    updated: Moment | None
    updated_associate: None = None
    """Always null: who changed a webhook is not kept."""
    errors_email: None = None
    """Always null: no mail is sent."""


class LinkedWebhook(ShownWebhook, kw_only=True, rename="pascal"):
    """A webhook in SuperOffice's words, and where it is."""

    links: Links | None = msgspec.field(default=None, name="_Links")


class GivenWebhook(msgspec.Struct, kw_only=True, rename="pascal", forbid_unknown_fields=True):
    """A webhook as a program written for SuperOffice sends it."""

    webhook_id: int | None = None
    """0 or left out when it is created; else the one in the address."""
    name: str | None = None
    events: list[str] | None = None
    target_url: str | None = None
    secret: str | msgspec.UnsetType | None = msgspec.UNSET
    """Left out or masked, it stays as it is; null or empty, nothing is signed."""
    state: str | int | None = None
    """By name or number; left out or ``Unknown``, it stays as it is."""
    type: str | None = None
    """Only ``webhook``."""
    headers: dict[str, str] | None = None
    properties: dict[str, Any] | None = None
    errors_email: str | None = None
    """Taken and not kept: no mail is sent."""
    registered: Any = None
    """Taken and not read, like the others that the server writes."""
    registered_associate: Any = None
    updated: Any = None
    updated_associate: Any = None
    links: Any = msgspec.field(default=None, name="_Links")
    table_right: Any = None
    field_properties: Any = None


class TestResult(msgspec.Struct, rename="pascal"):
    """What the receiver made of a test event."""

    __test__ = False  # for pytest: not a class of tests

    success: bool
    message: str
    """Status line, headers and body of its answer, or why there was none."""


_FIELDS = {f.name: f.encode_name for f in msgspec.structs.fields(LinkedWebhook)}
NAMES: Mapping[str, str] = {
    f.encode_name.lower(): f.encode_name for f in msgspec.structs.fields(GivenWebhook)
}
"""Every property by its name in lower case: like SuperOffice, this door ignores case."""
_SHOWN = {name.lower(): name for name in _FIELDS.values()}
_BY_NAME = {name: field for field, name in _FIELDS.items()}


# --------------------------------------------------------------------------- what is shown


def shown(webhook: Webhook) -> ShownWebhook:
    """Show a webhook as the list does."""
    return ShownWebhook(**_members(webhook))


def linked(webhook: Webhook, collection: str) -> LinkedWebhook:
    """Show a webhook as the answers about a single one do.

    Args:
        webhook: which.
        collection: the URL of the list.
    """
    return LinkedWebhook(
        **_members(webhook), links=Links(f"{collection}/{webhook.number}", collection)
    )


def _members(webhook: Webhook) -> dict[str, Any]:
    return {
        "webhook_id": webhook.number,
        "name": webhook.name,
        "events": list(webhook.events),
        "target_url": webhook.target_url,
        "secret": MASK if webhook.secrets else None,
        "state": STATE_NAMES[webhook.state],
        "type": SCRIPT if webhook.type == AUTOMATION else TYPE,
        "headers": {n: MASK if is_credential(n) else v for n, v in webhook.headers.items()},
        "properties": webhook.properties,
        "registered": time_text(webhook.created_at_ms),
        "updated": time_text(webhook.updated_at_ms),
    }


def default() -> ShownWebhook:
    """Return what a new webhook starts from (SuperOffice's ``CreateDefaultWebhook``)."""
    return ShownWebhook(
        webhook_id=0,
        name=None,
        events=["contact.created", "contact.deleted"],
        target_url=None,
        secret=None,
        state="Active",
        type=TYPE,
        headers=None,
        properties=None,
        registered=_NEVER,
        updated=_NEVER,
    )


def selected(webhook: LinkedWebhook, select: str | None) -> LinkedWebhook:
    """Make null what ``$select`` does not name: ``Name,state``, ignoring case.

    Raises:
        UnknownField: it names what a webhook does not have.
    """
    if select is None or not select.strip():
        return webhook
    wanted = set()
    for part in select.split(","):
        name = part.strip().partition("/")[0]
        if name.lower() not in _SHOWN:
            raise UnknownField.near(name[:80], _FIELDS.values(), where="$select")
        wanted.add(_SHOWN[name.lower()])
    return msgspec.structs.replace(
        webhook, **{field: None for field, name in _FIELDS.items() if name not in wanted}
    )


# --------------------------------------------------------------------------- what is sent


def canonical(document: object) -> dict[str, Any]:
    """Return a body with its properties' names as they are spelled.

    Raises:
        InvalidField: it is no object, is nested too deep, or has a property twice.
        UnknownField: a property does not exist.
    """
    if not isinstance(document, dict):
        raise InvalidField(
            "the body is a JSON object with a webhook's properties; GET .../default has them all"
        )
    check_depth(document)
    found: dict[str, Any] = {}
    for name, value in document.items():
        known = NAMES.get(name.lower())
        if known is None:
            raise UnknownField.near(name[:80], NAMES.values())
        if known in found:
            raise InvalidField(f"{known} is given twice (names ignore case)", field=known)
        found[known] = value
    return found


def check_depth(document: object) -> None:
    """Raise InvalidField when a decoded body is nested deeper than any that means something."""
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise InvalidField(f"the body is nested more than {MAX_DEPTH} levels deep; flatten it")


def given(document: dict[str, Any]) -> GivenWebhook:
    """Turn a canonical document into a webhook as sent.

    Raises:
        InvalidField: a property has a value of the wrong type.
    """
    try:
        return msgspec.convert(document, GivenWebhook)
    except msgspec.ValidationError as error:
        explain_validation(error, GivenWebhook)


def definition_of(webhook: GivenWebhook, before: Webhook | None = None) -> dict[str, Any]:
    """Return the definition that a webhook as sent stands for, its secret left out.

    Args:
        webhook: as sent.
        before: the stored one that it replaces, where masked values stay as they are.

    Raises:
        InvalidField: ``Type`` names another dispatcher.
    """
    type = HTTP if before is None else before.type
    if webhook.type is not None:
        type = _TYPES.get(webhook.type.lower(), "")
    if not type:
        raise InvalidField(
            f"Type is {TYPE!r}, which calls TargetUrl, or {SCRIPT!r}, which runs the automation "
            "that TargetUrl names",
            field="Type",
        )
    kept = {} if before is None else {n.lower(): v for n, v in before.headers.items()}
    definition = {
        "name": webhook.name,
        "events": webhook.events,
        "target_url": webhook.target_url,
        "headers": {
            name: kept.get(name.lower(), value) if value == MASK else value
            for name, value in (webhook.headers or {}).items()
        },
        "properties": webhook.properties or {},
        "profile": PROFILE,
        "type": type,
    }
    return {name: value for name, value in definition.items() if value is not None}


def state_of(value: str | int | None, field: str = "State") -> WebhookState:
    """Return the state behind its name or number (behaviours D5); none is ``UNKNOWN``.

    Raises:
        InvalidField: there is no such state.
    """
    if value is None or value == "":
        return WebhookState.UNKNOWN
    text = str(value).strip().lower()
    for name, state in _STATES.items():
        if text in (name, str(state.value)):
            return state
    raise InvalidField(
        f"{field} is Unknown (0), Active (1), Stopped (2) or TooManyErrors (3)", field=field
    )


def in_their_words(error: HookferryError) -> HookferryError:
    """Let an error name the field as it is called here."""
    if error.field is not None:
        first, dot, rest = error.field.partition(".")
        name, bracket, index = first.partition("[")
        error.field = _FIELDS.get(name, name) + bracket + index + dot + rest
    return error
