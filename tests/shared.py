"""Material that is kept beside the repository."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

SHARED = Path(os.environ.get("TEST_SHARED", Path(__file__).parents[2] / "shared"))
"""Where it is. Where it is missing, the tests that need it fail."""


class Payload(NamedTuple):
    """A real webhook payload."""

    type: str
    data: bytes
