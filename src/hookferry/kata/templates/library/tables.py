"""CSV: rows of fields as text."""

from __future__ import annotations

import csv
import io
import re
from typing import Final

from hookferry.errors import ScriptError
from hookferry.kata.fuel import CELL
from hookferry.kata.templates.library.coercion import items, text
from hookferry.kata.templates.registry import Run, register
from hookferry.kata.values import Value, text_of

_QUOTED: Final = re.compile(r'[,"\\\s]')
"""What a field with it is written in quotes for, as PHP does."""


@register(
    "filter",
    "csv",
    examples=(
        (
            "{{ [{id: 1, subject: 'Help with it'}, {id: 2, subject: 'A \"b\"'}]|csv }}",
            '1,"Help with it"\n2,"A ""b"""\n',
        ),
    ),
)
def to_csv(run: Run, value: Value) -> str:
    """Write a list of lists or dictionaries as CSV, a line each; of dictionaries the values."""
    lines = []
    for row in items(run, value, "|csv"):
        fields = [text_of(field) for field in items(run, row, "|csv")]
        size = sum(map(len, fields))
        run.fuel.read(size)
        run.fuel.spend(len(fields))
        run.fuel.build(CELL + 2 * size + 3 * len(fields))
        lines.append(",".join(map(_field, fields)) + "\n")
    return "".join(lines)


def _field(said: str) -> str:
    return '"' + said.replace('"', '""') + '"' if _QUOTED.search(said) else said


@register(
    "filter",
    "parse_csv",
    examples=(
        ("{{ 'id,name\n1,\"Kina, H\"'|parse_csv|json_encode }}", '[["id","name"],["1","Kina, H"]]'),
    ),
)
def parse_csv(run: Run, value: Value, separator: str = ",", enclosure: str = '"') -> list[Value]:
    """Read CSV as a list of rows, each a list of texts; empty lines are passed over."""
    said = text(run, value, "|parse_csv")
    if not (isinstance(separator, str) and isinstance(enclosure, str)):
        raise ScriptError("|parse_csv wants characters as separator and enclosure")
    fields = said.count(separator or ",") + said.count("\n") + said.count("\r") + 1
    run.fuel.spend(fields // 4)
    run.fuel.build(len(said) + 2 * CELL * fields)
    try:
        lines = io.StringIO(said, newline="")
        return [row for row in csv.reader(lines, delimiter=separator, quotechar=enclosure) if row]
    except (csv.Error, TypeError, ValueError) as error:
        raise ScriptError(f"|parse_csv can't read this: {error}") from None
