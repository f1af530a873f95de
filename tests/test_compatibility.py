"""docs/compatibility.md says of every promise what became of it, and names tests that exist."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "compatibility.md"
PROMISES = {"S-SO": 24, "S-HF": 12, "S-HB": 25, "S-CR": 17, "S-CB": 31}
"""How many there are of SuperOffice, HappyFox, Hornbill, Catch raw webhook and Cerb."""

_ROW = re.compile(r"^\| (S-[A-Z]{2}-\d{2}) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_VERDICT = re.compile(r"(?:^|; )(held by|replaced by|not built)\b")

ROWS = _ROW.findall(PAGE.read_text())


@functools.cache
def functions_of(file: str) -> set[str]:
    """The names of the functions in a file."""
    tree = ast.parse((ROOT / file).read_text())
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_every_promise_has_one_row_and_nothing_else_has() -> None:
    expected = [f"{name}-{n:02}" for name, count in PROMISES.items() for n in range(1, count + 1)]
    assert [row for row, _, _ in ROWS] == expected


@pytest.mark.parametrize(("row", "promise", "here"), ROWS, ids=[row for row, _, _ in ROWS])
def test_a_row_says_what_became_of_its_promise(row: str, promise: str, here: str) -> None:
    verdicts = _VERDICT.findall(here)
    assert verdicts, f"{row} is held by a test, replaced by something, or not built and why"
    tests = _TEST.findall(here)
    assert tests or "held by" not in verdicts, f"{row} is held by no test"
    assert here.count("tests/") == len(tests), f"{row} names a test in no known way"
    for file, name in tests:
        assert (ROOT / file).exists(), f"{row} names {file}, which does not exist"
        assert name in functions_of(file), f"{row} names {name}, which {file} does not have"
    for reason in re.findall(r"not built(.*?)(?:; |$)", here):
        assert len(reason) > len(": because"), f"{row} is not built, and no reason is given"


def test_every_test_that_the_page_names_exists() -> None:
    named = _TEST.findall(PAGE.read_text())
    assert [f"{file}::{name}" for file, name in named if name not in functions_of(file)] == []
