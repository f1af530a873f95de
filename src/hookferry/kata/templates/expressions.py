"""Reads the expressions of a tag, with the precedence of Twig 3's operators.

(https://twig.symfony.com/doc/3.x/templates.html#operators; the numbers are those of its core
extension.) Filters, ``.`` and ``[]`` bind tightest; chains of operators stay flat, so that only
what is nested is deep.
"""

from __future__ import annotations

from typing import Final

from hookferry.kata.templates import calls
from hookferry.kata.templates.lexer import Bad, Token
from hookferry.kata.templates.nodes import (
    Apply,
    Arguments,
    ArrowOf,
    Attribute,
    Call,
    Chain,
    Check,
    Concat,
    Conditional,
    Constant,
    Defined,
    DictOf,
    Expression,
    ListOf,
    Name,
    Operation,
    Step,
    Unary,
)
from hookferry.kata.templates.reader import RESERVED, WORDS, Reader, remedy, shown
from hookferry.kata.templates.registry import TESTS
from hookferry.kata.values import MAX_INT

_LEFT: Final = {
    "or": 10,
    "xor": 12,
    "and": 15,
    "b-or": 16,
    "b-xor": 17,
    "b-and": 18,
    "==": 20,
    "!=": 20,
    "<=>": 20,
    "<": 20,
    ">": 20,
    "<=": 20,
    ">=": 20,
    "not in": 20,
    "in": 20,
    "matches": 20,
    "starts with": 20,
    "ends with": 20,
    "..": 25,
    "+": 30,
    "-": 30,
    "~": 40,
    "*": 60,
    "/": 60,
    "//": 60,
    "%": 60,
    "is": 100,
    "is not": 100,
}
_RIGHT: Final = {"**": 200, "??": 300}
_UNARY: Final = {"not": 50, "-": 500, "+": 500}
_TWO_WORDS: Final = {"not": "in", "is": "not", "starts": "with", "ends": "with"}
_POSTFIX: Final = (".", "[", "|")
_NAMES_ARGUMENT: Final = (("operator", ":"), ("operator", "="))


