"""Which webhooks an event goes to, and why: the rules of a tenant applied to one event's facts."""

from __future__ import annotations

import msgspec

from hookferry.domain.event import Event
from hookferry.domain.tenant import Tenant
from hookferry.domain.webhook import Webhook, WebhookState
from hookferry.engine.directory import Directory
from hookferry.errors import ConditionError, InvalidField
from hookferry.ids import encode
from hookferry.match import patterns
from hookferry.match.conditions import Check, Explanation
from hookferry.match.facts import Facts
from hookferry.match.filters import Filter

MAX_HOPS = 5
"""Own events of hookferry that may lead to one that is still matched (SEMANTICS section 8)."""
MAX_ERRORS = 20
"""Webhooks of an event whose match errors are kept."""
MAX_ERROR = 200
"""Characters kept of each."""


class Selection(msgspec.Struct, frozen=True):
    """What matching found."""

    webhooks: tuple[Webhook, ...]
    errors: dict[str, str] | None = None
    """By webhook id (``wh_...``): conditions that could not be evaluated, and so did not match."""


NOBODY = Selection(())


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that decides whether an event goes to a webhook."""

    name: str
    """hops, pattern (or owner), application, channels, condition, tenant, state."""
    passed: bool
    detail: str


class Reasons(msgspec.Struct, frozen=True, kw_only=True):
    """Why an event does or does not go to a webhook, both as they are now."""

    matches: bool
    """Whether the webhook gets a delivery."""
    sends: bool
    """Whether that delivery would be sent, and not skipped."""
    steps: list[Step]
    condition: list[Check]
    """The comparisons of the condition that were made; the last one decided."""


class Matcher:
    """Matches events against the configuration in memory.

    Args:
        directory: tenants, event types, subscriptions.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._filters = directory.filters
        self._checks = directory.schema_checks

    def admit(self, tenant: Tenant, facts: Facts) -> str | None:
        """Check an event against what is registered of its type.

        Returns:
            How the data breaks its type's schema, where that is only a warning; else None.

        Raises:
            InvalidField: a strict tenant has not registered this type.
            SchemaViolation: the data breaks its type's schema, which is enforced.
        """
        checks = self._checks.get(tenant.id)
        if checks:
            check = checks.get(facts.type)
            if check is not None:
                return check.admit(facts)
        if tenant.strict_types:
            known = self._directory.event_types(tenant.id).get(facts.type)
            if known is None or known.archived:
                raise InvalidField(
                    f"tenant {tenant.name!r} takes registered event types only and "
                    f"{facts.type!r} is not one; register it with PUT "
                    f"/api/v1/event_types/{facts.type}",
                    field="type",
                )
        return None

    def select(self, tenant_id: int, facts: Facts) -> Selection:
        """Return the webhooks that an event goes to, by ascending id."""
        if facts.meta.addressed is not None:
            one = self._directory.webhook_by_id(facts.meta.addressed)
            return NOBODY if one is None or one.tenant_id != tenant_id else Selection((one,))
        candidates = self._directory.match(tenant_id, facts.type)
        owner = facts.meta.owner
        if owner is not None:
            own = self._directory.owned(owner)
            if own is not None:
                candidates = tuple(sorted((*candidates, own), key=_id))
        if not candidates:
            return NOBODY
        filters = self._filters.get(tenant_id)
        if not filters:
            return Selection(candidates)
        chosen: list[Webhook] = []
        errors: dict[str, str] = {}
        for webhook in candidates:
            wanted = filters.get(webhook.id)
            if wanted is not None:
                try:
                    if not self._passes(tenant_id, wanted, facts):
                        continue
                except ConditionError as error:
                    if len(errors) < MAX_ERRORS:
                        errors[encode("wh", webhook.id)] = error.detail[:MAX_ERROR]
                    continue
            chosen.append(webhook)
        return Selection(tuple(chosen), errors or None)

    def _passes(self, tenant_id: int, wanted: Filter, facts: Facts) -> bool:
        return (
            (not wanted.application or wanted.of_application(self._application(tenant_id, facts)))
            and wanted.in_channel(facts.meta.channels)
            and wanted.condition_holds(facts)
        )

    def _application(self, tenant_id: int, facts: Facts) -> str | None:
        """Return which application an event is of: as it says itself, else as its type does."""
        if facts.meta.application is not None:
            return facts.meta.application
        known = self._directory.event_types(tenant_id).get(facts.type)
        return known.application or None if known is not None else None

    # ------------------------------------------------------------------ why

    def explain(self, event: Event, facts: Facts, webhook: Webhook) -> Reasons:
        """Tell why an event does or does not go to a webhook, by the configuration as it is now.

        Args:
            event: a stored event of the webhook's tenant.
            facts: the event's, shared by all webhooks that are asked about.
            webhook: a live webhook.
        """
        wanted = self._filters.get(event.tenant_id, {}).get(webhook.id)
        condition = _explained(wanted, facts)
        steps = [_hops(event), _owner(event, webhook) or _pattern(event, webhook)]
        if wanted is not None:
            application = self._application(event.tenant_id, facts)
            steps += [
                _of_application(wanted, application),
                _in_channel(wanted, event),
                _condition(webhook, condition),
            ]
        matches = all(step.passed for step in steps)
        steps += [
            _tenant(self._directory.tenant_by_id(event.tenant_id)),
            _state(webhook),
        ]
        return Reasons(
            matches=matches,
            sends=all(step.passed for step in steps),
            steps=steps,
            condition=condition.checks,
        )


