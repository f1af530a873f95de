"""Runs for what is called without a template."""

from __future__ import annotations

import random

from hookferry.kata.fuel import MEMORY, STEPS, Fuel
from hookferry.kata.templates import Run
from kata.templates.rendering import NOW


def a_run(steps: int = STEPS, memory: int = MEMORY) -> Run:
    """Return a run with a full budget, or a small one."""
    return Run(Fuel(steps=steps, memory=memory), now=NOW, rng=random.Random(7))
