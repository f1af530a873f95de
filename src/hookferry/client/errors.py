"""What the client raises."""

from __future__ import annotations

from typing import Any

import msgspec

from hookferry.client.log_answers import Outcome
from hookferry.errors import HookferryError

_SHOWN = 200


class ApiError(HookferryError):
    """The API refused a call.

    Built from the answer's problem document (RFC 9457).

    Args:
        status: the HTTP status.
        code: the stable code of the refusal, such as ``invalid_field``; ``http_<status>`` when what
            answered is not hookferry, for example a proxy in between.
        detail: what is wrong and what to do.
        field: the offending input field, where there is one.
        document: every member of the problem document.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        field: str | None = None,
        document: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(detail, field=field)
        self.status = status
        self.code = code
        self.document = document or {}

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.detail}"


class SynchronousWebhookFailed(ApiError):
    """A synchronous webhook's receiver did not answer with success; the event is stored.

    ``detail`` is what the first one that failed said in ``text/plain``, fit to be shown to people.
    Final: publishing the same event again is answered the same, and asks nobody.
    """

    @property
    def id(self) -> str:
        """The event's id."""
        return str(self.document.get("id", ""))

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What each of the event's synchronous webhooks said."""
        try:
            return msgspec.convert(self.document.get("outcomes", ()), tuple[Outcome, ...])
        except msgspec.ValidationError:  # of another version: the document still has them
            return ()


class Vetoed(SynchronousWebhookFailed):
    """A synchronous-critical webhook refused, or gave no answer: what was asked must not happen."""


class Unreachable(HookferryError):
    """No answer came, also not after the retries; the cause says what happened last."""

    code = "unreachable"


class UnexpectedAnswer(HookferryError):
    """A success came whose body is not what this version of the client expects."""

    code = "unexpected_answer"


_KINDS = {"synchronous_webhook_failed": SynchronousWebhookFailed, "vetoed": Vetoed}


def error_of(status: int, content_type: str, body: bytes) -> ApiError:
    """Build the error for an answer that is not a success."""
    if content_type.partition(";")[0].strip().lower() == "application/problem+json":
        try:
            document = msgspec.json.decode(body, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
        else:
            return error_of_document(document, status)
    text = body[:_SHOWN].decode("utf-8", "replace").strip()
    return ApiError(
        status,
        f"http_{status}",
        f"the answer is not hookferry's; is the base URL right? It begins: {text!r}",
    )


def error_of_document(document: dict[str, Any], status: int = 0) -> ApiError:
    """Build the error that a problem document describes."""
    field = document.get("field")
    code = str(document.get("code", f"http_{status}"))
    return _KINDS.get(code, ApiError)(
        int(document.get("status", status)),
        code,
        str(document.get("detail") or document.get("title") or ""),
        field=None if field is None else str(field),
        document=document,
    )
