"""Trees of KATA: what scripts, policies, event handlers and typed inputs are written in.

KATA ("Key Annotated Tree of Attributes") is Cerb's format (https://cerb.ai/docs/kata/): keys with
texts or with children under them, and annotations that say what becomes of a text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

ANNOTATIONS: Final = frozenset(
    [
        "base64",
        "bit",
        "bool",
        "csv",
        "date",
        "float",
        "int",
        "json",
        "kata",
        "key",
        "list",
        "optional",
        "raw",
        "ref",
        "text",
        "trim",
    ]
)
"""Names of all annotations; what they do is in ``hookferry.kata.annotations``."""

MAX_LEVELS: Final = 64
"""Levels of nodes, with and without references."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Nodes side by side, as they stand at the top of a script.

    Args:
        children: in the order of the script; no two have the same name.
        tail: comments after the last child: ``#`` and the rest; a blank line is ``""``.
    """

    children: tuple[Node, ...] = ()
    tail: tuple[str, ...] = ()
    _named: dict[str, Node] | None = field(default=None, init=False, compare=False, repr=False)

    def child(self, name: str) -> Node | None:
        """Return the child of a name, such as ``set`` or ``set/b``."""
        named = self._named
        if named is None:  # made when it is asked for: most nodes never are
            named = {node.name: node for node in self.children}
            object.__setattr__(self, "_named", named)
        return named.get(name)

    def text_at(self, name: str) -> str | None:
        """Return the text of the child of a name; None without the child or the text."""
        node = self.child(name)
        return None if node is None else node.text

    def all(self, key: str) -> Iterator[Node]:
        """Walk over the children of a key, whatever their ids."""
        return (node for node in self.children if node.key == key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node(Tree):
    """A key with its text, its children, or neither.

    Places count from 1 and are not compared: a tree is the same wherever it stands.

    Args:
        key: what stands before ``/``, ``@`` or ``:``; that of a reference begins with ``&``.
        id: what tells it from siblings of the same key.
        annotations: in their order.
        text: as written, without its indentation; ``""`` for an annotated key without any, None
            for a plain one, which may have children then.
        block: the text stands under its key, not beside it.
        comments: what stands above the node, as in ``tail``.
        line: where the key is.
        column: where the key is.
        text_line: where the text begins.
        text_column: where the text begins, and in a block every line of it.
    """

    key: str
    id: str | None = None
    annotations: tuple[str, ...] = ()
    text: str | None = None
    block: bool = False
    comments: tuple[str, ...] = ()
    line: int = field(default=1, compare=False)
    column: int = field(default=1, compare=False)
    text_line: int = field(default=1, compare=False)
    text_column: int = field(default=1, compare=False)

    @property
    def name(self) -> str:
        """The key and the id: ``set/b``. What a path to the node is made of."""
        return self.key if self.id is None else f"{self.key}/{self.id}"

    @property
    def label(self) -> str:
        """The name with the annotations, as it is written: ``if@bool``."""
        return f"{self.name}@{','.join(self.annotations)}" if self.annotations else self.name
