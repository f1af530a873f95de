"""How the library reads what it is given: as leniently as Twig, and paid for.

Text of raw bytes (a binary digest, decoded base64) is kept as Python keeps file names: bytes that
are not UTF-8 stand as lone surrogates (``surrogateescape``), and ``octets`` gives them back.
"""

from __future__ import annotations

import math
from typing import Final

from hookferry.errors import ScriptError
from hookferry.kata import values
from hookferry.kata.fuel import CELL
from hookferry.kata.templates.registry import Run
from hookferry.kata.values import MAX_INT, MIN_INT, Value, kind_of, text_of

_POINTER: Final = 16
"""Bytes that a list takes for a value that exists already."""
_SCANS: Final = 4
"""What going through a text character by character costs, as against copying it."""


def text(run: Run, value: Value, name: str) -> str:
    """Return a value as text, and pay for reading it: null is empty, numbers are printed.

    Args:
        name: what is called, for the message, such as ``|upper``.

    Raises:
        ScriptError: it is a list, a dictionary or a function.
    """
    if isinstance(value, list | dict) or callable(value):
        raise ScriptError(f"{name} wants a text, not {kind_of(value)}")
    said = text_of(value)
    run.fuel.read(_SCANS * len(said))
    return said


def numeric(value: Value) -> int | float | None:
    """Return a number, or the number that a text is; else None."""
    if isinstance(value, str):
        return values.numeric(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def number(value: Value, name: str) -> int | float:
    """Return a value as a number: null and false are 0, true is 1, an empty text 0.

    Raises:
        ScriptError: it is none, or not a finite one.
    """
    if value is None or value == "" or isinstance(value, bool):
        return int(bool(value))
    found = numeric(value)
    if found is None:
        shown = repr(value[:40]) if isinstance(value, str) else kind_of(value)
        raise ScriptError(f"{name} wants a number, not {shown}")
    if not math.isfinite(found):
        raise ScriptError(f"{name} wants a finite number")
    return found


def whole(value: Value, name: str) -> int:
    """Return a value as a whole number of 64 bits, decimals cut off as PHP does.

    Raises:
        ScriptError: it is no number.
    """
    return int(max(min(number(value, name), MAX_INT), MIN_INT))


def entries(run: Run, value: Value, name: str) -> list[tuple[Value, Value]]:
    """Return a list's or dictionary's keys and values, paid for; null has none.

    Raises:
        ScriptError: it is neither.
    """
    if value is None:
        return []
    if isinstance(value, list | dict):
        among = enumerate(value) if isinstance(value, list) else value.items()
        pairs: list[tuple[Value, Value]] = []
        for portion in run.fuel.portions(among, per_step=8):
            pairs += portion
        return pairs
    raise ScriptError(f"{name} wants a list or a dictionary, not {kind_of(value)}")


def items(run: Run, value: Value, name: str) -> list[Value]:
    """Return a list, or a dictionary's values, paid for; null has none. Not to be changed.

    Raises:
        ScriptError: it is neither.
    """
    if isinstance(value, list):
        run.fuel.spend(1 + len(value) // 8)
        return value
    return [item for _, item in entries(run, value, name)]


def key_of(value: Value, name: str) -> str:
    """Return a value as a dictionary's key.

    Raises:
        ScriptError: it is a list, a dictionary or a function.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, list | dict) or callable(value):
        raise ScriptError(f"{name} wants a text as a key, not {kind_of(value)}")
    return text_of(value)


def built_list(run: Run, count: int) -> None:
    """Pay for a list of so many values that exist already."""
    run.fuel.build(_POINTER * count)


def built_dict(run: Run, count: int) -> None:
    """Pay for a dictionary of so many values that exist already."""
    run.fuel.build(CELL * count)


def octets(value: str) -> bytes:
    """Return the bytes that a text stands for: UTF-8, and raw ones as they were."""
    try:
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace")


def from_octets(value: bytes) -> str:
    """Return bytes as a text that ``octets`` turns back into them."""
    return value.decode("utf-8", "surrogateescape")
