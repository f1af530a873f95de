"""A source, ready to receive: everything compiled and unsealed once per version of it.

What happens to a request, step by step, is ``hookferry.catch.pipeline``; which gate an address
leads to is ``hookferry.catch.reception``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from hookferry.catch.addresses import network_of
from hookferry.catch.defaults import in_force
from hookferry.catch.definition import SourceLimits
from hookferry.catch.replies import ALLOW_ORIGIN, PREFLIGHT_METHOD, Answer, Cors, PreparedReply
from hookferry.domain.source import Source, Verification
from hookferry.domain.webhook import RateLimit
from hookferry.engine.buckets import Bucket
from hookferry.engine.planner import Unseal
from hookferry.engine.sealing import SOURCE_SECRET_FIELD, VERIFY_TOKEN_FIELD
from hookferry.errors import (
    Forbidden,
    HookferryError,
    MethodNotAllowed,
    RateLimited,
    UnderMaintenance,
)
from hookferry.ids import encode
from hookferry.match.conditions import Condition, parse_condition
from hookferry.match.readings import DuplicateKey, EventTypeRule
from hookferry.store.ports import Ring
from hookferry.wire.client_address import AllowList
from hookferry.wire.greetings import GREETINGS
from hookferry.wire.inbound.definition import compile_verification
from hookferry.wire.inbound.received import Verifier

BIN_BYTES = 50 * 1024 * 1024
"""Bytes of bodies that a source keeps whose number of requests is bounded."""
MAINTENANCE_SECONDS = 60
"""``Retry-After`` while a source is under maintenance."""


class GateLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of every source (SEMANTICS section 11)."""

    fields: SourceLimits = SourceLimits()
    unproven: Ring = Ring(True, 500, 50 * 1024 * 1024)
    """What is kept of refused requests."""
    unproven_rate: RateLimit = RateLimit(per_second=20, burst=200)
    """And how many of them a second."""


class Gate:
    """One version of a source.

    Args:
        source: as stored.
        unseal: opens its secrets.
        limits: bounds.
        now: seconds on the monotonic clock.
        now_ms: wall-clock Unix milliseconds.
        before: the gate of the version before, whose rates go on.

    Raises:
        HookferryError: something of it can't be opened or compiled (any more).
    """

    def __init__(
        self,
        source: Source,
        unseal: Unseal,
        limits: GateLimits,
        now: float,
        now_ms: int,
        before: Gate | None = None,
    ) -> None:
        self.source = source
        self.label = encode("src", source.id)
        force = in_force(source, limits.fields)
        self.max_body = force.max_body
        self.refuse_status = force.refuse_status
        self.waits = source.respond.webhook is not None or source.automated
        """Its callers wait for a webhook's or an automation's answer."""
        self.deadline = force.deadline
        """Seconds that callers wait, where they do."""
        self.door: Any = None
        """What takes its requests off the wire; made, and known, by the API alone."""
        self._methods = frozenset(source.methods)
        self._beside = {
            method for name in force.handshakes for method in GREETINGS[name].methods or ()
        }
        """Methods that greetings and browsers' questions come by, whatever the source takes."""
        if source.cors:
            self._beside.add(PREFLIGHT_METHOD)
        limit = source.rate_limit
        self.per_minute = None if limit is None else max(1, int(limit.per_second * 60))
        """Requests a minute that a sender is told it may make."""
        self.guarded = bool(
            source.maintenance or source.methods or source.allow_ips or limit is not None
        )
        """Whether ``refuses`` has anything to ask of a request."""
        self._allow = AllowList([network_of(text, field="allow_ips") for text in source.allow_ips])
        self._bucket: Bucket | None = None
        if limit is not None:
            kept = before is not None and before.source.rate_limit == limit
            self._bucket = before._bucket if kept and before else Bucket(limit, now)
        self._unproven: Bucket = (
            Bucket(limits.unproven_rate, now) if before is None else before._unproven
        )
        self.unproven_ring = limits.unproven
        self.ring = None if force.keep is None else Ring(False, force.keep, BIN_BYTES)
        self._verify = source.verify
        self._unseal = unseal
        sealed = source.verify_token
        self.verify_token = (
            None
            if sealed is None
            else unseal(sealed, row=source.id, field=VERIFY_TOKEN_FIELD).decode()
        )
        """What subscriptions must name."""
        self._until_ms = -1
        self.secrets: tuple[str, ...] = ()
        """What verifies now, newest first."""
        self._verifier: Verifier | None = None
        self.verifier(now_ms)
        self.handshakes: Sequence[str] = force.handshakes
        self.event_type = EventTypeRule(force.event_type)
        self.duplicate_key = DuplicateKey(force.deduplicate) if force.deduplicate else None
        self.window_ms = int(force.window * 1000)
        self.condition: Condition | None = (
            None if source.condition is None else parse_condition(source.condition)
        )
        self.reply = PreparedReply(source.respond)
        self.late = PreparedReply(source.respond.late)
        self.cors = Cors(source.cors) if source.cors else None

    def with_cors(self, answer: Answer, headers: Sequence[tuple[bytes, bytes]]) -> Answer:
        """Return an answer with what a browser has to be told beside it.

        One that says it itself stays as it is: browsers refuse what is said twice.

        Args:
            answer: to a request.
            headers: the request's, names in lower case.
        """
        if self.cors is None or any(name.lower() == ALLOW_ORIGIN for name, _ in answer.headers):
            return answer
        return Answer(answer.status, (*answer.headers, *self.cors.headers(headers)), answer.body)

    def verifier(self, now_ms: int) -> Verifier | None:
        """Return what tells genuine requests now; None where nothing does."""
        if now_ms >= self._until_ms and self._verify is not None:
            self._verifier = self._compile(self._verify, now_ms)
        return self._verifier

    def _compile(self, verify: Verification, now_ms: int) -> Verifier:
        live = [s for s in verify.secrets if s.expires_at_ms is None or s.expires_at_ms > now_ms]
        ends = [s.expires_at_ms for s in live if s.expires_at_ms is not None]
        self.secrets = tuple(
            self._unseal(s.sealed, row=self.source.id, field=SOURCE_SECRET_FIELD).decode()
            for s in live
        )
        self._until_ms = min(ends, default=2**62)
        return compile_verification(verify.scheme, self.secrets)

    def refuses(self, method: str, caller: str, now: float) -> HookferryError | None:
        """Return why a request is refused by what is known before its body; None to go on.

        Args:
            method: the request's.
            caller: the address of whoever calls.
            now: seconds on the monotonic clock.
        """
        if self.source.maintenance:
            return UnderMaintenance(
                "this address is under maintenance; send again later",
                retry_after=MAINTENANCE_SECONDS,
            )
        if not (self.takes(method) or method in self._beside):
            return self.wrong_method()
        if self.source.allow_ips and not self._allow.allows(caller):
            return Forbidden("this address can't be called from yours")
        if self._bucket is not None:
            wait = self._bucket.take(now)
            if wait:
                return RateLimited(
                    "too many requests; send again later", retry_after=math.ceil(wait)
                )
        return None

    def takes(self, method: str) -> bool:
        """Tell whether requests of a method are taken; greetings come by methods of their own."""
        return not self._methods or method in self._methods

    def wrong_method(self) -> MethodNotAllowed:
        """Return why a request of a method that is not taken is refused."""
        return MethodNotAllowed(
            "this address does not take that method; 'allow' lists those it takes",
            allow=", ".join(self.source.methods),
        )

    def keeps_unproven(self, now: float) -> bool:
        """Tell whether one more refused request is kept now, or only counted."""
        return self._unproven.take(now) == 0.0
