"""The packages that come with hookferry: folders of ``hookferry/automate/library``.

Each has its ``package.json``, in which ``{"_file": NAME}`` stands for the text of a file beside it,
so that scripts can be read and edited as such.
"""

from __future__ import annotations

import functools
import json
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

from hookferry.errors import NotFound


class Entry(NamedTuple):
    """A package of the library."""

    name: str
    """What it is imported by."""
    title: str
    description: str
    document: dict[str, Any]
    """The package, whole."""


@functools.cache
def library() -> dict[str, Entry]:
    """Return the packages by name."""
    folder = resources.files("hookferry.automate") / "library"
    found = {}
    for place in sorted(folder.iterdir(), key=lambda place: place.name):
        if place.is_dir() and (place / "package.json").is_file():
            document = _with_files(json.loads((place / "package.json").read_text()), place)
            about = document["package"]["library"]
            found[place.name] = Entry(place.name, about["name"], about["description"], document)
    return found


def entry(name: str) -> Entry:
    """Return a package of the library; raises NotFound."""
    try:
        return library()[name]
    except KeyError:
        raise NotFound(
            f"the library has no package {name[:100]!r}; it has {', '.join(library())}"
        ) from None


def _with_files(value: Any, folder: Traversable) -> Any:
    if isinstance(value, list):
        return [_with_files(item, folder) for item in value]
    if not isinstance(value, dict):
        return value
    if "_file" in value:
        return (folder / value["_file"]).read_text()
    return {name: _with_files(item, folder) for name, item in value.items()}
