from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.errors import OutOfFuel, ScriptError
from hookferry.kata.templates.library.tables import parse_csv, to_csv
from kata.library.rendering import a_run
from kata.templates.rendering import rendered as render

FIELDS = st.text(st.sampled_from('ab1 ,"\n;é\u2028'), max_size=6)
ROWS = st.lists(st.lists(FIELDS, min_size=2, max_size=4), max_size=4)


@given(ROWS)
def test_rows_that_are_written_are_read_back(rows: list[list[str]]) -> None:
    written = to_csv(a_run(), rows)
    assert parse_csv(a_run(), written) == rows
    assert list(csv.reader(io.StringIO(written, newline=""))) == rows


def test_other_separators_are_read() -> None:
    assert parse_csv(a_run(), "a;'b;c'\r\nd;e", ";", "'") == [["a", "b;c"], ["d", "e"]]


@pytest.mark.parametrize("separator", ["", "ab"])
def test_a_separator_is_one_character(separator: str) -> None:
    with pytest.raises(ScriptError, match="parse_csv"):
        parse_csv(a_run(), "a,b", separator)


def test_a_row_within_a_row_is_refused() -> None:
    with pytest.raises(ScriptError):
        render("{{ [[[1]]]|csv }}")


def test_many_fields_are_paid_for_before_they_are_read() -> None:
    with pytest.raises(OutOfFuel, match="bytes"):
        parse_csv(a_run(steps=10**9), "," * 200_000)
