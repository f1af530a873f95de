"""Functions that return something else every time."""

from __future__ import annotations

import string
from typing import Final

from hookferry.errors import ScriptError
from hookferry.kata.templates.library.coercion import built_list, items, text, whole
from hookferry.kata.templates.registry import Run, register
from hookferry.kata.values import Value

_CHARACTERS: Final = string.ascii_uppercase + string.digits
_LONGEST: Final = 1024


@register(
    "function",
    "random_string",
    examples=(("{{ random_string(16)|length }}", "16"),),
)
def random_string(run: Run, length: Value = 8) -> str:
    """Return so many random capital letters and digits: a code, a password for a while."""
    count = whole(length, "random_string")
    if not 1 <= count <= _LONGEST:
        raise ScriptError(f"random_string makes texts of 1 to {_LONGEST} characters")
    run.fuel.spend(count)
    run.fuel.build(count)
    return "".join(run.rng.choices(_CHARACTERS, k=count))


@register(
    "function",
    "random",
    examples=(
        ("{{ random(['only']) }}", "only"),
        ("{{ random(0) }}", "0"),
    ),
)
def random(run: Run, values: Value = 2**31 - 1, max: Value = None) -> Value:
    """Return one of a list's items or of a text's characters, or a whole number up to another."""
    if isinstance(values, list | dict):
        among = items(run, values, "random")
        if not among:
            raise ScriptError("random wants a list that is not empty")
        return run.rng.choice(among)
    if isinstance(values, str):
        said = text(run, values, "random")
        return run.rng.choice(said) if said else ""
    first = whole(values, "random") if max is not None else 0
    last = whole(values if max is None else max, "random")
    return run.rng.randint(*sorted((first, last)))


@register(
    "function",
    "shuffle",
    examples=(("{{ shuffle([1, 2, 3])|sort|join }}", "123"),),
)
def shuffle(run: Run, array: Value) -> list[Value]:
    """Return a list in a random order."""
    among = items(run, array, "shuffle")
    run.fuel.spend(len(among))
    built_list(run, len(among))
    return run.rng.sample(among, len(among))
