"""Reads the tokens of a tag one after the other, and keeps count of how deep it is."""

from __future__ import annotations

from typing import Final

from hookferry.kata.templates.lexer import Bad, Token

MAX_NESTING: Final = 64
"""Levels of brackets, operands and blocks within each other."""
WORDS: Final = {"true": True, "false": False, "null": None, "none": None}
"""Names that are values, in any case."""
RESERVED: Final = ("and", "or", "not", "in", "is")
"""Names that are operators wherever they stand."""
_INSTEAD: Final = {
    "===": "== or is same as(..)",
    "!==": "!= or is not same as(..)",
    "...": "|merge",
    "=": "== to compare",
}


class Nesting:
    """How deep the template is at the moment, over blocks and expressions."""

    def __init__(self) -> None:
        self._depth = 0

    def enter(self, at: int) -> None:
        """Go a level down; raises Bad beyond ``MAX_NESTING``."""
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise Bad(at, f"more than {MAX_NESTING} levels within each other; use set in between")

    def leave(self) -> None:
        """Come back up."""
        self._depth -= 1


class Reader:
    """The tokens of one tag, read from left to right.

    Args:
        tokens: end with one of kind ``end``.
        nesting: that of the template.
        broken: whether the rest of the tag was given up, and what is wrong is noted.
    """

    def __init__(self, tokens: list[Token], nesting: Nesting, *, broken: bool = False) -> None:
        self.broken = broken
        self._tokens = tokens
        self._next = 0
        self._nesting = nesting

    @property
    def after(self) -> str:
        """The word that was read last."""
        return self._tokens[self._next - 1].text

    @property
    def token(self) -> Token:
        """The token that is read next."""
        return self._tokens[self._next]

    def take(self) -> Token:
        """Read a token."""
        token = self._tokens[self._next]
        if token.kind != "end":
            self._next += 1
        return token

    def sees(self, text: str) -> bool:
        """Tell whether an operator or word comes next."""
        token = self._tokens[self._next]
        return token.text == text and token.kind in ("operator", "name")

    def takes(self, text: str) -> bool:
        """Read an operator or word if it comes next."""
        if self.sees(text):
            self._next += 1
            return True
        return False

    def expect(self, text: str, why: str) -> None:
        """Read an operator or word; raises Bad where another comes."""
        if not self.takes(text):
            raise Bad(self.token.at, f"{text} is expected {why}, not {shown(self.token)}")

    def name(self, what: str) -> str:
        """Read a name; raises Bad where none comes."""
        token = self.take()
        if token.kind != "name":
            raise Bad(token.at, f"{what} is expected, not {shown(token)}")
        return token.text

    def variable(self) -> str:
        """Read the name of a variable that gets a value."""
        at = self.token.at
        name = self.name("the name of a variable")
        if name in RESERVED or name in WORDS:
            raise Bad(at, f"{name} can't be the name of a variable")
        return name

    def end(self) -> None:
        """Check that the tag ends here."""
        token = self.token
        if token.kind != "end":
            raise Bad(token.at, f"{shown(token)} is not expected here{remedy(token)}")


def shown(token: Token) -> str:
    """Name a token, for messages."""
    if token.kind == "end":
        return "the end of the tag"
    if token.kind == "string":
        return "a text"
    return token.text[:100]


def remedy(token: Token) -> str:
    """Return what to write instead of a token that is not known here; mostly nothing."""
    if token.kind == "operator" and token.text in _INSTEAD:
        return f"; use {_INSTEAD[token.text]}"
    return ""
