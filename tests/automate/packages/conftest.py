from __future__ import annotations

import pytest

from automate.packages.kit import Post


@pytest.fixture
def post() -> Post:
    return Post()
