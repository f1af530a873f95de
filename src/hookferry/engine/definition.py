"""What a webhook's definition may say: its shape on the outside face and the rule of each field.

Pure: nothing here reads a store or opens a connection. Saving, secrets and states are
``hookferry.engine.webhooks``.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from hookferry.domain.automation_names import NAME, named
from hookferry.domain.webhook import AUTOMATION, HTTP, Mode, RateLimit, Retry
from hookferry.engine.custom_headers import check_headers
from hookferry.engine.forwarding import check_forwarding
from hookferry.engine.validation import explain_validation
from hookferry.errors import InvalidField, ScriptRefused
from hookferry.kata.handlers import parse_handlers
from hookferry.match.conditions import parse_condition
from hookferry.match.patterns import check_pattern
from hookferry.wire.profiles import profile_named
from hookferry.wire.profiles.base import Profile

MAX_PATTERNS = 50
MAX_URL = 2048
MAX_TEXT = 2_000
"""Characters of a description."""
MAX_TITLE = 200
"""Characters of a title or an application's name."""
MAX_WAITS = 20
MIN_WAIT, MAX_WAIT = 0.1, 7 * 86_400.0
MIN_TIMEOUT = 1.0
MAX_FAILURES = 1_000
MIN_WINDOW, MAX_WINDOW = 60.0, 30 * 86_400.0
MIN_RATE, MAX_RATE = 0.001, 10_000.0
MAX_BURST = 10_000
MAX_IN_FLIGHT = 32
"""Also the default of a lane (SEMANTICS section 11): one receiver can lower it, not raise it."""
MAX_PEM = 64 * 1024
MAX_PROPERTIES = 16 * 1024
"""Bytes of ``properties`` as JSON: they travel with every request."""
MAX_CHANNELS = 20

TYPES = (HTTP, AUTOMATION)
CALLING = (
    "secret",
    "credential",
    "headers",
    "forward_headers",
    "ca",
    "client_certificate",
    "proxy",
)
"""Fields that mean something to calls over HTTP alone."""
CHANNEL = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


class DefinitionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator sets of the rules; the defaults are those of SEMANTICS section 11."""

    attempt_timeout: float = 60.0
    """Seconds: the longest deadline that a webhook may give its attempts."""
    headers: int = 64
    """Custom headers of one webhook, and names of headers that it forwards."""
    header_bytes: int = 4096
    """Bytes of one custom header's value."""


class ClientCertificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A certificate that the receiver asks of hookferry (mutual TLS)."""

    certificate: str
    """PEM: the certificate, then those that lead to its authority."""
    private_key: str
    """PEM, not encrypted."""


class WebhookDefinition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A webhook as its owner writes it; what is left out is as the profile says."""

    name: str
    target_url: str = ""
    """An address; of type ``automation`` the script's name, as it is or as
    ``cerb:automation:<name>``, or its id."""
    events: tuple[str, ...]
    profile: str = "standard"
    type: str = HTTP
    """``webhook`` calls ``target_url``; ``automation`` runs the script that it names."""
    automations_kata: str = ""
    """Of type ``automation``: handlers of which the first enabled one runs, instead of a target."""
    mode: Mode = Mode.ASYNC
    payload_format: str | None = None
    """One of the profile's formats; null is its first."""
    title: str = ""
    description: str = ""
    application: str = ""
    secret: str | None = None
    credential: str | None = None
    """Id or name of the credential that requests authenticate with."""
    properties: dict[str, Any] = {}
    condition: dict[str, Any] | None = None
    channels: tuple[str, ...] = ()
    handshake: bool = True
    headers: dict[str, str] = {}
    forward_headers: tuple[str, ...] = ()
    """Names of headers of a caught request that are sent on; ``*`` for all but credentials."""
    retry: Retry | None = None
    timeout: float | None = None
    failure_limit: int | None = None
    failure_window: float | None = None
    rate_limit: RateLimit | None = None
    max_in_flight: int | None = None
    ordered: bool = False
    ca: str | None = None
    client_certificate: ClientCertificate | None = None
    proxy: str | None = None


