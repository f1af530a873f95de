"""References are copied to where they are named, as Cerb documents it, and within bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.kata.parser import parse
from hookferry.kata.printer import print_tree
from hookferry.kata.problems import MAX_PROBLEMS
from hookferry.kata.references import MAX_NODES, resolve
from hookferry.kata.tree import MAX_LEVELS

from .trees import script


def resolved(text: str) -> str:
    """A script with its references in their places."""
    tree, problems = resolve(parse(script(text)))
    assert problems == []
    return print_tree(tree)


def told(text: str) -> list[tuple[int, int, str]]:
    """What is wrong with a script's references."""
    return [tuple(problem) for problem in resolve(parse(script(text)))[1]]


LIST = "picklist:\n  options@list:\n    red\n    green\n"


@pytest.mark.parametrize(
    "text",
    [
        """
        picklist:
          options@ref: colors

        &colors@list:
          red
          green
        """,
        """
        picklist:
          options@ref: options.colors

        &options:
          colors@list:
            red
            green
        """,
        """
        picklist:
          options@ref: options:colors

        &options:
          colors@ref: colors

        &colors@list:
          red
          green
        """,
    ],
)
def test_a_reference_brings_its_text_and_annotations(text: str) -> None:
    assert resolved(text) == LIST


def test_the_annotations_that_remain_come_after_the_targets() -> None:
    assert resolved("a@trim,ref,list: x\n&x@text,csv: y") == "a@trim,text,csv,list: y\n"


def test_a_reference_brings_its_children() -> None:
    text = """
        # kept
        event/start@ref: menu
        &menu:
          options@csv: 1
          more:
            x: 1
        """
    assert resolved(text) == "# kept\nevent/start:\n  options@csv: 1\n  more:\n    x: 1\n"


def test_a_reference_may_name_a_part_of_the_one_it_stands_in() -> None:
    assert resolved("a@ref: x.c\n&x:\n  b: 1\n  c@ref: x.b") == "a: 1\n"


def test_a_path_leads_through_references() -> None:
    text = "a@ref: x.y.z\n&x:\n  y@ref: other\n&other:\n  z@int: 5"
    assert resolved(text) == "a@int: 5\n"


def test_the_name_may_stand_under_the_key_and_with_its_mark() -> None:
    assert resolved("a@ref:\n  &x\n&x: 1") == "a: 1\n"


def test_texts_keep_the_place_where_they_are_written() -> None:
    tree, _ = resolve(parse("a@ref: x\n&x@text:\n    here"))
    (a,) = tree.children
    assert (a.line, a.column, a.text_line, a.text_column) == (1, 1, 3, 5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a@ref: colour\n&color: 1", "there is no reference &colour; did you mean color?"),
        ("a@ref: color", "there is no reference &color; there are none; write it at the top"),
        ("a@ref: x.reed\n&x:\n  red: 1", "there is no reed in &x; did you mean red?"),
        ("a@ref: x.red\n&x: 1", "there is no red in &x; it has no keys"),
        ("a@ref:", "name a reference"),
        ("a@ref: " + "x" * 300, "name a reference"),
    ],
)
def test_an_unknown_reference_is_a_problem_with_its_remedy(text: str, message: str) -> None:
    ((line, column, said),) = told(text)
    assert (line, column) == (1, 1)
    assert message in said


@pytest.mark.parametrize(
    "text",
    [
        "&x@ref: x",
        "&x:\n  y@ref: x",
        "&x:\n  y@ref: x.y",
        "&x@ref: y\n&y@ref: x",
        "&x:\n  y:\n    z@ref: x.y",
        "&x@ref: y.z\n&y@ref: x.z",
    ],
)
def test_a_reference_does_not_contain_itself(text: str) -> None:
    problems = told("a@ref: x\n" + text)
    assert any("contains itself" in message for _, _, message in problems)


def test_every_problem_is_listed_up_to_a_limit() -> None:
    assert [line for line, _, _ in told("a@ref: x\nb: 1\nc:\n  d@ref: y")] == [1, 4]
    assert len(told("".join(f"a{n}@ref: x\n" for n in range(500)))) == MAX_PROBLEMS


def chain(length: int, *, backwards: bool = False) -> str:
    """References each of which names the next, written from the first or from the last."""
    links = [f"&x{n}@ref: x{n + 1}\n" for n in range(length)]
    links.append(f"&x{length}: end\n")
    return "".join(reversed(links) if backwards else links) + "a@ref: x0"


@pytest.mark.parametrize("backwards", [False, True])
def test_references_nest_up_to_a_limit(backwards: bool) -> None:
    assert resolved(chain(MAX_LEVELS - 2, backwards=backwards)) == "a: end\n"
    assert "deeper than 64 levels" in told(chain(MAX_LEVELS - 1, backwards=backwards))[0][2]
    assert "deeper than 64 levels" in told(chain(5_000, backwards=backwards))[0][2]


def test_a_deep_reference_can_not_be_put_deep() -> None:
    deep = "\n".join(["&x:", *(" " * level + "y:" for level in range(1, 40))])
    place = "\n".join([*(" " * level + "y:" for level in range(30)), " " * 30 + "z@ref: x"])
    assert "deeper than 64 levels" in told(f"{deep}\n{place}")[0][2]


def test_references_that_double_are_refused() -> None:
    bomb = "&x0:\n"
    bomb += "".join(f"&x{n}:\n  a@ref: x{n - 1}\n  b@ref: x{n - 1}\n" for n in range(1, 30))
    assert f"more than {MAX_NODES:,} nodes" in told(f"a@ref: x29\n{bomb}")[0][2]


def test_references_that_repeat_a_long_text_are_refused() -> None:
    text = f"&x: {'x' * 200_000}\n" + "".join(f"a{n}@ref: x\n" for n in range(10))
    assert "1,048,576 characters" in told(text)[0][2]


PATHS = st.sampled_from(["x", "y", "z", "x.a", "x.b", "y.a", "y.a.b", "z.b.a", "q", ""])
TEXTS = st.tuples(st.sampled_from(["@ref", ""]), PATHS)


@given(st.dictionaries(st.sampled_from("xyz"), st.dictionaries(st.sampled_from("ab"), TEXTS)))
def test_resolving_ends_and_leaves_no_reference(
    marks: dict[str, dict[str, tuple[str, str]]],
) -> None:
    lines = ["top@ref: x", "other@ref: y.a.b"]
    for mark, children in marks.items():
        lines.append(f"&{mark}:")
        lines += [f"  {key}{annotation}: {path}" for key, (annotation, path) in children.items()]
    tree, _ = resolve(parse("\n".join(lines)))
    printed = print_tree(tree)
    assert "@ref" not in printed
    assert "&" not in printed
