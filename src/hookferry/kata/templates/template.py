"""Templates: compiled once, rendered under the budget of a run."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from hookferry.kata.problems import refusal
from hookferry.kata.templates.lexer import TWIG, Delimiters, Enough, Problems, has_tags, lex
from hookferry.kata.templates.parser import parse
from hookferry.kata.templates.registry import Run
from hookferry.kata.templates.runtime import Emission, Frame
from hookferry.kata.templates.statements import StatementCompiler
from hookferry.kata.values import Value

MAX_TEXT: Final = 256 * 1024
"""Characters of a template."""
MAX_CACHED: Final = 1_000
"""Templates that are kept compiled."""
MAX_CACHED_SIZE: Final = 32 * 1024 * 1024
"""Bytes that these take, about."""
_WORD_SIZE: Final = 300
"""Bytes of a compiled word, measured at 130 to 260."""


class Template:
    """A compiled template; may be rendered any number of times, also at once.

    Attributes:
        constant: its text, where it has no tags; None where it has.
        size: bytes that it takes, about.
    """

    __slots__ = ("_emit", "constant", "size")

    def __init__(self, constant: str | None, emit: Emission | None, size: int) -> None:
        self.constant = constant
        self.size = size
        self._emit = emit

    def render(self, scope: Mapping[str, Value], run: Run) -> str:
        """Return the text that the template makes of variables.

        What is built on the way is given back to the budget at the end; whoever keeps the text
        pays for it.

        Raises:
            ScriptError: something in it can't be done with these values.
            OutOfFuel: the run's budget is spent.
        """
        if self._emit is None:
            return self.constant or ""
        out: list[str] = []
        held = run.fuel.held
        try:  # Fuel.scratch, without its two microseconds
            self._emit(Frame(run, scope, {}), out)
            return "".join(out)
        finally:
            run.fuel.held = held


class _Cache:
    """The templates that were compiled last."""

    def __init__(self) -> None:
        self._templates: OrderedDict[tuple[str, Delimiters], Template] = OrderedDict()
        self._size = 0

    def get(self, key: tuple[str, Delimiters]) -> Template | None:
        found = self._templates.get(key)
        if found is not None:
            self._templates.move_to_end(key)
        return found

    def put(self, key: tuple[str, Delimiters], template: Template) -> None:
        self._templates[key] = template
        self._size += template.size
        while len(self._templates) > MAX_CACHED or self._size > MAX_CACHED_SIZE:
            _, oldest = self._templates.popitem(last=False)
            self._size -= oldest.size


_cache: Final = _Cache()


def compile_template(
    text: str, *, line: int = 1, column: int = 1, delimiters: Delimiters = TWIG
) -> Template:
    """Return a template, compiled or as it was compiled before.

    Args:
        text: at most ``MAX_TEXT`` characters.
        line: where the text begins in what the reader of a problem sees.
        column: the same, of its first line.
        delimiters: what begins and ends its tags.

    Raises:
        ScriptRefused: it does not read as a template; lists every problem.
    """
    key = (text, delimiters)
    found = _cache.get(key)
    if found is None:
        found = _compile(text, line, column, delimiters)
        _cache.put(key, found)
    return found


def _compile(text: str, line: int, column: int, delimiters: Delimiters) -> Template:
    problems = Problems(text, line, column)
    try:
        if len(text) > MAX_TEXT:
            problems.add(0, f"a template has at most {MAX_TEXT:,} characters; split it")
            raise Enough
        # As Twig, which reads every line's end as a newline.
        plain = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
        if not has_tags(plain, delimiters):
            return Template(plain, None, 2 * len(text))
        problems = Problems(plain, line, column)
        segments = lex(plain, delimiters, problems)
        body = parse(segments, delimiters, problems)
    except Enough:
        raise refusal(problems.found) from None
    if problems.found:
        raise refusal(problems.found)
    words = sum(1 + len(segment.tokens) for segment in segments)
    return Template(None, StatementCompiler().body(body), 2 * len(text) + words * _WORD_SIZE)
