"""``/api/v1/deliveries/<id>/attempts``: each try as it was sent, and what came back."""

from __future__ import annotations

import codecs
from typing import Any

import msgspec
from litestar import Response, Router, get
from litestar.params import FromPath, FromQuery

from hookferry import ids
from hookferry.api.framework import Answer, Owner
from hookferry.api.resources.deliveries import existing_delivery
from hookferry.api.services import Services
from hookferry.api.wire import Moment, Page, decode_cursor, id_in_path, page_of, time_text
from hookferry.domain.delivery import Attempt
from hookferry.engine.log_view import SentRequest, SentSignature
from hookferry.errors import NotFound

BODY_SHOWN = 16 * 1024
"""Bytes of a request's body in a view, as many as are kept of an answer; all are at its URL."""


class SignatureView(msgspec.Struct, kw_only=True):
    """The signature that a request carried, and how it was computed."""

    value: str
    header: str
    """The header that carried it."""
    scheme: str
    """Its name for ``hookferry verify``."""
    algorithm: str
    encoding: str
    signed: str
    """What was signed, in words."""
    key: str
    """What it was signed with, in words."""


class AttemptView(msgspec.Struct, kw_only=True):
    """One try as it is shown."""

    id: str
    number: int
    """Tries spent with this one; a slow-down spends none, so that the next has the same number."""
    started_at: Moment | None
    duration_ms: float
    success: bool
    status: int | None
    error: str | None
    detail: str | None
    verdict: str | None
    address: str | None
    webhook_version: int | None
    """The version of the webhook that the request was rendered from; null in logs of old builds."""
    request_head: str
    """As sent, credentials masked."""
    request_body: str | None
    """As sent, its first 16 KB; bytes that are not UTF-8 are replaced."""
    request_body_truncated: bool
    request_body_missing: str | None
    """Why there is no ``request_body``."""
    request_body_url: str | None
    """Where all of it is, byte for byte."""
    signature: SignatureView | None
    """Null where the request was not signed, or it is not known how."""
    response_head: str
    response_body: str
    """Bytes that are not UTF-8 are replaced."""
    response_truncated: bool
    timings: dict[str, float]
    """Milliseconds by phase: ``dns``, ``connect`` and ``tls`` of a new connection, and
    ``first_byte`` from the request to the answer's beginning."""


def _body_url(attempt: Attempt) -> str:
    delivery, number = ids.encode("dlv", attempt.delivery_id), ids.encode("att", attempt.id)
    return f"/api/v1/deliveries/{delivery}/attempts/{number}/body"


def _text(body: bytes, *, cut: bool) -> str:
    """Return a body as text; a character that its cut divides is left out."""
    return codecs.getincrementaldecoder("utf-8")("replace").decode(body, final=not cut)


def _signature_view(signature: SentSignature) -> SignatureView:
    note = signature.note
    return SignatureView(
        value=signature.value,
        header=note.header,
        scheme=note.scheme,
        algorithm=note.algorithm,
        encoding=note.encoding,
        signed=note.signed,
        key=note.key,
    )


def attempt_view(attempt: Attempt, request: SentRequest) -> AttemptView:
    """Show an attempt."""
    body = request.body
    return AttemptView(
        id=ids.encode("att", attempt.id),
        number=attempt.number,
        started_at=time_text(attempt.started_at_ms),
        duration_ms=round(attempt.duration_ms, 3),
        success=attempt.success,
        status=attempt.status,
        error=attempt.error,
        detail=attempt.detail,
        verdict=attempt.verdict,
        address=attempt.address,
        webhook_version=attempt.webhook_version or None,
        request_head=attempt.request_head.decode("latin-1"),
        request_body=None if body is None else _text(body, cut=request.truncated),
        request_body_truncated=request.truncated,
        request_body_missing=request.missing,
        request_body_url=None if body is None else _body_url(attempt),
        signature=None if request.signature is None else _signature_view(request.signature),
        response_head=attempt.response_head.decode("latin-1"),
        response_body=attempt.response_body.decode("utf-8", "replace"),
        response_truncated=attempt.response_truncated,
        timings={phase: round(ms, 3) for phase, ms in attempt.timings.items()},
    )


def attempt_router(s: Services) -> Router:
    """Return the addresses under ``/deliveries/<id>/attempts``."""

    @get("/", summary="List a delivery's attempts, newest first")
    async def list_attempts(
        owner: Owner,
        delivery_id: FromPath[str],
        limit: FromQuery[int | None] = None,
        cursor: FromQuery[str | None] = None,
    ) -> Page[AttemptView]:
        delivery = await existing_delivery(s, owner.id, delivery_id)
        size = s.pages.of(limit)
        found = await s.store.attempts(
            owner.id, delivery.id, limit=size + 1, newest=True, below_id=decode_cursor(cursor)
        )
        sent = await s.requests.of(delivery, found, most=BODY_SHOWN)
        return page_of(found, size, lambda a: attempt_view(a, sent[a.id]), lambda a: a.id)

    @get(
        "/{attempt_id:str}/body",
        summary="Get the body that an attempt sent, byte for byte",
        opt={"answers": [Answer(200, Any, "*/*", "As its Content-Type said when it was sent")]},
    )
    async def body(
        owner: Owner, delivery_id: FromPath[str], attempt_id: FromPath[str]
    ) -> Response[bytes]:
        delivery = await existing_delivery(s, owner.id, delivery_id)
        number = id_in_path("att", attempt_id)
        found = await s.store.attempts(
            owner.id, delivery.id, limit=1, newest=True, below_id=number + 1
        )
        if not found or found[0].id != number:
            raise NotFound(f"this delivery has no attempt {attempt_id[:80]}")
        request = (await s.requests.of(delivery, found))[number]
        if request.body is None:
            raise NotFound(f"the body of this attempt can't be shown: {request.missing}")
        return Response(
            request.body,
            headers={
                # As a header: of a media type the framework would add a charset to any text.
                "content-type": request.content_type or "application/octet-stream",
                "content-disposition": "attachment",
            },
        )

    handlers: list[Any] = [list_attempts, body]
    return Router(
        "/deliveries/{delivery_id:str}/attempts", route_handlers=handlers, tags=["deliveries"]
    )
