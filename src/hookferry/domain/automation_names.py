"""How automations are named: in records, and where something refers to one."""

from __future__ import annotations

import re
from typing import Final

NAME: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,126}[a-z0-9_])?")
"""A name, such as ``example.webhook.respond``."""
_PREFIXES: Final = ("cerb:automation:", "hookferry:automation:")


def named(uri: str) -> str:
    """Return the name in ``cerb:automation:<name>``, or in a name as it is (S-CB-17)."""
    uri = uri.strip()
    for prefix in _PREFIXES:
        if uri.startswith(prefix):
            return uri[len(prefix) :]
    return uri
