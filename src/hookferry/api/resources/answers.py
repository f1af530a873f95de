"""``/api/v1/requests/<id>/answer``: programs that listen to a source answer its callers.

Callers wait while a stream with ``answer=true`` is connected (``request_streams``); how long, and
what they get when nobody answers in time, is ``hookferry.catch.waiting``'s business.
"""

from __future__ import annotations

import msgspec
from litestar import Router, post
from litestar.params import FromPath, RawBody

from hookferry.api.framework import Owner
from hookferry.api.services import Services
from hookferry.api.wire import decode_body, id_in_path
from hookferry.catch.passing_on import passed_on
from hookferry.catch.replies import MAX_BODY, MAX_HEADER, Answer
from hookferry.errors import InvalidField, PayloadTooLarge

_WITHOUT_BODY = (204, 304)


class CallersAnswer(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What the caller of a request gets."""

    status: int
    headers: list[tuple[str, str]] = []
    """Those that describe the body, and ``retry-after``, are passed on; others, and what can't be
    a header, are not."""
    body: bytes = b""
    """In base64; 65,536 bytes at most."""


class AnswerTaken(msgspec.Struct, kw_only=True):
    """What became of an answer."""

    taken: bool
    """The caller gets it. Else it was answered before, or does not wait (any more)."""


def answer_router(s: Services) -> Router:
    """Return the address ``/requests/<id>/answer``."""

    @post(
        "/",
        status_code=200,
        summary="Answer the caller of a request that waits for a listener",
        opt={"body": CallersAnswer},
    )
    async def answer(owner: Owner, request_id: FromPath[str], body: RawBody) -> AnswerTaken:
        given = checked(decode_body(body, CallersAnswer))
        request = await s.catching.inspector.one(owner.id, id_in_path("req", request_id))
        return AnswerTaken(taken=s.catching.listeners.answer(request.id, given))

    return Router("/requests/{request_id:str}/answer", route_handlers=[answer], tags=["requests"])


def checked(given: CallersAnswer) -> Answer:
    """Return an answer as its caller gets it.

    Raises:
        InvalidField: it is none that HTTP knows.
        PayloadTooLarge: its body is too large.
    """
    if not 200 <= given.status <= 599:
        raise InvalidField("status is 200 to 599", field="status")
    headers = passed_on(given.headers)
    for name, value in headers:
        if len(value) > MAX_HEADER:
            raise InvalidField(
                f"the value of {name} is at most {MAX_HEADER:,} characters", field="headers"
            )
    if len(given.body) > MAX_BODY:
        raise PayloadTooLarge(f"an answer's body is at most {MAX_BODY:,} bytes")
    if given.body and given.status in _WITHOUT_BODY:
        raise InvalidField(f"an answer with status {given.status} has no body", field="body")
    return Answer(given.status, headers, given.body)
