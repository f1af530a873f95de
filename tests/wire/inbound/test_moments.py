"""Times of signing, as providers write them."""

from __future__ import annotations

import pytest

from hookferry.wire.inbound.moments import parse_moment
from hookferry.wire.verification import Reason, VerificationFailed


@pytest.mark.parametrize(
    ("text", "unit", "seconds"),
    [
        (b"0", "s", 0),
        (b"1700000000", "s", 1_700_000_000),
        (b"1700000000123", "ms", 1_700_000_000.123),
        (b"2023-11-14T22:13:20Z", "iso", 1_700_000_000),
        (b"2023-11-14T22:13:20.123Z", "iso", 1_700_000_000.123),
        (b"2023-11-14T22:13:20.123456789Z", "iso", 1_700_000_000.123456),
        (b"2023-11-15T00:13:20+02:00", "iso", 1_700_000_000),
        (b"2023-11-14T14:13:20-0800", "iso", 1_700_000_000),
    ],
)
def test_a_time_is_read_in_its_unit(text: bytes, unit: str, seconds: float) -> None:
    assert parse_moment(text, unit) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        *(
            (text, unit)
            for unit in ("s", "ms", "iso")
            for text in (b"", b" 1", b"-1", b"1e9", b"\xb2")
        ),
        *((b"9" * 12, "s"), (b"9" * 15, "ms"), (b"1.5", "s"), ("\u0661".encode(), "s")),
        *(
            (b"2023-11-14", "iso"),
            (b"2023-11-14T22:13:20", "iso"),
            (b"2023-13-14T22:13:20Z", "iso"),
        ),
        *(
            (b"0001-01-01T00:00:00+23:59", "iso"),
            (b"1969-12-31T23:59:59Z", "iso"),
            (b"2023-11-14T25:13:20Z", "iso"),
        ),
    ],
)
def test_what_is_no_time_in_the_unit_is_bad_encoding(text: bytes, unit: str) -> None:
    with pytest.raises(VerificationFailed) as refused:
        parse_moment(text, unit)
    assert refused.value.reason is Reason.BAD_ENCODING
