"""What templates can call: filters, functions and tests, by name, each with its documentation.

The registries are what the evaluator looks up, what the reference is generated from, and what the
test suite executes the examples of.
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple, TypeVar

from hookferry.kata.fuel import Fuel

Kind = Literal["filter", "function", "test"]
F = TypeVar("F", bound=Callable[..., Any])


class Run:
    """What a filter or function may use of the run that it is called in.

    Args:
        fuel: pays; a callable pays for what it reads and builds before it does it.
        now: seconds since 1970, as of this run.
        rng: where random texts come from.
    """

    __slots__ = ("fuel", "now", "rng")

    def __init__(self, fuel: Fuel, *, now: float, rng: random.Random) -> None:
        self.fuel = fuel
        self.now = now
        self.rng = rng


class Example(NamedTuple):
    """A template and the text that it renders to; executed by the test suite."""

    template: str
    text: str


class Callee(NamedTuple):
    """A filter, function or test."""

    name: str
    kind: Kind
    call: Callable[..., Any]
    """Called with the run, then (filters and tests) the value, then the arguments by position or
    by their Twig names, which are the Python parameters' names."""
    doc: str
    """One sentence or two, for the reference."""
    signature: inspect.Signature
    examples: tuple[Example, ...]


FILTERS: Final[dict[str, Callee]] = {}
FUNCTIONS: Final[dict[str, Callee]] = {}
TESTS: Final[dict[str, Callee]] = {}
_REGISTRIES: Final[dict[Kind, dict[str, Callee]]] = {
    "filter": FILTERS,
    "function": FUNCTIONS,
    "test": TESTS,
}


def register(kind: Kind, *names: str, examples: tuple[tuple[str, str], ...]) -> Callable[[F], F]:
    """Register a callable under one or more names (the first is its own, others are aliases).

    Its docstring is the reference's text. Each example is a template and the text it renders to.
    """

    def add(call: F) -> F:
        registry = _REGISTRIES[kind]
        doc = inspect.getdoc(call)
        if not doc or not examples:
            raise TypeError(f"the {kind} {names[0]} needs a docstring and an example")
        for name in names:
            if name in registry:
                raise TypeError(f"the {kind} {name} is registered twice")
            registry[name] = Callee(
                name,
                kind,
                call,
                doc,
                inspect.signature(call),
                tuple(Example(*example) for example in examples),
            )
        return call

    return add
