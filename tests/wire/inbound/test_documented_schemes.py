"""Whatever a scheme can say stands in a table of docs/verification.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hookferry.wire.inbound import http_signatures, jwt, keys, moments
from hookferry.wire.inbound.definition import KINDS, Kind
from hookferry.wire.inbound.encodings import ENCODINGS
from hookferry.wire.inbound.template import VARIABLES

PAGE = (Path(__file__).parents[3] / "docs" / "verification.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ")]
NAMES = {name for row in ROWS for name in re.findall(r"`([^`]+)`", row)}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_field_of_every_kind_of_scheme_is_documented(kind: Kind) -> None:
    assert set(kind.scheme.__struct_fields__) <= NAMES


def test_every_name_that_a_scheme_may_have_is_documented() -> None:
    assert set(KINDS) - {"signature"} <= {
        re.findall(r"`([^`]+)`", row)[0] for row in ROWS if "`" in row
    }
    assert {f"{{{name}}}" for name in (*VARIABLES, "id", "timestamp")} <= NAMES
    for names in (
        keys.SECRET_ALGORITHMS,
        keys.PUBLIC_ALGORITHMS,
        keys.SECRET_FORMS,
        keys.PUBLIC_FORMS,
        jwt.ALGORITHMS,
        http_signatures.ALGORITHMS,
        moments.UNITS,
        ENCODINGS,
    ):
        assert set(names) <= NAMES
