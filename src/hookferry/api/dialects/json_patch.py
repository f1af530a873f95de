"""JSON Patch (RFC 6902) as SuperOffice takes it, on decoded JSON.

The operations are ``add``, ``replace``, ``remove`` and ``test``; ``move`` and ``copy`` are not
taken there either. A path may leave out its leading slash, and its first part ignores case.
Nothing here knows what a document means.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from hookferry.errors import Conflict, InvalidField

MAX_OPERATIONS = 1_000
MAX_DEPTH = 32
"""Parts of a path."""

_KNOWN = ("add", "replace", "remove", "test")


class Operation(msgspec.Struct):
    """One operation of a JSON patch, for the API's description."""

    op: Literal["add", "replace", "remove", "test"]
    path: str
    """A JSON pointer (RFC 6901) such as ``/Name`` or ``/Events/0``."""
    value: Any = None


def apply_patch(
    document: dict[str, Any], patch: list[Any], spelling: Mapping[str, str]
) -> dict[str, Any]:
    """Apply the operations in order, all or none; the document given is not changed.

    Args:
        document: a JSON object.
        patch: decoded operations, ``{"op", "path", "value"}``.
        spelling: the members' names by those names in lower case.

    Raises:
        InvalidField: an operation is not one, or its path leads nowhere.
        Conflict: a ``test`` found another value (RFC 6902 section 4.6).
    """
    if len(patch) > MAX_OPERATIONS:
        raise InvalidField(f"a JSON patch has at most {MAX_OPERATIONS:,} operations")
    result = copy.deepcopy(document)
    for position, operation in enumerate(patch):
        _apply(result, operation, spelling, f"[{position}]")
    return result


def _apply(
    document: dict[str, Any], operation: object, spelling: Mapping[str, str], field: str
) -> None:
    if not isinstance(operation, dict):
        raise InvalidField(
            'an operation is an object such as {"op": "replace", "path": "/Name", "value": "x"}',
            field=field,
        )
    kind, path = operation.get("op"), operation.get("path")
    if kind not in _KNOWN:
        raise InvalidField(f"op is one of {', '.join(_KNOWN)}", field=f"{field}.op")
    if kind != "remove" and "value" not in operation:
        raise InvalidField(f"{kind} needs a value, which may be null", field=f"{field}.value")
    if not isinstance(path, str) or not path.strip("/"):
        raise InvalidField("path names a member, such as /Name or /Events/0", field=f"{field}.path")
    parts = [p.replace("~1", "/").replace("~0", "~") for p in path.removeprefix("/").split("/")]
    if len(parts) > MAX_DEPTH:
        raise InvalidField(f"a path has at most {MAX_DEPTH} parts", field=f"{field}.path")
    parts[0] = spelling.get(parts[0].lower(), parts[0])
    parent: Any = document
    for part in parts[:-1]:
        parent = _child(parent, part, field)
    value = operation.get("value")
    if kind == "test":
        if not _same(_child(parent, parts[-1], field), value):
            raise Conflict(
                f"the test at {path[:80]!r} found another value; read the webhook again and "
                "repeat your change"
            )
    elif isinstance(parent, list):
        _change_list(parent, parts[-1], kind, value, field)
    elif isinstance(parent, dict):
        if kind != "add":
            _child(parent, parts[-1], field)
        if kind == "remove":
            del parent[parts[-1]]
        else:
            parent[parts[-1]] = value
    else:
        raise _nowhere(field)


def _change_list(parent: list[Any], part: str, kind: str, value: Any, field: str) -> None:
    if kind == "add":
        parent.insert(len(parent) if part == "-" else _index(part, len(parent), field), value)
        return
    index = _index(part, len(parent) - 1, field)
    if kind == "remove":
        del parent[index]
    else:
        parent[index] = value


def _child(parent: Any, part: str, field: str) -> Any:
    if isinstance(parent, dict) and part in parent:
        return parent[part]
    if isinstance(parent, list):
        return parent[_index(part, len(parent) - 1, field)]
    raise _nowhere(field)


def _index(part: str, last: int, field: str) -> int:
    """Return an array index (RFC 6901 section 4: digits, no leading zero)."""
    if part.isascii() and part.isdigit() and len(part) < 10 and str(int(part)) == part:
        index = int(part)
        if index <= last:
            return index
    raise _nowhere(field)


def _nowhere(field: str) -> InvalidField:
    return InvalidField(
        "there is nothing at this path; '-' appends to an array with the operation add",
        field=f"{field}.path",
    )


def _same(one: Any, other: Any) -> bool:
    """Compare JSON values: for Python, True is 1."""
    return msgspec.json.encode(one, order="deterministic") == msgspec.json.encode(
        other, order="deterministic"
    )
