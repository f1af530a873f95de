"""Writes trees of KATA as text: the formatter of scripts.

Two blanks a level; comments, blank lines between nodes and text blocks stay where they were. What
is written reads as the same tree, and formatting it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from hookferry.kata.tree import Node, Tree

_INDENT: Final = "  "
_BLANKS: Final = " \t"


def print_tree(tree: Tree) -> str:
    """Return the text of a tree as ``hookferry.kata.parser.parse`` made it."""
    lines = [*_children(tree, "")]
    return "\n".join(lines) + "\n" if lines else ""


def _children(tree: Tree, indent: str) -> Iterator[str]:
    for node in tree.children:
        yield from _comments(node.comments, indent)
        yield from _node(node, indent)
    yield from _comments(tree.tail, indent)


def _node(node: Node, indent: str) -> Iterator[str]:
    key = f"{indent}{node.label}:"
    deeper = indent + _INDENT
    if node.text is None or node.block:
        yield key
        if node.text is not None:
            yield from _block(node.text, deeper)
    else:
        yield f"{key} {node.text}" if node.text else key
    yield from _children(node, deeper)


def _comments(comments: Iterable[str], indent: str) -> Iterator[str]:
    return (indent + comment if comment else "" for comment in comments)


def _block(text: str, indent: str) -> Iterator[str]:
    """Indent a text; an empty line only where it would otherwise not count as the text's."""
    lines = text.split("\n")
    only_blanks = not text.strip(_BLANKS + "\n")
    last = len(lines) - 1
    for number, line in enumerate(lines):
        yield indent + line if line or number == last or only_blanks else ""
