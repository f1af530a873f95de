"""The one exception tree. Every leaf has a stable ``code`` that programs may rely on.

    HookferryError
    ├── InvalidInput                 the caller's input can't be taken as it is; nothing was stored
    │   ├── MalformedJson            malformed_json
    │   ├── UnknownField             unknown_field           names the nearest known one
    │   ├── InvalidField             invalid_field           names the field and the remedy
    │   ├── TargetRefused            target_refused          carries the guard's verdict
    │   ├── SchemaViolation          schema_violation        the data breaks its type's JSON Schema
    │   ├── TestFailed               test_failed             the receiver took no test event
    │   ├── HandshakeRefused         handshake_refused       the receiver does not want events
    │   ├── ScriptRefused            script_refused          lists every problem of a script
    │   ├── PackageRefused           package_refused         lists every problem of a package
    │   └── IdempotencyConflict      idempotency_conflict    same key, other body
    ├── PayloadTooLarge              payload_too_large
    ├── Unauthorized                 unauthorized
    ├── Forbidden                    forbidden
    ├── NotFound                     not_found
    ├── MethodNotAllowed             method_not_allowed
    ├── RequestTimeout               request_timeout
    ├── Conflict                     conflict                the resource's state does not allow it
    │   ├── NameTaken                name_taken
    │   └── IdempotencyInProgress    idempotency_in_progress
    ├── VersionMismatch              version_mismatch        somebody else saved first
    ├── SynchronousWebhookFailed     synchronous_webhook_failed  a receiver did not agree
    │   └── Vetoed                   vetoed                  before the fact: the event must not be
    ├── Unavailable                  try again later; nothing was accepted
    │   ├── Overloaded               overloaded              memory for unanswered events is spent
    │   ├── StorageFull              storage_full
    │   ├── StorageDown              storage_down
    │   ├── CallEnded                call_ended              a synchronous call was ended
    │   ├── RateLimited              rate_limited            more than is allowed here
    │   ├── UnderMaintenance         under_maintenance       switched so by a person
    │   └── Draining                 draining                the server is shutting down
    ├── ConditionError               condition_error         it can't be evaluated, so no match
    ├── ScriptError                  script_error            a run can't go on
    │   └── OutOfFuel                out_of_fuel             its budget is spent
    └── StartupError                 hookferry can't start
        ├── LedgerOwned              ledger_owned            another process owns the data folder
        ├── LedgerDamaged            ledger_damaged
        ├── SchemaOutdated           schema_outdated         or newer than this build
        ├── UnsealFailed             unseal_failed           another master key sealed it
        └── BadSettings              bad_settings

Two rooms that users import add leaves of their own: ``hookferry.wire.verification``
(VerificationFailed) and ``hookferry.client.errors`` (ApiError, Unreachable, UnexpectedAnswer).

A message says what to do next. Nothing in this module knows HTTP; ``hookferry.api.problems``
maps the tree to RFC 9457 problem documents.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class HookferryError(Exception):
    """Root of the tree.

    Args:
        detail: one or two sentences for the person who reads it: what is wrong, what to do.
        field: the offending input field as a dotted path, where there is one.
        **extra: further machine-readable members of the problem document.
    """

    code = "error"

    def __init__(self, detail: str, *, field: str | None = None, **extra: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field
        self.extra = extra


class InvalidInput(HookferryError):
    """The caller's input can't be taken as it is; nothing was stored."""

    code = "invalid_input"


class MalformedJson(InvalidInput):
    """The body is not the JSON that was asked for."""

    code = "malformed_json"


class UnknownField(InvalidInput):
    """A field that does not exist; names the nearest known one."""

    code = "unknown_field"

    @classmethod
    def near(cls, name: str, known: Iterable[str], *, where: str = "the body") -> UnknownField:
        """Build the error for ``name``, pointing at the nearest of ``known``, if there are any."""
        known = sorted(known)
        if not known:
            return cls(f"{where} has an unknown field {name!r}; it takes none", field=name)
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else "known fields: " + ", ".join(known)
        return cls(f"{where} has an unknown field {name!r}; {hint}", field=name)


class InvalidField(InvalidInput):
    """A field's value is not allowed; the detail says what is."""

    code = "invalid_field"


class TargetRefused(InvalidInput):
    """The guard or the TLS check refused a target; ``verdict`` says why."""

    code = "target_refused"


class HandshakeRefused(InvalidInput):
    """A receiver did not agree, in the handshake, to be sent events."""

    code = "handshake_refused"


