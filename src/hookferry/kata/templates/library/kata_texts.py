"""KATA as values: ``hookferry.kata.parser`` and ``hookferry.kata.printer``."""

from __future__ import annotations

import re
from typing import Final

from hookferry.errors import ScriptError, ScriptRefused
from hookferry.kata.fuel import CELL
from hookferry.kata.parser import parse
from hookferry.kata.printer import print_tree
from hookferry.kata.templates.library.coercion import text
from hookferry.kata.templates.library.json_texts import json_encode
from hookferry.kata.templates.registry import Run, register
from hookferry.kata.tree import MAX_LEVELS, Node, Tree
from hookferry.kata.values import Value, kind_of, size_of, text_of

_NAME: Final = re.compile(
    r"(?P<key>[^\s:/@{}\"'#&\x00-\x1f\x7f\ufeff][^\s:/@{}\"'\x00-\x1f\x7f\ufeff]*)"
    r"(?:/(?P<id>[A-Za-z0-9_]+))?"
)
_ONE_LINE: Final = re.compile(r"[^\s\ufeff](?:[^\r\n]*[^\s])?")
_LINES: Final = re.compile(r"[^\s\ufeff][^\r]*[^\s]")
"""A text whose first line is not indented, and whose last one is not empty."""
_NODE_STEPS: Final = 10
"""What making and printing a node costs: ten microseconds or so."""
_READABLE: Final = 64 + 256
"""Options of json_encode."""


@register(
    "filter",
    "kata_encode",
    examples=(
        (
            "{{ {colors: ['red', 'green'], size: 100, open: true}|kata_encode }}",
            "colors@list:\n  red\n  green\nsize: 100\nopen@bool: yes",
        ),
        ("{{ {a: {b: [[1]]}}|kata_encode }}", "a:\n  b@json: [[1]]"),
    ),
)
def kata_encode(run: Run, value: Value) -> str:
    """Return a dictionary as KATA; what is neither text nor a list of lines stands as JSON in it.

    Numbers are written without ``@int``, as in Cerb.
    """
    if not isinstance(value, dict):
        raise ScriptError(f"|kata_encode wants a dictionary, not {kind_of(value)}")
    run.fuel.build(2 * size_of(value, run.fuel))
    bad = next((key for key in value if not _NAME.fullmatch(key)), None)
    if bad is not None:
        raise ScriptError(f"|kata_encode can't write the key {bad[:60]!r}")
    return print_tree(Tree(children=_nodes(run, value, 1))).removesuffix("\n")


def _nodes(run: Run, value: dict[str, Value], level: int) -> tuple[Node, ...]:
    run.fuel.spend(_NODE_STEPS * len(value))
    return tuple(_node(run, key, item, level) for key, item in value.items())


def _node(run: Run, name: str, value: Value, level: int) -> Node:
    found = _NAME.fullmatch(name)
    if found is None:
        raise ScriptError(f"|kata_encode can't write the key {name[:60]!r}")
    key, id = found["key"], found["id"]
    if (
        isinstance(value, dict)
        and value
        and level < MAX_LEVELS
        and all(map(_NAME.fullmatch, value))
    ):
        return Node(key=key, id=id, children=_nodes(run, value, level + 1))
    if isinstance(value, bool):
        return Node(key=key, id=id, annotations=("bool",), text="yes" if value else "no")
    if value == "" or isinstance(value, int | float):
        return Node(key=key, id=id, text=text_of(value) or None)
    if isinstance(value, str) and _ONE_LINE.fullmatch(value):
        return Node(key=key, id=id, text=value)
    if isinstance(value, str) and _LINES.fullmatch(value):
        return Node(key=key, id=id, annotations=("text",), text=value, block=True)
    if isinstance(value, list) and value and all(map(_is_line, value)):
        lines = "\n".join(map(text_of, value))
        return Node(key=key, id=id, annotations=("list",), text=lines, block=True)
    written = json_encode(run, value, _READABLE)
    return Node(key=key, id=id, annotations=("json",), text=written)


def _is_line(value: Value) -> bool:
    if isinstance(value, str):
        return _ONE_LINE.fullmatch(value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)


@register(
    "function",
    "kata_parse",
    examples=(
        (
            "{% set kata %}colors@list:\n  red\n  green\nsize@int: 100{% endset %}"
            "{{ kata_parse(kata)|json_encode }}",
            '{"colors@list":"red\\ngreen","size@int":"100"}',
        ),
    ),
)
def kata_parse(run: Run, kata: Value) -> dict[str, Value]:
    """Return KATA as a dictionary of texts, its annotations kept in the keys and not applied."""
    try:
        tree = parse(text(run, kata, "kata_parse"), fuel=run.fuel)
    except ScriptRefused as refused:
        raise ScriptError(f"kata_parse wants KATA: {refused.detail}") from None
    return _texts(run, tree)


def _texts(run: Run, tree: Tree) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for node in tree.children:
        run.fuel.build(CELL + len(node.label) + len(node.text or ""))
        found[node.label] = _texts(run, node) if node.children else node.text or ""
    return found
