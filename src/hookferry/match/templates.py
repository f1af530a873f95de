"""Texts with places that an event fills: ``{{ data.customer.name }}``.

The syntax is what Twig prints a variable with and one of its filters, ``json_encode``, and nothing
else of Twig, so that a whole template engine may take these texts over; what it would read as more
(``{%``, ``{#``, other filters) is refused. Beyond Twig, a name may have dashes
(``headers.x-request-id``), which it would subtract. Without the filter nothing is escaped: what a
text becomes is known by who writes it.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import msgspec

from hookferry.errors import ConditionError, InvalidField
from hookferry.match.facts import MISSING, Facts, Path, shorten

MAX_TEXT = 64 * 1024
"""Characters of a template."""
MAX_PLACES = 100
"""Places of a template."""

_OPENING = re.compile(r"\{[{%#]")
_BLANKS = re.compile(r"[ \t\r\n]*")
_QUOTED = r"'[^'\\]*'|\"[^\"\\]*\""
_LITERAL = re.compile(_QUOTED)
_WORD = r"\w+(?:-+\w+)*"
_VARIABLE = re.compile(rf"(?![0-9]){_WORD}(?:\.{_WORD}|\[[0-9]+\]|\[(?:{_QUOTED})\])*")
_STEP = re.compile(rf"\[({_QUOTED})\]|({_WORD})")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_FILTER = re.compile(r"\|[ \t\r\n]*(\w*)")
_JSON_ENCODE = "json_encode"
_NULL = "null"
_encode = msgspec.json.Encoder().encode
_encode_ascii = json.JSONEncoder(separators=(",", ":")).encode
"""As Twig's filter does: what is beyond ASCII as ``\\u`` and digits, so that a header keeps it."""


class _Place(NamedTuple):
    """What is filled in between two literals."""

    path: Path
    as_json: bool


class Template:
    """A text that is compiled once and filled for each event.

    Places are ``{{ path }}``: names joined by dots, as in conditions; a name with anything but
    letters, digits, ``_`` and ``-`` in brackets (``{{ data['first name'] }}``); or a text in quotes
    (``{{ '{{' }}``). What is there is printed as it is when it is a text, else as compact JSON;
    what is not there, null, and data that can't be read print nothing. ``{{ path|json_encode }}``
    prints JSON in any case: a text in quotes and escaped, and ``null`` where else nothing is.
    It is never cut: a value for which there is no room is ``null`` too, so that a template which
    is JSON stays JSON.

    Args:
        text: the template.
        field: the input field to name in an error.

    Raises:
        InvalidField: it is too long, or a place in it is none; says where.
    """

    __slots__ = ("_least", "_literals", "_places", "constant")

    def __init__(self, text: str, *, field: str = "template") -> None:
        if len(text) > MAX_TEXT:
            raise InvalidField(f"a template has at most {MAX_TEXT:,} characters", field=field)
        # One literal more than places: before, between and after them.
        self._literals, self._places = _parts(text, field)
        if self.places > MAX_PLACES:
            raise InvalidField(f"a template has at most {MAX_PLACES} places to fill", field=field)
        self.constant = None if self._places else self._literals[0]
        """Its text, if that is the same for every event."""
        # Bytes of its shortest text, every value of JSON a null: what is left of a limit beside
        # these is for values.
        self._least = sum(len(literal.encode(errors="replace")) for literal in self._literals) + (
            len(_NULL) * sum(place.as_json for place in self._places)
        )

    @property
    def places(self) -> int:
        """How many places it has."""
        return len(self._places)

    def fill(self, facts: Facts, limit: int) -> tuple[str, int]:
        """Return the text for an event, and how many places were filled with something.

        Args:
            facts: the event.
            limit: characters at which filling ends; a text of as many may be one that was cut.
        """
        pieces = [self._literals[0]]
        left = limit - len(pieces[0])
        room = limit - self._least
        told = 0
        for place, literal in zip(self._places, self._literals[1:], strict=True):
            if left <= 0:
                break
            if place.as_json:
                value = _json(place.path, facts)
                if len(value) - len(_NULL) > room:
                    value = _NULL
                room += len(_NULL)
                told += value != _NULL
            else:
                value = _printed(place.path, facts)[:left]
                told += value != ""
            room -= len(value)
            pieces += (value, literal)
            left -= len(value) + len(literal)
        return "".join(pieces)[:limit], told

    def render(self, facts: Facts, limit: int) -> str:
        """Return the text for an event. It is cut where it gets too long, and never refused: the
        event is stored by then, and its caller is owed an answer.

        Args:
            facts: the event.
            limit: bytes of the text as UTF-8.
        """
        text, _ = self.fill(facts, limit)
        if len(text) * 4 <= limit:  # no character has more bytes
            return text
        return text.encode()[:limit].decode(errors="ignore")

    def render_header(self, facts: Facts, limit: int) -> str:
        """Return the text for an event as a header's value: ASCII, on one line.

        Line breaks and other control characters are left out, so that no value ends its line;
        characters beyond ASCII, which no two programs read alike there, become ``?``.

        Args:
            facts: the event.
            limit: bytes of the value.
        """
        text, _ = self.fill(facts, limit)
        return _CONTROLS.sub("", text).encode("ascii", "replace").decode().strip()


