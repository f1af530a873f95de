"""How caught requests are shown: in lists, one by one, in exports and in streams.

Bytes that are no text in JSON (paths, queries, values of headers) are read as Latin-1, one
character a byte, so that nothing is lost. What is masked before it gets here is the business of
``hookferry.catch.inspection``.
"""

from __future__ import annotations

import base64
import codecs
from typing import Any, Final, Literal

import msgspec

from hookferry import ids
from hookferry.api.wire import Moment, time_text
from hookferry.catch.inspection import below
from hookferry.catch.replays import Replayed
from hookferry.domain.request import CaughtRequest
from hookferry.engine.directory import Directory
from hookferry.errors import NotFound
from hookferry.wire.inbound.received import Explanation, Trial

BODY_SHOWN: Final = 64 * 1024
"""Bytes of a body in a view; all of them are at its ``body_url``."""


class CaughtItem(msgspec.Struct, kw_only=True):
    """A caught request in a list."""

    id: str
    source: str
    source_name: str | None
    """Null once the source is deleted."""
    received_at: Moment | None
    verdict: str
    reason: str | None
    """Why it was not accepted, as a stable name."""
    detail: str | None
    """Why, in words."""
    method: str
    path: str
    """Below the source's own address, as received, one character a byte."""
    query: str
    """As received, one character a byte; values that look like credentials are masked."""
    client: str
    """The caller's address, behind trusted proxies."""
    status: int | None
    """What the caller was answered; null while that is not known."""
    answered_by: str | None
    """Who gave the answer, where it was not the source itself."""
    key: str | None
    """Its duplicate key."""
    event: str | None
    """The event that it became, or that the first one of its duplicates became."""
    duplicate_of: str | None
    replay_of: str | None


class HeaderView(msgspec.Struct, kw_only=True):
    """A header as received."""

    name: str
    value: str
    """One character a byte."""
    base64: str | None = None
    """The value's bytes, where they are not ASCII."""


class CaughtView(CaughtItem, kw_only=True):
    """A caught request."""

    headers: list[HeaderView]
    """In order, with case and repeats; values that look like credentials are masked."""
    body: str | None
    """As text; null where it is not UTF-8."""
    body_base64: str | None
    """In base64, where it is not text."""
    body_size: int
    """Bytes of the whole body."""
    body_truncated: bool
    """Only its beginning is shown here."""
    body_url: str | None
    """Where all of it is, byte for byte; null where only the view is shared."""
    answer_headers: list[HeaderView]
    answer_body: str
    """Bytes that are not UTF-8 are replaced."""


class StreamedRequest(msgspec.Struct, kw_only=True):
    """A caught request in a stream: whole, with nothing masked, to be sent on as it came."""

    id: str
    received_at: Moment | None
    verdict: str
    event_type: str | None
    """Of the event that it became."""
    replay_of: str | None
    method: str
    path: str
    """Below the source's own address, one character a byte."""
    query: str
    """One character a byte."""
    headers: list[list[str]]
    """Names and values, in order; one character a byte."""
    body: str
    """In base64."""


class RequestEvent(msgspec.Struct, kw_only=True):
    """One event of a stream (Server-Sent Events), by the names of its lines."""

    id: str
    """The request's: what ``Last-Event-ID`` and ``after`` go on behind."""
    event: Literal["request"]
    data: str
    """The request as JSON, a ``StreamedRequest``."""


class TrialView(msgspec.Struct, kw_only=True):
    """One content that verification took as signed."""

    note: str
    """Which variant this is."""
    signed: str | None
    """The exact bytes, as text; null where they are not UTF-8."""
    signed_base64: str
    given: tuple[str, ...]
    """The signatures that the request carries."""
    matches: bool


class ExplanationView(msgspec.Struct, kw_only=True):
    """What verification made of a request."""

    genuine: bool
    reason: str | None
    detail: str
    """What is wrong, and its likely cause."""
    algorithm: str
    timestamp: int | None
    """Unix seconds at which it was signed, as it says."""
    trials: list[TrialView]


class ReplayView(msgspec.Struct, kw_only=True):
    """What came of a request that was taken or sent again."""

    request: str
    """The one that was caught."""
    made: str | None = None
    """The new one, where it went through the pipeline and left a record."""
    verdict: str | None = None
    """What the pipeline said."""
    reason: str | None = None
    event: str | None = None
    """The event that it became."""
    status: int | None = None
    """What its caller would have been answered, or what the URL answered."""
    error: str | None = None
    """An error kind such as ``connection_refused``, where a URL gave no usable answer."""
    detail: str | None = None
    address: str | None = None
    """``ip:port`` called."""
    duration_ms: float | None = None
    answer_head: str = ""
    """Status line and headers of a URL's answer, as received."""
    answer_body: str = ""
    """Bytes that are not UTF-8 are replaced."""
    answer_truncated: bool = False


