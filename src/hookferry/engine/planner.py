"""From a webhook as stored to a plan of how it is sent: the sealed things opened, once."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from hookferry.domain.credential import Credential, CredentialKind
from hookferry.domain.webhook import AUTOMATION, Webhook
from hookferry.engine.directory import Directory
from hookferry.engine.dispatch import Plan, PreparedSecret
from hookferry.engine.sealing import (
    CLIENT_CERTIFICATE_FIELD,
    CREDENTIAL_FIELD,
    PROXY_FIELD,
    SECRET_FIELD,
    TENANT_KEY_FIELD,
)
from hookferry.errors import HookferryError, InvalidField
from hookferry.transport.port import Target
from hookferry.transport.target import parse_target
from hookferry.wire.profiles import profile_named
from hookferry.wire.profiles.base import Profile, Rendering


class Unseal(Protocol):
    """Opens a sealed value (``hookferry.engine.sealing.Sealer.unseal``)."""

    def __call__(self, sealed: bytes, *, row: int, field: str) -> bytes:
        """Return the plain value; raises UnsealFailed."""
        ...


@contextmanager
def _blamed_on(profile: Profile) -> Iterator[None]:
    """Make a plugin's bug an error of the webhooks that use it, and of nothing else."""
    try:
        yield
    except HookferryError:
        raise
    except Exception as error:  # whatever it says may hold a secret: its kind has to do
        raise InvalidField(
            f"the profile {profile.name!r} fails with {type(error).__name__}; repair its package",
            field="profile",
        ) from None


class Planner:
    """Makes plans.

    Args:
        directory: tenants and credentials.
        unseal: opens what is sealed.
        default_timeout: seconds of an attempt where a webhook does not say.
        origin: the address under which this hookferry is known.
    """

    def __init__(
        self, directory: Directory, unseal: Unseal, *, default_timeout: float, origin: str
    ) -> None:
        self._directory = directory
        self._unseal = unseal
        self._default_timeout = default_timeout
        self._origin = origin

    def plan(self, webhook: Webhook) -> Plan:
        """Return how a webhook, saved or not, is sent.

        Raises:
            UnsealFailed: something of it can't be opened with the master key.
            NotFound: its tenant or credential is gone.
            InvalidField: its profile is gone, or a plugin's that fails.
        """
        profile = profile_named(webhook.profile)
        target, path = self.target_of(webhook)
        with _blamed_on(profile):
            secrets = self._secrets(webhook, profile)
            rendering = self.rendering(webhook)
        authorization = None
        if webhook.credential is not None:
            authorization = self.authorization(
                self._directory.credential(webhook.tenant_id, webhook.credential)
            )
        return Plan(
            webhook,
            profile,
            rendering,
            target,
            path,
            webhook.timeout or self._default_timeout,
            secrets,
            authorization,
        )

    def rendering(self, webhook: Webhook) -> Rendering:
        """Return how a webhook's requests look.

        Raises:
            NotFound: its tenant is gone.
            InvalidField: its profile is.
        """
        tenant = self._directory.tenant_by_id(webhook.tenant_id)
        return profile_named(webhook.profile).rendering(webhook, tenant, self._origin)

    def target_of(self, webhook: Webhook) -> tuple[Target, str]:
        """Return where a webhook's requests go: the target and the request path.

        Read as it was when the webhook was saved, so that both mean the same host.
        """
        if webhook.type == AUTOMATION:
            return Target(scheme=AUTOMATION, host=webhook.target_url, port=0), "/"
        certificate, proxy = webhook.client_certificate, webhook.proxy
        return parse_target(
            webhook.target_url,
            ca=webhook.ca,
            client_certificate=None
            if certificate is None
            else self._unseal(certificate, row=webhook.id, field=CLIENT_CERTIFICATE_FIELD),
            proxy=None
            if proxy is None
            else self._unseal(proxy, row=webhook.id, field=PROXY_FIELD).decode(),
        )

    def _secrets(self, webhook: Webhook, profile: Profile) -> tuple[PreparedSecret, ...]:
        if profile.tenant_key:
            tenant = self._directory.tenant_by_id(webhook.tenant_id)
            if tenant.webhook_key is None:
                return ()
            key = self._unseal(tenant.webhook_key, row=tenant.id, field=TENANT_KEY_FIELD).decode()
            return (PreparedSecret(profile.prepare_secret(key), None),)
        return tuple(
            PreparedSecret(
                profile.prepare_secret(
                    self._unseal(s.sealed, row=webhook.id, field=SECRET_FIELD).decode()
                ),
                s.expires_at_ms,
            )
            for s in webhook.secrets
        )

    def authorization(self, credential: Credential) -> tuple[str, str]:
        """Return the header that presents a credential."""
        value = self._unseal(credential.value, row=credential.id, field=CREDENTIAL_FIELD).decode()
        if credential.kind is CredentialKind.BASIC:
            # RFC 7617 section 2: user-id, colon, password; UTF-8.
            pair = base64.b64encode(f"{credential.username}:{value}".encode())
            return "Authorization", f"Basic {pair.decode()}"
        if credential.kind is CredentialKind.BEARER:
            return "Authorization", f"Bearer {value}"
        return credential.header, value
