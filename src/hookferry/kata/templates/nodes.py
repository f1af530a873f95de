"""The tree of a template. ``at`` is an offset in the template's text."""

from __future__ import annotations

from typing import NamedTuple, Union

from hookferry.kata.templates.registry import Callee
from hookferry.kata.values import Value


class Constant(NamedTuple):
    """A literal."""

    value: Value


class Name(NamedTuple):
    """A variable."""

    name: str


class ListOf(NamedTuple):
    """``[a, b]``."""

    items: list[Expression]


class DictOf(NamedTuple):
    """``{key: value}``; a key is an expression, mostly a constant."""

    entries: list[tuple[Expression, Expression]]


class Unary(NamedTuple):
    """``not``, ``-`` or ``+`` before an operand."""

    operator: str
    operand: Expression


class Concat(NamedTuple):
    """``a ~ b ~ c``: one node, so that the text is built once."""

    parts: list[Expression]


class Conditional(NamedTuple):
    """``test ? yes : no``; ``yes`` is None in ``test ?: no``."""

    test: Expression
    yes: Expression | None
    no: Expression


class ArrowOf(NamedTuple):
    """``(a, b) => body``."""

    names: tuple[str, ...]
    body: Expression


class Arguments(NamedTuple):
    """What a callee is given, checked against its signature."""

    positional: list[Expression]
    named: dict[str, Expression]


class Call(NamedTuple):
    """A function call."""

    callee: Callee
    arguments: Arguments


class Defined(NamedTuple):
    """``name is defined``, ``path.key is defined``: asked of what has no value too."""

    target: Expression
    negated: bool


class Attribute(NamedTuple):
    """A step: ``.key`` or ``[key]``."""

    key: Expression


class Apply(NamedTuple):
    """A step: ``|filter(arguments)``."""

    callee: Callee
    arguments: Arguments


class Check(NamedTuple):
    """A step: ``is test(arguments)``."""

    callee: Callee
    arguments: Arguments
    negated: bool


class Operation(NamedTuple):
    """A step: a binary operator and its right operand."""

    operator: str
    operand: Expression


Step = Union[Attribute, Apply, Check, Operation]  # noqa: UP007 - the names stand further down


class Chain(NamedTuple):
    """A value that steps are applied to from left to right: flat, however long it is.

    ``(a + b) * c`` is one chain, as is ``a.b|c``.
    """

    first: Expression
    steps: list[Step]


Expression = Union[  # noqa: UP007 - a recursive alias
    Constant,
    Name,
    ListOf,
    DictOf,
    Unary,
    Concat,
    Conditional,
    ArrowOf,
    Call,
    Defined,
    Chain,
]


class Text(NamedTuple):
    """Text that is printed as it stands."""

    text: str


class Print(NamedTuple):
    """``{{ value }}``."""

    value: Expression


class Evaluate(NamedTuple):
    """``{% do value %}``."""

    value: Expression


class Assign(NamedTuple):
    """``{% set a, b = 1, 2 %}``."""

    names: list[str]
    values: list[Expression]


class Capture(NamedTuple):
    """``{% set name %}body{% endset %}``."""

    name: str
    body: Body


class If(NamedTuple):
    """``{% if %}`` with its ``elseif`` branches; ``otherwise`` is what follows ``else``."""

    branches: list[tuple[Expression, Body]]
    otherwise: Body


class For(NamedTuple):
    """``{% for key, item in items %}``; ``otherwise`` is for nothing to go through."""

    key: str | None
    item: str
    items: Expression
    body: Body
    otherwise: Body


class With(NamedTuple):
    """``{% with values only %}``: a scope of its own."""

    values: Expression | None
    only: bool
    body: Body


class Filtered(NamedTuple):
    """``{% filter a|b %}``, ``{% apply a|b %}``: steps applied to what the body prints."""

    steps: list[Step]
    body: Body


class Spaceless(NamedTuple):
    """``{% spaceless %}``."""

    body: Body


Statement = Union[  # noqa: UP007 - a recursive alias
    Text, Print, Evaluate, Assign, Capture, If, For, With, Filtered, Spaceless
]
Body = list[Statement]