def _explained(wanted: Filter | None, facts: Facts) -> Explanation:
    try:
        condition = wanted.condition() if wanted is not None else None
    except ConditionError as error:
        return Explanation(holds=False, error=error.detail)
    return Explanation(holds=True) if condition is None else condition.explain(facts)


def _hops(event: Event) -> Step:
    hops = event.meta.hops
    return Step(
        name="hops",
        passed=hops <= MAX_HOPS,
        detail=f"{hops} of hookferry's own events led to it; up to {MAX_HOPS} are matched",
    )


def _id(webhook: Webhook) -> int:
    return webhook.id


def _owner(event: Event, webhook: Webhook) -> Step | None:
    addressed = event.meta.addressed
    if addressed is not None:
        passed = addressed == webhook.id
        detail = f"a script sent it to {'this' if passed else 'another'} webhook alone"
        return Step(name="owner", passed=passed, detail=detail)
    if webhook.owner is None:
        return None
    passed = event.meta.owner == webhook.owner
    this = "this one is" if passed else "this one is not"
    detail = f"it gets the events of its own source or timer alone, and {this} one of them"
    return Step(name="owner", passed=passed, detail=detail)


def _pattern(event: Event, webhook: Webhook) -> Step:
    for pattern in webhook.events:
        if patterns.matches(pattern, event.type):
            return Step(name="pattern", passed=True, detail=f"{pattern!r} takes {event.type!r}")
    listed = ", ".join(map(repr, webhook.events))
    return Step(name="pattern", passed=False, detail=f"{event.type!r} is taken by none of {listed}")


def _of_application(wanted: Filter, application: str | None) -> Step:
    if not wanted.application:
        detail = "it takes events of every application"
    else:
        given = "no application" if application is None else repr(application)
        detail = f"it takes events of {wanted.application!r}; this one is of {given}"
    return Step(name="application", passed=wanted.of_application(application), detail=detail)


def _in_channel(wanted: Filter, event: Event) -> Step:
    channels = event.meta.channels
    if not wanted.channels:
        detail = "it takes events of every channel, and of none"
    else:
        asked = ", ".join(map(repr, sorted(wanted.channels)))
        given = ", ".join(map(repr, channels)) if channels else "no channel"
        detail = f"it takes events in one of {asked}; this one is in {given}"
    return Step(name="channels", passed=wanted.in_channel(channels), detail=detail)


def _condition(webhook: Webhook, condition: Explanation) -> Step:
    if webhook.condition is None:
        return Step(name="condition", passed=True, detail="it has none")
    if condition.error is not None:
        detail = f"it can't be evaluated, and so does not match: {condition.error}"
    elif condition.checks:
        detail = _decided(condition.checks[-1])
    else:
        detail = "it holds" if condition.holds else "it does not hold"
    return Step(name="condition", passed=condition.holds, detail=detail)


def _decided(check: Check) -> str:
    outcome = "holds" if check.holds else "does not hold"
    if check.path is None:
        return f"{check.at} {outcome}: {check.value}"
    seen = check.seen if check.there else "not there"
    return f"{check.at} decided: {check.path} {check.op} {check.value} {outcome}; it is {seen}"


def _tenant(tenant: Tenant) -> Step:
    on = tenant.webhooks_active
    detail = f"the webhooks of tenant {tenant.name!r} are switched {'on' if on else 'off'}"
    return Step(name="tenant", passed=on, detail=detail)


def _state(webhook: Webhook) -> Step:
    sends = webhook.state in (WebhookState.ACTIVE, WebhookState.PAUSED)
    what = {
        WebhookState.ACTIVE: "and takes events",
        WebhookState.PAUSED: "and its deliveries wait until it is resumed",
    }.get(webhook.state, "and its events are skipped until it is restarted")
    return Step(name="state", passed=sends, detail=f"it is {webhook.state.label}, {what}")
