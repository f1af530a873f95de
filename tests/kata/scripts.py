"""Scripts for tests, made by hypothesis: all commands, nested, with values of all kinds."""

from __future__ import annotations

from hypothesis import strategies as st

EXPRESSIONS = st.sampled_from(
    [
        "a",
        "b.c",
        "a",
        "1/0",
        "a ~ b",
        "[a, b]",
        "{x: a}",
        "range(1, 99)",
        "inputs",
        "-a",
        "a is empty",
        "a.b.c.d",
        "a['x']",
    ]
)
PRINTED = EXPRESSIONS.map(lambda text: f"{{{{{text}}}}}") | EXPRESSIONS.map(
    lambda text: f"{{{{({text})|json_encode}}}}"
)
PLAIN = st.sampled_from(["a", "b:c", "1,2", "[1, 2]", '{"a": [1]}', "", "x", "no", "yes", "k: v"])
ANNOTATIONS = st.just("") | st.sampled_from(
    [
        "@json",
        "@csv",
        "@int",
        "@key",
        "@bool",
        "@optional",
        "@list",
        "@kata",
        "@date",
        "@trim,optional",
        "@key,json",
        "@base64",
        "@raw",
    ]
)
FIELDS = {
    "var.push": ("key", "value"),
    "var.set": ("key", "value"),
    "var.unset": ("key",),
    "var.expand": ("key", "paths"),
    "kata.parse": ("kata", "dict", "schema"),
    "http.request": ("url", "body"),
    "storage.get": ("key",),
    "function": ("x",),
}
BLOCKS = {"outcome": ("if", "then"), "repeat": ("each", "do"), "while": ("if", "do")}
SIMPLE = st.sampled_from(["set", "return", "error", "log", "kata.parse", *FIELDS])
NESTED = st.sampled_from([*BLOCKS, *FIELDS, "decision"])
EVENTS = st.sampled_from(["on_success", "on_error", "on_simulate"])


@st.composite
def _field(draw: st.DrawFn, name: str) -> str:
    return f"{name}{draw(ANNOTATIONS)}: {draw(PRINTED | PLAIN)}"


def _indented(lines: list[str], levels: int = 1) -> list[str]:
    return ["  " * levels + line for line in lines]


@st.composite
def _simple(draw: st.DrawFn, name: str) -> list[str]:
    kind = draw(SIMPLE)
    if kind in ("error", "log"):
        return [draw(_field(f"{kind}/{name}"))]
    if kind in ("set", "return"):
        return [f"{kind}/{name}:", *_indented([draw(_field(key)) for key in "ad"])]
    return draw(_acting(kind, name))


@st.composite
def _acting(draw: st.DrawFn, kind: str, name: str) -> list[str]:
    lines = ["  output: c", "  inputs:"]
    if kind == "function":
        lines.insert(0, "  uri: cerb:automation:" + draw(st.sampled_from(["me", "nobody"])))
    fields = [draw(_field(field)) for field in FIELDS[kind]]
    return [f"{kind}/{name}:", *lines, *_indented(fields, 2)]


@st.composite
def commands(draw: st.DrawFn, depth: int = 2) -> list[str]:
    """Lines of commands side by side."""
    lines: list[str] = []
    for number in range(draw(st.integers(1, 3))):
        name = f"c{number}"
        if depth == 0 or draw(st.booleans()):
            lines += draw(_simple(name))
            continue
        kind = draw(NESTED)
        inner = draw(commands(depth - 1))
        if kind in FIELDS:
            event = draw(EVENTS)
            if event == "on_simulate" and draw(st.booleans()):
                inner = [draw(_field("simulate." + draw(st.sampled_from(["success", "error"]))))]
            lines += draw(_acting(kind, name))
            lines += [f"  {event}:", *_indented(inner, 2)]
            continue
        condition, block = BLOCKS.get(kind, BLOCKS["outcome"])
        body = [draw(_field(condition)), f"{block}:", *_indented(inner)]
        if kind == "repeat":
            body.insert(1, "as: " + draw(st.sampled_from(["a", "k, v"])))
        if kind == "decision":
            body = ["outcome/only:", *_indented(body)]
        lines += [f"{kind}/{name}:", *_indented(body)]
    return lines


SCRIPTS = commands().map(lambda lines: "\n".join(["start:", *_indented(lines)]))
"""Scripts that compile, but for templates and conditions that can't."""
