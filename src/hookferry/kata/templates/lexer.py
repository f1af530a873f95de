"""Cuts a template into its texts and tags, and tags into tokens.

As Twig's lexer does (https://twig.symfony.com/doc/3.x/templates.html): the first newline after a
``%}`` is dropped, ``-`` trims whitespace on its side, ``~`` the same without newlines, and a tag
ends where no bracket is open.
"""

from __future__ import annotations

import functools
import re
from typing import Final, Literal, NamedTuple

from hookferry.kata.problems import MAX_PROBLEMS, Problem

MAX_WORDS: Final = 20_000
"""Words and signs in the tags of a template: compiling so many takes a quarter of a second."""


class Delimiters(NamedTuple):
    """What begins and ends prints, statements and comments."""

    print: tuple[str, str]
    statement: tuple[str, str]
    comment: tuple[str, str]


TWIG: Final = Delimiters(("{{", "}}"), ("{%", "%}"), ("{#", "#}"))
"""Of scripts."""
PACKAGE: Final = Delimiters(("{{{", "}}}"), ("{{%", "%}}"), ("{{#", "#}}"))
"""Of packages, in which the templates of scripts are plain text."""

TokenKind = Literal["name", "number", "string", "operator", "end"]


class Token(NamedTuple):
    """A word of a tag."""

    kind: TokenKind
    text: str
    """A string's is its value, without quotes and escapes."""
    at: int


class Segment(NamedTuple):
    """A text or a tag; of a ``broken`` statement only the name is there."""

    kind: Literal["text", "print", "statement", "broken"]
    text: str
    tokens: list[Token]
    at: int


class Enough(Exception):
    """What was found wrong is all that is told; nobody reads on."""


class Problems:
    """What is wrong with one template, by offsets in its text.

    Args:
        text: the template.
        line: the line that it begins in, from 1.
        column: the column that it begins in.
    """

    def __init__(self, text: str, line: int, column: int) -> None:
        self._text = text
        self._line = line
        self._column = column
        self.found: list[Problem] = []

    def add(self, at: int, message: str) -> None:
        """Note what is wrong at an offset; raises Enough."""
        line = self._text.count("\n", 0, at)
        start = self._text.rfind("\n", 0, at) + 1
        column = at - start + (1 if line else self._column)
        self.found.append(Problem(self._line + line, column, message))
        if len(self.found) >= MAX_PROBLEMS:
            raise Enough


class Bad(Exception):
    """Something in a tag does not read; the tag is given up, the template is read on."""

    def __init__(self, at: int, message: str) -> None:
        super().__init__(message)
        self.at = at
        self.message = message


_READS: Final = (
    r"(?P<number>[0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?(?:[Ee][+-]?[0-9]+)?)"
    r"|(?P<operator>b-(?:and|or|xor)\b|===|!==|<=>|\.\.\.|=>|==|!=|<=|>=|\*\*|//|\?\?|\.\."
    r"|[-+*/%~<>=?:.,|()\[\]{}])"
    r"|(?P<name>[^\W\d]\w*)"
    r"|(?P<string>'[^'\\]*(?:\\.[^'\\]*)*'|\"[^\"\\]*(?:\\.[^\"\\]*)*\")"
    r"|(?P<rest>.?)"
)
_WORD: Final = re.compile(r"\s*(\w*)")
_ESCAPE: Final = re.compile(r"\\(x[0-9A-Fa-f]{1,2}|[0-7]{1,3}|.)", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v"} | {
    mark: mark for mark in "\\'\"#"
}
_CLOSING: Final = {"(": ")", "[": "]", "{": "}"}
_DOT: Final = ("operator", ".")
_INSTEAD: Final = {"&": "and", "!": "not", "^": "b-xor"}
_TRIMMED: Final = {"": None, "-": " \t\n\r\0\x0b", "~": " \t\0\x0b"}
"""What each mark of whitespace control trims."""


