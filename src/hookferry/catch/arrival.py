"""A request on its way through the pipeline, and the record it leaves."""

from __future__ import annotations

from collections.abc import Callable
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
_START = len(PATH)

_UNKNOWN = Answer(0)
"""What is kept in place of an answer that is not known yet."""

Told = Callable[["Outcome"], None]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request."""

    answer: Answer
    verdict: Verdict
    reason: str | None = None
    request_id: int | None = None
    """The record's; None where the request was only counted."""
    event_id: int | None = None


class Arrival(msgspec.Struct, kw_only=True, eq=False):
    """One request."""

    method: str
    """As received."""
    path: bytes
    """As received, percent-encoding and all, without the query."""
    query: bytes
    headers: Headers
    """As received, names in lower case."""
    raw_headers: tuple[tuple[bytes, bytes], ...]
    """As received: order, case and repeats; the request and its event share them."""
    body: bytes
    client: str
    """The caller's address, behind trusted proxies."""
    told: Told
    """Called once with what became of it."""
    at_ms: int
    """When it came (wall-clock Unix milliseconds)."""
    replay_of: int | None = None
    """The request that it repeats."""
    releases: int | None = None
    """The quarantined request that it repeats, to be let run once."""
    vouched: bool = False
    """A person vouches for it: it is not verified."""
    verified_ms: int | None = None
    """When it is verified as of, where that is not when it came: a stored request is no older for
    being taken again."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"  # what it holds has no place in a log

    def received(self, source: Source, origin: str) -> Received:
        """Return the request as verification sees it.

        Args:
            source: which source it came to.
            origin: the address under which this server is known, without a trailing slash.
        """
        if source.public_url is None:
            url = origin + _text(self.path)
        else:
            rest = self.path[_START:].partition(b"/")
            url = source.public_url + _text(rest[1] + rest[2])
        if self.query:
            url += "?" + _text(self.query)
        return Received(self.method, url, self.path, self.query, self.headers, self.body)

    def caught(self, request_id: int, source_id: int) -> Caught:
        """Return what the event keeps of the request."""
        first = self.headers.first
        return Caught(
            request_id=request_id,
            source_id=source_id,
            form=form_of(first.get(b"content-type"), self.body, first.get(b"content-encoding")),
            method=self.method,
            path=self.path[_START:].partition(b"/")[2].strip(b"/"),
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
        born: int | None = None,
        event_id: int | None = None,
        duplicate_of: int | None = None,
        key: str | None = None,
        answer: Answer | None = None,
    ) -> CaughtRequest:
        """Return what the ledger keeps of the request.

        Args:
            request_id: its id.
            source: where it came.
            verdict: what was said of it.
            reason: why it is not accepted.
            detail: why, for a person.
            born: the event that it becomes, which is stored with it and has its headers and body.
            event_id: the event of the request that was first, where it is a duplicate.
            duplicate_of: that request.
            key: its duplicate key.
            answer: what its caller is answered, if that is known.
        """
        answer = answer or _UNKNOWN
        # What every record has goes by position: so many names would be put into a dict first.
        return CaughtRequest(
            request_id,
            source.tenant_id,
            source.id,
            self.at_ms,
            verdict,
            self.method,
            self.path,
            self.query,
            self.raw_headers if born is None else (),
            self.body if born is None else b"",
            self.client,
            reason=reason,
            detail=detail,
            event_id=event_id if born is None else born,
            duplicate_of=duplicate_of,
            key=key,
            replay_of=self.replay_of,
            status=answer.status,
            answer_headers=answer.headers,
            answer_body=answer.body,
        )


def _text(raw: bytes) -> str:
    """Return raw bytes of a URL as text; what is not ASCII is percent-encoded (RFC 3986)."""
    return raw.decode("ascii") if raw.isascii() else quote(raw, safe="/?&=%:@!$'()*+,;~-._")
