"""Finds what a template calls by its name and checks what it is given, before anything runs."""

from __future__ import annotations

from inspect import Parameter
from typing import Final

from hookferry.kata.problems import hint
from hookferry.kata.templates.lexer import Bad
from hookferry.kata.templates.nodes import Arguments
from hookferry.kata.templates.registry import FILTERS, FUNCTIONS, TESTS, Callee, Kind

_KNOWN: Final = {"filter": FILTERS, "function": FUNCTIONS, "test": TESTS}
_GIVEN: Final = {"filter": 2, "function": 1, "test": 2}
"""Parameters that are no arguments: the run, and the value of a filter or test."""
_INSTEAD: Final = {
    "include": "templates don't include others; use an automation's function command",
    "source": "templates don't read others",
    "block": "templates have no blocks; use set with endset",
    "parent": "templates extend no others",
    "dump": "use |json_encode|json_pretty",
    "constant": "there are no PHP constants; write the value",
    "attribute": "write value[name]",
}


def find(kind: Kind, name: str, at: int) -> Callee:
    """Return what a name stands for; raises Bad with the nearest known name."""
    found = _KNOWN[kind].get(name)
    if found is not None:
        return found
    if kind == "function" and name in _INSTEAD:
        raise Bad(at, f"there is no function {name}: {_INSTEAD[name]}")
    raise Bad(at, f"there is no {kind} {name[:100]}; {hint(name, _KNOWN[kind])}")


def parameters(callee: Callee) -> list[Parameter]:
    """Return the parameters that a template fills."""
    return list(callee.signature.parameters.values())[_GIVEN[callee.kind] :]


def check(callee: Callee, arguments: Arguments, at: int) -> Arguments:
    """Return the arguments by the callee's own names.

    Raises:
        Bad: too many, one missing, one unknown or one given twice.
    """
    takes = parameters(callee)
    fixed = [each for each in takes if each.kind is Parameter.POSITIONAL_OR_KEYWORD]
    rest = any(each.kind is Parameter.VAR_POSITIONAL for each in takes)
    given = len(arguments.positional)
    if given > len(fixed) and not rest:
        raise Bad(at, f"{callee.name} takes {_told(fixed)}, and {given} are given")
    # A name that Python keeps for itself ends in an underscore there.
    named = {each.name.removesuffix("_"): each.name for each in takes if each.kind in _NAMED}
    filled = {each.name for each in fixed[:given]}
    renamed = {}
    for name, value in arguments.named.items():
        if name not in named:
            known = hint(name, named) if named else "it takes none by name"
            raise Bad(at, f"{callee.name} has no argument {name[:100]}; {known}")
        if named[name] in filled:
            raise Bad(at, f"{callee.name} is given {name} twice")
        renamed[named[name]] = value
    for each in takes:
        needed = each.kind in _NAMED and each.default is Parameter.empty
        if needed and each.name not in filled and each.name not in renamed:
            raise Bad(at, f"{callee.name} needs {each.name.removesuffix('_')}")
    return Arguments(arguments.positional, renamed)


_NAMED: Final = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


def _told(fixed: list[Parameter]) -> str:
    if not fixed:
        return "no arguments"
    names = ", ".join(each.name.removesuffix("_") for each in fixed)
    return f"at most {len(fixed)} argument{'s' if len(fixed) > 1 else ''} ({names})"
