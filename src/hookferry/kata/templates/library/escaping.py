"""Filters that make text safe to stand in HTML, JavaScript, CSS or an address, and the reverse."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from hookferry.errors import ScriptError
from hookferry.kata.templates.library.coercion import octets, text
from hookferry.kata.templates.registry import Run, register
from hookferry.kata.values import Value

_BREAK: Final = "<br />"
_LINE_END: Final = re.compile(r"\r\n|\n\r|\n|\r")
_LONGEST: Final = 10
"""Characters that one may become."""


class _Escapes(dict[int, str]):
    """A table for ``str.translate`` that fills itself: what is plain stays."""

    def __init__(self, plain: str, write: Callable[[int], str]) -> None:
        super().__init__({ord(character): character for character in plain})
        self._write = write

    def __missing__(self, point: int) -> str:
        written = self._write(point)
        if point < 0x3000:  # kept, but not without bound
            self[point] = written
        return written


_ALPHANUMERIC: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_JS_SHORT: Final = {
    "\\": "\\\\", "/": "\\/", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t",
}  # fmt: skip
_ENTITIES: Final = {'"': "&quot;", "&": "&amp;", "<": "&lt;", ">": "&gt;"}


def _js(point: int) -> str:
    if point < 0x10000:
        return _JS_SHORT.get(chr(point)) or f"\\u{point:04X}"
    point -= 0x10000
    return f"\\u{0xD800 + (point >> 10):04X}\\u{0xDC00 + (point & 0x3FF):04X}"


def _attribute(point: int) -> str:
    if (point < 0x20 and chr(point) not in "\t\n\r") or 0x7F <= point <= 0x9F:
        return "&#xFFFD;"
    return _ENTITIES.get(chr(point)) or f"&#x{point:02X};"


_JS: Final = _Escapes(_ALPHANUMERIC + ",._", _js)
_CSS: Final = _Escapes(_ALPHANUMERIC, lambda point: f"\\{point:X} ")
_ATTRIBUTE: Final = _Escapes(_ALPHANUMERIC + ",.-_", _attribute)
_HTML: Final = str.maketrans({**_ENTITIES, "'": "&#039;"})
_STRATEGIES: Final[dict[str, Callable[[str], str]]] = {
    "html": lambda said: said.translate(_HTML),
    "js": lambda said: said.translate(_JS),
    "css": lambda said: said.translate(_CSS),
    "html_attr": lambda said: said.translate(_ATTRIBUTE),
    "url": lambda said: quote(octets(said), safe="-._~"),
}


@register(
    "filter",
    "escape",
    "e",
    examples=(
        ("{{ '<b>\"5\" & more</b>'|e }}", "&lt;b&gt;&quot;5&quot; &amp; more&lt;/b&gt;"),
        ("{{ \"it's\"|e('js') }}", "it\\u0027s"),
        ("{{ 'a b/c'|e('url') }}", "a%20b%2Fc"),
    ),
)
def escape(run: Run, value: Value, strategy: str = "html", charset: Value = None) -> str:
    """Make a text safe to stand in HTML; or, by strategy, in js, css, url or html_attr."""
    said = text(run, value, "|escape")
    write = _STRATEGIES.get(strategy) if isinstance(strategy, str) else None
    if write is None:
        raise ScriptError(f"|escape takes one of these strategies: {', '.join(_STRATEGIES)}")
    run.fuel.spend(len(said) // (10 if said.isascii() else 3))
    run.fuel.build(len(said) if said.isalnum() else _LONGEST * len(said))
    return write(said)


@register(
    "filter", "unescape", examples=(("{{ '&quot;iPhone&quot; &copy;'|unescape }}", '"iPhone" ©'),)
)
def unescape(run: Run, value: Value) -> str:
    """Return a text with HTML's entities decoded."""
    said = text(run, value, "|unescape")
    run.fuel.spend(said.count("&"))
    run.fuel.build(len(said))
    return html.unescape(said)


@register("filter", "raw", examples=(("{{ '<b>'|raw }}", "<b>"),))
def raw(run: Run, value: Value) -> Value:
    """Return the value as it is: nothing is escaped unless a template says so."""
    return value


@register("filter", "nl2br", examples=(("{{ 'one\ntwo'|nl2br }}", "one<br />\ntwo"),))
def nl2br(run: Run, value: Value) -> str:
    """Put an HTML line break before every line feed."""
    said = text(run, value, "|nl2br")
    lines = said.count("\n") + said.count("\r")
    run.fuel.build(len(said) + len(_BREAK) * lines)
    if "\r" not in said:
        run.fuel.spend(lines // 8)
        return said.replace("\n", _BREAK + "\n")
    out: list[str] = []
    end = 0
    for found in _LINE_END.finditer(said):
        run.fuel.spend()
        out += (said[end : found.start()], _BREAK, found[0])
        end = found.end()
    return "".join((*out, said[end:]))


@register(
    "filter",
    "striptags",
    examples=(("{{ 'This <b>string</b> has tags<br/>'|striptags }}", "This string has tags"),),
)
def striptags(run: Run, value: Value) -> str:
    """Take HTML's tags and comments from a text. It does not make hostile HTML safe: escape it."""
    said = text(run, value, "|striptags")
    run.fuel.spend(said.count("<"))
    run.fuel.build(len(said))
    out: list[str] = []
    end = 0
    while (start := said.find("<", end)) >= 0:
        out.append(said[end:start])
        comment = said.startswith("<!--", start)
        closed = said.find("-->" if comment else ">", start)
        if closed < 0:
            return "".join(out)
        end = closed + (3 if comment else 1)
    return "".join((*out, said[end:]))
