"""Caught requests that become no event, on their way to the ledger.

Those that become one are ``hookferry.engine.intake``'s, and so is the bound on what waits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from hookferry.engine.committer import Committer
from hookferry.errors import HookferryError
from hookferry.store.ports import Acceptance, DedupeKey

Done = Callable[[HookferryError | None], None]


class Room(Protocol):
    """Bounds what waits for its commit."""

    def check_room(self, size: int) -> None:
        """Raise Draining or Overloaded unless ``size`` more bytes may wait."""
        ...

    def hold(self, size: int) -> None:
        """Count one more that waits."""
        ...

    def release(self, size: int) -> None:
        """Give back what one held."""
        ...


class Keeping:
    """Keeps requests.

    Args:
        room: shared with the events that wait.
        committer: what makes them durable.
    """

    def __init__(self, room: Room, committer: Committer) -> None:
        self._room = room
        self._committer = committer

    def keep(self, acceptance: Acceptance, done: Done) -> None:
        """Queue a caught request that becomes no event for the next commit.

        Args:
            acceptance: the request, without an event.
            done: told when it is durable, or why it is not stored.

        Raises:
            Draining, Overloaded: it can't be taken now.
        """
        size = 0 if acceptance.request is None else len(acceptance.request.body)
        self._room.check_room(size)
        self._room.hold(size)
        self._committer.accept(_Record(self._room, acceptance, size, done))


class _Record:
    """One of them (the committer's Entry)."""

    __slots__ = ("_acceptance", "_done", "_room", "_size")

    def __init__(self, room: Room, acceptance: Acceptance, size: int, done: Done) -> None:
        self._room = room
        self._acceptance = acceptance
        self._size = size
        self._done = done

    def build(self) -> Acceptance:
        return self._acceptance

    def committed(self, acceptance: Acceptance) -> None:
        self._room.release(self._size)
        self._done(None)

    def repeated(self, first: DedupeKey) -> None:
        raise AssertionError("a record claims no key")

    def failed(self, error: HookferryError) -> None:
        self._room.release(self._size)
        self._done(error)
