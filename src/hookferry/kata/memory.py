"""The working memory of a run: a dictionary whose values count against the run's budget.

Values are shared and never changed, so what is changed at a path is built anew along that path;
a value that stands at two places is counted at both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hookferry.errors import ScriptError
from hookferry.kata.fuel import CELL, Fuel
from hookferry.kata.values import MAX_DEPTH, Value, kind_of, size_of

MAX_PATH: Final = 1_024
"""Characters of a key path."""

Path = Sequence[str]


def read_path(text: Value, delimiter: str = ":") -> Path:
    """Read a key path such as ``person:name:last``.

    Raises:
        ScriptError: it is none.
    """
    if not isinstance(text, str) or not text or len(text) > MAX_PATH:
        raise ScriptError(
            f"a key path is a text of 1 to {MAX_PATH:,} characters, such as person:name:last"
        )
    path = text.split(delimiter)
    if len(path) > MAX_DEPTH or not all(path):
        raise ScriptError(
            f"the key path {text[:80]} has {len(path)} keys; it may have {MAX_DEPTH}, none empty"
        )
    return path


class Memory:
    """The dictionary of a run.

    Args:
        fuel: pays for what is put in, and gets back what is replaced.

    Attributes:
        values: the dictionary; only read from outside.
    """

    __slots__ = ("_fuel", "_sizes", "values")

    def __init__(self, fuel: Fuel) -> None:
        self.values: dict[str, Value] = {}
        self._sizes: dict[str, int] = {}
        self._fuel = fuel

    def assign(self, key: str, value: Value) -> None:
        """Put a value at a key.

        Raises:
            ScriptError, OutOfFuel: it is too deep or too large.
        """
        fuel = self._fuel
        size = CELL + len(key) + size_of(value, fuel)
        fuel.build(size)
        fuel.held -= self._sizes.get(key, 0)
        self._sizes[key] = size
        self.values[key] = value

    def put(self, path: Path, value: Value) -> None:
        """Put a value at a path; dictionaries that are missing on the way are made.

        Raises:
            ScriptError: the path leads through a value that has no keys, or past a list's end.
            OutOfFuel: it is too large.
        """
        if len(path) == 1:
            self.assign(path[0], value)
            return
        old = self.find(path)
        grown = size_of(value, self._fuel, len(path) - 1) - self._size_at(old)
        if old is None:
            grown += sum(CELL + len(key) for key in path)
        self._change(path[0], self._with(self.values.get(path[0]), path[1:], value), grown)

    def push(self, path: Path, value: Value) -> list[Value]:
        """Append a value to the list at a path, and return the list; one that is missing is made.

        Raises:
            ScriptError: there is something else than a list.
            OutOfFuel: it is too large.
        """
        old = self.find(path)
        if old is None:
            old = []
        if not isinstance(old, list):
            raise ScriptError(f"{':'.join(path)} is {kind_of(old)}; only lists can be pushed to")
        grown = CELL + size_of(value, self._fuel, len(path))
        self._fuel.read(CELL * len(old))
        new = [*old, value]
        root = path[0]
        if len(path) == 1:
            if root not in self._sizes:
                grown += CELL + len(root)
            self._change(root, new, grown)
        else:
            if not old:
                grown += sum(CELL + len(key) for key in path)
            self._change(root, self._with(self.values.get(root), path[1:], new), grown)
        return new

    def remove(self, path: Path) -> bool:
        """Take away what is at a path; returns whether there was anything.

        An entry that is taken out of a list leaves a shorter one.
        """
        root = path[0]
        if len(path) == 1:
            self._fuel.held -= self._sizes.pop(root, 0)
            return self.values.pop(root, self) is not self
        parent = self.find(path[:-1])
        key = path[-1]
        self._fuel.read(CELL * len(parent) if isinstance(parent, list | dict) else 0)
        if isinstance(parent, dict) and key in parent:
            gone = parent[key]
            left: Value = {name: value for name, value in parent.items() if name != key}
        elif isinstance(parent, list) and (index := _index(key)) is not None:
            if index >= len(parent):
                return False
            gone = parent[index]
            left = parent[:index] + parent[index + 1 :]
        else:
            return False
        if len(path) == 2:
            new = left
        else:
            new = self._with(self.values[root], path[1:-1], left)
        self._change(root, new, -self._size_at(gone))
        return True

    def find(self, path: Path) -> Value:
        """Return what is at a path, None where it leads nowhere."""
        value: Value = self.values
        for key in path:
            if isinstance(value, dict):
                value = value.get(key)
            elif isinstance(value, list) and (index := _index(key)) is not None:
                value = value[index] if index < len(value) else None
            else:
                return None
        return value

    def _size_at(self, value: Value) -> int:
        return 0 if value is None else size_of(value, self._fuel)

    def _change(self, key: str, value: Value, grown: int) -> None:
        """Put a value at a key that is larger than the one before by so many bytes."""
        self._fuel.build(max(grown, 0))
        self._fuel.held += min(grown, 0)
        self._sizes[key] = self._sizes.get(key, 0) + grown
        self.values[key] = value

    def _with(self, container: Value, path: Path, value: Value) -> Value:
        """Return a copy of a container in which a value stands at a path."""
        if not path:
            return value
        key, rest = path[0], path[1:]
        if container is None or container == "":
            return {key: self._with(None, rest, value)}
        if isinstance(container, dict):
            self._fuel.read(CELL * len(container))
            return {**container, key: self._with(container.get(key), rest, value)}
        if not isinstance(container, list):
            raise ScriptError(f"{key} can't be set in {kind_of(container)}, which has no keys")
        index = _index(key)
        if index is None or index > len(container):
            raise ScriptError(
                f"{key} is no place in a list of {len(container)}; places are 0 to "
                f"{len(container)}, the last of which appends"
            )
        self._fuel.read(CELL * len(container))
        inner = container[index] if index < len(container) else None
        return [
            *container[:index],
            self._with(inner, rest, value),
            *container[index + 1 :],
        ]


def _index(key: str) -> int | None:
    """Return the place in a list that a key names."""
    return int(key) if key.isascii() and key.isdigit() and len(key) < 9 else None
