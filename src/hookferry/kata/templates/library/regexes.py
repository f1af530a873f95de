"""Filters and functions that search text for a pattern: ``hookferry.kata.templates.patterns``."""

from __future__ import annotations

from typing import Any

from hookferry.kata.fuel import CELL
from hookferry.kata.templates.library.coercion import text
from hookferry.kata.templates.patterns import compile_pattern
from hookferry.kata.templates.registry import Run, register
from hookferry.kata.values import Value


def _group(found: Any, group: Value) -> str:
    """Return what a group matched, by number or name; nothing where there is none."""
    try:
        return found.group(group) or ""
    except (IndexError, TypeError, KeyError):
        return ""


@register(
    "filter",
    "regexp",
    examples=(
        (
            "{{ 'Your order #Z-1234-9 has shipped'|regexp('/order #([A-Z0-9\\-]+)/', 1) }}",
            "Z-1234-9",
        ),
        ("{{ 'no order'|regexp('/#(.+)/', 1)|default('none') }}", "none"),
    ),
)
def regexp(run: Run, value: Value, pattern: Value, group: Value = 0) -> str:
    """Return what a pattern, or one of its groups, matches first in a text; else nothing."""
    said = text(run, value, "|regexp")
    found = compile_pattern(run.fuel, text(run, pattern, "|regexp")).search(run.fuel, said)
    run.fuel.build(len(said))
    return "" if found is None else _group(found, group)


@register(
    "function",
    "regexp_match_all",
    examples=(
        (
            "{{ regexp_match_all('/(\\w)=(\\d)/', 'a=1 b=2')|json_encode }}",
            '[["a=1","b=2"],["a","b"],["1","2"]]',
        ),
        ("{{ regexp_match_all('#\\d+#', 'a1 b22', 0)|join(',') }}", "1,22"),
    ),
)
def regexp_match_all(run: Run, pattern: Value, string: Value, group: Value = None) -> list[Value]:
    """Return all that a pattern matches in a text: by group, whole matches first; or one group."""
    said = text(run, string, "regexp_match_all")
    compiled = compile_pattern(run.fuel, text(run, pattern, "regexp_match_all"))
    columns: list[list[Value]] = []
    at = 0
    while at <= len(said) and (found := compiled.search(run.fuel, said, at)) is not None:
        wanted = [group] if group is not None else range(found.re.groups + 1)
        columns = columns or [[] for _ in wanted]
        for column, each in zip(columns, wanted, strict=True):
            matched = _group(found, each)
            run.fuel.build(CELL + len(matched))
            column.append(matched)
        at = found.end() if found.end() > found.start() else found.end() + 1
    if group is None:
        return list(columns)
    return columns[0] if columns else []
