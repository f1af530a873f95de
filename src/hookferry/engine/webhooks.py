"""Webhooks as their owners manage them: saving, secrets and states.

The rule of each field is ``hookferry.engine.definition``; what a lane does with a webhook is not
decided here. Every save goes to the ledger first and is then read back into the directory.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, Protocol

import msgspec

from hookferry.clock import Clock
from hookferry.domain.automation import Automation
from hookferry.domain.automation_names import named
from hookferry.domain.credential import Credential
from hookferry.domain.webhook import HTTP, Webhook, WebhookState
from hookferry.engine.announcements import STARTED, STOPPED
from hookferry.engine.automation_references import runnable
from hookferry.engine.definition import (
    DefinitionLimits,
    WebhookDefinition,
    merge_patch,
    parse_definition,
)
from hookferry.engine.directory import Directory
from hookferry.engine.sealing import (
    CLIENT_CERTIFICATE_FIELD,
    PROXY_FIELD,
    Sealer,
    open_client_certificate,
    open_proxy,
)
from hookferry.engine.webhook_secrets import WebhookSecrets
from hookferry.errors import Conflict, InvalidField, NotFound, VersionMismatch
from hookferry.ids import IdSource, encode
from hookferry.store.ports import ConfigStore
from hookferry.wire.profiles import profile_named

MAX_WEBHOOKS = 10_000
"""Live webhooks of one tenant."""

_PLAIN_FIELDS = tuple(
    name
    for name in WebhookDefinition.__struct_fields__
    if name in Webhook.__struct_fields__
    and name not in (CLIENT_CERTIFICATE_FIELD, PROXY_FIELD, "credential")
)
"""Fields that a definition and a stored webhook share as they are."""
_SEALED_FIELDS = (CLIENT_CERTIFICATE_FIELD, PROXY_FIELD)
_WAY_FIELDS = frozenset({"target_url", "ca", *_SEALED_FIELDS})
"""Fields after whose change the target has to be judged again."""
_SILENT_FIELDS = frozenset({"title", "description"})
"""Fields that no receiver can notice: their change asks nothing of it."""


def refuse_owned(webhook: Webhook) -> None:
    """Raise Conflict for a webhook that is changed and deleted with its source or timer."""
    if webhook.owner is not None:
        raise Conflict(
            f"the webhook {webhook.name!r} belongs to the source or timer of that name, and is "
            "changed and deleted with it"
        )


class TargetCheck(Protocol):
    """Asks the guard and the TLS layer whether a target may and can be called."""

    async def __call__(
        self,
        url: str,
        *,
        ca: str | None,
        client_certificate: bytes | None,
        proxy: str | None,
    ) -> None:
        """Return when the target is fine.

        Raises:
            InvalidField: ``url`` is not one that can be called.
            TargetRefused: it is refused, or its certificate is not valid.
        """
        ...


class Greeter(Protocol):
    """Asks a receiver before a webhook is saved (``hookferry.engine.pings``)."""

    async def greet(self, webhook: Webhook) -> Webhook:
        """Do what the webhook's profile asks before a save; return the webhook to save.

        Raises:
            TestFailed: the receiver did not take a test event.
            HandshakeRefused: it did not allow hookferry to send.
        """
        ...


class Webhooks:
    """The rules for webhooks.

    Args:
        config: where webhooks are saved.
        directory: the snapshot that is read.
        sealer: seals secrets, client certificates and proxies.
        ids: makes their ids.
        clock: times of creation, change and expiry.
        check_target: judges where a webhook wants to go, before it is saved.
        greeter: asks the receiver, where the profile wants that.
        announce: told of webhooks that were started or stopped, and which it was.
        limits: what the operator allows a definition to say.
        rotation_overlap: seconds that replaced secrets go on signing, where a rotation does not
            say.
    """

    def __init__(
        self,
        config: ConfigStore,
        directory: Directory,
        sealer: Sealer,
        ids: IdSource,
        clock: Clock,
        check_target: TargetCheck,
        greeter: Greeter,
        announce: Callable[[Webhook, str], None],
        *,
        limits: DefinitionLimits = DefinitionLimits(),  # noqa: B008 - frozen
        rotation_overlap: float = 24 * 3600.0,
    ) -> None:
        self._config = config
        self._directory = directory
        self._sealer = sealer
        self._ids = ids
        self._clock = clock
        self._check_target = check_target
        self._greeter = greeter
        self._announce = announce
        self.limits = limits
        self._secrets = WebhookSecrets(sealer, clock, overlap=rotation_overlap)

    # ------------------------------------------------------------------ definitions

    async def draft(
        self,
        tenant_id: int,
        document: object,
        *,
        webhook_id: int | None = None,
        beside: Collection[Credential] = (),
        automations: Iterable[Automation] = (),
    ) -> tuple[Webhook, str | None]:
        """Build a webhook from a definition without saving it.

        Args:
            tenant_id: whose it would be.
            document: the decoded JSON of the definition.
            webhook_id: its id; made when left out.
            beside: credentials that would be saved with it.
            automations: those that would be.

        Returns:
            The webhook and its secret, if it has one.

        Raises:
            InvalidField, UnknownField, TargetRefused: the definition can't be taken.
        """
        definition = parse_definition(merge_patch({}, document), self.limits)
        now = self._clock.wall_ms()
        webhook = Webhook(
            id=self._ids.next() if webhook_id is None else webhook_id,
            tenant_id=tenant_id,
            number=0,
            name=definition.name,
            target_url=definition.target_url,
            events=definition.events,
            created_at_ms=now,
            updated_at_ms=now,
        )
        webhook = self._applied(webhook, definition, beside)
        if webhook.type != HTTP:
            return self._running(webhook, automations), None
        await self._judge(webhook)
        return self._secrets.first(webhook, definition.secret)

    async def create(
        self, tenant_id: int, document: object, *, state: WebhookState = WebhookState.ACTIVE
    ) -> tuple[Webhook, str | None]:
        """Create a webhook; its secret is returned once.

        Args:
            tenant_id: whose it is.
            document: the decoded JSON of the definition.
            state: the one it begins in.

        Raises:
            InvalidField, UnknownField, TargetRefused: the definition can't be taken.
            TestFailed, HandshakeRefused: the receiver does not want it.
            NameTaken: the profile wants unique names and this one is in use.
            Conflict: the tenant has too many webhooks.
        """
        self.check_room(tenant_id, 1)
        webhook, secret = await self.draft(tenant_id, document)
        greeted = await self.greet(webhook)
        return await self._save(msgspec.structs.replace(greeted, state=state)), secret

    def check_room(self, tenant_id: int, more: int) -> None:
        """Raise Conflict unless a tenant may have this many more webhooks."""
        if len(self._directory.webhooks(tenant_id)) + more > MAX_WEBHOOKS:
            raise Conflict(
                f"this tenant may have {MAX_WEBHOOKS:,} webhooks, which is the limit; delete "
                "those not in use, or spread receivers over tenants"
            )

    async def patch(
        self,
        tenant_id: int,
        webhook_id: int,
        patch: object,
        *,
        version: int | None = None,
        secret: str | msgspec.UnsetType = msgspec.UNSET,
    ) -> Webhook:
        """Change a webhook by a JSON merge patch (RFC 7396): null sets a field's default.

        A client certificate is replaced whole: both of its parts are given, or null. A secret of
        null takes the secret away, under profiles where it is optional.

        Args:
            tenant_id: whose it is.
            webhook_id: which.
            patch: the decoded JSON.
            version: the version that the caller saw, where that matters.
            secret: one that replaces the present ones in the same save, without an overlap.

        Raises:
            NotFound: there is no such webhook.
            InvalidField, UnknownField, TargetRefused: the result would not be allowed.
            TestFailed, HandshakeRefused: the receiver does not want it.
            NameTaken, VersionMismatch: as the names say.
        """
        after = await self.draft_patch(tenant_id, webhook_id, patch, version=version, secret=secret)
        asked = isinstance(patch, dict) and not _SILENT_FIELDS.issuperset(patch)
        if secret is not msgspec.UNSET or asked:
            after = await self.greet(after)
        return await self._save(after)

    async def draft_patch(
        self,
        tenant_id: int,
        webhook_id: int,
        patch: object,
        *,
        version: int | None = None,
        secret: str | msgspec.UnsetType = msgspec.UNSET,
        beside: Collection[Credential] = (),
        automations: Iterable[Automation] = (),
    ) -> Webhook:
        """Build what ``patch`` would save, without asking its receiver.

        Args:
            tenant_id: whose it is.
            webhook_id: which.
            patch: the decoded JSON.
            version: the version that the caller saw, where that matters.
            secret: one that replaces the present ones.
            beside: credentials that would be saved with it.
            automations: those that would be.

        Raises:
            NotFound, InvalidField, UnknownField, TargetRefused, VersionMismatch: as ``patch``.
        """
        before = self._at(tenant_id, webhook_id, version)
        if not isinstance(patch, dict):
            raise InvalidField("a merge patch is a JSON object with the fields to change")
        if patch.get("secret") is not None:
            raise InvalidField(
                "a secret is not patched, since receivers need an overlap: POST it to "
                "/api/v1/webhooks/<id>/secret",
                field="secret",
            )
        definition = parse_definition(merge_patch(self.document(before), patch), self.limits)
        if definition.type != before.type:
            raise InvalidField(
                "a webhook's type stays what it is; delete this one and make another", field="type"
            )
        cleared = {name: None for name in _SEALED_FIELDS if name in patch}
        after = self._applied(msgspec.structs.replace(before, **cleared), definition, beside)
        if before.profile != after.profile and after.type == HTTP:
            after = self._secrets.under_new_profile(after)
        if secret is not msgspec.UNSET:
            after = self._secrets.replaced(after, secret)
        elif "secret" in patch:
            after = self._secrets.removed(after)
        if after.type == HTTP and not _WAY_FIELDS.isdisjoint(patch):
            await self._judge(after)
        if after.type != HTTP and after.target_url != before.target_url:
            after = self._running(after, automations)
        return self._next(after)

    async def delete(self, tenant_id: int, webhook_id: int, *, version: int | None = None) -> None:
        """Delete a webhook: what it owes is cancelled, its log stays.

        Raises:
            NotFound, VersionMismatch: as the names say.
        """
        webhook = self._at(tenant_id, webhook_id, version)
        await self._save_change(msgspec.structs.replace(webhook, deleted=True))

    # ------------------------------------------------------------------ states

    async def pause(self, tenant_id: int, webhook_id: int) -> Webhook:
        """Hold back what comes in until ``resume``; raises NotFound, Conflict."""
        return await self._move(
            tenant_id, webhook_id, WebhookState.PAUSED, {WebhookState.ACTIVE}, "restart it first"
        )

    async def resume(self, tenant_id: int, webhook_id: int) -> Webhook:
        """Go on where ``pause`` stopped; raises NotFound, Conflict."""
        return await self._move(
            tenant_id,
            webhook_id,
            WebhookState.ACTIVE,
            {WebhookState.PAUSED},
            "use restart, and recover for what was skipped meanwhile",
        )

    async def stop(self, tenant_id: int, webhook_id: int) -> Webhook:
        """Skip new events and hold the backlog; raises NotFound."""
        return await self._move(tenant_id, webhook_id, WebhookState.STOPPED, set(WebhookState), "")

    async def restart(self, tenant_id: int, webhook_id: int) -> Webhook:
        """Make a webhook active again: its backlog flows; raises NotFound, Conflict."""
        return await self._move(
            tenant_id,
            webhook_id,
            WebhookState.ACTIVE,
            {WebhookState.STOPPED, WebhookState.TOO_MANY_ERRORS, WebhookState.UNKNOWN},
            "use resume",
        )

    # ------------------------------------------------------------------ secrets

    async def read_secret_once(self, tenant_id: int, webhook_id: int) -> str:
        """Return the newest secret to a caller that could not keep it when it was made.

        Raises:
            NotFound: there is no such webhook.
            Conflict: it has no secret, or it was read already.
        """
        webhook = self._directory.webhook(tenant_id, webhook_id)
        if not webhook.secrets:
            raise Conflict(
                "this webhook has no secret; POST to /api/v1/webhooks/<id>/secret makes one"
            )
        read_already = Conflict(
            "this secret was read already and is not shown again; if it is lost, POST to "
            "/api/v1/webhooks/<id>/secret makes a new one while the present one still signs"
        )
        if webhook.secret_read:
            raise read_already
        secret = self._secrets.newest(webhook)
        try:
            await self._save_change(msgspec.structs.replace(webhook, secret_read=True))
        except VersionMismatch:
            raise read_already from None
        return secret

    async def rotate_secret(
        self,
        tenant_id: int,
        webhook_id: int,
        *,
        secret: str | None = None,
        overlap: float | None = None,
    ) -> tuple[Webhook, str]:
        """Give a webhook a new secret; the present one signs beside it for a while.

        Args:
            tenant_id: whose it is.
            webhook_id: which.
            secret: the new one, or None to have it made.
            overlap: seconds during which the present secrets go on signing, 0 to 7 days;
                0 takes them away at once, for one that leaked; None is as the operator set it.

        Raises:
            NotFound: there is no such webhook.
            InvalidField, Conflict: as ``WebhookSecrets.rotated``.
        """
        webhook = self._directory.webhook(tenant_id, webhook_id)
        if webhook.type != HTTP:
            raise Conflict("this webhook runs a script here: nothing of it is signed")
        rotated, made = self._secrets.rotated(webhook, secret, overlap)
        return await self._save_change(rotated), made

    # ------------------------------------------------------------------ parts

    def _at(self, tenant_id: int, webhook_id: int, version: int | None) -> Webhook:
        webhook = self._directory.webhook(tenant_id, webhook_id)
        refuse_owned(webhook)
        if version is not None and webhook.version != version:
            raise VersionMismatch(
                f"this webhook is at version {webhook.version}, not {version}; read it again and "
                "repeat your change",
                version=webhook.version,
            )
        return webhook

    def document(self, webhook: Webhook) -> dict[str, Any]:
        """Return the definition behind a webhook; what is sealed is left out and stays."""
        document = {name: getattr(webhook, name) for name in _PLAIN_FIELDS}
        if webhook.credential is not None:
            document["credential"] = encode("cred", webhook.credential)
        return {
            name: value
            for name, value in msgspec.to_builtins(document).items()
            if value is not None
        }

    def _applied(
        self, webhook: Webhook, definition: WebhookDefinition, beside: Collection[Credential]
    ) -> Webhook:
        changed = {name: getattr(definition, name) for name in _PLAIN_FIELDS}
        if definition.credential is None:
            changed["credential"] = None
        else:
            changed["credential"] = self._credential(
                webhook.tenant_id, definition.credential, beside
            )
        pair, proxy = definition.client_certificate, definition.proxy
        if pair is not None:
            changed["client_certificate"] = self._sealer.seal(
                f"{pair.certificate.strip()}\n{pair.private_key.strip()}\n".encode(),
                row=webhook.id,
                field=CLIENT_CERTIFICATE_FIELD,
            )
        if proxy is not None:
            changed["proxy"] = self._sealer.seal(proxy.encode(), row=webhook.id, field=PROXY_FIELD)
        return msgspec.structs.replace(webhook, **changed)

    def _credential(self, tenant_id: int, id_or_name: str, beside: Collection[Credential]) -> int:
        for credential in beside:
            if id_or_name in (credential.name, encode("cred", credential.id)):
                return credential.id
        try:
            return self._directory.find_credential(tenant_id, id_or_name).id
        except NotFound as error:
            raise InvalidField(error.detail, field="credential") from None

    def _running(self, webhook: Webhook, automations: Iterable[Automation]) -> Webhook:
        """Return a webhook of type ``automation`` with the name of what it runs.

        Handlers name theirs for the moment when they are chosen.
        """
        if not webhook.target_url:
            return webhook
        known = (*automations, *self._directory.automations(webhook.tenant_id))
        found = runnable(webhook.target_url, known, field="target_url")
        if found.name == named(webhook.target_url):
            return webhook
        return msgspec.structs.replace(webhook, target_url=found.name)

    async def greet(self, webhook: Webhook) -> Webhook:
        """Ask the receiver, where there is one beside this server; return the webhook to save.

        Raises:
            TestFailed, HandshakeRefused: the receiver does not want it.
        """
        return await self._greeter.greet(webhook) if webhook.type == HTTP else webhook

    async def _judge(self, webhook: Webhook) -> None:
        await self._check_target(
            webhook.target_url,
            ca=webhook.ca,
            client_certificate=open_client_certificate(self._sealer, webhook),
            proxy=open_proxy(self._sealer, webhook),
        )

    async def _move(
        self,
        tenant_id: int,
        webhook_id: int,
        to: WebhookState,
        allowed: Collection[WebhookState],
        remedy: str,
    ) -> Webhook:
        webhook = self._at(tenant_id, webhook_id, None)
        if webhook.state is to:
            return webhook  # asking twice is not an error
        if webhook.state not in allowed:
            raise Conflict(
                f"this webhook is {webhook.state.label}, so it can't become {to.label} this way; "
                f"{remedy}"
            )
        saved = await self._save_change(msgspec.structs.replace(webhook, state=to))
        if to is WebhookState.STOPPED:
            self._announce(saved, STOPPED)
        elif to is WebhookState.ACTIVE and webhook.state is not WebhookState.PAUSED:
            self._announce(saved, STARTED)
        return saved

    async def _save_change(self, webhook: Webhook) -> Webhook:
        return await self._save(self._next(webhook))

    def _next(self, webhook: Webhook) -> Webhook:
        return msgspec.structs.replace(
            webhook, version=webhook.version + 1, updated_at_ms=self._clock.wall_ms()
        )

    async def _save(self, webhook: Webhook) -> Webhook:
        # In this order: a webhook can be deleted though its profile was a plugin's, and is gone.
        unique = not webhook.deleted and profile_named(webhook.profile).unique_name
        save = self._config.save_webhook_unique if unique else self._config.save
        saved = await save(webhook)
        await self._directory.refresh()
        return saved
