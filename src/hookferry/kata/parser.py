"""Reads KATA: text in, a tree or every problem of the text out.

The rules are those of Cerb's documentation (https://cerb.ai/docs/kata/) with these of our own:
blank lines of a text block need no indentation, a block is indented by its leftmost line, and
text is either beside its key or under it.
"""

from __future__ import annotations

from typing import Final

from hookferry.kata.fuel import Fuel
from hookferry.kata.heads import Head, read_head
from hookferry.kata.problems import MAX_PROBLEMS, Problem, refusal
from hookferry.kata.tree import MAX_LEVELS, Node, Tree

MAX_BYTES: Final = 256 * 1024
"""Bytes of a script as UTF-8."""
MAX_LINES: Final = 10_000
"""Lines of a script."""

_BLANKS: Final = " \t"
_LINE_STEPS: Final = 10
"""What reading a line costs: ten microseconds or so."""
_TAB_COLUMNS: Final = 2
"""Blanks that a tab stands for where it is refused, so that what follows is still understood."""


def parse(text: str, *, fuel: Fuel | None = None) -> Tree:
    """Read a script, policy, section or list of handlers.

    Takes time in proportion to the text.

    Args:
        text: lines end with LF or CRLF.
        fuel: pays, where a run reads a text of its own.

    Raises:
        ScriptRefused: it is no KATA; every problem is listed with its line and column.
        OutOfFuel: the run can't pay for it.
    """
    if fuel is not None:
        fuel.read(len(text))
    _check_size(text)
    parser = _Parser(text.removeprefix("\ufeff").replace("\r", "").split("\n"), fuel)
    tree = parser.parse()
    if parser.problems:
        raise refusal(parser.problems)
    return tree


def _check_size(text: str) -> None:
    size = len(text.encode(errors="surrogatepass"))
    if size > MAX_BYTES:
        message = f"the text has {size:,} bytes; at most {MAX_BYTES:,} are read, so split it"
        raise refusal([Problem(1, 1, message)])
    lines = text.count("\n") + 1
    if lines > MAX_LINES:
        message = f"the text has {lines:,} lines; at most {MAX_LINES:,} are read, so split it"
        raise refusal([Problem(MAX_LINES + 1, 1, message)])


class _Open:
    """A node whose lines are still being read; the root has no head."""

    __slots__ = ("accepts", "child_indent", "children", "comments", "head", "indent", "names")

    def __init__(self, indent: int, head: Head | None, comments: tuple[str, ...] = ()) -> None:
        self.indent = indent
        self.head = head
        self.comments = comments
        self.children: list[Node] = []
        self.names: dict[str, int] = {}
        """Lines of the children by their names."""
        self.child_indent: int | None = None
        self.accepts = head is None or head.text is None

    def close(self, head: Head, tail: tuple[str, ...]) -> Node:
        """Return what was read."""
        return Node(
            key=head.key,
            id=head.id,
            annotations=head.annotations,
            text=head.text,
            block=head.block,
            children=tuple(self.children),
            comments=self.comments,
            tail=tail,
            line=head.line,
            column=head.column,
            text_line=head.text_line,
            text_column=head.text_column,
        )


