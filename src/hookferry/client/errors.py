"""What the client raises."""

from __future__ import annotations

from typing import Any

import msgspec

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


class Unreachable(HookferryError):
    """No answer came, also not after the retries; the cause says what happened last."""

    code = "unreachable"


class UnexpectedAnswer(HookferryError):
    """A success came whose body is not what this version of the client expects."""

    code = "unexpected_answer"


def error_of(status: int, content_type: str, body: bytes) -> ApiError:
    """Build the error for an answer that is not a success."""
    if content_type.partition(";")[0].strip().lower() == "application/problem+json":
        try:
            document = msgspec.json.decode(body, type=dict[str, Any])
        except msgspec.DecodeError:
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
    return ApiError(
        int(document.get("status", status)),
        str(document.get("code", f"http_{status}")),
        str(document.get("detail") or document.get("title") or ""),
        field=None if field is None else str(field),
        document=document,
    )
