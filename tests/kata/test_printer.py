"""Formatting keeps the tree, the comments and the text blocks, and is done once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hookferry.errors import ScriptRefused
from hookferry.kata.parser import parse
from hookferry.kata.printer import print_tree
from hookferry.kata.tree import Tree

from .trees import script, trees


@given(trees())
def test_what_is_printed_reads_as_the_same_tree(tree: Tree) -> None:
    assert parse(print_tree(tree)) == tree


LINES = st.sampled_from(
    ["a:", "b: 1", "c@text:", "c/x@csv: 1", "# note", "", "  ", "text", "d@text: beside", "e/f:"]
)


@given(st.lists(st.tuples(st.integers(0, 4), LINES), max_size=12))
def test_formatting_what_is_formatted_changes_nothing(lines: list[tuple[int, str]]) -> None:
    text = "\n".join(" " * indent + line for indent, line in lines)
    try:
        tree = parse(text)
    except ScriptRefused:
        return
    once = print_tree(tree)
    assert parse(once) == tree
    assert print_tree(parse(once)) == once


def test_a_script_is_indented_by_two_blanks_a_level() -> None:
    untidy = script(
        """

        # What this is for


        start:
           # before
           set:
                 a:    1
                 # after a


           return@optional:


        # the end
        """
    )
    assert print_tree(parse(untidy)) == script(
        """
        # What this is for

        start:
          # before
          set:
            a: 1
            # after a

          return@optional:

        # the end
        """
    )


def test_a_text_block_keeps_its_lines() -> None:
    untidy = 'body@text:\n      {\n\n        "a": 1\n      }\n      \nnext:\n'
    assert print_tree(parse(untidy)) == 'body@text:\n  {\n\n    "a": 1\n  }\n  \nnext:\n'


def test_nothing_is_printed_of_nothing() -> None:
    assert print_tree(parse("\n\n")) == ""
