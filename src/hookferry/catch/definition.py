"""What a source's definition may say: its shape on the outside face and the rule of each field.

Pure: nothing here reads a store or opens a connection. The rules of answers are in
``answer_rules``; what verification, greetings, duplicate keys and event types mean is with those
who do them (``hookferry.wire``, ``hookferry.match``), and asked here. Saving is ``sources``.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from hookferry.catch.addresses import network_of
from hookferry.catch.answer_rules import check_respond, check_status
from hookferry.catch.source_forms import explain_source
from hookferry.domain.source import GUID_DIGITS, Respond
from hookferry.domain.webhook import RateLimit
from hookferry.engine.definition import (
    MAX_BURST,
    MAX_RATE,
    MAX_TEXT,
    MAX_URL,
    MIN_RATE,
    check_text,
    within,
)
from hookferry.engine.masking import refuse_mask
from hookferry.errors import InvalidField, ScriptRefused
from hookferry.kata.handlers import parse_handlers
from hookferry.match.conditions import parse_condition
from hookferry.match.readings import DuplicateKey, EventTypeRule
from hookferry.wire.greetings import check_greetings

NAME: Final = re.compile(r"[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]{0,98}[^\s\x00-\x1f\x7f])?")
METHOD: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}")  # RFC 9110 section 9.1
GUID: Final = re.compile(rf"[0-9a-f]{{{GUID_DIGITS}}}")
ORIGIN: Final = re.compile(
    r"https?://(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?)"
    r"(?::[0-9]{1,5})?"
)
"""An origin as browsers send it (RFC 6454 section 6.2); of a host in Unicode, its ASCII form."""

MIN_GUID_VARIETY: Final = 8
"""Different digits of a guid. Of 40 random ones, fewer than one in 10^12 has so few."""
MAX_METHODS: Final = 20
MAX_ALLOW_IPS: Final = 1_000
MAX_ORIGINS: Final = 50
MAX_VERIFY_TOKEN: Final = 256
"""Characters."""
MIN_WINDOW, MAX_WINDOW = 1.0, 30 * 86_400.0
"""Seconds of a duplicate key."""
MIN_RETENTION: Final = 0.001
"""Days: a minute and a half, as of the server's own setting."""
MAX_KEEP: Final = 100_000
"""Requests."""
MIN_SILENT, MAX_SILENT = 60.0, 30 * 86_400.0
"""Seconds."""
MAX_BIN_DAYS: Final = 30
BIN_HOURS: Final = 24
"""After which a bin goes that names no end of its own."""


class SourceLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator sets of the rules; the defaults are those of SEMANTICS section 11."""

    caught_limit: int = 5 * 1024 * 1024
    """Bytes of a caught request's body: the most that a source may take."""
    retention_days: float = 30.0
    """Days that events are kept: the longest that a source may keep its requests."""
    request_retention_days: float = 7.0
    """Days that a source keeps its requests which does not say."""


