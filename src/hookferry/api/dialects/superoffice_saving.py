"""From a webhook as SuperOffice's programs send it to a save: whole, or by a patch of either kind.

What is sent is compared with what is stored, and only the difference is saved. How it is worded is
``superoffice_shapes``; the rules are those of ``hookferry.engine.webhooks``.
"""

from __future__ import annotations

import email.utils
from collections.abc import Mapping
from typing import Any

import msgspec

from hookferry.api.dialects import superoffice_shapes as shapes
from hookferry.api.dialects.json_patch import apply_patch
from hookferry.api.dialects.superoffice_shapes import GivenWebhook
from hookferry.domain.webhook import Webhook, WebhookState
from hookferry.engine.definition import merge_patch
from hookferry.engine.masking import MASK, refuse_mask
from hookferry.engine.webhooks import Webhooks
from hookferry.errors import InvalidField, VersionMismatch

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"


class Saving:
    """Saves a tenant's webhooks as they are sent.

    Args:
        webhooks: the rules.
        tenant_id: whose.
    """

    def __init__(self, webhooks: Webhooks, tenant_id: int) -> None:
        self._webhooks = webhooks
        self._tenant = tenant_id

    async def create(self, given: GivenWebhook) -> Webhook:
        """Make a webhook; raises what ``Webhooks.create`` does."""
        if given.webhook_id:
            raise InvalidField(
                "WebhookId is given by the server; leave it out or send 0, and use PUT to change "
                "a webhook that exists",
                field="WebhookId",
            )
        wanted = _wanted_state(given, None)
        definition = shapes.definition_of(given)
        if given.secret:
            refuse_mask(given.secret, "Secret")
            definition["secret"] = given.secret
        state = WebhookState.STOPPED if wanted is WebhookState.STOPPED else WebhookState.ACTIVE
        made, _ = await self._webhooks.create(self._tenant, definition, state=state)
        return made

    async def replace(self, before: Webhook, given: GivenWebhook, version: int | None) -> Webhook:
        """Make a webhook what was sent; what did not change is not saved."""
        if given.webhook_id not in (None, 0, before.number):
            raise InvalidField(
                f"WebhookId is {given.webhook_id}, and the address names {before.number}; send "
                "one of them only",
                field="WebhookId",
            )
        wanted = _wanted_state(given, before)
        change = patch_between(
            {
                "name": before.name,
                "events": list(before.events),
                "target_url": before.target_url,
                "headers": before.headers,
                "properties": before.properties,
                "profile": before.profile,
                "type": before.type,
            },
            shapes.definition_of(given, before),
        )
        secret = msgspec.UNSET if given.secret == MASK else given.secret
        if secret is None or secret == "":
            secret = msgspec.UNSET
            if before.secrets:
                change["secret"] = None
        webhook = before
        if change or secret is not msgspec.UNSET:
            webhook = await self._webhooks.patch(
                self._tenant, before.id, change, version=version, secret=secret
            )
        return await self._move(webhook, wanted)

    async def _move(self, webhook: Webhook, wanted: WebhookState) -> Webhook:
        """Bring a webhook into a state; what is shown under that name already stays."""
        if wanted is WebhookState.UNKNOWN or is_shown_as(webhook, wanted):
            return webhook
        if wanted is WebhookState.STOPPED:
            return await self._webhooks.stop(self._tenant, webhook.id)
        if webhook.state is WebhookState.PAUSED:
            return await self._webhooks.resume(self._tenant, webhook.id)
        return await self._webhooks.restart(self._tenant, webhook.id)


def _wanted_state(given: GivenWebhook, before: Webhook | None) -> WebhookState:
    wanted = shapes.state_of(given.state)
    if wanted is WebhookState.TOO_MANY_ERRORS and (
        before is None or not is_shown_as(before, wanted)
    ):
        raise InvalidField(
            "only a receiver's failures lead to TooManyErrors; send Active or Stopped",
            field="State",
        )
    return wanted


def is_shown_as(webhook: Webhook, state: WebhookState) -> bool:
    """Tell whether a webhook's state has the name that another one has."""
    return shapes.STATE_NAMES[webhook.state] == shapes.STATE_NAMES[state]


def patch_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the merge patch (RFC 7396) that turns one JSON object into another.

    A null inside the second one reads as "not there", as it does in every merge patch.
    """
    change: dict[str, Any] = {name: None for name in before if name not in after}
    for name, value in after.items():
        old = before.get(name)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            inner = patch_between(old, value)
            if inner:
                change[name] = inner
        elif msgspec.json.encode(old) != msgspec.json.encode(value):  # for Python, True is 1
            change[name] = value
    return change


def patched_webhook(before: Webhook, changes: object, kind: str) -> GivenWebhook:
    """Return what a webhook is sent as when a patch has changed how it is shown.

    Args:
        before: the stored one.
        changes: the decoded patch: an object (RFC 7396) or an array of operations (RFC 6902).
        kind: the patch's media type; any but those of the two leaves it to the patch.

    Raises:
        InvalidField, UnknownField: it can't be applied.
        Conflict: a ``test`` in it failed.
    """
    document: dict[str, Any] = msgspec.to_builtins(shapes.shown(before))
    if isinstance(changes, list) and kind != MERGE_PATCH:
        shapes.check_depth(changes)
        patched = shapes.canonical(apply_patch(document, changes, shapes.NAMES))
    elif isinstance(changes, dict) and kind != JSON_PATCH:
        patched = merge_patch(document, shapes.canonical(changes))
    else:
        raise InvalidField(
            "a patch is a JSON object with the properties to change (application/merge-patch+json, "
            "RFC 7396) or an array of operations (application/json-patch+json, RFC 6902)"
        )
    patched.setdefault("Secret", None)  # taken away, and not just left out
    return shapes.given(patched)


def version_unmodified_since(webhook: Webhook, unmodified_since: str | None) -> int | None:
    """Return the version that a change must find, where the caller sent a condition.

    A date that is none is ignored (RFC 9110 section 13.1.4).

    Raises:
        VersionMismatch: the webhook was saved after that time.
    """
    if unmodified_since is None:
        return None
    try:
        since = email.utils.parsedate_to_datetime(unmodified_since).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    if webhook.updated_at_ms // 1000 > since:
        raise VersionMismatch(
            "the webhook was saved after that time; read it again and repeat your change"
        )
    return webhook.version
