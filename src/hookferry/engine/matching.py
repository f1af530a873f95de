"""Which webhooks an event goes to: the rules of a tenant applied to one event's facts."""

from __future__ import annotations

from typing import NamedTuple

from hookferry.domain.tenant import Tenant
from hookferry.domain.webhook import Webhook
from hookferry.engine.directory import Directory
from hookferry.errors import InvalidField
from hookferry.match.facts import Facts


class Selection(NamedTuple):
    """What matching found."""

    webhooks: tuple[Webhook, ...]
    errors: dict[str, str] | None = None
    """By webhook id (``wh_...``): conditions that could not be evaluated, and so did not match."""


class Matcher:
    """Matches events against the configuration in memory.

    Args:
        directory: tenants, event types, subscriptions.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def admit(self, tenant: Tenant, facts: Facts) -> str | None:
        """Check an event against what is registered of its type.

        Returns:
            How the data breaks its type's schema, where that is only a warning; else None.

        Raises:
            InvalidField: a strict tenant has not registered this type.
        """
        if not tenant.strict_types:
            return None
        known = self._directory.event_types(tenant.id).get(facts.type)
        if known is None or known.archived:
            raise InvalidField(
                f"tenant {tenant.name!r} takes registered event types only and {facts.type!r} is "
                f"not one; register it with PUT /api/v1/event_types/{facts.type}",
                field="type",
            )
        return None

    def select(self, tenant_id: int, facts: Facts) -> Selection:
        """Return the webhooks that an event goes to, by ascending id."""
        return Selection(self._directory.match(tenant_id, facts.type))
