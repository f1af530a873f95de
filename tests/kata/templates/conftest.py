"""A run for templates."""

from __future__ import annotations

import random

import pytest

from hookferry.kata.fuel import Fuel
from hookferry.kata.templates import Run

from .rendering import NOW


@pytest.fixture
def run() -> Run:
    return Run(Fuel(), now=NOW, rng=random.Random(1))