@functools.cache
def _openings(delimiters: Delimiters) -> re.Pattern[str]:
    openings = sorted((pair[0] for pair in delimiters), key=len, reverse=True)
    return re.compile(f"({'|'.join(map(re.escape, openings))})([-~]?)")


@functools.cache
def _words(closing: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return what reads a word of a tag where no bracket is open, and where one is."""
    inside = re.compile(rf"\s*(?:{_READS})", re.DOTALL)
    return re.compile(rf"\s*(?:(?P<end>[-~]?{re.escape(closing)})|{_READS})", re.DOTALL), inside


@functools.cache
def _end_of_verbatim(delimiters: Delimiters) -> re.Pattern[str]:
    opening, closing = map(re.escape, delimiters.statement)
    return re.compile(rf"{opening}([-~]?)\s*endverbatim\s*([-~]?){closing}")


def has_tags(text: str, delimiters: Delimiters) -> bool:
    """Tell whether a template is more than text."""
    return _openings(delimiters).search(text) is not None


def lex(text: str, delimiters: Delimiters, problems: Problems) -> list[Segment]:
    """Cut a template, noting what does not read and leaving it out; raises Enough."""
    return _Lexer(text, delimiters, problems).run()


class _Lexer:
    def __init__(self, text: str, delimiters: Delimiters, problems: Problems) -> None:
        self._text = text
        self._delimiters = delimiters
        self._problems = problems
        self._segments: list[Segment] = []
        self._at = 0
        self._words_left = MAX_WORDS
        self._trim: str | None = None
        """What the tag before trims of the text that follows."""

    def run(self) -> list[Segment]:
        find = _openings(self._delimiters).search
        while (opening := find(self._text, self._at)) is not None:
            self._add_text(opening.start(), opening[2])
            self._at = opening.end()
            if opening[1] == self._delimiters.comment[0]:
                self._skip_comment(opening.start())
            elif opening[1] == self._delimiters.print[0]:
                self._tag("print", opening.start())
            else:
                self._tag("statement", opening.start())
        self._add_text(len(self._text), "")
        return self._segments

    def _add_text(self, end: int, mark: str) -> None:
        text = self._text[self._at : end]
        if self._trim is not None:
            text = text.lstrip(self._trim)
        if (trimmed := _TRIMMED[mark]) is not None:
            text = text.rstrip(trimmed)
        if text:
            self._segments.append(Segment("text", text, [], self._at))

    def _closed(self, mark: str, at: int, *, drops_newline: bool) -> None:
        """Go on after a tag that ends at an offset."""
        self._trim = _TRIMMED[mark]
        if drops_newline and self._text.startswith("\n", at):
            at += 1
        self._at = at

    def _skip_comment(self, start: int) -> None:
        closing = self._delimiters.comment[1]
        end = self._text.find(closing, self._at)
        if end < 0:
            self._problems.add(start, f"the comment is not closed; end it with {closing}")
            self._closed("", len(self._text), drops_newline=False)
            return
        mark = self._text[end - 1] if end > self._at else ""
        self._closed(mark if mark in _TRIMMED else "", end + len(closing), drops_newline=True)

    def _tag(self, kind: Literal["print", "statement"], start: int) -> None:
        closing = (self._delimiters.print if kind == "print" else self._delimiters.statement)[1]
        opened = self._at
        try:
            tokens, mark = self._tokens(closing, start)
        except Bad as bad:
            self._problems.add(bad.at, bad.message)
            end = self._text.find(closing, bad.at)
            end = len(self._text) if end < 0 else end + len(closing)
            self._closed("", end, drops_newline=False)
            if kind == "statement":
                # The parser matches what begins with what ends, also where it does not read.
                name = _WORD.match(self._text, opened)
                broken = Token("name", name[1] if name else "", start)
                tokens = [broken, Token("end", closing, start)]
                self._segments.append(Segment("broken", "", tokens, start))
            return
        if kind == "statement" and len(tokens) == 2 and tokens[0].text == "verbatim":
            self._closed(mark, self._at, drops_newline=False)
            self._verbatim(start)
            return
        self._closed(mark, self._at, drops_newline=kind == "statement")
        self._segments.append(Segment(kind, "", tokens, start))

    def _verbatim(self, start: int) -> None:
        end = _end_of_verbatim(self._delimiters).search(self._text, self._at)
        if end is None:
            opening, closing = self._delimiters.statement
            self._problems.add(start, f"end verbatim with {opening} endverbatim {closing}")
            self._closed("", len(self._text), drops_newline=False)
            return
        self._add_text(end.start(), end[1])
        self._closed(end[2], end.end(), drops_newline=False)

    def _tokens(self, closing: str, start: int) -> tuple[list[Token], str]:
        """Read a tag up to its end; returns its tokens and the mark of whitespace control."""
        text = self._text
        outside, inside = _words(closing)
        tokens: list[Token] = []
        open_brackets: list[Token] = []
        while (found := (inside if open_brackets else outside).match(text, self._at)) is not None:
            if len(tokens) > self._words_left:
                message = f"a template has at most {MAX_WORDS:,} words in its tags; split it"
                self._problems.add(start, message)
                raise Enough
            kind = found.lastgroup or "rest"
            word, at = found[kind], found.start(kind)
            self._at = found.end()
            if kind == "operator":
                token = Token("operator", word, at)
                if word in "()[]{}":
                    _balance(token, open_brackets)
                tokens.append(token)
            elif kind == "name":
                tokens.append(Token("name", word, at))
            elif kind == "number":
                if "." in word and tokens and tokens[-1][:2] == _DOT:
                    word = word.partition(".")[0]  # a.0.1 is two steps, not a decimal
                    self._at = at + len(word)
                tokens.append(Token("number", word, at))
            elif kind == "string":
                tokens.append(Token("string", _unquoted(word, at), at))
            elif kind == "end":
                tokens.append(Token("end", closing, at))
                self._words_left -= len(tokens)
                return tokens, word.removesuffix(closing)
            elif word:
                raise Bad(at, _unexpected(word))
            else:
                break
        if open_brackets:
            raise Bad(open_brackets[-1].at, f"{open_brackets[-1].text} is not closed")
        raise Bad(start, f"the tag is not closed; end it with {closing}")


def _balance(token: Token, open_brackets: list[Token]) -> None:
    if token.text in _CLOSING:
        open_brackets.append(token)
    elif token.text in (")", "]", "}"):
        if not open_brackets:
            raise Bad(token.at, f"{token.text} closes nothing")
        opened = open_brackets.pop()
        if _CLOSING[opened.text] != token.text:
            raise Bad(opened.at, f"{opened.text} is not closed")


def _unexpected(character: str) -> str:
    if character in ("'", '"'):
        return f"the text is not closed; end it with {character}"
    if character in _INSTEAD:
        return f"{character} is no operator here; write {_INSTEAD[character]}"
    return f"{character!r} is not expected here"


def _unquoted(quoted: str, at: int) -> str:
    """Return a string's value.

    A backslash before a character that needs none stays (as in Twig 4), so that a regular
    expression reads the same with one as with two.
    """
    if quoted[0] == '"' and re.search(r"(?<!\\)#\{", quoted):
        raise Bad(at, 'a text is not interpolated here; write "a " ~ b for "a #{b}"')
    inside = quoted[1:-1]
    if "\\" not in inside:
        return inside
    return _ESCAPE.sub(lambda found: _escaped(found[1], at), inside)


def _escaped(escape: str, at: int) -> str:
    if escape in _ESCAPES:
        return _ESCAPES[escape]
    if escape[0] == "x" and len(escape) > 1:
        code = int(escape[1:], 16)
    elif escape[0] in "01234567":
        code = int(escape, 8)
    else:
        return "\\" + escape
    if code > 0x7F:
        raise Bad(at, f"\\{escape} is no character of ASCII; write the character itself")
    return chr(code)
