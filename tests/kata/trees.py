"""Trees and texts for the tests of KATA, made by hypothesis."""

from __future__ import annotations

import textwrap

from hypothesis import strategies as st

from hookferry.kata.tree import ANNOTATIONS, Node, Tree

KEYS = st.sampled_from(
    ["start", "set", "Content-Type", "http.request", "&colors", "x_1", "a", "b", "*", "é", "&"]
)
IDS = st.none() | st.text("abcXYZ019_", min_size=1, max_size=4)
WORDS = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=12)
COMMENTS = WORDS.map(lambda text: "#" + text.rstrip(" \t"))


@st.composite
def comments(draw: st.DrawFn, *, blanks: bool = True) -> tuple[str, ...]:
    """Comments with single blank lines before some of them."""
    made: list[str] = []
    for comment in draw(st.lists(COMMENTS, max_size=3)):
        if blanks and draw(st.booleans()):
            made.append("")
        blanks = True
        made.append(comment)
    return tuple(made)


def beside(text: str) -> str:
    """A text as it can stand beside a key."""
    return text.lstrip(" \t")


def under(text: str) -> str:
    """A text as it can stand under a key: its leftmost line is not indented."""
    lines = text.split("\n")
    if not text.strip(" \t\n"):
        return "\n" * text.count("\n")
    margin = min(len(line) - len(line.lstrip(" ")) for line in lines if line.strip(" \t"))
    return "\n".join(line[margin:] for line in lines)


BLOCKS = st.lists(
    WORDS | st.sampled_from(["", " ", "  deeper", "# no comment", "key: value", "\tx"]),
    max_size=5,
).map(lambda lines: under("\n".join(lines)))


@st.composite
def nodes(draw: st.DrawFn, key: str, id: str | None, levels: int, first: bool) -> Node:
    """A node; what stands above the very first one does not begin with a blank line."""
    above = draw(comments(blanks=not first))
    if not first and draw(st.booleans()):
        above = (*above, "")
    annotations: tuple[str, ...] = ()
    text = None
    block = False
    inner = Tree()
    kind = draw(st.sampled_from(["beside", "under", "children", "annotated"]))
    if kind in ("under", "annotated"):
        annotations = tuple(
            draw(st.lists(st.sampled_from(sorted(ANNOTATIONS)), min_size=1, max_size=3))
        )
    if kind == "under":
        text = draw(BLOCKS)
        block = bool(text)
    elif kind != "children":
        text = draw(WORDS.map(beside)) or (None if kind == "beside" else "")
    elif levels:
        inner = draw(trees(levels - 1, top=False))
    # A comment under an annotated key without a text would be its text.
    tail = inner.tail or (draw(comments()) if text and not block else ())
    return Node(
        key=key,
        id=id,
        annotations=annotations,
        text=text,
        block=block,
        children=inner.children,
        comments=above,
        tail=tail,
    )


@st.composite
def trees(draw: st.DrawFn, levels: int = 3, *, top: bool = True) -> Tree:
    """A tree as the parser makes them."""
    names = draw(st.lists(st.tuples(KEYS, IDS), max_size=4, unique=True))
    children = tuple(
        draw(nodes(key, id, levels, top and number == 0)) for number, (key, id) in enumerate(names)
    )
    tail = draw(comments(blanks=bool(children) or not top))
    return Tree(children=children, tail=tail)


def script(text: str) -> str:
    """A script as it is written in a test, without the test's indentation."""
    return textwrap.dedent(text).lstrip("\n")
