"""A request on its way through the pipeline, and the record it leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import quote

import msgspec

from hookferry.catch.replies import Answer
from hookferry.domain.request import Caught, CaughtRequest, Verdict
from hookferry.domain.source import Source
from hookferry.wire.bodies import form_of
from hookferry.wire.headers import Headers
from hookferry.wire.inbound.received import Received

PATH = b"/webhooks/"
"""Every source's address begins so; its guid follows."""

Told = Callable[["Outcome"], None]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request."""

    answer: Answer
    verdict: Verdict
    reason: str | None = None
    request_id: int | None = None
    """The record's; None where the request was only counted."""
    event_id: int | None = None


class Arrival:
    """One request.

    Args:
        method: as received.
        path: as received, percent-encoding and all, without the query.
        query: as received.
        headers: as received, names in lower case.
        raw: the headers as received: order, case and repeats.
        body: as received.
        client: the caller's address, behind trusted proxies.
        told: called once with what became of it.
        at_ms: when it came (wall-clock Unix milliseconds).
        replay_of: the request that it repeats.
        releases: the quarantined request that it repeats, to be let run once.
        vouched: a person vouches for it: it is not verified.
        verified_ms: when it is verified as of, where that is not when it came: a stored request is
            no older for being taken again.
    """

    __slots__ = (
        "at_ms",
        "body",
        "client",
        "headers",
        "method",
        "path",
        "query",
        "raw_headers",
        "releases",
        "replay_of",
        "told",
        "verified_ms",
        "vouched",
    )

    def __init__(
        self,
        *,
        method: str,
        path: bytes,
        query: bytes,
        headers: Headers,
        raw: Sequence[tuple[bytes, bytes]],
        body: bytes,
        client: str,
        told: Told,
        at_ms: int,
        replay_of: int | None = None,
        releases: int | None = None,
        vouched: bool = False,
        verified_ms: int | None = None,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.raw_headers = tuple(raw)
        """As received; the request and its event share them."""
        self.body = body
        self.client = client
        self.told = told
        self.at_ms = at_ms
        self.replay_of = replay_of
        self.releases = releases
        self.vouched = vouched
        self.verified_ms = at_ms if verified_ms is None else verified_ms

    @property
    def rest(self) -> bytes:
        """The path below the source's own address, without the slashes around it."""
        return self.path[len(PATH) :].partition(b"/")[2].strip(b"/")

    def header(self, name: bytes) -> bytes | None:
        """Return the first value of a header, by its name in lower case."""
        return self.headers.first.get(name)

    def received(self, source: Source, origin: str) -> Received:
        """Return the request as verification sees it.

        Args:
            source: which source it came to.
            origin: the address under which this server is known, without a trailing slash.
        """
        if source.public_url is None:
            url = origin + _text(self.path)
        else:
            rest = self.path[len(PATH) :].partition(b"/")
            url = source.public_url + _text(rest[1] + rest[2])
        if self.query:
            url += "?" + _text(self.query)
        return Received(self.method, url, self.path, self.query, self.headers, self.body)

    def caught(self, request_id: int, source_id: int) -> Caught:
        """Return what the event keeps of the request."""
        return Caught(
            request_id=request_id,
            source_id=source_id,
            form=form_of(self.header(b"content-type"), self.body, self.header(b"content-encoding")),
            method=self.method,
            path=self.rest,
            query=self.query,
            client=self.client,
            headers=self.raw_headers,
        )

    def outcome(self, request: CaughtRequest, answer: Answer) -> Outcome:
        """Return the outcome of a request that became a record."""
        return Outcome(
            answer=answer,
            verdict=request.verdict,
            reason=request.reason,
            request_id=request.id,
            event_id=request.event_id,
        )

    def record(
        self,
        request_id: int,
        source: Source,
        verdict: Verdict,
        *,
        reason: str | None = None,
        detail: str | None = None,
        event_id: int | None = None,
        duplicate_of: int | None = None,
        key: str | None = None,
        answer: Answer | None = None,
    ) -> CaughtRequest:
        """Return what the ledger keeps of the request."""
        return CaughtRequest(
            id=request_id,
            tenant_id=source.tenant_id,
            source_id=source.id,
            received_at_ms=self.at_ms,
            verdict=verdict,
            method=self.method,
            path=self.path,
            query=self.query,
            headers=self.raw_headers,
            body=self.body,
            client=self.client,
            reason=reason,
            detail=detail,
            event_id=event_id,
            duplicate_of=duplicate_of,
            key=key,
            replay_of=self.replay_of,
            status=0 if answer is None else answer.status,
            answer_headers=() if answer is None else answer.headers,
            answer_body=b"" if answer is None else answer.body,
        )


def _text(raw: bytes) -> str:
    """Return raw bytes of a URL as text; what is not ASCII is percent-encoded (RFC 3986)."""
    return raw.decode("ascii") if raw.isascii() else quote(raw, safe="/?&=%:@!$'()*+,;~-._")
