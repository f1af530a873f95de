"""Puts references in their places: what ``@ref`` names is copied from under ``&name:``.

The target's annotations replace ``@ref``, and those that remain are applied after them
(https://cerb.ai/docs/kata/#references). A path leads into a reference's children:
``@ref: options.colors``, or with colons where a key has a dot. References may use others, but no
reference contains itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, NamedTuple

from hookferry.kata.problems import MAX_PROBLEMS, Problem, hint
from hookferry.kata.tree import MAX_LEVELS, Node, Tree

MAX_NODES: Final = 10_000
"""Nodes of a tree whose references are in their places."""
MAX_TEXT: Final = 1024 * 1024
"""Characters of its texts."""
MAX_PATH: Final = 256
"""Characters of what ``@ref`` names."""

_REF: Final = "ref"
_MARK: Final = "&"


def resolve(tree: Tree) -> tuple[Tree, list[Problem]]:
    """Return a tree without references, and what is wrong with them.

    A node that can't be resolved is there with an empty text, so that the rest of the tree can be
    checked too. What a reference contains is shared by the nodes that name it.
    """
    resolver = _Resolver(tree)
    children = [resolver.resolve(node) for node in tree.children]
    return replace(tree, children=tuple(c for c in children if not _is_mark(c))), resolver.problems


def _is_mark(node: Node) -> bool:
    return node.key.startswith(_MARK)


class _Resolved(NamedTuple):
    """A node without references, and how large it is when it is written out."""

    node: Node
    nodes: int
    text: int
    levels: int
    """Levels of nodes; following a reference counts as one."""


class _Missing(Exception):
    """A reference can't be followed."""


class _Resolver:
    """Resolves each node once, however many name it."""

    def __init__(self, tree: Tree) -> None:
        self.problems: list[Problem] = []
        self._references = {
            node.name.removeprefix(_MARK): node for node in tree.children if _is_mark(node)
        }
        self._done: dict[int, _Resolved] = {}
        """By identity: the nodes live as long as the tree or what is in here."""
        self._open: set[int] = set()
        """What is being resolved: a node, the nodes around it, and those that named them."""
        self._heights: dict[int, int] = {}
        self._nodes = self._text = 0
        """Of the tree so far."""

    def resolve(self, node: Node) -> Node:
        """Return a node of the top without references."""
        done = self._node(node, 1)
        if _is_mark(node):
            return done.node
        if _is_too_large(self._nodes + done.nodes, self._text + done.text):
            done = self._failed(node, _TOO_LARGE)
        self._nodes += done.nodes
        self._text += done.text
        return done.node

    def _node(self, node: Node, level: int) -> _Resolved:
        """Resolve a node that stands at a level; ``_follow`` sees to it that there are not many."""
        done = self._done.get(id(node))
        if done is None:
            self._open.add(id(node))
            if _REF in node.annotations:
                done = self._referring(node, level)
            else:
                done = self._plain(node, level)
            self._open.discard(id(node))
            self._done[id(node)] = done
        return done

    def _plain(self, node: Node, level: int) -> _Resolved:
        children = [self._node(child, level + 1) for child in node.children]
        if any(done.node is not child for done, child in zip(children, node.children, strict=True)):
            node = replace(node, children=tuple(done.node for done in children))
        nodes = 1 + sum(done.nodes for done in children)
        text = len(node.text or "") + sum(done.text for done in children)
        if _is_too_large(nodes, text):
            return self._failed(node, _TOO_LARGE)
        return _Resolved(node, nodes, text, 1 + _most(done.levels for done in children))

    def _referring(self, node: Node, level: int) -> _Resolved:
        if len(self.problems) >= MAX_PROBLEMS:
            return _emptied(node)
        try:
            path = (node.text or "").strip().removeprefix(_MARK)
            done = self._follow(self._find(path, level), path, level)
        except _Missing as missing:
            return self._failed(node, str(missing))
        target = done.node
        at = node.annotations.index(_REF)
        rest = (name for name in node.annotations[at + 1 :] if name != _REF)
        resolved = replace(
            target,
            key=node.key,
            id=node.id,
            annotations=(*node.annotations[:at], *target.annotations, *rest),
            comments=node.comments,
            line=node.line,
            column=node.column,
        )
        return done._replace(node=resolved, levels=done.levels + 1)

    def _follow(self, target: Node, path: str, level: int) -> _Resolved:
        """Resolve what a path names, for a node at a level; raises _Missing."""
        if id(target) in self._open:
            raise _Missing(f"&{path} contains itself through this reference; take it out")
        if level + self._height(target) <= MAX_LEVELS:
            done = self._node(target, level + 1)
            if level + done.levels <= MAX_LEVELS:
                return done
        raise _Missing(
            f"with what &{path} contains this is deeper than {MAX_LEVELS} levels (a reference"
            " counts as one); nest less"
        )

    def _height(self, node: Node) -> int:
        """Return how many levels a node has as it is written."""
        known = self._heights.get(id(node))
        if known is None:
            known = 1 + _most(self._height(child) for child in node.children)
            self._heights[id(node)] = known
        return known

    def _find(self, path: str, level: int) -> Node:
        """Return the node that a path names; raises _Missing."""
        if not path or len(path) > MAX_PATH:
            raise _Missing(f"name a reference in 1 to {MAX_PATH} characters, as in colors@ref: red")
        names = path.split(":" if ":" in path else ".")
        name = names[0]
        found = self._references.get(name)
        if found is None:
            remedy = hint(name, self._references) if self._references else "there are none"
            raise _Missing(
                f"there is no reference &{name}; {remedy}; write it at the top level as &{name}:"
            )
        way = name
        for name in names[1:]:
            if _REF in found.annotations:
                found = self._follow(found, way, level).node
            child = found.child(name)
            if child is None:
                known = [node.name for node in found.children]
                remedy = hint(name, known) if known else "it has no keys"
                raise _Missing(f"there is no {name} in &{way}; {remedy}")
            found = child
            way = f"{way}:{name}"
        return found

    def _failed(self, node: Node, message: str) -> _Resolved:
        """Note a problem, and return an empty node instead."""
        self.problems.append(Problem(node.line, node.column, message))
        return _emptied(node)


_TOO_LARGE: Final = (
    f"with its references written out the tree has more than {MAX_NODES:,} nodes or"
    f" {MAX_TEXT:,} characters; repeat less of it"
)


def _is_too_large(nodes: int, text: int) -> bool:
    return nodes > MAX_NODES or text > MAX_TEXT


def _most(numbers: Iterable[int]) -> int:
    return max(numbers, default=0)


def _emptied(node: Node) -> _Resolved:
    rest = tuple(name for name in node.annotations if name != _REF)
    return _Resolved(replace(node, annotations=rest, text="", children=()), 1, 0, 1)
