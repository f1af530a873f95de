"""Texts with places that an event fills: ``{{ data.customer.name }}``.

The syntax is what Twig prints a variable with, and nothing else of Twig, so that a whole template
engine may take these texts over; what it would read as more (``{%``, ``{#``, filters) is refused.
Beyond Twig, a name may have dashes (``headers.x-request-id``), which it would subtract.
Nothing is escaped here: what a text becomes is known by who asks for it.
"""

from __future__ import annotations

import re
from typing import Any

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
_encode = msgspec.json.Encoder().encode


class Template:
    """A text that is compiled once and filled for each event.

    Places are ``{{ path }}``: names joined by dots, as in conditions; a name with anything but
    letters, digits, ``_`` and ``-`` in brackets (``{{ data['first name'] }}``); or a text in quotes
    (``{{ '{{' }}``). What is there is printed as it is when it is a text, else as compact JSON;
    what is not there, null, and data that can't be read print nothing.

    Args:
        text: the template.
        field: the input field to name in an error.

    Raises:
        InvalidField: it is too long, or a place in it is none; says where.
    """

    __slots__ = ("_literals", "_paths", "constant")

    def __init__(self, text: str, *, field: str = "template") -> None:
        if len(text) > MAX_TEXT:
            raise InvalidField(f"a template has at most {MAX_TEXT:,} characters", field=field)
        # One literal more than paths: before, between and after them.
        self._literals, self._paths = _parts(text, field)
        if self.places > MAX_PLACES:
            raise InvalidField(f"a template has at most {MAX_PLACES} places to fill", field=field)
        self.constant = None if self._paths else self._literals[0]
        """Its text, if that is the same for every event."""

    @property
    def places(self) -> int:
        """How many places it has."""
        return len(self._paths)

    def fill(self, facts: Facts, limit: int) -> tuple[str, int]:
        """Return the text for an event, and how many places were filled with something.

        Args:
            facts: the event.
            limit: characters at which filling ends; a text of as many may be one that was cut.
        """
        pieces = [self._literals[0]]
        left = limit - len(pieces[0])
        told = 0
        for path, literal in zip(self._paths, self._literals[1:], strict=True):
            if left <= 0:
                break
            value = _printed(path, facts)[:left]
            told += value != ""
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


def _parts(text: str, field: str) -> tuple[tuple[str, ...], tuple[Path, ...]]:
    """Return a template's literals, and the paths between them."""
    literals = [""]
    paths: list[Path] = []
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
        if inside is None or not text.startswith("}}", end):
            raise InvalidField(
                f"{shorten(text[start : start + 40])!r} at character {start + 1} is no place to "
                "fill; write one such as {{ data.customer.name }}, {{ headers.x_request_id }} or "
                "{{ data['first name'] }}, without filters or operators",
                field=field,
            )
        if inside.re is _LITERAL:
            literals[-1] += inside[0][1:-1]
        else:
            paths.append(_path(inside[0], start, field))
            literals.append("")
        at = end + 2
    literals[-1] += text[at:]
    return tuple(literals), tuple(paths)


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
