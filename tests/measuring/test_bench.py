"""The benchmark's own safeguards: a run that does not add up is void."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from bench.load import BODY_BYTES, STAMP_DIGITS, body_of
from bench.rows import Figure
from bench.windows import Bench


class FakeServer:
    """A server that has ended, with this in its ledger."""

    name = "fake"
    null = False

    def __init__(self, **states: int) -> None:
        self._states = states

    def stop(self) -> None:
        pass

    def ledger(self) -> dict[str, int]:
        return self._states


class FakeSink:
    """Receivers that got so much."""

    def __init__(self, unique: int, received: int | None = None, unsigned: int = 0) -> None:
        self._good = {
            "unique": unique,
            "received": unique if received is None else received,
            "unsigned": unsigned,
        }

    def ask(self, *, do: str, run: str) -> dict[str, Any]:
        bad = {"unique": 0, "received": 0, "unsigned": 0}
        return bad if run.endswith(":bad") else self._good


def audit(server: Any, sink: Any, published: int, **more: int) -> Bench:
    bench = Bench.__new__(Bench)  # without its helper processes
    bench.sink = sink
    bench.duplicates = 0
    bench.published = Counter({server.name: published})
    bench.audit(server, **more)
    return bench


def test_a_run_that_adds_up_counts_also_with_deliveries_that_were_there_before() -> None:
    audit(FakeServer(delivered=10), FakeSink(10), 10)
    audit(FakeServer(delivered=8, retrying=2), FakeSink(8), 10)
    audit(FakeServer(delivered=110), FakeSink(10), 10, delivered_before=100)
    audit(FakeServer(delivered=15, pending=5), FakeSink(15), 10, pending_before=10)
    assert audit(FakeServer(delivered=10), FakeSink(10, received=12), 10).duplicates == 2


@pytest.mark.parametrize(
    ("server", "sink"),
    [
        (FakeServer(delivered=9), FakeSink(9)),
        (FakeServer(delivered=11), FakeSink(11)),
        (FakeServer(delivered=9, failed=1), FakeSink(10)),
        (FakeServer(delivered=10), FakeSink(9)),
        (FakeServer(delivered=10), FakeSink(10, unsigned=1)),
    ],
    ids=["lost", "too many", "delivered but not settled", "settled but not delivered", "forged"],
)
def test_a_run_that_does_not_add_up_is_void(server: Any, sink: Any) -> None:
    with pytest.raises(SystemExit, match="void"):
        audit(server, sink, 10)


def test_a_budget_is_a_ceiling_or_where_said_a_floor() -> None:
    def verdict(value: float, budget: float, moonshot: float, at_least: bool = False) -> str:
        return Figure("r", "w", "u", value, budget, moonshot, at_least=at_least).verdict

    assert [verdict(v, 250, 160) for v in (160, 161, 250, 251)] == [
        *("moonshot", "met", "met", "missed")
    ]
    assert [verdict(v, 95, 99, at_least=True) for v in (99, 98, 95, 94)] == [
        *("moonshot", "met", "met", "missed")
    ]


def test_a_published_body_is_exactly_one_kilobyte() -> None:
    before, after = body_of("bench.49")
    assert len(before) + STAMP_DIGITS + len(after) == BODY_BYTES
