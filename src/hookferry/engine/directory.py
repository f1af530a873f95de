"""The configuration in memory: what the ledger says, indexed for the hot path.

A cache, never an authority: the accept transaction compares ``version`` with the ledger's, and a
stale directory is refreshed and asked again (DESIGN section 3, "Matching is never stale").
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from hookferry.domain.automation import Automation, PluginState
from hookferry.domain.credential import Credential
from hookferry.domain.package import ImportedPackage
from hookferry.domain.source import Source
from hookferry.domain.tenant import ApiKey, EventType, Tenant
from hookferry.domain.timer import Timer, TimerMark
from hookferry.domain.webhook import Health, Webhook
from hookferry.engine.schema_checks import SchemaCheck, check_of
from hookferry.errors import NotFound
from hookferry.ids import encode
from hookferry.match.filters import Filter, filter_of
from hookferry.match.index import SubscriptionIndex
from hookferry.store.ports import ConfigChanges, ConfigStore

_HEALTHY = Health()


class Directory:
    """Whatever is configured, by name, id and digest, and who subscribed to what.

    Args:
        store: where configuration is read from.

    Attributes:
        filters: by tenant and webhook, what webhooks ask of an event beside its type; those that
            ask nothing are not there. To be read only, as the checks are.
        schema_checks: by tenant and name, the checks of event types that have a schema in use.
    """

    def __init__(self, store: ConfigStore) -> None:
        self._store = store
        self._refreshing = asyncio.Lock()
        self.version = 0
        self._tenants: dict[str, Tenant] = {}
        self._tenants_by_id: dict[int, Tenant] = {}
        self._webhooks: dict[int, Webhook] = {}
        self._owned: dict[int, Webhook] = {}
        """Webhooks of sources and timers, by whose they are."""
        self._by_tenant: dict[int, dict[int, Webhook]] = {}
        self._indexes: dict[int, SubscriptionIndex[Webhook]] = {}
        self.filters: dict[int, dict[int, Filter]] = {}
        self._types: dict[int, dict[str, EventType]] = {}
        self.schema_checks: dict[int, dict[str, SchemaCheck]] = {}
        self._keys: dict[int, ApiKey] = {}
        self._digests: dict[bytes, ApiKey] = {}
        self._health: dict[int, Health] = {}
        self._credentials: dict[int, Credential] = {}
        self._sources: dict[int, Source] = {}
        self._listeners: list[Callable[[Webhook], None]] = []
        self._automations: dict[int, Automation] = {}
        self._automations_by_name: dict[tuple[int, str], Automation] = {}
        self._timers: dict[int, Timer] = {}
        self._timer_marks: dict[int, TimerMark] = {}
        self._plugins: dict[str, PluginState] = {}
        self._packages: dict[int, ImportedPackage] = {}
        self._source_listeners: list[Callable[[Source], None]] = []
        self._automation_listeners: list[Callable[[Automation], None]] = []
        self._timer_listeners: list[Callable[[Timer], None]] = []

    def on_webhook(self, listener: Callable[[Webhook], None]) -> None:
        """Call ``listener`` with every webhook that a refresh finds changed or deleted.

        Also with one whose credential or tenant changed, since that is how it is sent.
        """
        self._listeners.append(listener)

    def on_source(self, listener: Callable[[Source], None]) -> None:
        """Call ``listener`` with every source that a refresh finds changed or deleted."""
        self._source_listeners.append(listener)

    def on_automation(self, listener: Callable[[Automation], None]) -> None:
        """Call ``listener`` with every automation that a refresh finds changed or deleted."""
        self._automation_listeners.append(listener)

    def on_timer(self, listener: Callable[[Timer], None]) -> None:
        """Call ``listener`` with every timer that a refresh finds changed or deleted."""
        self._timer_listeners.append(listener)

    async def refresh(self) -> None:
        """Read what changed in the ledger since the last refresh."""
        async with self._refreshing:
            changes = await self._store.changes(self.version)
            for tenant in changes.tenants:
                self._take_tenant(tenant)
            for event_type in changes.event_types:
                self._take_event_type(event_type)
            for key in changes.api_keys:
                self._take_key(key)
            for credential in changes.credentials:
                self._take_credential(credential)
            for webhook in changes.webhooks:
                self._take_webhook(webhook)
                if webhook.id not in self._health and webhook.id in changes.health:
                    self._health[webhook.id] = changes.health[webhook.id]
            for source in changes.sources:
                self._take_source(source)
            for automation in changes.automations:
                self._take_automation(automation)
            for timer in changes.timers:
                self._take_timer(timer, changes.timer_marks.get(timer.id))
            for plugin in changes.plugins:
                self._plugins[plugin.name] = plugin
            for package in changes.packages:
                self._take_package(package)
            self.version = changes.version
            for webhook in self._concerned(changes):
                for listener in self._listeners:
                    listener(webhook)
            for source in changes.sources:
                for hears in self._source_listeners:
                    hears(source)
            for automation in changes.automations:
                for told in self._automation_listeners:
                    told(automation)
            for timer in changes.timers:
                for heeds in self._timer_listeners:
                    heeds(timer)

    def _concerned(self, changes: ConfigChanges) -> list[Webhook]:
        """Return the webhooks that changed, and those whose credential or tenant did."""
        concerned = {webhook.id: webhook for webhook in changes.webhooks}
        credentials = {credential.id for credential in changes.credentials}
        if credentials or changes.tenants:
            tenants = {tenant.id for tenant in changes.tenants}
            for webhook in self._webhooks.values():
                if webhook.credential in credentials or webhook.tenant_id in tenants:
                    concerned.setdefault(webhook.id, webhook)
        return list(concerned.values())

    def _take_credential(self, credential: Credential) -> None:
        if credential.deleted:
            self._credentials.pop(credential.id, None)
        else:
            self._credentials[credential.id] = credential

    def _take_source(self, source: Source) -> None:
        if source.deleted:
            self._sources.pop(source.id, None)
        else:
            self._sources[source.id] = source

    def _take_automation(self, automation: Automation) -> None:
        before = self._automations.pop(automation.id, None)
        # By now the name may be another's.
        if before is not None and self.automation_by_name(before.tenant_id, before.name) is before:
            del self._automations_by_name[before.tenant_id, before.name]
        if not automation.deleted:
            self._automations[automation.id] = automation
            self._automations_by_name[automation.tenant_id, automation.name] = automation

    def _take_package(self, package: ImportedPackage) -> None:
        if package.deleted:
            self._packages.pop(package.id, None)
        else:
            self._packages[package.id] = package

    def _take_timer(self, timer: Timer, mark: TimerMark | None) -> None:
        if timer.deleted:
            self._timers.pop(timer.id, None)
            self._timer_marks.pop(timer.id, None)
            return
        self._timers[timer.id] = timer
        if mark is not None and timer.id not in self._timer_marks:
            self._timer_marks[timer.id] = mark

    def _take_tenant(self, tenant: Tenant) -> None:
        before = self._tenants_by_id.pop(tenant.id, None)
        if before is not None:
            self._tenants.pop(before.name, None)
        if not tenant.deleted:
            self._tenants_by_id[tenant.id] = tenant
            self._tenants[tenant.name] = tenant

    def _take_key(self, key: ApiKey) -> None:
        self._keys.pop(key.id, None)
        self._digests.pop(key.digest, None)
        if not key.revoked:
            self._keys[key.id] = key
            self._digests[key.digest] = key

    def _take_event_type(self, event_type: EventType) -> None:
        tenant_id, name = event_type.tenant_id, event_type.name
        self._types.setdefault(tenant_id, {})[name] = event_type
        check = check_of(event_type)
        if check is None:
            self.schema_checks.get(tenant_id, {}).pop(name, None)
        else:
            self.schema_checks.setdefault(tenant_id, {})[name] = check

    def _take_webhook(self, webhook: Webhook) -> None:
        index = self._indexes.get(webhook.tenant_id)
        if index is None:
            index = self._indexes[webhook.tenant_id] = SubscriptionIndex()
        mine = self._by_tenant.setdefault(webhook.tenant_id, {})
        filters = self.filters.setdefault(webhook.tenant_id, {})
        wanted = None if webhook.deleted else filter_of(webhook)
        if wanted is None:
            filters.pop(webhook.id, None)
        else:
            filters[webhook.id] = wanted
        if webhook.deleted:
            index.remove(webhook.id)
            self._webhooks.pop(webhook.id, None)
            if webhook.owner is not None:
                self._owned.pop(webhook.owner, None)
            mine.pop(webhook.id, None)
            self._health.pop(webhook.id, None)
        else:
            index.put(webhook.id, webhook.events, webhook)
            self._webhooks[webhook.id] = webhook
            if webhook.owner is not None:
                self._owned[webhook.owner] = webhook
            mine[webhook.id] = webhook

    # ------------------------------------------------------------------ look-ups

    def match(self, tenant_id: int, event_type: str) -> tuple[Webhook, ...]:
        """Return the tenant's webhooks that subscribed to an event type, by ascending id."""
        index = self._indexes.get(tenant_id)
        return index.match(event_type) if index is not None else ()

    def tenant(self, name: str) -> Tenant:
        """Return a tenant by name.

        Raises:
            NotFound: there is none; nothing is ever dropped for an unknown tenant in silence.
        """
        try:
            return self._tenants[name]
        except KeyError:
            raise NotFound(
                f"there is no tenant {name[:80]!r}; create it with PUT /api/v1/tenants/<name>",
                field="tenant",
            ) from None

    def tenant_by_id(self, tenant_id: int) -> Tenant:
        """Return a live tenant by id; raises NotFound."""
        try:
            return self._tenants_by_id[tenant_id]
        except KeyError:
            raise NotFound("this tenant was deleted", field="tenant") from None

    def tenants(self) -> list[Tenant]:
        """Return the live tenants, newest first."""
        return sorted(self._tenants_by_id.values(), key=lambda t: t.id, reverse=True)

    def source(self, tenant_id: int, source_id: int) -> Source:
        """Return a tenant's live source; raises NotFound, also for another tenant's."""
        found = self._sources.get(source_id)
        if found is None or found.tenant_id != tenant_id:
            raise NotFound(f"there is no source {encode('src', source_id)}")
        return found

    def source_by_name(self, tenant_id: int, name: str) -> Source | None:
        """Return a tenant's live source by its name."""
        for source in self._sources.values():
            if source.name == name and source.tenant_id == tenant_id:
                return source
        return None

    def sources(self, tenant_id: int) -> list[Source]:
        """Return a tenant's live sources, newest first."""
        mine = [s for s in self._sources.values() if s.tenant_id == tenant_id]
        return sorted(mine, key=lambda s: s.id, reverse=True)

    def all_sources(self) -> list[Source]:
        """Return every tenant's live sources."""
        return list(self._sources.values())

    def webhook(self, tenant_id: int, webhook_id: int) -> Webhook:
        """Return a tenant's live webhook; raises NotFound, also for another tenant's."""
        found = self._webhooks.get(webhook_id)
        if found is None or found.tenant_id != tenant_id:
            raise NotFound(f"there is no webhook {encode('wh', webhook_id)}", field="webhook")
        return found

    def webhook_by_id(self, webhook_id: int) -> Webhook | None:
        """Return a live webhook of any tenant, for the engine itself."""
        return self._webhooks.get(webhook_id)

    def owned(self, owner: int) -> Webhook | None:
        """Return the live webhook that belongs to a source or timer, by that one's id."""
        return self._owned.get(owner)

    def webhooks(self, tenant_id: int) -> list[Webhook]:
        """Return a tenant's live webhooks, newest first."""
        mine = self._by_tenant.get(tenant_id, {})
        return [mine[webhook_id] for webhook_id in sorted(mine, reverse=True)]

    def all_webhooks(self) -> Iterable[Webhook]:
        """Return the live webhooks of every tenant."""
        return self._webhooks.values()

    @property
    def webhook_count(self) -> int:
        """How many live webhooks there are."""
        return len(self._webhooks)

    def event_types(self, tenant_id: int) -> dict[str, EventType]:
        """Return a tenant's registered event types by name."""
        return self._types.get(tenant_id, {})

    def credential(self, tenant_id: int, credential_id: int) -> Credential:
        """Return a tenant's live credential; raises NotFound, also for another tenant's."""
        found = self._credentials.get(credential_id)
        if found is None or found.tenant_id != tenant_id:
            raise NotFound(
                f"there is no credential {encode('cred', credential_id)}", field="credential"
            )
        return found

    def find_credential(self, tenant_id: int, id_or_name: str) -> Credential:
        """Return a tenant's live credential by its id (``cred_...``) or name; raises NotFound."""
        for credential in self._credentials.values():
            if credential.tenant_id == tenant_id and id_or_name in (
                credential.name,
                encode("cred", credential.id),
            ):
                return credential
        raise NotFound(
            f"there is no credential {id_or_name[:80]!r}; make it with POST /api/v1/credentials",
            field="credential",
        )

    def credentials(self, tenant_id: int) -> list[Credential]:
        """Return a tenant's live credentials, newest first."""
        mine = [c for c in self._credentials.values() if c.tenant_id == tenant_id]
        return sorted(mine, key=lambda c: c.id, reverse=True)

    def automation(self, tenant_id: int, automation_id: int) -> Automation:
        """Return a tenant's live automation; raises NotFound, also for another tenant's."""
        found = self._automations.get(automation_id)
        if found is None or found.tenant_id != tenant_id:
            raise NotFound(
                f"there is no automation {encode('auto', automation_id)}", field="automation"
            )
        return found

    def automation_by_name(self, tenant_id: int, name: str) -> Automation | None:
        """Return a tenant's live automation by its name."""
        return self._automations_by_name.get((tenant_id, name))

    def automations(self, tenant_id: int) -> list[Automation]:
        """Return a tenant's live automations, newest first."""
        mine = [a for a in self._automations.values() if a.tenant_id == tenant_id]
        return sorted(mine, key=lambda a: a.id, reverse=True)

    def timer(self, tenant_id: int, timer_id: int) -> Timer:
        """Return a tenant's live timer; raises NotFound, also for another tenant's."""
        found = self._timers.get(timer_id)
        if found is None or found.tenant_id != tenant_id:
            raise NotFound(f"there is no timer {encode('tmr', timer_id)}", field="timer")
        return found

    def timers(self, tenant_id: int) -> list[Timer]:
        """Return a tenant's live timers, newest first."""
        mine = [t for t in self._timers.values() if t.tenant_id == tenant_id]
        return sorted(mine, key=lambda t: t.id, reverse=True)

    def timer_by_id(self, timer_id: int) -> Timer | None:
        """Return a live timer of any tenant."""
        return self._timers.get(timer_id)

    def all_timers(self) -> Iterable[Timer]:
        """Return the live timers of every tenant."""
        return self._timers.values()

    def timer_mark(self, timer_id: int) -> TimerMark | None:
        """Return how far a timer has come; None before it fired first."""
        return self._timer_marks.get(timer_id)

    def put_timer_mark(self, timer_id: int, mark: TimerMark) -> None:
        """Keep how far a timer has come, as it was stored."""
        self._timer_marks[timer_id] = mark

    def package(self, tenant_id: int, package_id: int) -> ImportedPackage:
        """Return a package that a tenant imported; raises NotFound, also for another tenant's."""
        found = self._packages.get(package_id)
        if found is None or found.tenant_id != tenant_id:
            raise NotFound(f"there is no package {encode('pkg', package_id)}", field="package")
        return found

    def packages(self, tenant_id: int) -> list[ImportedPackage]:
        """Return the packages that a tenant imported, newest first."""
        mine = [p for p in self._packages.values() if p.tenant_id == tenant_id]
        return sorted(mine, key=lambda p: p.id, reverse=True)

    def plugin(self, name: str) -> PluginState | None:
        """Return what was said of a plugin; None of one that was never switched."""
        return self._plugins.get(name)

    def plugin_enabled(self, name: str) -> bool:
        """Tell whether a plugin is switched on, as each is until somebody switches it off."""
        found = self._plugins.get(name)
        return found is None or found.enabled

    def key_by_digest(self, digest: bytes) -> ApiKey | None:
        """Return the live API key with this digest."""
        return self._digests.get(digest)

    def keys(self) -> list[ApiKey]:
        """Return the live API keys, newest first."""
        return sorted(self._keys.values(), key=lambda k: k.id, reverse=True)

    # ------------------------------------------------------------------ health

    def health(self, webhook_id: int) -> Health:
        """Return how a webhook's receiver has been doing, up to the last settled attempt."""
        return self._health.get(webhook_id, _HEALTHY)

    def put_health(self, webhook_id: int, health: Health) -> None:
        """Keep what the lane counted; the committer stores it with the settlements."""
        self._health[webhook_id] = health
