"""What is known of an event while it is matched. Its data is decoded once, and only when asked.

Paths live here too: how ``data.items.0.sku`` finds its value. What is compared with it is
``hookferry.match.conditions``, what it is printed into ``hookferry.match.templates``.
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from hookferry import ids
from hookferry.domain.event import EventMeta
from hookferry.errors import ConditionError, InvalidField
from hookferry.match import caught as requests

MAX_PATH = 256
"""Characters of a path."""
MAX_STEPS = 16
"""Steps of a path below the event."""


class _Missing:
    """The value of a path that leads nowhere."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
"""Not there: no comparison holds for it. JSON's null is there."""

_UNREAD: Final = _Missing()
_decoder = msgspec.json.Decoder()


class Facts(msgspec.Struct, eq=False):
    """An event as conditions and schemas see it."""

    type: str
    payload: bytes
    """Its data as JSON, byte for byte; of a caught request, its body read as JSON."""
    meta: EventMeta
    """What its publisher said beside, or the request that it was born from."""
    first: Mapping[bytes, bytes] | None = None
    """The first value of each of that request's headers, by its name in lower case, where it is
    at hand."""
    _data: Any = _UNREAD
    _headers: Mapping[bytes, bytes] | None = None
    _shared: Any = None

    @property
    def data(self) -> Any:
        """The data as plain values; integers of any size stay whole.

        Raises:
            ConditionError: it is JSON that can't be held, such as a number beyond a double's range.
        """
        data = self._data
        if data is _UNREAD:
            try:
                data = self._data = _decoder.decode(self.payload)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise ConditionError(f"the event's data can't be read: {error}") from None
        return data

    def header(self, name: bytes) -> str | None:
        """Return the first header of a name of the request that it was born from.

        Its bytes are read as Latin-1, which keeps them all (RFC 9110 section 5.5).

        Args:
            name: canonical (``hookferry.match.caught.canonical``).
        """
        headers = self._headers
        if headers is None:
            caught = self.meta.caught
            headers = {} if caught is None else requests.named(caught, self.first)
            self._headers = headers
        value = headers.get(name)
        return None if value is None else value.decode("latin-1")

    @property
    def size(self) -> int:
        """Bytes that ``members`` are made of."""
        caught = self.meta.caught
        return len(self.payload) + (0 if caught is None else requests.size_of(caught))

    def members(self) -> dict[str, Any]:
        """Return the event as an expression sees it: what is not there has no key.

        Raises:
            ConditionError: as ``data``.
        """
        made = {name: find(self) for name, find in _MEMBERS.items()}
        actor = {name: find(self) for name, find in _ACTOR.items()}
        made["actor"] = {k: v for k, v in actor.items() if v is not MISSING} or MISSING
        if self.meta.caught is not None:
            made.update(requests.members(self.meta.caught))
        return {k: v for k, v in made.items() if v is not MISSING}

    def shared(self, make: Callable[[Facts], Any]) -> Any:
        """Return what ``make`` made of this event the first time: one for all conditions."""
        made = self._shared
        if made is None:
            made = self._shared = make(self)
        return made


def _given(value: Any) -> Any:
    return MISSING if value is None else value


