"""Renders templates in tests."""

from __future__ import annotations

import random
from typing import Any

import pytest

from hookferry.errors import ScriptRefused
from hookferry.kata.fuel import Fuel
from hookferry.kata.templates import TWIG, Delimiters, Run, compile_template

NOW = 1_763_000_000.0
"""2025-11-13 02:13:20 UTC."""


def rendered(template: str, fuel: Fuel | None = None, /, **scope: Any) -> str:
    """Return the text that a template makes of variables."""
    run = Run(fuel or Fuel(), now=NOW, rng=random.Random(1))
    return compile_template(template).render(scope, run)


def printed(expression: str, fuel: Fuel | None = None, /, **scope: Any) -> str:
    """Return what an expression prints."""
    return rendered("{{ " + expression + " }}", fuel, **scope)


def problems(
    template: str, *, line: int = 1, column: int = 1, delimiters: Delimiters = TWIG
) -> list[str]:
    """Return what is wrong with a template, each as ``line:column message``."""
    with pytest.raises(ScriptRefused) as refused:
        compile_template(template, line=line, column=column, delimiters=delimiters)
    listed: Any = refused.value.extra["problems"]
    first = listed[0]
    told = f"line {first['line']}, column {first['column']}: {first['message']}"
    assert refused.value.detail == told
    return [f"{each['line']}:{each['column']} {each['message']}" for each in listed]
