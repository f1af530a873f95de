"""KATA is read as Cerb documents it, and what is none is refused with every place and remedy."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.errors import OutOfFuel, ScriptRefused
from hookferry.kata.fuel import Fuel
from hookferry.kata.parser import MAX_BYTES, MAX_LINES, parse
from hookferry.kata.problems import MAX_PROBLEMS
from hookferry.kata.tree import MAX_LEVELS, Node, Tree

from .trees import script

SEED = (
    "start:\r\n  set:\r\n    response:\r\n      http:\r\n        method@key: request_method\r\n"
    "        path@key: request_path\r\n        headers@key: request_headers\r\n        params@key: "
    "request_params\r\n      client:\r\n        ip@key: request_client_ip\r\n  return:\r\n    "
    "status_code: 200\r\n    headers:\r\n      Content-Type: application/json\r\n    body@text: "
    "{{response|json_encode|json_pretty}}"
)


def only(text: str) -> Node:
    """The one node of a text."""
    (node,) = parse(script(text)).children
    return node


def at(tree: Tree, *path: str) -> Node:
    """The node at a path."""
    for name in path:
        found = tree.child(name)
        assert found is not None, name
        tree = found
    assert isinstance(tree, Node)
    return tree


def problems(text: str) -> list[tuple[int, int, str]]:
    """What is wrong with a text: lines, columns, messages."""
    with pytest.raises(ScriptRefused) as refused:
        parse(text)
    listed: Any = refused.value.extra["problems"]
    return [(each["line"], each["column"], each["message"]) for each in listed]


def test_the_seeds_script_is_read() -> None:
    tree = parse(SEED)
    http = at(tree, "start", "set", "response", "http")
    assert [node.name for node in http.children] == ["method", "path", "headers", "params"]
    method = at(http, "method")
    assert (method.annotations, method.text) == (("key",), "request_method")
    answer = at(tree, "start", "return")
    assert answer.text_at("status_code") == "200"
    assert at(answer, "headers").text_at("Content-Type") == "application/json"
    assert at(answer, "body").text == "{{response|json_encode|json_pretty}}"


def test_the_seeds_handlers_and_policy_are_read() -> None:
    handlers = "automation/example:\n    uri: cerb:automation:example\n    disabled@bool: no\n"
    example = at(parse(handlers), "automation/example")
    assert (example.key, example.id) == ("automation", "example")
    assert example.text_at("uri") == "cerb:automation:example"
    commands = only("commands:\r\n  ")
    assert (commands.text, commands.children) == (None, ())


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("a: b", "b"),
        ("a:b", "b"),
        ("a:   b", "b"),
        ("a: b: c: d", "b: c: d"),
        ("a: # no comment", "# no comment"),
        ("a: {{x}} ", "{{x}} "),
        ("a:", None),
        ("a:   ", None),
        ("a@text:", ""),
        ("a@text:  ", ""),
    ],
)
def test_a_value_goes_to_the_end_of_its_line(line: str, text: str | None) -> None:
    node = only(line)
    assert (node.key, node.text, node.block) == ("a", text, False)


def test_annotations_keep_their_order() -> None:
    node = only("sum@text,int: 5")
    assert node.annotations == ("text", "int")
    assert (node.name, node.label) == ("sum", "sum@text,int")


@pytest.mark.parametrize(
    "key", ["http.request", "Content-Type", "&colors", "x_1", "*", "ключ", "a.b-c_d", "$ref"]
)
def test_a_key_may_have_any_character_without_a_meaning(key: str) -> None:
    assert only(f"{key}: 1").key == key


@pytest.mark.parametrize("annotation", ["text", "key", "optional", "ref", "raw", "csv,trim"])
def test_any_annotated_key_may_have_its_text_under_it(annotation: str) -> None:
    node = only(f"a@{annotation}:\n  some: text\n  # of two lines\n")
    assert node.text == "some: text\n# of two lines"
    assert node.block
    assert node.children == ()


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ("    a\n    b\n", "a\nb"),
        ("    a\n      b\n", "a\n  b"),
        ("      a\n    b\n", "  a\nb"),
        ("    a\n\n\n    b\n", "a\n\n\nb"),
        ("    a\n      \n    b\n", "a\n  \nb"),
        ("\n    a\n", "\na"),
        ("    a\n\n\n", "a"),
        ("    a\n    \n", "a\n"),
        ("    a\n    \n\n", "a\n"),
        ("    \tx: 1\n", "\tx: 1"),
        ("    a  \n", "a  "),
        ("    \n", ""),
        ("\n\n", ""),
        ("", ""),
    ],
)
def test_a_text_block_is_dedented_and_loses_its_last_newline(block: str, text: str) -> None:
    tree = parse(f"top:\n  a@text:\n{block}  b: 1\n")
    assert at(tree, "top", "a").text == text
    assert at(tree, "top").text_at("b") == "1"


def test_lines_may_end_with_crlf() -> None:
    assert parse("a@text:\r\n  b\r\n\r\n  c\r\nd: 1\r\n") == parse("a@text:\n  b\n\n  c\nd: 1\n")


def test_a_byte_order_mark_is_passed_over() -> None:
    assert parse("\ufeffa: 1") == parse("a: 1")


def test_a_key_with_only_a_comment_under_it_is_empty() -> None:
    node = only("a:\n  # nothing here\n")
    assert (node.text, node.children, node.tail) == (None, (), ("# nothing here",))


def test_comments_stay_with_what_they_stand_at() -> None:
    tree = parse(
        script(
            """
            # the start
            start:
              # the first
              a: 1
                # of a

              # the last
            # the end
            """
        )
    )
    start = at(tree, "start")
    assert start.comments == ("# the start",)
    assert at(start, "a").comments == ("# the first",)
    assert at(start, "a").tail == ("# of a",)
    assert start.tail == ("", "# the last")
    assert tree.tail == ("# the end",)


def test_children_are_found_by_name_and_by_key() -> None:
    tree = parse("set/a:\nset/b:\nreturn:\n")
    assert at(tree, "set/b").id == "b"
    assert tree.child("set") is None
    assert [node.name for node in tree.all("set")] == ["set/a", "set/b"]
    assert tree.text_at("none") is None


def test_places_count_from_one() -> None:
    tree = parse("# c\nstart:\n  a:   x\n  b@text:\n\n      y\n     z\n")
    a, b = at(tree, "start").children
    assert (a.line, a.column, a.text_line, a.text_column) == (3, 3, 3, 8)
    assert (b.line, b.column) == (4, 3)
    assert (b.text_line, b.text_column, b.text) == (5, 6, "\n y\nz")


def test_every_problem_is_listed_with_its_place_and_remedy() -> None:
    text = script(
        """
        start:
          set
          a b: c
          {{x}}: d
          "x": e
          return:
            f@jsn: g
            h/i-j: k
          return:
        """
    )
    listed = problems(text)
    assert [(line, column) for line, column, _ in listed] == [
        (2, 3),
        (3, 3),
        (4, 3),
        (5, 3),
        (7, 7),
        (8, 7),
        (9, 3),
    ]
    told = [message for _, _, message in listed]
    assert "a key ends with a colon" in told[0]
    assert "body@text:" in told[1]
    assert "keys are no templates" in told[2]
    assert "no quotation marks" in told[3]
    assert told[4] == "there is no annotation @jsn; did you mean json?"
    assert "letters (a-z), digits and _" in told[5]
    assert "on line 6; give each an id: return/name:" in told[6]


def test_the_first_problem_is_the_detail() -> None:
    with pytest.raises(ScriptRefused, match=r"^line 2, column 1: a key ends with a colon"):
        parse("a: 1\nb\nc")


def test_siblings_have_different_names() -> None:
    assert problems("set/a:\nset/b:\nset/a@text:\n")[0][:2] == (3, 1)
    assert len(parse("set:\n  a: 1\nset/a:\n  a: 1\n").children) == 2


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ("\ta: 1", (1, 1), "a tab indents this line"),
        ("a:\n \tb: 1", (2, 1), "a tab indents this line"),
        ("a@text:\n\tb", (2, 1), "a tab indents this line"),
        ("a:\n    b: 1\n  c: 2", (3, 3), "indented by 2, which fits no level above"),
        ("  a: 1\nb: 2", (2, 1), "indented by 0, which fits no level above"),
        ("a: 1\n  b: 2\n  c: 3", (2, 3), "a has a value beside it already"),
        ("a@text: 1\n  b\n  c", (2, 3), "a has a value beside it already"),
        (": 1", (1, 1), "name it"),
        ("a /b: 1", (1, 1), "keys have no blanks"),
        ("a/: 1", (1, 3), "an id has letters"),
        ("a@: 1", (1, 3), "there is no annotation @;"),
        ("a@text,,int: 1", (1, 8), "there is no annotation @;"),
        ("set@text/b: 1", (1, 5), "the id stands before the annotations: set/b@text:"),
        ("a@Text: 1", (1, 3), "did you mean text?"),
        ("a" * 256 + ": 1", (1, 1), "at most 255 characters"),
        ("a/" + "b" * 256 + ": 1", (1, 3), "255 at most"),
        ("a@" + "trim," * 16 + "trim: 1", (1, 3), "at most 16 annotations"),
    ],
)
def test_what_is_wrong_is_told_once(text: str, place: tuple[int, int], told: str) -> None:
    ((line, column, message),) = problems(text)
    assert (line, column) == place
    assert told in message


def nested(levels: int) -> str:
    return "\n".join(" " * level + "a:" for level in range(levels))


def test_nodes_nest_up_to_a_limit() -> None:
    parse(nested(MAX_LEVELS))
    ((line, _, message),) = problems(nested(MAX_LEVELS + 200))
    assert line == MAX_LEVELS + 1
    assert "deeper than 64 levels" in message


def test_a_text_has_a_limit_of_bytes_and_lines() -> None:
    parse("a: " + "x" * (MAX_BYTES - 3))
    assert "262,145 bytes" in problems("a: " + "x" * (MAX_BYTES - 2))[0][2]
    assert "bytes" in problems("a: " + "é" * (MAX_BYTES // 2))[0][2]
    parse("\n" * (MAX_LINES - 1))
    assert problems("\n" * MAX_LINES)[0][:2] == (MAX_LINES + 1, 1)


def test_problems_are_listed_up_to_a_limit() -> None:
    assert len(problems("x\n" * 9_000)) == MAX_PROBLEMS


def test_problems_end_the_reading() -> None:
    fuel = Fuel()
    with pytest.raises(ScriptRefused):
        parse("x\n" * 9_000, fuel=fuel)
    assert fuel.used < 2_000


def test_a_run_pays_for_what_it_reads() -> None:
    fuel = Fuel()
    parse("a: 1\nb: 2\n", fuel=fuel)
    assert fuel.used >= 20
    with pytest.raises(OutOfFuel):
        parse("# x\n" * 5_000, fuel=Fuel(steps=1_000))


ODD = st.lists(
    st.sampled_from([*" \t\r\n:/@#&a,{}\"'\0\ufeff\udc80é", "text", "  ", "a:\n", "@text:\n"])
).map("".join)


@given(ODD | st.text() | st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape")))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        assert isinstance(parse(text), Tree)
    except ScriptRefused as refused:
        listed: Any = refused.extra["problems"]
        lines = text.count("\n") + 1
        assert listed
        assert all(1 <= each["line"] <= lines and each["column"] >= 1 for each in listed)
