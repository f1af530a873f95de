"""Event types and the patterns that subscribe to them (SEMANTICS section 6).

The rules and the reference meaning of a match live here; how ten thousand subscriptions are
matched at once is ``hookferry.match.index``.
"""

from __future__ import annotations

import re

from hookferry.errors import InvalidField

MAX_LENGTH = 128
"""Characters in an event type or a pattern."""
MAX_SEGMENTS = 8

_SEGMENT = r"[A-Za-z0-9_-]+"
TYPE = re.compile(rf"{_SEGMENT}(?:\.{_SEGMENT}){{0,{MAX_SEGMENTS - 1}}}")
_PART = rf"(?:{_SEGMENT}|\*)"
PATTERN = re.compile(rf"{_PART}(?:\.{_PART}){{0,{MAX_SEGMENTS - 1}}}")


def check_event_type(name: str, *, field: str = "type") -> None:
    """Raise InvalidField unless ``name`` is an event type.

    Args:
        name: the event type.
        field: the input field to name in the error.
    """
    if len(name) > MAX_LENGTH or not TYPE.fullmatch(name):
        raise InvalidField(
            f"{_shown(name)} is not an event type; use 1 to {MAX_SEGMENTS} segments of letters, "
            f"digits, '_' and '-' joined by '.', {MAX_LENGTH} characters at most, such as "
            "'contact.created'",
            field=field,
        )


def check_pattern(pattern: str, *, field: str = "events") -> None:
    """Raise InvalidField unless ``pattern`` is an event pattern.

    Args:
        pattern: an event type in which any whole segment may be ``*``.
        field: the input field to name in the error.
    """
    if len(pattern) <= MAX_LENGTH and PATTERN.fullmatch(pattern):
        return
    if any("*" in part and part != "*" for part in pattern.split(".")):
        remedy = "'*' stands for whole segments only, such as 'contact.*' or '*.created'"
    else:
        remedy = (
            f"use an event type such as 'contact.created', with '*' for any segment, such as "
            f"'contact.*', or '*' alone for everything; 1 to {MAX_SEGMENTS} segments of letters, "
            f"digits, '_' and '-' joined by '.', {MAX_LENGTH} characters at most"
        )
    raise InvalidField(f"{_shown(pattern)} is not an event pattern; {remedy}", field=field)


def matches(pattern: str, event_type: str) -> bool:
    """Tell whether a pattern subscribes to an event type; both are well-formed.

    ``*`` as the last segment matches one or more segments, elsewhere exactly one; alone,
    everything. This is the reference that the index has to agree with.
    """
    wanted = pattern.split(".")
    given = event_type.split(".")
    if wanted[-1] == "*":
        if len(given) < len(wanted):
            return False
    elif len(given) != len(wanted):
        return False
    return all(w in ("*", g) for w, g in zip(wanted, given, strict=False))


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")