class _Parser:
    """Goes through the lines once, from the top, with the open nodes on a stack."""

    def __init__(self, lines: list[str], fuel: Fuel | None) -> None:
        self.problems: list[Problem] = []
        self._fuel = fuel
        self._lines = lines
        self._at = 0
        self._root = _Open(-1, None)
        self._stack = [self._root]
        self._comments: list[tuple[int, str]] = []
        """Comments whose node is not known yet, with their indentation."""
        self._blank = False
        """A blank line stands above what comes next."""

    def parse(self) -> Tree:
        while self._at < len(self._lines) and len(self.problems) < MAX_PROBLEMS:
            line = self._lines[self._at]
            self._at += 1
            if self._fuel is not None:
                self._fuel.spend(_LINE_STEPS)
            content = line.lstrip(_BLANKS)
            if not content:
                self._blank = bool(self._comments or self._root.names)
            elif content[0] == "#":
                self._comment(_width(line, content), content.rstrip(_BLANKS))
            else:
                self._key_line(line, content)
        self._close_down_to(0)
        tail = tuple(comment for _, comment in self._comments)
        return Tree(children=tuple(self._root.children), tail=tail)

    def _problem(self, line: int, column: int, message: str) -> None:
        self.problems.append(Problem(line, column, message))

    def _comment(self, indent: int, comment: str) -> None:
        if self._blank:
            self._comments.append((indent, ""))
            self._blank = False
        self._comments.append((indent, comment))

    def _close_down_to(self, indent: int) -> None:
        """Close the nodes that stand at an indentation or deeper, each with its last comments."""
        while self._stack[-1].indent >= indent:
            closed = self._stack.pop()
            count = 0
            for comment_indent, _ in self._comments:
                if comment_indent <= closed.indent:
                    break
                count += 1
            tail = tuple(comment for _, comment in self._comments[:count])
            del self._comments[:count]
            if closed.head is not None:
                self._stack[-1].children.append(closed.close(closed.head, tail))

    def _key_line(self, line: str, content: str) -> None:
        number = self._at
        column = len(line) - len(content) + 1
        indent = _width(line, content)
        if "\t" in line[: column - 1]:
            self._problem(number, 1, "a tab indents this line; indent with blanks, two a level")
        self._close_down_to(indent)
        parent = self._stack[-1]
        if not self._has_room(parent, number, column):
            self._skip_deeper(parent.indent)
            return
        head = read_head(content, number, column, self.problems)
        if head is None:
            self._skip_deeper(indent)
            return
        self._check_siblings(parent, head, indent)
        if self._blank:
            self._comments.append((indent, ""))
            self._blank = False
        comments = tuple(comment for _, comment in self._comments)
        self._comments.clear()
        if parent.child_indent is None:
            parent.child_indent = indent
        opened = _Open(parent.child_indent, head, comments)
        self._stack.append(opened)
        if head.annotations and head.text is None:
            self._block(head, indent)
            opened.accepts = False

    def _has_room(self, parent: _Open, line: int, column: int) -> bool:
        """Tell whether anything can stand under a parent, and note why not."""
        if not parent.accepts and parent.head is not None:
            message = (
                f"{parent.head.name} has a value beside it already, so nothing can stand under it;"
                " write the value under it or outdent this line"
            )
        elif len(self._stack) > MAX_LEVELS:
            message = f"this is deeper than {MAX_LEVELS} levels; move inner parts up, to references"
        else:
            return True
        self._problem(line, column, message)
        return False

    def _check_siblings(self, parent: _Open, head: Head, indent: int) -> None:
        """Note a node that is not indented as its siblings are, or has the name of one."""
        if parent.child_indent is not None and parent.child_indent != indent:
            self._problem(
                head.line,
                head.column,
                f"this line is indented by {indent}, which fits no level above; its siblings are"
                f" indented by {parent.child_indent}",
            )
        first = parent.names.setdefault(head.name, head.line)
        if first != head.line:
            remedy = "give each an id: " if head.id is None else "give it another id: "
            self._problem(
                head.line,
                head.column,
                f"{head.name} is there already, on line {first}; {remedy}{head.key}/name:",
            )

    def _skip_deeper(self, indent: int) -> None:
        """Pass over what stands deeper than a line that was refused: it tells nothing more."""
        while self._at < len(self._lines):
            line = self._lines[self._at]
            content = line.lstrip(_BLANKS)
            if content and _width(line, content) <= indent:
                return
            self._at += 1

    def _block(self, head: Head, indent: int) -> None:
        """Read the text under an annotated key."""
        first = self._at
        end = first
        width = None
        for number in range(first, len(self._lines)):
            line = self._lines[number]
            content = line.lstrip(_BLANKS)
            if not content:
                # Blank lines that are as deep belong to the text, wherever they are.
                end = number + 1 if len(line) > indent else end
                continue
            if _width(line, content) <= indent:
                break
            end = number + 1
            blanks = len(line) - len(line.lstrip(" "))
            if blanks <= indent:
                self._problem(
                    number + 1, 1, "a tab indents this line; indent with blanks, two a level"
                )
            elif width is None or blanks < width:
                width = blanks
        lines = self._lines[first:end]
        self._at = end
        if width is None:
            width = min((len(line) for line in lines if len(line) > indent), default=0)
        head.text = "\n".join(line[width:] for line in lines)
        head.block = bool(head.text)
        if head.block:
            head.text_line = first + 1
            head.text_column = width + 1


def _width(line: str, content: str) -> int:
    """Return how far a line is indented."""
    indentation = line[: len(line) - len(content)]
    return len(indentation) + indentation.count("\t") * (_TAB_COLUMNS - 1)