class ScriptRefused(InvalidInput):
    """A script, policy or template does not read as one.

    Args:
        detail: the first problem, with its line and column.
        field: the input field that it stands in.
        problems: every problem, each ``{"line", "column", "message"}``, from the top.
    """

    code = "script_refused"


class PackageRefused(InvalidInput):
    """A package can't be imported; nothing of it was.

    Args:
        detail: the first problem: which record, which field, why.
        problems: every problem, each ``{"record", "field", "message"}``.
    """

    code = "package_refused"


class TestFailed(InvalidInput):
    """The receiver did not take the test event that its profile sends before a save."""

    __test__ = False  # not a test, whatever its name begins with

    code = "test_failed"


class SchemaViolation(InvalidInput):
    """The data is not what the event type's JSON Schema asks for; ``field`` says where."""

    code = "schema_violation"


class IdempotencyConflict(InvalidInput):
    """An idempotency key was used before with another body."""

    code = "idempotency_conflict"


class PayloadTooLarge(HookferryError):
    """A body exceeds its limit."""

    code = "payload_too_large"


class Unauthorized(HookferryError):
    """No API key, or not a valid one."""

    code = "unauthorized"


class Forbidden(HookferryError):
    """The API key is valid but not for this tenant or operation."""

    code = "forbidden"


class NotFound(HookferryError):
    """The named thing does not exist (or not for this tenant)."""

    code = "not_found"


class MethodNotAllowed(HookferryError):
    """The address exists, the method does not."""

    code = "method_not_allowed"


class RequestTimeout(HookferryError):
    """The request did not arrive whole in time."""

    code = "request_timeout"


class Conflict(HookferryError):
    """The resource's state does not allow the operation."""

    code = "conflict"


class NameTaken(Conflict):
    """A unique name is in use."""

    code = "name_taken"


class IdempotencyInProgress(Conflict):
    """The first request with this idempotency key has not finished."""

    code = "idempotency_in_progress"


class VersionMismatch(HookferryError):
    """The resource was changed since the version the caller saw (RFC 9110 section 13.1.1)."""

    code = "version_mismatch"


class SynchronousWebhookFailed(HookferryError):
    """The event is stored, but a synchronous webhook's receiver did not answer with success."""

    code = "synchronous_webhook_failed"
    reports: tuple[Any, ...] = ()
    """What each receiver answered, whole; for who waits in this process, not for a caller."""


class Vetoed(SynchronousWebhookFailed):
    """A synchronous-critical webhook refused what the event asked; it must not happen."""

    code = "vetoed"


class Unavailable(HookferryError):
    """Nothing was accepted; the same call may succeed after ``retry_after`` seconds."""

    code = "unavailable"

    def __init__(self, detail: str, *, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Overloaded(Unavailable):
    """The memory set aside for events that wait for their commit is spent."""

    code = "overloaded"


class StorageFull(Unavailable):
    """The disk under the ledger is full."""

    code = "storage_full"


class StorageDown(Unavailable):
    """The ledger can't be written at the moment."""

    code = "storage_down"


class CallEnded(Unavailable):
    """The wait for a synchronous webhook was ended; the event is stored, and no verdict."""

    code = "call_ended"


class RateLimited(Unavailable):
    """More requests than are allowed here."""

    code = "rate_limited"


class UnderMaintenance(Unavailable):
    """A person asks callers to come back later."""

    code = "under_maintenance"


class Draining(Unavailable):
    """The server is shutting down."""

    code = "draining"


class ConditionError(HookferryError):
    """A condition can't be evaluated for an event, so it does not match; never an answer."""

    code = "condition_error"


class ScriptError(HookferryError):
    """Something in a script can't be done; the detail is for the run's log only.

    In a command that has an ``on_error`` the run goes on there, else it ends in ``error``.
    """

    code = "script_error"


class OutOfFuel(ScriptError):
    """A run has spent its budget: steps, memory, output, time or depth. No ``on_error`` helps."""

    code = "out_of_fuel"


class StartupError(HookferryError):
    """hookferry can't start; the detail says what to do."""

    code = "startup_error"


class LedgerOwned(StartupError):
    """Another process owns the data folder."""

    code = "ledger_owned"


class LedgerDamaged(StartupError):
    """The database file is damaged."""

    code = "ledger_damaged"


class SchemaOutdated(StartupError):
    """The ledger's schema is not the one this build speaks."""

    code = "schema_outdated"


class UnsealFailed(StartupError):
    """A secret in the ledger can't be opened with the master key given."""

    code = "unseal_failed"


class BadSettings(StartupError):
    """A setting is unknown or has an impossible value."""

    code = "bad_settings"
