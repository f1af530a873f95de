"""What answers and the attempt log show in place of a credential, and that it does not come back.

Values at rest are ``hookferry.engine.sealing``; log records are masked in ``hookferry.logs``.
"""

from __future__ import annotations

import re

from hookferry.errors import InvalidField

MASK = "********"
"""Shown in place of a value."""
_CREDENTIAL = re.compile(
    r"authorization|cookie|token|secret|password|key|credential", re.IGNORECASE
)


def is_credential(header: str) -> bool:
    """Tell whether a header of this name carries what must not be shown."""
    return _CREDENTIAL.search(header) is not None


def refuse_mask(value: str, field: str) -> None:
    """Raise InvalidField when a value is the mask: read from an answer and sent back with it."""
    if value == MASK:
        raise InvalidField(
            f"{MASK} is what is shown in place of {field}; leave it out, and it stays as it is",
            field=field,
        )
