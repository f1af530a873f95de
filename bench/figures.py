"""The lines of the report, and the machine that budgets in microseconds refer to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

BASELINE = Path(__file__).parent / "reference.json"


@dataclass(frozen=True)
class Figure:
    """One line of the report."""

    row: str
    what: str
    unit: str
    value: float | None
    """What is compared with the budget; CPU figures are normalised. None where it could not be
    measured here; the note says why."""
    budget: float
    moonshot: float
    raw: float | None = None
    """A CPU figure as measured, before it was divided by the reference workload."""
    at_least: bool = False
    """The budget is a floor, not a ceiling."""
    windows: int = 0
    void: int = 0
    note: str = ""

    @property
    def verdict(self) -> str:
        """``moonshot``, ``met``, ``missed`` or ``not measured``."""
        if self.value is None:
            return "not measured"
        if self.at_least:
            return _verdict(-self.value, -self.budget, -self.moonshot)
        return _verdict(self.value, self.budget, self.moonshot)


def _verdict(value: float, budget: float, moonshot: float) -> str:
    if value <= moonshot:
        return "moonshot"
    return "met" if value <= budget else "missed"


def baseline_us() -> float:
    """Return what the reference workload costs on the machine the budgets are meant for."""
    us: float = json.loads(BASELINE.read_text())["us"]
    return us
