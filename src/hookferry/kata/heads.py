"""Reads the line of a key: ``key[/id][@annotation[,annotation..]]:`` and the text beside it."""

from __future__ import annotations

import re
from typing import Final

from hookferry.kata.problems import Problem, hint
from hookferry.kata.tree import ANNOTATIONS

MAX_NAME: Final = 255
"""Characters of a key, and of an id."""
MAX_ANNOTATIONS: Final = 16
"""Annotations of a key."""

_BLANKS: Final = " \t"
_KEY: Final = re.compile(r"[^\s:/@{}\"'\x00-\x1f\x7f\ufeff]+")
_ID: Final = re.compile(r"[A-Za-z0-9_]+")
_TEXT_REMEDY: Final = "text of several lines stands under an annotated key such as body@text:"


class Head:
    """What the line of a key says."""

    __slots__ = (
        "annotations",
        "block",
        "column",
        "id",
        "key",
        "line",
        "text",
        "text_column",
        "text_line",
    )

    def __init__(self, line: int, column: int) -> None:
        self.line = self.text_line = line
        self.column = self.text_column = column
        self.key = ""
        self.id: str | None = None
        self.annotations: tuple[str, ...] = ()
        self.text: str | None = None
        self.block = False

    @property
    def name(self) -> str:
        """The key and the id."""
        return self.key if self.id is None else f"{self.key}/{self.id}"


def read_head(content: str, line: int, column: int, problems: list[Problem]) -> Head | None:
    """Read ``key[/id][@annotation[,annotation..]]:`` and the text beside it.

    Args:
        content: a line without its indentation.
        line: where it is.
        column: where it begins.
        problems: what is wrong with it is appended.

    Returns:
        None where there is no key.
    """
    label, colon, rest = content.partition(":")
    if not colon:
        problems.append(Problem(line, column, f"a key ends with a colon; {_TEXT_REMEDY}"))
        return None
    head = Head(line, column)
    name, at, annotations = label.partition("@")
    key, slash, id = name.partition("/")
    why_not = _why_no_key(key)
    if why_not is not None:
        problems.append(Problem(line, column, why_not))
        return None
    head.key = key
    if slash:
        head.id = id
        if len(id) > MAX_NAME or not _ID.fullmatch(id):
            head.id = id[:MAX_NAME]
            message = (
                f"an id has letters (a-z), digits and _ only, {MAX_NAME} at most, as in"
                " set/first_name:"
            )
            problems.append(Problem(line, column + len(key) + 1, message))
    if at:
        head.annotations = _read_annotations(annotations, line, column + len(name) + 1, problems)
    text = rest.lstrip(_BLANKS)
    if text:
        head.text = text
        head.text_column = column + len(content) - len(text)
    return head


def _why_no_key(key: str) -> str | None:
    """Return what is wrong with a key and what to do about it, None where it is one."""
    if len(key) <= MAX_NAME and _KEY.fullmatch(key):
        return None
    if len(key) > MAX_NAME:
        return f"a key has at most {MAX_NAME} characters"
    if not key:
        return "this is no key: name it, as in set: or set/b:"
    if "{" in key or "}" in key:
        return "this is no key: keys are no templates; build it with var.set: or dict_set()"
    if '"' in key or "'" in key:
        return (
            "this is no key: keys have no quotation marks; JSON stands under an annotated key such"
            " as data@json:"
        )
    return f"this is no key: keys have no blanks; {_TEXT_REMEDY}"


def _read_annotations(
    written: str, line: int, column: int, problems: list[Problem]
) -> tuple[str, ...]:
    annotations = tuple(written.split(",", MAX_ANNOTATIONS))
    if len(annotations) > MAX_ANNOTATIONS:
        message = f"a key has at most {MAX_ANNOTATIONS} annotations; set another key in between"
        problems.append(Problem(line, column, message))
        return annotations[:MAX_ANNOTATIONS]
    for annotation in annotations:
        if annotation not in ANNOTATIONS:
            message = f"there is no annotation @{annotation[:100]}; "
            if "/" in annotation:
                message += "the id stands before the annotations: set/b@text:"
            else:
                message += hint(annotation, ANNOTATIONS)
            problems.append(Problem(line, column, message))
        column += len(annotation) + 1
    return annotations