def _occurred_at(facts: Facts) -> Any:
    ms = facts.meta.occurred_at_ms
    if ms is None:
        return MISSING
    moment = dt.datetime.fromtimestamp(ms / 1000, dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _id(facts: Facts) -> Any:
    caught = facts.meta.caught
    return (
        _given(facts.meta.external_id) if caught is None else ids.encode("req", caught.request_id)
    )


_MEMBERS: dict[str, Callable[[Facts], Any]] = {
    "type": lambda facts: facts.type,
    "data": lambda facts: facts.data,
    "id": _id,
    "application": lambda facts: _given(facts.meta.application),
    "entity": lambda facts: _given(facts.meta.entity),
    "primary_key": lambda facts: _given(facts.meta.primary_key),
    "changes": lambda facts: _given(facts.meta.changes),
    "channels": lambda facts: _given(facts.meta.channels),
    "occurred_at": _occurred_at,
}
_ACTOR: dict[str, Callable[[Facts], Any]] = {
    "id": lambda facts: _given(facts.meta.actor_id),
    "name": lambda facts: _given(facts.meta.actor_name),
}
_DEEP = frozenset({"data", "changes", "channels"})
"""Members that have parts; those below beside."""
_WHOLES = ("actor", "headers", "query", "request")
"""What a path can't end at: only its parts are there."""
ROOTS = (*_MEMBERS, "actor.id", "actor.name", "headers", "query", "request")


class Path:
    """Where a condition looks.

    Args:
        text: steps joined by dots; a dot inside a key is written ``\\.``, a list's item by its
            position, from 0.
        field: the input field to name in an error.

    Raises:
        InvalidField: it starts at nothing that an event has.
    """

    __slots__ = ("_find", "_steps", "field_name", "text")

    def __init__(self, text: str, *, field: str = "path") -> None:
        steps = _split(text)
        if not 1 <= len(text) <= MAX_PATH or len(steps) > MAX_STEPS + 1 or "" in steps:
            raise InvalidField(
                f"a path is 1 to {MAX_STEPS} names joined by '.', {MAX_PATH} characters at most, "
                "such as 'data.customer.name' or 'data.items.0.sku'",
                field=field,
            )
        self.text = text
        self.field_name = ".".join(steps[1:] if steps[0] == "data" else steps)
        """As a publisher names the field among ``changes``: without ``data.``."""
        root, rest = steps[0], steps[1:]
        if root == "actor" and len(rest) == 1 and rest[0] in _ACTOR:
            self._find, rest = _ACTOR[rest[0]], []
        elif root == "headers" and rest:
            # The rest is one name: dots are common in those of parameters (hub.mode).
            self._find, rest = _header(".".join(rest)), []
        elif root == "query" and rest:
            self._find, rest = _of_request(requests.parameter(".".join(rest))), []
        elif root == "request" and len(rest) == 1 and rest[0] in requests.REQUEST:
            self._find, rest = _of_request(requests.REQUEST[rest[0]]), []
        elif root in _MEMBERS and (not rest or root in _DEEP):
            self._find = _MEMBERS[root]
        else:
            raise InvalidField(_remedy(text, root), field=field)
        self._steps = tuple((step, _position(step)) for step in rest)

    def of(self, facts: Facts) -> Any:
        """Return the value found in an event, or MISSING; raises as ``Facts.data``."""
        value = self._find(facts)
        for key, position in self._steps:
            if type(value) is dict:
                value = value.get(key, MISSING)
            elif type(value) is list and 0 <= position < len(value):
                value = value[position]
            else:
                return MISSING
        return value


def _header(name: str) -> Callable[[Facts], Any]:
    wanted = requests.canonical(name.encode())
    return lambda facts: _given(facts.header(wanted))


def _of_request(read: requests.Reading) -> Callable[[Facts], Any]:
    def find(facts: Facts) -> Any:
        caught = facts.meta.caught
        return MISSING if caught is None else _given(read(caught))

    return find


def _split(text: str) -> list[str]:
    steps = [""]
    characters = iter(text)
    for character in characters:
        if character == ".":
            steps.append("")
        elif character == "\\":
            following = next(characters, "")
            steps[-1] += following if following in (".", "\\") else "\\" + following
        else:
            steps[-1] += character
    return steps


def _position(step: str) -> int:
    plain = step.isascii() and step.isdigit() and (step == "0" or step[0] != "0")
    return int(step) if plain and len(step) < 10 else -1


def _remedy(text: str, root: str) -> str:
    shown = shorten(text)
    if root == "actor":
        return f"the path {shown!r} leads nowhere; an actor has 'actor.id' and 'actor.name'"
    if root == "headers":
        return f"the path {shown!r} names no header; write one such as 'headers.x-request-id'"
    if root == "query":
        return (
            f"the path {shown!r} names no parameter; write one such as 'query.name', or "
            "'request.query' for all of it as it came"
        )
    if root == "request":
        parts = ", ".join(f"'request.{part}'" for part in requests.REQUEST)
        return f"the path {shown!r} leads nowhere; a request has {parts}"
    if root in _MEMBERS:
        return f"the path {shown!r} leads nowhere; {root!r} has no parts"
    close = nearest(root, (*_MEMBERS, *_WHOLES))
    hint = f"did you mean {close!r}?" if close else f"for a field of the data: 'data.{shown}'"
    return f"the path {shown!r} starts at nothing that an event has; {hint} ({', '.join(ROOTS)})"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like ``name``, if any is."""
    close = difflib.get_close_matches(name[:80], list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def shorten(text: str, limit: int = 80) -> str:
    """Return a text cut to a number of characters."""
    return text if len(text) <= limit else text[: limit - 3] + "..."