def _printed(path: Path, facts: Facts) -> str:
    try:
        value: Any = path.of(facts)
    except ConditionError:
        return ""  # data that can't be held as values; its bytes are kept and sent all the same
    if type(value) is str:
        return value
    if value is None or value is MISSING:
        return ""
    try:
        return _encode(value).decode()
    except RecursionError:  # nested too deep to be written down from here
        return ""


def _json(path: Path, facts: Facts) -> str:
    """Return what is at a path as JSON, in ASCII; null where nothing is or can be read."""
    try:
        value: Any = path.of(facts)
        return _NULL if value is MISSING else _encode_ascii(value)
    except (ConditionError, RecursionError):
        return _NULL


def _parts(text: str, field: str) -> tuple[tuple[str, ...], tuple[_Place, ...]]:
    """Return a template's literals, and the places between them."""
    literals = [""]
    places: list[_Place] = []
    at = 0
    while opening := _OPENING.search(text, at):
        start = opening.start()
        literals[-1] += text[at:start]
        if opening[0] != "{{":
            raise InvalidField(
                f"{opening[0]!r} at character {start + 1} begins what these templates don't have; "
                f"to have it in the text, write {{{{ '{opening[0]}' }}}}",
                field=field,
            )
        at = _after(_BLANKS, text, opening.end())
        inside = _LITERAL.match(text, at) or _VARIABLE.match(text, at)
        end = _after(_BLANKS, text, inside.end()) if inside else at
        encoded = inside is not None and text.startswith("|", end)
        if encoded:
            end = _after_filter(text, end, field)
        if inside is None or not text.startswith("}}", end):
            raise InvalidField(
                f"{shorten(text[start : start + 40])!r} at character {start + 1} is no place to "
                "fill; write one such as {{ data.customer.name }}, {{ headers.x_request_id }} or "
                "{{ data['first name'] }}, or {{ data.n|json_encode }} for JSON; without operators",
                field=field,
            )
        if inside.re is _LITERAL:
            literal = inside[0][1:-1]
            literals[-1] += _encode_ascii(literal) if encoded else literal
        else:
            places.append(_Place(_path(inside[0], start, field), encoded))
            literals.append("")
        at = end + 2
    literals[-1] += text[at:]
    return tuple(literals), tuple(places)


def _after_filter(text: str, at: int, field: str) -> int:
    """Return where the filter that begins here ends; raises InvalidField unless it is the one."""
    named = _FILTER.match(text, at)
    end = at if named is None else _after(_BLANKS, text, named.end())
    if named is None or named[1] != _JSON_ENCODE or text.startswith(("|", "("), end):
        raise InvalidField(
            f"{shorten(text[at : at + 40])!r} at character {at + 1}: these templates have one "
            f"filter, {_JSON_ENCODE}, without arguments and once",
            field=field,
        )
    return end


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _path(variable: str, start: int, field: str) -> Path:
    steps = [quoted[1:-1] if quoted else word for quoted, word in _STEP.findall(variable)]
    written = ".".join(step.replace("\\", "\\\\").replace(".", "\\.") for step in steps)
    try:
        return Path(written, field=field)
    except InvalidField as error:
        raise InvalidField(f"at character {start + 1}: {error.detail}", field=field) from None
