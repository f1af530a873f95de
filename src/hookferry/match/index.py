"""The subscription index: which of a tenant's webhooks want an event of some type.

Exact types are a dictionary, patterns with ``*`` a trie of segments, answers a bounded cache. The
index knows nothing of what a webhook is: the engine stores with each id whatever it wants back.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Generic, TypeVar

V = TypeVar("V")

CACHED_TYPES = 4096
"""Event types whose answer is remembered; beyond it the least recently used one goes."""


class _Node:
    """One position in the trie: the patterns that share the segments up to here."""

    __slots__ = ("any", "here", "named", "tail")

    def __init__(self) -> None:
        self.named: dict[str, _Node] = {}
        self.any: _Node | None = None
        """Where a ``*`` that is not the pattern's last segment leads."""
        self.here: set[int] = set()
        """Webhooks with a pattern that ends with the segment leading here."""
        self.tail: set[int] = set()
        """Webhooks with a pattern that ends with a ``*`` after this node."""

    def empty(self) -> bool:
        return not (self.named or self.any or self.here or self.tail)


class SubscriptionIndex(Generic[V]):
    """The live subscriptions of one tenant. Not for use from several threads.

    Args:
        cached_types: how many event types' answers to remember.
    """

    def __init__(self, *, cached_types: int = CACHED_TYPES) -> None:
        self._entries: dict[int, tuple[tuple[str, ...], V]] = {}
        self._exact: dict[str, set[int]] = {}
        self._root = _Node()
        self._cache: OrderedDict[str, tuple[V, ...]] = OrderedDict()
        self._cached_types = cached_types

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, webhook_id: int, patterns: Iterable[str], value: V) -> None:
        """Subscribe a webhook, in place of what it was subscribed to before.

        Args:
            webhook_id: its id; answers are in ascending order of it.
            patterns: well-formed patterns (``hookferry.match.patterns.check_pattern``).
            value: what ``match`` returns for it.
        """
        self._withdraw(webhook_id)
        kept = tuple(dict.fromkeys(patterns))
        self._entries[webhook_id] = (kept, value)
        for pattern in kept:
            if "*" in pattern:
                self._plant(pattern.split("."), webhook_id)
            else:
                self._exact.setdefault(pattern, set()).add(webhook_id)
        self._cache.clear()

    def remove(self, webhook_id: int) -> None:
        """Forget a webhook; nothing happens when it is not there."""
        self._withdraw(webhook_id)
        self._cache.clear()

    def match(self, event_type: str) -> tuple[V, ...]:
        """Return the values of all webhooks that want this type, each once, ascending by id."""
        cache = self._cache
        found = cache.get(event_type)
        if found is not None:
            cache.move_to_end(event_type)
            return found
        found = self._look_up(event_type)
        cache[event_type] = found
        if len(cache) > self._cached_types:
            cache.popitem(last=False)
        return found

    def _look_up(self, event_type: str) -> tuple[V, ...]:
        ids = set(self._exact.get(event_type, ()))
        # At most 2**8 nodes: a type has 8 segments, and each leads a pattern two ways.
        level = [self._root]
        for segment in event_type.split("."):
            below: list[_Node] = []
            for node in level:
                ids |= node.tail
                child = node.named.get(segment)
                if child is not None:
                    below.append(child)
                if node.any is not None:
                    below.append(node.any)
            level = below
        for node in level:
            ids |= node.here
        entries = self._entries
        return tuple([entries[webhook_id][1] for webhook_id in sorted(ids)])

    def _plant(self, segments: list[str], webhook_id: int) -> None:
        last = segments.pop()
        node = self._root
        for segment in segments:
            node = _child(node, segment)
        if last == "*":
            node.tail.add(webhook_id)
        else:
            _child(node, last).here.add(webhook_id)

    def _withdraw(self, webhook_id: int) -> None:
        entry = self._entries.pop(webhook_id, None)
        if entry is None:
            return
        for pattern in entry[0]:
            if "*" in pattern:
                _uproot(self._root, pattern.split("."), webhook_id)
            else:
                wanted = self._exact[pattern]
                wanted.discard(webhook_id)
                if not wanted:
                    del self._exact[pattern]


def _child(node: _Node, segment: str) -> _Node:
    """Return the node one segment down, made where it is missing."""
    if segment == "*":
        if node.any is None:
            node.any = _Node()
        return node.any
    child = node.named.get(segment)
    if child is None:
        child = node.named[segment] = _Node()
    return child


def _uproot(node: _Node, segments: list[str], webhook_id: int) -> None:
    """Take a planted pattern out of the trie below ``node``, and the nodes it leaves empty."""
    if segments == ["*"]:
        node.tail.discard(webhook_id)
    elif not segments:
        node.here.discard(webhook_id)
    else:
        segment = segments[0]
        child = _child(node, segment)
        _uproot(child, segments[1:], webhook_id)
        if child.empty():
            if segment == "*":
                node.any = None
            else:
                del node.named[segment]
