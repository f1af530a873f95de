"""Functions on addresses of mail."""

from __future__ import annotations

import re
from typing import Final

from hookferry.kata.templates.library.coercion import text
from hookferry.kata.templates.registry import Run, register
from hookferry.kata.values import Value

_MAX_ADDRESS: Final = 254
_MAX_MAILBOX: Final = 64
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS: Final = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@{_LABEL}(?:\.{_LABEL})+")


@register(
    "function",
    "validate_email",
    examples=(
        ("{{ validate_email('kina@x.example')|json_encode }}", "true"),
        ("{{ validate_email('kina#x.example')|json_encode }}", "false"),
    ),
)
def validate_email(run: Run, string: Value) -> bool:
    """Tell whether a text is an address of mail: letters, digits and ``.!#$%`` before a domain."""
    if not isinstance(string, str) or len(string) > _MAX_ADDRESS:
        return False
    found = _ADDRESS.fullmatch(text(run, string, "validate_email"))
    return found is not None and len(found[1]) <= _MAX_MAILBOX
