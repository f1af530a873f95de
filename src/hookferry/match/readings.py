"""What a source reads from a caught request: its event type, and its duplicate key.

Both are compiled once per source, and neither raises for a request: one that says nothing has the
default type, and the key of its bytes.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable
from operator import methodcaller
from typing import Any

import msgspec

from hookferry.errors import ConditionError, InvalidField
from hookferry.match.caught import canonical
from hookferry.match.facts import Facts, Path, nearest, shorten
from hookferry.match.patterns import MAX_LENGTH, MAX_SEGMENTS, check_event_type
from hookferry.match.templates import Template

DEFAULT_TYPE = "webhook.received"
"""The type of an event whose source says nothing of types."""
MAX_KEY = 256
"""Characters of a duplicate key as it is kept; of a longer text its digest is."""
MAX_KEY_TEXT = 64 * 1024
"""Characters of the text that a key is made of."""
MAX_KEY_HEADERS = 16
"""Headers that are digested along with a body."""
TYPES_REMEMBERED = 1_024
"""Texts whose types are remembered: senders have a few dozen."""
MAX_TYPE_TEXT = 1024
"""Characters of the text that a type is made of."""

_FOREIGN = re.compile(r"[^A-Za-z0-9_.-]")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_encode = msgspec.json.Encoder().encode

Text = Callable[[Facts], str | None]
"""Reads one text; None where nothing says it."""


class EventTypeRule:
    """Where a source's requests say their type.

    Args:
        document: a type; or ``{"header"}``, ``{"path"}`` or ``{"template"}``, each with ``prefix``
            and ``default`` if wanted; or None for ``webhook.received``.
        field: the input field to name in an error.

    Raises:
        InvalidField: it is none of these; names the member.
    """

    __slots__ = ("_default", "_prefix", "_read")

    def __init__(self, document: object, *, field: str = "event_type") -> None:
        self._read: Text | None = None
        self._prefix = ""
        if document is None or isinstance(document, str):
            self._default = DEFAULT_TYPE if document is None else document
            check_event_type(self._default, field=field)
            return
        given = _members(document, _TYPE_READ, ("prefix", "default"), _TYPE_SHAPES, field)
        self._prefix = _string(given, "prefix", field)
        if self._prefix:
            check_event_type(f"{self._prefix}x", field=f"{field}.prefix")
        fallback = f"{self._prefix}unknown" if self._prefix else DEFAULT_TYPE
        self._default = _string(given, "default", field) or fallback
        check_event_type(self._default, field=f"{field}.default")
        if "header" in given:
            self._read = _header(given["header"], f"{field}.header")
        elif "path" in given:
            self._read = _scalar(Path(_string(given, "path", field), field=f"{field}.path"))
        else:
            self._read = _filled(
                Template(_string(given, "template", field), field=f"{field}.template")
            )

    def of(self, facts: Facts) -> str:
        """Return a request's event type, whatever the request has in it (SEMANTICS section 6).

        Characters that no type has become ``_``, empty segments are left out, and what is beyond
        8 segments or 128 characters is cut off. A request that says nothing has the default.
        """
        read = self._read
        if read is None:
            return self._default
        text = read(facts)
        if not text:
            return self._default
        # Cut first: the text may be as long as a body.
        return _type_of(self._prefix, text[:MAX_TYPE_TEXT].strip()) or self._default


@functools.lru_cache(maxsize=TYPES_REMEMBERED)
def _type_of(prefix: str, text: str) -> str | None:
    plain = _FOREIGN.sub("_", text)
    if not plain.strip("."):
        return None
    segments = [segment for segment in f"{prefix}{plain}".split(".") if segment]
    return ".".join(segments[:MAX_SEGMENTS])[:MAX_LENGTH].rstrip(".")


_TYPE_READ = ("header", "path", "template")
_TYPE_SHAPES = (
    'an event type is a type such as "github.push", {"header": "X-GitHub-Event", "prefix": '
    '"github."}, {"path": "data.type"} or {"template": "shop.{{ data.action }}"}, with "default" '
    "for requests that say nothing"
)


class DuplicateKey:
    """By what a source tells that a request was caught before (SEMANTICS section 5).

    Args:
        document: ``{"header"}``, ``{"json_path"}`` (below the data), ``{"template"}``, or
            ``{"body_hash": true}`` with ``headers`` that count as well; or ``{}`` or None for no
            duplicates.
        field: the input field to name in an error.

    Raises:
        InvalidField: it is none of these; names the member.
    """

    __slots__ = ("_headers", "_none", "_read")

    def __init__(self, document: object, *, field: str = "deduplicate") -> None:
        self._read: Text | None = None
        self._headers: tuple[Text, ...] = ()
        self._none = document is None or document == {}
        if self._none:
            return
        given = _members(document, _KEY_READ, ("headers",), _KEY_SHAPES, field)
        if "headers" in given and "body_hash" not in given:
            raise InvalidField(
                "headers count along with a body_hash only; several headers make a key in a "
                "template",
                field=f"{field}.headers",
            )
        if "header" in given:
            self._read = _header(given["header"], f"{field}.header")
        elif "json_path" in given:
            # As JSONPath would write it, too: its $ is the body.
            below = _string(given, "json_path", field).removeprefix("$.")
            self._read = _scalar(Path(f"data.{below}", field=f"{field}.json_path"))
        elif "template" in given:
            at = f"{field}.template"
            template = Template(_string(given, "template", field), field=at)
            if template.constant is not None:
                raise InvalidField(
                    "a template without a place to fill is the same for every request, and all but "
                    "the first would be duplicates; write one such as {{ data.id }}",
                    field=at,
                )
            self._read = _whole(template)
        elif given["body_hash"] is not True:
            raise InvalidField(
                'body_hash is true; for no duplicates at all, write "deduplicate": {}',
                field=f"{field}.body_hash",
            )
        else:
            self._headers = _headers(given.get("headers", []), f"{field}.headers")

    def of(self, facts: Facts, body: bytes) -> str | None:
        """Return a request's duplicate key; None for one that has none, and is no duplicate.

        A text of more than 256 characters, or with some that can't be printed, is kept as its
        digest. Where a request does not say its key, or only a part of it, its bytes are the key:
        method, path, query and body, so that a provider's repeat is known and nothing else is. One
        with neither body nor query has none then, for it can't be told from the next.

        Args:
            facts: the request, as the event that it would be.
            body: its body as received.
        """
        if self._none:
            return None
        read = self._read
        if read is None:
            return self._digest(facts, body)
        text = read(facts)
        if text is None or not text.strip():
            return self._digest(facts, body)
        if len(text) > MAX_KEY or not text.isprintable():
            return f"sha256:{hashlib.sha256(text.encode(errors='replace')).hexdigest()}"
        return text

    def _digest(self, facts: Facts, body: bytes) -> str | None:
        caught = facts.meta.caught
        told = [read(facts) or "" for read in self._headers]
        request = (b"", b"", b"")
        if caught is not None:
            request = (caught.method.encode(), caught.path, caught.query)
        if not (body or request[2] or any(told)):
            return None
        digest = hashlib.sha256()
        # Each with its length, so that no two requests come out as the same bytes.
        for part in (*request, *(text.encode("latin-1") for text in told), body):
            digest.update(b"%d:" % len(part))
            digest.update(part)
        return f"body:{digest.hexdigest()}"


_KEY_READ = ("header", "json_path", "template", "body_hash")
_KEY_SHAPES = (
    'a duplicate key is {"header": "X-Request-Id"}, {"json_path": "id"}, {"template": '
    '"{{ data.type }}-{{ data.id }}"} or {"body_hash": true, "headers": [...]}; {} for none'
)


def _members(
    document: object, read: tuple[str, ...], beside: tuple[str, ...], shapes: str, field: str
) -> dict[str, Any]:
    """Return the members of a document that reads by exactly one of ``read``."""
    if not isinstance(document, dict):
        raise InvalidField(shapes, field=field)
    for name in document:
        if name not in read and name not in beside:
            close = nearest(str(name), (*read, *beside))
            hint = f"did you mean {close!r}?" if close else shapes
            raise InvalidField(
                f"{shorten(str(name))!r} is not known here; {hint}",
                field=f"{field}.{shorten(str(name))}",
            )
    if sum(name in document for name in read) != 1:
        raise InvalidField(
            f"one of {', '.join(read)} is needed, and one alone; {shapes}", field=field
        )
    return document


def _string(given: dict[str, Any], name: str, field: str) -> str:
    """Return a member that is a text, or empty without one."""
    value = given.get(name, "")
    if not isinstance(value, str):
        raise InvalidField(f"{name} is a text", field=f"{field}.{name}")
    return value


def _header(name: object, field: str) -> Text:
    if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
        raise InvalidField("a header's name is wanted, such as 'X-Request-Id'", field=field)
    wanted = canonical(name.encode())
    return methodcaller("header", wanted)


def _headers(names: object, field: str) -> tuple[Text, ...]:
    if not isinstance(names, list) or len(names) > MAX_KEY_HEADERS:
        raise InvalidField(f"headers are a list of names, {MAX_KEY_HEADERS} at most", field=field)
    return tuple(_header(name, f"{field}[{number}]") for number, name in enumerate(names))


def _scalar(path: Path) -> Text:
    """Return what reads a text or a number; of anything else, it says nothing."""

    def read(facts: Facts) -> str | None:
        try:
            value = path.of(facts)
        except ConditionError:
            return None  # data that can't be held as values
        if type(value) is str:
            return value
        return _encode(value).decode() if type(value) in (int, float) else None

    return read


def _filled(template: Template) -> Text:
    """Return what reads a template in which anything was filled."""

    def read(facts: Facts) -> str | None:
        text, told = template.fill(facts, MAX_TYPE_TEXT)
        return text if told or template.constant else None

    return read


def _whole(template: Template) -> Text:
    """Return what reads a template in which all was filled. With a part that is missing, or cut
    off, requests would count as duplicates of each other that are none."""

    def read(facts: Facts) -> str | None:
        text, told = template.fill(facts, MAX_KEY_TEXT)
        return text if told == template.places and len(text) < MAX_KEY_TEXT else None

    return read
