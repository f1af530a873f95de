"""What the tests of several rooms need."""

from __future__ import annotations

import msgspec
import pytest

from shared import SHARED, Payload


class _Line(msgspec.Struct):
    type: str
    data: msgspec.Raw


# Made here: annotations are looked up by module name, and other folders have a conftest too.
_decoder = msgspec.json.Decoder(_Line)


@pytest.fixture(scope="session")
def real_payloads() -> list[Payload]:
    """Hundreds of payloads that GitHub documents for its webhooks."""
    with (SHARED / "data" / "github_events.ndjson").open("rb") as lines:
        parsed = [_decoder.decode(line) for line in lines]
    assert len(parsed) > 100
    return [Payload(line.type, bytes(line.data)) for line in parsed]
