"""Reads a template: segments in, its tree or every problem out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from hookferry.kata.problems import hint
from hookferry.kata.templates.expressions import ExpressionReader as Reader
from hookferry.kata.templates.lexer import Bad, Delimiters, Enough, Problems, Segment
from hookferry.kata.templates.nodes import (
    Assign,
    Body,
    Capture,
    Constant,
    Evaluate,
    Expression,
    Filtered,
    For,
    If,
    Print,
    Spaceless,
    Statement,
    Step,
    Text,
    With,
)
from hookferry.kata.templates.reader import Nesting

_ENDS: Final = {
    "if": "endif",
    "for": "endfor",
    "set": "endset",
    "with": "endwith",
    "filter": "endfilter",
    "apply": "endapply",
    "spaceless": "endspaceless",
}
_CLOSING: Final = {end: name for name, end in _ENDS.items()}
_INNER: Final = ("else", "elseif")
_NO_OTHERS: Final = "templates don't include or extend others; use an automation's function command"
_INSTEAD: Final = {
    "include": _NO_OTHERS,
    "extends": _NO_OTHERS,
    "embed": _NO_OTHERS,
    "use": _NO_OTHERS,
    "import": "templates have no macros; use an automation's function command",
    "from": "templates have no macros; use an automation's function command",
    "macro": "templates have no macros; use an automation's function command",
    "block": "templates have no blocks; use set with endset, and print the variable",
    "sandbox": "every template is in a sandbox; leave it out",
    "autoescape": "nothing is escaped by itself; use |e where text goes into HTML",
    "raw": "use verbatim",
    "flush": "a template's text is used whole; leave it out",
    "trans": "templates are not translated; leave it out",
    "while": "use for, or an automation's while command",
    "else if": "use elseif",
}
_NOTHING: Final[Expression] = Constant(None)
_NO_HEAD: Final[tuple[str | None, str, Expression]] = (None, "", _NOTHING)
T = TypeVar("T")


def parse(segments: list[Segment], delimiters: Delimiters, problems: Problems) -> Body:
    """Read the segments of a template, noting what does not read; raises Enough."""
    return _Parser(segments, delimiters, problems).run()


class _Parser:
    def __init__(self, segments: list[Segment], delimiters: Delimiters, problems: Problems) -> None:
        self._segments = segments
        self._delimiters = delimiters
        self._problems = problems
        self._next = 0
        self._nesting = Nesting()
        self._open: list[str] = []
        """The blocks that are open, from outside."""
        self._tags: dict[str, Callable[[Reader, int], Statement]] = {
            "if": self._if,
            "for": self._for,
            "set": self._set,
            "do": self._do,
            "with": self._with,
            "filter": self._filtered,
            "apply": self._filtered,
            "spaceless": self._spaceless,
        }

    def run(self) -> Body:
        body = self._body()
        while self._next < len(self._segments):
            self._misplaced(self._segments[self._next])
            body += self._body()
        return body

    def _body(self) -> Body:
        """Read up to a tag that ends or divides a block; it is left for the caller."""
        body: Body = []
        while self._next < len(self._segments):
            segment = self._segments[self._next]
            word = _word(segment)
            if word in _INNER or word in _CLOSING:
                break
            self._next += 1
            if segment.kind == "text":
                body.append(Text(segment.text))
            elif segment.kind == "print":
                reader = Reader(segment.tokens, self._nesting)
                body.append(Print(self._read(reader, reader.expression, _NOTHING)))
            elif segment.kind == "broken" and (word not in _ENDS or word == "set"):
                pass  # that it does not read is noted, and it encloses nothing
            elif word in self._tags:
                body.append(self._statement(segment, word))
            else:
                self._refuse(segment, word)
        return body

    def _statement(self, segment: Segment, word: str) -> Statement:
        self._enter(segment.at)
        reader = self._reader(segment)
        statement = self._tags[word](reader, segment.at)
        self._nesting.leave()
        return statement

    def _reader(self, segment: Segment) -> Reader:
        """Return a reader of what a tag says after its name."""
        reader = Reader(segment.tokens, self._nesting, broken=segment.kind == "broken")
        reader.take()
        return reader

    def _enter(self, at: int) -> None:
        try:
            self._nesting.enter(at)
        except Bad as bad:
            self._problems.add(bad.at, bad.message)
            raise Enough from None

    def _read(self, reader: Reader, read: Callable[[], T], instead: T) -> T:
        """Read the rest of a tag; where it does not read, note that and go on."""
        if reader.broken:
            return instead
        try:
            found = read()
            reader.end()
        except Bad as bad:
            self._problems.add(bad.at, bad.message)
            return instead
        return found

    def _block(self, name: str, at: int, inner: tuple[str, ...] = ()) -> tuple[Body, Reader | None]:
        """Read a block up to its end or to one of the tags within it.

        Returns:
            The body, and the tag within, of which the first word is read; None at the end.
        """
        self._open.append(name)
        body = self._body()
        while self._next < len(self._segments):
            segment = self._segments[self._next]
            word = _word(segment)
            if word == _ENDS[name] or word in inner:
                self._next += 1
                self._open.pop()
                return body, self._divider(segment, word, inner)
            if word in _CLOSING and _CLOSING[word] in self._open:
                break  # what is open around this one ends, so this one was forgotten
            self._misplaced(segment)
            body += self._body()
        self._open.pop()
        opening, closing = self._delimiters.statement
        self._problems.add(
            at, f"{name} is not closed; end it with {opening} {_ENDS[name]} {closing}"
        )
        return body, None

    def _divider(self, segment: Segment, word: str, inner: tuple[str, ...]) -> Reader | None:
        reader = self._reader(segment)
        if word in inner:
            return reader
        self._read(reader, lambda: None, None)
        return None

    def _misplaced(self, segment: Segment) -> None:
        self._next += 1
        word = _word(segment)
        belongs = "if or for" if word == "else" else "if" if word == "elseif" else _CLOSING[word]
        self._problems.add(segment.at, f"{word} has no {belongs} to belong to; leave it out")

    def _refuse(self, segment: Segment, word: str) -> None:
        if word.startswith("end") and word[3:] in _INSTEAD:
            return  # told where it begins
        at = segment.tokens[0].at
        if word in _INSTEAD:
            self._problems.add(at, f"there is no tag {word}: {_INSTEAD[word]}")
        elif word:
            known = hint(word, [*self._tags, *_ENDS.values(), *_INNER, "verbatim"])
            self._problems.add(at, f"there is no tag {word[:100]}; {known}")
        else:
            self._problems.add(at, "a tag begins with its name, such as if, for or set")

    def _if(self, reader: Reader, at: int) -> Statement:
        test = self._read(reader, reader.expression, _NOTHING)
        body, divider = self._block("if", at, _INNER)
        branches = [(test, body)]
        otherwise: Body = []
        while divider is not None:
            if divider.after == "elseif":
                test = self._read(divider, divider.expression, _NOTHING)
                body, divider = self._block("if", at, _INNER)
                branches.append((test, body))
            else:
                self._read(divider, lambda: None, None)
                otherwise, divider = self._block("if", at)
        return If(branches, otherwise)

    def _for(self, reader: Reader, at: int) -> Statement:
        key, item, items = self._read(reader, lambda: _loop_head(reader), _NO_HEAD)
        body, divider = self._block("for", at, ("else",))
        otherwise: Body = []
        if divider is not None:
            self._read(divider, lambda: None, None)
            otherwise, _ = self._block("for", at)
        return For(key, item, items, body, otherwise)

    def _set(self, reader: Reader, at: int) -> Statement:
        nothing: Assign | str = Assign([], [])
        statement = self._read(reader, lambda: _assignment(reader), nothing)
        if isinstance(statement, Assign):
            return statement
        body, _ = self._block("set", at)
        return Capture(statement, body)

    def _do(self, reader: Reader, at: int) -> Statement:
        return Evaluate(self._read(reader, reader.expression, _NOTHING))

    def _with(self, reader: Reader, at: int) -> Statement:
        nothing: tuple[Expression | None, bool] = (None, False)
        values, only = self._read(reader, lambda: _with_head(reader), nothing)
        body, _ = self._block("with", at)
        return With(values, only, body)

    def _filtered(self, reader: Reader, at: int) -> Statement:
        nothing: list[Step] = []
        name = reader.after
        steps = self._read(reader, reader.filters, nothing)
        body, _ = self._block(name, at)
        return Filtered(steps, body)

    def _spaceless(self, reader: Reader, at: int) -> Statement:
        self._read(reader, lambda: None, None)
        body, _ = self._block("spaceless", at)
        return Spaceless(body)


def _word(segment: Segment) -> str:
    """Return the name of a statement's tag; empty for anything else."""
    if segment.kind in ("statement", "broken") and segment.tokens[0].kind == "name":
        return segment.tokens[0].text
    return ""


def _loop_head(reader: Reader) -> tuple[str | None, str, Expression]:
    key, item = None, reader.variable()
    if reader.takes(","):
        key, item = item, reader.variable()
    reader.expect("in", "after the variable")
    items = reader.expression()
    if reader.sees("if"):
        raise Bad(reader.token.at, "for takes no if; write items|filter(v => ..) or an if within")
    return key, item, items


def _assignment(reader: Reader) -> Assign | str:
    """Return an assignment, or the name that a body up to ``endset`` is assigned to."""
    names = [reader.variable()]
    while reader.takes(","):
        names.append(reader.variable())
    if reader.token.kind == "end" and len(names) == 1:
        return names[0]
    at = reader.token.at
    reader.expect("=", "after the variable")
    values = [reader.expression()]
    while reader.takes(","):
        values.append(reader.expression())
    if len(values) != len(names):
        raise Bad(at, f"{len(names)} variables are set, and {len(values)} values are given")
    return Assign(names, values)


def _with_head(reader: Reader) -> tuple[Expression | None, bool]:
    values = None
    if reader.token.kind != "end" and not reader.sees("only"):
        values = reader.expression()
    return values, reader.takes("only")
