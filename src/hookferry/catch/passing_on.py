"""What a webhook's receiver or an automation said, as the caller who waited for it gets it.

Nothing of it is trusted: a status that is none is not passed on, a value that could begin a header
of its own neither, and why something failed is told to the source's owner alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from hookferry.catch.answer_rules import MAX_HEADER, MAX_HEADER_NAME, MAX_HEADERS, is_reserved
from hookferry.catch.replies import PLAIN, Answer
from hookferry.engine.verdicts import Report

_PASSED_ON: Final = frozenset(
    ("content-type", "content-language", "content-encoding", "content-disposition", "retry-after")
)
"""Headers of a receiver's answer that its caller gets; others are the receiver's own business."""
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]+")  # RFC 9110 section 5.6.2
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
"""What a header's value may be (RFC 9110 section 5.5)."""
_WITHOUT_BODY: Final = (204, 205, 304)  # RFC 9110 sections 15.3.5, 15.3.6, 15.4.5

_CALL_FAILED: Final = Answer(502)
_RUN_FAILED: Final = Answer(500)
"""A script that fails has no status of its own (behaviours D2)."""
_NOT_RUN: Final = Answer(503, (("retry-after", "5"),))


def from_webhook(report: Report) -> tuple[Answer, str | None]:
    """Return what a webhook's receiver answered, as its caller gets it; or why it is 502.

    Whoever a source is shared with sees why, so that it names no address of a receiver's.
    """
    outcome = report.outcome
    if outcome is None:
        return _CALL_FAILED, f"the webhook was not called: {report.error}"
    if outcome.status is None:
        return _CALL_FAILED, f"the webhook gave no answer: {outcome.error}"
    if outcome.truncated:
        return _CALL_FAILED, "the webhook answered more than is kept of an answer"
    if not _is_status(outcome.status):
        return _CALL_FAILED, f"the webhook answered {outcome.status}, which is no status"
    return Answer(outcome.status, passed_on(_pairs(outcome.head)), outcome.body), None


def from_automation(report: Report) -> tuple[Answer, str | None]:
    """Return what an automation answered, as its caller gets it; and what its owner should know.

    All of its headers go out but those that are the server's own: these are named instead.
    """
    outcome = report.outcome
    if outcome is None:
        return _NOT_RUN, f"the automation was not run: {report.error}"
    status = outcome.status
    body = outcome.body if outcome.whole is None else outcome.whole
    cut = outcome.truncated and outcome.whole is None
    if status is None or cut or not _is_status(status):
        return _RUN_FAILED, "the automation failed; its run says why"
    sendable = [
        (name, value)
        for name, value in _legible(_pairs(outcome.head))
        if _NAME.fullmatch(name) and len(name) <= MAX_HEADER_NAME and len(value) <= MAX_HEADER
    ]
    reserved = sorted({name for name, _ in sendable if is_reserved(name)})
    headers = [pair for pair in sendable if pair[0] not in reserved][:MAX_HEADERS]
    if status in _WITHOUT_BODY:
        body = b""
    if body and not any(name == "content-type" for name, _ in headers):
        headers.insert(0, ("content-type", PLAIN))
    why = f"left out, as no source may set them: {', '.join(reserved)}" if reserved else None
    return Answer(status, tuple(headers), body), why


def passed_on(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return those headers of somebody's answer that a caller gets, names in lower case.

    One whose value can't be a header's is left out: a caller's answer must not be broken by it.
    """
    return tuple(pair for pair in _legible(headers) if pair[0] in _PASSED_ON)


def _legible(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    named = ((name.lower(), value.strip(" \t")) for name, value in headers)
    return [pair for pair in named if _VALUE.fullmatch(pair[1])]


def _pairs(head: bytes) -> list[tuple[str, str]]:
    """Return the header lines of an answer's head, in their order."""
    lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return [(n.decode("latin-1"), v.decode("latin-1")) for n, _, v in lines if n]


def _is_status(status: int) -> bool:
    return 200 <= status <= 599  # RFC 9110 section 15