def _members(request: CaughtRequest, directory: Directory) -> dict[str, Any]:
    try:
        name = directory.source(request.tenant_id, request.source_id).name
    except NotFound:
        name = None
    return {
        "id": ids.encode("req", request.id),
        "source": ids.encode("src", request.source_id),
        "source_name": name,
        "received_at": time_text(request.received_at_ms),
        "verdict": request.verdict.label,
        "reason": request.reason,
        "detail": request.detail,
        "method": request.method,
        "path": below(request.path).decode("latin-1"),
        "query": request.query.decode("latin-1"),
        "client": request.client,
        "status": request.status or None,
        "answered_by": request.answered_by,
        "key": request.key,
        "event": _id("evt", request.event_id),
        "duplicate_of": _id("req", request.duplicate_of),
        "replay_of": _id("req", request.replay_of),
    }


def _id(kind: str, number: int | None) -> str | None:
    return None if number is None else ids.encode(kind, number)


def item_view(request: CaughtRequest, directory: Directory) -> CaughtItem:
    """Show a request in a list."""
    return CaughtItem(**_members(request, directory))


def request_view(
    request: CaughtRequest,
    directory: Directory,
    *,
    most: int | None = BODY_SHOWN,
    shared: bool = False,
) -> CaughtView:
    """Show a request.

    Args:
        request: with its body, and with what may be seen.
        directory: knows its source.
        most: bytes of the body that are shown, None for all.
        shared: whoever looks may not fetch the body.
    """
    body = request.body[:most]
    cut = len(body) < len(request.body)
    text = _text(body, cut=cut)
    members = _members(request, directory)
    return CaughtView(
        **members,
        headers=[_header(name, value) for name, value in request.headers],
        body=text,
        body_base64=base64.b64encode(body).decode() if text is None else None,
        body_size=len(request.body),
        body_truncated=cut,
        body_url=None if shared else f"/api/v1/requests/{members['id']}/raw",
        answer_headers=[
            HeaderView(name=name, value=value) for name, value in request.answer_headers
        ],
        answer_body=request.answer_body.decode("utf-8", "replace"),
    )


def _header(name: bytes, value: bytes) -> HeaderView:
    return HeaderView(
        name=name.decode("latin-1"),
        value=value.decode("latin-1"),
        base64=None if value.isascii() else base64.b64encode(value).decode(),
    )


def _text(body: bytes, *, cut: bool) -> str | None:
    """Return a body as text; a character that its cut divides is left out."""
    try:
        return codecs.getincrementaldecoder("utf-8")("strict").decode(body, final=not cut)
    except UnicodeDecodeError:
        return None


def streamed(request: CaughtRequest, event_type: str | None) -> StreamedRequest:
    """Show a request, that became an event of this type, in a stream."""
    return StreamedRequest(
        id=ids.encode("req", request.id),
        received_at=time_text(request.received_at_ms),
        verdict=request.verdict.label,
        event_type=event_type,
        replay_of=_id("req", request.replay_of),
        method=request.method,
        path=below(request.path).decode("latin-1"),
        query=request.query.decode("latin-1"),
        headers=[[n.decode("latin-1"), v.decode("latin-1")] for n, v in request.headers],
        body=base64.b64encode(request.body).decode(),
    )


def explanation_view(explanation: Explanation) -> ExplanationView:
    """Show what verification made of a request."""
    return ExplanationView(
        genuine=explanation.genuine,
        reason=explanation.reason,
        detail=explanation.detail,
        algorithm=explanation.algorithm,
        timestamp=explanation.timestamp,
        trials=[_trial(trial) for trial in explanation.trials],
    )


def _trial(trial: Trial) -> TrialView:
    return TrialView(
        note=trial.note,
        signed=_text(trial.signed, cut=False),
        signed_base64=base64.b64encode(trial.signed).decode(),
        given=trial.given,
        matches=trial.matches,
    )


def replay_view(replayed: Replayed) -> ReplayView:
    """Show what came of a request that was taken or sent again."""
    view = ReplayView(request=ids.encode("req", replayed.request.id))
    taken, sent = replayed.taken, replayed.sent
    if taken is not None:
        view.made = _id("req", taken.request_id)
        view.verdict = taken.verdict.label
        view.reason = taken.reason
        view.event = _id("evt", taken.event_id)
        view.status = taken.answer.status
        view.answer_body = taken.answer.body[:BODY_SHOWN].decode("utf-8", "replace")
        view.answer_truncated = len(taken.answer.body) > BODY_SHOWN
    if sent is not None:
        view.status = sent.status
        view.error = sent.error
        view.detail = sent.detail
        view.address = sent.address
        view.duration_ms = round(sent.duration * 1000, 3)
        view.answer_head = sent.head.decode("latin-1")
        view.answer_body = sent.body.decode("utf-8", "replace")
        view.answer_truncated = sent.truncated
    return view