def merge_patch(target: object, patch: object) -> Any:
    """Apply a JSON merge patch (RFC 7396 section 2); neither argument is changed."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def parse_definition(document: object, limits: DefinitionLimits) -> WebhookDefinition:
    """Turn a decoded JSON document into a definition that keeps every rule.

    Args:
        document: as its owner wrote it.
        limits: what the operator allows.

    Raises:
        InvalidField, UnknownField: naming the field and what would be allowed.
    """
    try:
        definition = msgspec.convert(document, WebhookDefinition)
    except msgspec.ValidationError as error:
        explain_validation(error, WebhookDefinition)
    _check(definition, limits)
    if definition.payload_format is None:
        first = profile_named(definition.profile).formats[0]
        return msgspec.structs.replace(definition, payload_format=first)
    return definition


def _check(d: WebhookDefinition, limits: DefinitionLimits) -> None:
    if d.type not in TYPES:
        raise InvalidField(f"type is {' or '.join(map(repr, TYPES))}", field="type")
    profile = profile_named(d.profile)
    profile.check_name(d.name)
    _check_profile(d, profile)
    if d.type == AUTOMATION:
        _check_automation(d)
    else:
        _check_http(d, profile, limits)
    if not 1 <= len(d.events) <= MAX_PATTERNS:
        raise InvalidField(
            f"events is a list of 1 to {MAX_PATTERNS} patterns such as 'contact.created', "
            "'contact.*' or '*'",
            field="events",
        )
    for position, pattern in enumerate(d.events):
        check_pattern(pattern, field=f"events[{position}]")
    if len(set(d.events)) != len(d.events):
        raise InvalidField("events names a pattern twice; once is enough", field="events")
    check_text("title", d.title, MAX_TITLE)
    check_text("application", d.application, MAX_TITLE)
    check_text("description", d.description, MAX_TEXT)
    _check_channels(d.channels)
    if d.condition is not None:
        parse_condition(d.condition)
    if d.retry is not None:
        _check_retry(d.retry)
    within("timeout", d.timeout, MIN_TIMEOUT, limits.attempt_timeout, "seconds")
    within("failure_limit", d.failure_limit, 1, MAX_FAILURES, "failed attempts in a row")
    within("failure_window", d.failure_window, MIN_WINDOW, MAX_WINDOW, "seconds")
    within("max_in_flight", d.max_in_flight, 1, MAX_IN_FLIGHT, "requests at a time")
    if d.rate_limit is not None:
        within("rate_limit.per_second", d.rate_limit.per_second, MIN_RATE, MAX_RATE, "a second")
        within("rate_limit.burst", d.rate_limit.burst, 1, MAX_BURST, "requests")


def _check_http(d: WebhookDefinition, profile: Profile, limits: DefinitionLimits) -> None:
    """Raise unless what calls an address is as it should be."""
    if not d.target_url:
        raise InvalidField("target_url is missing: the address that is called", field="target_url")
    if len(d.target_url) > MAX_URL:
        raise InvalidField(f"target_url has at most {MAX_URL} characters", field="target_url")
    if d.automations_kata:
        raise InvalidField(
            "automations_kata needs the type 'automation'; this one calls an address",
            field="automations_kata",
        )
    check_headers(
        d.headers, count=limits.headers, value_bytes=limits.header_bytes, own=profile.own_headers
    )
    check_forwarding(
        d.forward_headers, count=limits.headers, own=profile.own_headers, written=d.headers
    )
    if d.ca is not None:
        _certificates(d.ca, "ca")
    if d.client_certificate is not None:
        _check_pair(d.client_certificate)
    if d.proxy is not None:
        _check_proxy(d.proxy)


def _check_automation(d: WebhookDefinition) -> None:
    """Raise unless what runs a script says which, and nothing of calls."""
    for field in CALLING:
        if getattr(d, field):
            raise InvalidField(
                f"{field} belongs to calls over HTTP, and an automation runs here; leave it out",
                field=field,
            )
    if bool(d.target_url) == bool(d.automations_kata):
        raise InvalidField(
            "an automation is named by target_url, such as cerb:automation:example.name, or "
            "chosen by the handlers in automations_kata: give one of them",
            field="target_url",
        )
    if d.automations_kata:
        try:
            parse_handlers(d.automations_kata)
        except ScriptRefused as refused:
            refused.field = "automations_kata"
            raise
    elif not NAME.fullmatch(named(d.target_url)):
        raise InvalidField(
            "target_url names an automation, such as cerb:automation:example.name",
            field="target_url",
        )


def _check_profile(d: WebhookDefinition, profile: Profile) -> None:
    if d.payload_format is not None and d.payload_format not in profile.formats:
        raise InvalidField(
            f"the profile {profile.name!r} has the payload_format "
            f"{' or '.join(map(repr, profile.formats))}",
            field="payload_format",
        )
    if d.properties:
        if not profile.takes_properties and d.type == HTTP:
            raise InvalidField(
                f"the profile {profile.name!r} has no room for properties in its body; leave them "
                "out, or use headers",
                field="properties",
            )
        if len(msgspec.json.encode(d.properties)) > MAX_PROPERTIES:
            raise InvalidField(
                f"properties come to at most {MAX_PROPERTIES // 1024} KB of JSON",
                field="properties",
            )


def _check_channels(channels: tuple[str, ...]) -> None:
    if len(channels) > MAX_CHANNELS or len(set(channels)) != len(channels):
        raise InvalidField(
            f"channels has at most {MAX_CHANNELS} names, each once", field="channels"
        )
    for position, channel in enumerate(channels):
        if not CHANNEL.fullmatch(channel):
            raise InvalidField(
                "a channel is 1 to 64 letters, digits, '_', '.', ':' and '-'",
                field=f"channels[{position}]",
            )


def check_text(field: str, text: str, limit: int) -> None:
    """Raise InvalidField unless a text for people is short and has no control characters."""
    if len(text) > limit or any(ord(c) < 32 and c not in "\n\t" for c in text):
        raise InvalidField(
            f"{field} has at most {limit:,} characters and no control characters", field=field
        )


def within(field: str, value: float | None, low: float, high: float, unit: str) -> None:
    """Raise InvalidField unless a number is left out or in its range, both ends included.

    Args:
        field: what to name in the error.
        value: the number, or None.
        low: the least.
        high: the most.
        unit: what it counts.
    """
    if value is not None and not low <= value <= high:
        raise InvalidField(f"{field} is {low:.15g} to {high:,.15g} {unit}", field=field)


def _check_retry(retry: Retry) -> None:
    if len(retry.schedule) > MAX_WAITS:
        raise InvalidField(f"retry.schedule has at most {MAX_WAITS} waits", field="retry.schedule")
    for position, wait in enumerate(retry.schedule):
        within(f"retry.schedule[{position}]", wait, MIN_WAIT, MAX_WAIT, "seconds")
    within("retry.jitter", retry.jitter, 0, 1, "(a share of each wait)")


def _certificates(pem: str, field: str) -> list[x509.Certificate]:
    remedy = InvalidField(
        f"{field} is one or more PEM certificates (-----BEGIN CERTIFICATE-----), "
        f"{MAX_PEM // 1024} KB at most",
        field=field,
    )
    if len(pem) > MAX_PEM or not pem.isascii():
        raise remedy
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        raise remedy from None


def _check_pair(pair: ClientCertificate) -> None:
    leaf = _certificates(pair.certificate, "client_certificate.certificate")[0]
    field = "client_certificate.private_key"
    try:
        key = serialization.load_pem_private_key(pair.private_key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InvalidField(
            "the private key is PEM and not encrypted; decrypt it with: openssl pkey -in key.pem",
            field=field,
        ) from None
    if _public(key.public_key()) != _public(leaf.public_key()):
        raise InvalidField(
            "the private key does not belong to the first certificate; put the key's own "
            "certificate first, then those that lead to its authority",
            field=field,
        )


def _public(key: Any) -> bytes:
    der: bytes = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return der


def _check_proxy(proxy: str) -> None:
    try:
        parts = urlsplit(proxy)
        whole = (
            len(proxy) <= MAX_URL
            and proxy.isascii()
            and proxy.isprintable()
            and " " not in proxy
            and parts.scheme == "http"
            and bool(parts.hostname)
            and parts.port is not None
            and parts.path in ("", "/")
            and not parts.query
            and not parts.fragment
        )
    except ValueError:
        whole = False
    if not whole:
        raise InvalidField(
            "proxy is http://host:port or http://user:password@host:port of an HTTP CONNECT proxy",
            field="proxy",
        )