class SourceDefinition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A source as its owner writes it.

    What is left out, or null, is as the verification's preset says, else the default.
    """

    name: str | None = None
    """Unique in its tenant. Only a bin may do without: it is given one."""
    guid: str | None = None
    """40 lower-case hex digits; left out, it is made of 160 random bits."""
    description: str = ""
    bin: bool = False
    """It only inspects: requests are kept and become no events."""
    enabled: bool = True
    """Off, it is answered as if it did not exist."""
    draft: bool = False
    """Requests are kept as samples and run nothing."""
    maintenance: bool = False
    """Everything is answered 503 with Retry-After, so that senders repeat it later."""
    methods: tuple[str, ...] = ()
    """Methods taken; empty for any."""
    allow_ips: tuple[str, ...] = ()
    """Addresses and networks that may call; empty for all."""
    max_body: int | None = None
    """Bytes of body taken; the server's limit when left out."""
    rate_limit: RateLimit | None = None
    verify: dict[str, Any] | None = None
    """``{"preset": ...}`` with changes, or a whole scheme, and ``secret`` or ``secrets``, which
    are not shown again. Left out, anybody's requests are taken."""
    handshakes: tuple[str, ...] | None = None
    """Greetings that are answered, by name."""
    verify_token: str | None = None
    """What a subscriber's GET must name (``hub.verify_token``); not shown again."""
    deduplicate: dict[str, Any] | None = None
    """``{"header"}``, ``{"json_path"}``, ``{"template"}`` or ``{"body_hash": true}``; ``{}`` for
    no duplicates at all."""
    window: float | None = None
    """Seconds for which a duplicate key is kept."""
    event_type: str | dict[str, Any] | None = None
    """A type, or where a request says it."""
    parse: Literal["auto", "require"] = "auto"
    """``require`` refuses a body with 400 that is not what its content type says."""
    condition: dict[str, Any] | None = None
    respond: Respond = Respond()
    automations_kata: str = ""
    """Handlers (event KATA) of which the first enabled one runs and answers the caller."""
    refuse_status: int | None = None
    """Answered instead of 401, for providers that give an address up after one."""
    cors: tuple[str, ...] = ()
    """Origins whose pages may call, or ``*``."""
    public_url: str | None = None
    """The address as the sender knows it, for schemes that sign it."""
    retention_days: float | None = None
    keep: int | None = None
    """Requests kept, the newest."""
    silent_after: float | None = None
    """Seconds without a request after which the source counts as silent."""
    expires_at: dt.datetime | None = None
    """A bin's end (RFC 3339): it is deleted with everything it caught."""


def parse_source(document: object, limits: SourceLimits) -> SourceDefinition:
    """Turn a decoded JSON document into a definition that keeps every rule of its own.

    Not judged here: whether names are free, what a bin's end is measured against, whether the
    webhook or automation that answers exists, and ``verify`` (``hookferry.catch.verification``).

    Args:
        document: as its owner wrote it, nulls taken out.
        limits: what the operator allows.

    Raises:
        InvalidField, UnknownField: naming the field and what would be allowed.
        ScriptRefused: ``automations_kata`` can't be read; every problem is listed.
    """
    try:
        definition = msgspec.convert(document, SourceDefinition)
    except msgspec.ValidationError as error:
        explain_source(error, document, SourceDefinition)
    _check(definition, limits)
    return msgspec.structs.replace(
        definition, methods=tuple(method.upper() for method in definition.methods)
    )


def _check(d: SourceDefinition, limits: SourceLimits) -> None:
    _check_name(d)
    if d.guid is not None:
        check_guid(d.guid, field="guid")
    check_text("description", d.description, MAX_TEXT)
    _check_callers(d)
    within("max_body", d.max_body, 1, limits.caught_limit, "bytes")
    if d.rate_limit is not None:
        within("rate_limit.per_second", d.rate_limit.per_second, MIN_RATE, MAX_RATE, "a second")
        within("rate_limit.burst", d.rate_limit.burst, 1, MAX_BURST, "requests")
    _check_greeting(d)
    if d.deduplicate is not None:
        DuplicateKey(d.deduplicate)
    within("window", d.window, MIN_WINDOW, MAX_WINDOW, "seconds")
    if d.event_type is not None:
        EventTypeRule(d.event_type)
    if d.condition is not None:
        parse_condition(d.condition)
    check_respond(d.respond)
    _check_answering(d)
    if d.refuse_status is not None:
        check_status(d.refuse_status, "refuse_status")
    if d.public_url is not None:
        _check_public_url(d.public_url)
    within("retention_days", d.retention_days, MIN_RETENTION, limits.retention_days, "days")
    within("keep", d.keep, 1, MAX_KEEP, "requests")
    within("silent_after", d.silent_after, MIN_SILENT, MAX_SILENT, "seconds")
    if d.expires_at is not None and not d.bin:
        raise InvalidField(
            "only a bin has an end; leave expires_at out (or null), or make it a bin",
            field="expires_at",
        )


def _check_name(d: SourceDefinition) -> None:
    if d.name is None:
        if d.bin:
            return
        raise InvalidField("name is missing, and required of all but bins", field="name")
    if not NAME.fullmatch(d.name) or not d.name.isprintable() or d.name.startswith("src_"):
        raise InvalidField(
            "a source's name is 1 to 100 printable characters without blanks at its ends, and "
            "does not begin with 'src_', as ids do",
            field="name",
        )


