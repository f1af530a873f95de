"""Two caught requests side by side: what one has and the other has not.

The work is bounded by the sizes of the bodies, and what is told by the limits here.
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal

import msgspec

from hookferry.domain.request import CaughtRequest
from hookferry.wire.copying.captured import HIDDEN, unquoted

MAX_CHANGES = 200
"""Differences that are told of a kind; there may be more."""
MAX_SHOWN = 200
"""Characters of a value that are shown."""
MAX_LINES = 500
"""Lines that differ for which a text's differences are worked out line by line."""
CONTEXT = 40
"""Bytes around the first one that differs that are shown."""
_LINES_AROUND = 3

_ABSENT = object()
_encode = msgspec.json.Encoder().encode


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Something that one has and the other has not, or has otherwise."""

    at: str
    """A name, or in data a JSON Pointer (RFC 6901)."""
    change: Literal["added", "removed", "changed"]
    before: str | None = None
    """In the first one, cut; values of data as JSON, several of a header joined by line feeds."""
    after: str | None = None
    """In the second one."""


class BodyComparison(msgspec.Struct, frozen=True, kw_only=True):
    """How two bodies differ."""

    same: bool
    """Byte for byte."""
    form: Literal["json", "text", "binary"]
    """What both are read as: JSON where both are, else text where both are UTF-8."""
    sizes: list[int]
    """Bytes of the first and of the second."""
    changes: list[Change] = []
    """Of JSON: member by member, items of lists by position."""
    diff: str | None = None
    """Of text: lines as ``diff -u`` has them; null where too many differ."""
    offset: int | None = None
    """The first byte that differs; null where none does."""
    before: str | None = None
    """What the first one has around it, as text; bytes that are not UTF-8 are replaced."""
    after: str | None = None
    truncated: bool = False
    """There are further differences than those told."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """How two requests differ."""

    same: bool
    """In method, path, query, headers (their order and the case of their names aside), body."""
    request_line: list[Change]
    """Of ``method`` and ``path``."""
    query: list[Change]
    """Parameter by parameter."""
    headers: list[Change]
    """Header by header, names in lower case."""
    body: BodyComparison


def compare(
    first: CaughtRequest, second: CaughtRequest, hidden: Callable[[str], bool]
) -> Comparison:
    """Compare two requests.

    Args:
        first: with its body.
        second: likewise.
        hidden: tells whether the value of a header or parameter of this name is not shown.
    """
    line = [
        _change(at, before, after)
        for at, before, after in (
            ("method", first.method, second.method),
            ("path", first.path.decode("latin-1"), second.path.decode("latin-1")),
        )
        if before != after
    ]
    query = _named(_parameters(first.query), _parameters(second.query), hidden)
    headers = _named(_fields(first.headers), _fields(second.headers), hidden)
    body = _bodies(first.body, second.body)
    return Comparison(
        same=body.same and not (line or query or headers),
        request_line=line,
        query=query[:MAX_CHANGES],
        headers=headers[:MAX_CHANGES],
        body=body,
    )


# ------------------------------------------------------------------ names with values


def _fields(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[str, str]]:
    return ((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers)


def _parameters(query: bytes) -> Iterator[tuple[str, str]]:
    for part in query.split(b"&"):
        if part:
            name, _, value = part.partition(b"=")
            yield unquoted(name), unquoted(value)


def _named(
    first: Iterable[tuple[str, str]],
    second: Iterable[tuple[str, str]],
    hidden: Callable[[str], bool],
) -> list[Change]:
    found: dict[str, tuple[list[str], list[str]]] = {}
    for place, pairs in enumerate((first, second)):
        for name, value in pairs:
            found.setdefault(name, ([], []))[place].append(value)
    return [
        _change(
            name,
            *(
                None if not values else HIDDEN if hidden(name) else "\n".join(values)
                for values in both
            ),
        )
        for name, both in found.items()
        if both[0] != both[1]
    ]


def _change(at: str, before: str | None, after: str | None) -> Change:
    kind: Literal["added", "removed", "changed"] = "changed"
    if before is None:
        kind = "added"
    elif after is None:
        kind = "removed"
    return Change(at=_cut(at), change=kind, before=_cut(before), after=_cut(after))


def _cut(text: Any) -> Any:
    if text is None or len(text) <= MAX_SHOWN:
        return text
    return text[: MAX_SHOWN - 1] + "\N{HORIZONTAL ELLIPSIS}"


# ------------------------------------------------------------------ bodies


def _bodies(first: bytes, second: bytes) -> BodyComparison:
    same = first == second
    sizes = [len(first), len(second)]
    told: dict[str, Any] = {} if same else _around(first, second)
    documents = _decoded(first), _decoded(second)
    if _ABSENT not in documents:
        changes = _differences(*documents)
        return BodyComparison(
            same=same,
            form="json",
            sizes=sizes,
            changes=changes[:MAX_CHANGES],
            truncated=len(changes) > MAX_CHANGES,
            **told,
        )
    try:
        texts = first.decode(), second.decode()
    except UnicodeDecodeError:
        return BodyComparison(same=same, form="binary", sizes=sizes, **told)
    diff, truncated = (None, False) if same else _lines(*texts)
    return BodyComparison(
        same=same, form="text", sizes=sizes, diff=diff, truncated=truncated, **told
    )


def _around(first: bytes, second: bytes) -> dict[str, Any]:
    """Return where two bodies begin to differ, and what is there."""
    offset = _in_common(first, second)
    start, end = max(0, offset - CONTEXT), offset + CONTEXT
    return {
        "offset": offset,
        "before": first[start:end].decode("utf-8", "replace"),
        "after": second[start:end].decode("utf-8", "replace"),
    }


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _ABSENT


def _differences(first: Any, second: Any) -> list[Change]:
    """Return the first ``MAX_CHANGES`` differences of two documents, and one more if there is."""
    found: list[Change] = []
    walk: list[Iterator[tuple[str, Any, Any]]] = [iter((("", first, second),))]
    while walk and len(found) <= MAX_CHANGES:
        pair = next(walk[-1], None)
        if pair is None:
            walk.pop()
            continue
        at, before, after = pair
        if type(before) is dict and type(after) is dict:
            walk.append(_members(at, before, after))
        elif type(before) is list and type(after) is list:
            walk.append(_items(at, before, after))
        elif type(before) is not type(after) or before != after:
            found.append(_change(at, _shown(before), _shown(after)))
    return found


def _members(
    at: str, first: dict[str, Any], second: dict[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    for name in dict.fromkeys((*first, *second)):
        step = name.replace("~", "~0").replace("/", "~1")
        yield f"{at}/{step}", first.get(name, _ABSENT), second.get(name, _ABSENT)


def _items(at: str, first: list[Any], second: list[Any]) -> Iterator[tuple[str, Any, Any]]:
    pairs = itertools.zip_longest(first, second, fillvalue=_ABSENT)
    return ((f"{at}/{position}", *pair) for position, pair in enumerate(pairs))


def _shown(value: Any) -> str | None:
    if value is _ABSENT:
        return None
    return _encode(_cut(value) if isinstance(value, str) else value).decode()


def _lines(first: str, second: str) -> tuple[str | None, bool]:
    """Return the lines of two texts that differ, and whether that is not all of them."""
    one, other = first.split("\n"), second.split("\n")
    start = max(0, _in_common(one, other) - _LINES_AROUND)
    one, other = one[start:], other[start:]
    end = max(0, _in_common(one[::-1], other[::-1]) - _LINES_AROUND)
    one, other = one[: len(one) - end], other[: len(other) - end]
    if max(len(one), len(other)) > MAX_LINES:
        return None, True
    # Without the names of files.
    made = list(difflib.unified_diff(one, other, lineterm="", n=_LINES_AROUND))[2:]
    return "\n".join(map(_cut, made[:MAX_CHANGES])), len(made) > MAX_CHANGES


def _in_common(first: Sequence[object], second: Sequence[object]) -> int:
    """Return how many items two sequences have in common at their beginning."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(first), len(second)))