class ExpressionReader(Reader):
    """The tokens of one tag, read as expressions."""

    def expression(self, least: int = 0) -> Expression:
        """Read an expression whose operators bind at least so tightly; raises Bad."""
        self._nesting.enter(self.token.at)
        try:
            if least:
                return self._operators(least)
            found = self._arrow() or self._operators(0)
            return self._conditional(found) if self.takes("?") else found
        finally:
            self._nesting.leave()

    def filters(self) -> list[Step]:
        """Read ``name(arguments)|name``: what a block's text goes through."""
        steps: list[Step] = [self._filter()]
        while self.takes("|"):
            steps.append(self._filter())
        return steps

    def _operators(self, least: int) -> Expression:
        found = self._unary()
        while (operator := self._operator(least)) is not None:
            if operator in ("is", "is not"):
                found = self._test(found, negated=operator == "is not")
                continue
            if operator in _RIGHT:
                operand = self.expression(_RIGHT[operator])
            else:
                operand = self.expression(_LEFT[operator] + 1)
            if operator == "..":
                ranging = calls.find("function", "range", self.token.at)
                found = _extended(found, Apply(ranging, Arguments([operand], {})))
            elif operator != "~":
                found = _extended(found, Operation(operator, operand))
            elif isinstance(found, Concat):
                found.parts.append(operand)
            else:
                found = Concat([found, operand])
        return found

    def _operator(self, least: int) -> str | None:
        """Read a binary operator that binds tightly enough."""
        token = self.token
        if token.kind not in ("operator", "name"):
            return None
        operator, words = token.text, 1
        if operator in _TWO_WORDS and token.kind == "name":
            following = self._tokens[self._next + 1]
            if following.kind == "name" and following.text == _TWO_WORDS[operator]:
                operator, words = f"{operator} {following.text}", 2
        binds = _LEFT.get(operator) or _RIGHT.get(operator)
        if binds is None or binds < least:
            return None
        self._next += words
        return operator

    def _unary(self) -> Expression:
        token = self.token
        if token.kind in ("operator", "name") and token.text in _UNARY:
            self.take()
            operand = self.expression(_UNARY[token.text])
            if token.text == "-" and isinstance(operand, Constant) and type(operand.value) is int:
                return self._postfix(Constant(-operand.value))
            return self._postfix(Unary(token.text, operand))
        return self._postfix(self._primary())

    def _primary(self) -> Expression:
        token = self.take()
        if token.kind == "string":
            return Constant(token.text)
        if token.kind == "number":
            return Constant(_number(token.text))
        if token.kind == "name":
            return self._named(token)
        if token.kind == "operator":
            if token.text == "(":
                inside = self.expression()
                self.expect(")", "to close the bracket")
                return inside
            if token.text == "[":
                return self._list()
            if token.text == "{":
                return self._dict()
        raise Bad(token.at, f"a value is expected, not {shown(token)}{remedy(token)}")

    def _named(self, token: Token) -> Expression:
        word = token.text
        if self.takes("("):
            callee = calls.find("function", word, token.at)
            return Call(callee, calls.check(callee, self._arguments(), token.at))
        if word.lower() in WORDS:
            return Constant(WORDS[word.lower()])
        if word in RESERVED:
            raise Bad(token.at, f"a value is expected, not {shown(token)}")
        return Name(word)

    def _list(self) -> Expression:
        items: list[Expression] = []
        while not self.takes("]"):
            if items:
                self.expect(",", "between entries")
                if self.takes("]"):
                    break
            items.append(self.expression())
        return ListOf(items)

    def _dict(self) -> Expression:
        entries: list[tuple[Expression, Expression]] = []
        while not self.takes("}"):
            if entries:
                self.expect(",", "between entries")
                if self.takes("}"):
                    break
            entries.append(self._entry())
        return DictOf(entries)

    def _entry(self) -> tuple[Expression, Expression]:
        token = self.take()
        key: Expression
        if token.kind == "operator" and token.text == "(":
            key = self.expression()
            self.expect(")", "to close the bracket")
        elif token.kind in ("string", "name", "number"):
            key = Constant(_number(token.text) if token.kind == "number" else token.text)
            if token.kind == "name" and not self.sees(":"):
                return key, Name(token.text)
        else:
            raise Bad(token.at, f"a key is expected, not {shown(token)}{remedy(token)}")
        self.expect(":", "after a key")
        return key, self.expression()

    def _postfix(self, found: Expression) -> Expression:
        while (token := self._tokens[self._next]).text in _POSTFIX and token.kind == "operator":
            at = token.at
            if self.takes("."):
                found = _extended(found, Attribute(self._member()))
            elif self.takes("["):
                found = _extended(found, self._subscript(at))
            else:
                self.take()
                found = _extended(found, self._filter())
        return found

    def _member(self) -> Expression:
        token = self.take()
        if token.kind == "number":
            return Constant(_number(token.text))
        if token.kind != "name":
            raise Bad(token.at, f"a key is expected after the dot, not {shown(token)}")
        if self.sees("("):
            raise Bad(token.at, "values have no methods; use a filter, as in value|filter")
        return Constant(token.text)

    def _subscript(self, at: int) -> Step:
        start: Expression = Constant(0)
        if not self.sees(":"):
            start = self.expression()
            if self.takes("]"):
                return Attribute(start)
        self.expect(":", "or ] after the key")
        length: Expression = Constant(None)
        if not self.sees("]"):
            length = self.expression()
        self.expect("]", "to close the bracket")
        slicing = calls.find("filter", "slice", at)
        return Apply(slicing, Arguments([start, length], {}))

    def _filter(self) -> Apply:
        at = self.token.at
        name = self.name("the name of a filter")
        callee = calls.find("filter", name, at)
        arguments = self._arguments() if self.takes("(") else Arguments([], {})
        return Apply(callee, calls.check(callee, arguments, at))

    def _test(self, found: Expression, *, negated: bool) -> Expression:
        at = self.token.at
        name = self.name("the name of a test")
        following = self.token
        if following.kind == "name" and f"{name} {following.text}" in TESTS:
            self.take()
            name = f"{name} {following.text}"
        if name == "defined" and _may_be_missing(found):
            return Defined(found, negated)
        callee = calls.find("test", name, at)
        arguments = Arguments([], {})
        if self.takes("("):
            arguments = self._arguments()
        elif any(each.default is each.empty for each in calls.parameters(callee)):
            # is divisible by 3: what a test needs may stand there without brackets.
            arguments = Arguments([self._postfix(self._primary())], {})
        return _extended(found, Check(callee, calls.check(callee, arguments, at), negated))

    def _arguments(self) -> Arguments:
        """Read what follows an opening bracket, and the closing one."""
        positional: list[Expression] = []
        named: dict[str, Expression] = {}
        while not self.takes(")"):
            if positional or named:
                self.expect(",", "between arguments")
                if self.takes(")"):
                    break
            token, following = self.token, self._tokens[min(self._next + 1, len(self._tokens) - 1)]
            if (
                token.kind == "name"
                and following.kind == "operator"
                and following.text in (":", "=")
            ):
                self._next += 2
                if token.text in named:
                    raise Bad(token.at, f"{token.text} is given twice")
                named[token.text] = self.expression()
            elif named:
                raise Bad(token.at, "arguments without a name come before those with one")
            else:
                positional.append(self.expression())
        return Arguments(positional, named)

    def _arrow(self) -> Expression | None:
        """Read ``name => body`` or ``(name, name) => body`` if one comes."""
        begin = self._next
        names: list[str] = []
        if self.takes("("):
            while self.token.kind == "name":
                names.append(self.take().text)
                if not self.takes(","):
                    break
            is_arrow = self.takes(")") and self.takes("=>")
        elif self.token.kind == "name":
            names.append(self.take().text)
            is_arrow = self.takes("=>")
        else:
            return None
        if not is_arrow:
            self._next = begin
            return None
        return ArrowOf(tuple(names), self.expression())

    def _conditional(self, test: Expression) -> Expression:
        if self.takes(":"):
            return Conditional(test, None, self.expression())
        yes = self.expression()
        no = self.expression() if self.takes(":") else Constant("")
        return Conditional(test, yes, no)


def _extended(found: Expression, step: Step) -> Expression:
    """Return a value with one more step."""
    if isinstance(found, Chain):
        found.steps.append(step)
        return found
    return Chain(found, [step])


def _may_be_missing(found: Expression) -> bool:
    """Tell whether a value is read from a place that may not be there."""
    if isinstance(found, Chain):
        return isinstance(found.steps[-1], Attribute)
    return isinstance(found, Name)


def _number(text: str) -> int | float:
    plain = text.replace("_", "")
    if plain.isdigit() and len(plain) < 20 and int(plain) <= MAX_INT:
        return int(plain)
    return float(plain)