def check_guid(guid: str, *, field: str) -> None:
    """Raise InvalidField unless ``guid`` can be a source's address (behaviours S-CB-12).

    An address is what keeps strangers out, so that one which can be guessed is refused.
    """
    if not GUID.fullmatch(guid):
        raise InvalidField(
            f"{field} is {GUID_DIGITS} hex digits in lower case; leave it out to have it made, or "
            "make one with: openssl rand -hex 20",
            field=field,
        )
    repeats = any(guid[n:] == guid[:-n] for n in range(1, GUID_DIGITS // 2 + 1))
    if repeats or len(set(guid)) < MIN_GUID_VARIETY:
        raise InvalidField(
            f"this {field} is not random, and whoever guesses it can call; leave it out to have "
            "it made, or make one with: openssl rand -hex 20",
            field=field,
        )


def _check_callers(d: SourceDefinition) -> None:
    _few("methods", [m.upper() for m in d.methods], MAX_METHODS, "methods")
    for position, method in enumerate(d.methods):
        if not METHOD.fullmatch(method):
            raise InvalidField(
                "a method is 1 to 32 letters, digits and !#$%&'*+-.^_`|~, such as POST (RFC 9110)",
                field=f"methods[{position}]",
            )
    _few("allow_ips", d.allow_ips, MAX_ALLOW_IPS, "addresses and networks")
    for position, text in enumerate(d.allow_ips):
        network_of(text, field=f"allow_ips[{position}]")
    _few("cors", d.cors, MAX_ORIGINS, "origins")
    for position, origin in enumerate(d.cors):
        if origin != "*" and not ORIGIN.fullmatch(origin):
            raise InvalidField(
                "an origin is scheme://host or scheme://host:port without a path, such as "
                "https://app.example, or '*' for any",
                field=f"cors[{position}]",
            )


def _check_greeting(d: SourceDefinition) -> None:
    if d.handshakes is not None:
        check_greetings(d.handshakes)
    token = d.verify_token
    if token is not None:
        if not 1 <= len(token) <= MAX_VERIFY_TOKEN or not token.isprintable():
            raise InvalidField(
                f"verify_token is 1 to {MAX_VERIFY_TOKEN} printable characters, the same that "
                "you give the sender",
                field="verify_token",
            )
        refuse_mask(token, "verify_token")


def _check_answering(d: SourceDefinition) -> None:
    """Raise unless one at most answers callers, and what is written of it can be read."""
    answering = [
        field
        for field, given in (
            ("respond.webhook", d.respond.webhook is not None),
            ("respond.automation", d.respond.automation is not None),
            ("automations_kata", bool(d.automations_kata)),
        )
        if given
    ]
    if d.bin and answering:
        raise InvalidField(
            "a bin makes no events, so no webhook and no automation can answer; give respond a "
            "status, headers and a body, or make a source that is no bin",
            field=answering[0],
        )
    if len(answering) > 1:
        raise InvalidField(
            f"{answering[0]} and {answering[1]} both say who answers callers; keep one and set "
            "the other to null",
            field=answering[1],
        )
    if d.automations_kata:
        try:
            parse_handlers(d.automations_kata)
        except ScriptRefused as refused:
            refused.field = "automations_kata"
            raise


def _few(field: str, items: tuple[str, ...] | list[str], most: int, what: str) -> None:
    if len(items) > most or len(set(items)) != len(items):
        raise InvalidField(f"{field} has at most {most:,} {what}, each once", field=field)


def _check_public_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        whole = (
            len(url) <= MAX_URL
            and url.isascii()
            and url.isprintable()
            and " " not in url
            and parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.port != 0
            and parts.username is None
            and "?" not in url
            and "#" not in url
        )
    except ValueError:
        whole = False
    if not whole:
        raise InvalidField(
            "public_url is the address that the sender was given, such as "
            f"https://hooks.example/github, {MAX_URL:,} characters at most, without a query, a "
            "fragment or credentials",
            field="public_url",
        )
