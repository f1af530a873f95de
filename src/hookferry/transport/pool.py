"""Idle keep-alive connections by target. Newest first, so that surplus ones grow old and go."""

from __future__ import annotations

from hookferry.transport.http1 import Connection
from hookferry.transport.limits import Limits
from hookferry.transport.port import Target


class Pool:
    """A bounded set of idle connections.

    Args:
        limits: how many, how long idle, how old.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._idle: dict[Target, list[Connection]] = {}
        self.size = 0

    @property
    def empty(self) -> bool:
        """Whether there is nothing to sweep, not even a target without connections."""
        return not self._idle

    def take(self, target: Target, now: float) -> Connection | None:
        """Return the connection that was used last, or None."""
        idle = self._idle.get(target)
        while idle:
            connection = idle.pop()
            self.size -= 1
            if self._fit(connection, now):
                return connection
            connection.abort()
        return None

    def put(self, connection: Connection) -> bool:
        """Keep a connection; False (and closed) when the pool is full or it is too old."""
        if (
            self.size >= self._limits.idle
            or connection.idle_since - connection.born > self._limits.age_seconds
        ):
            connection.abort()
            return False
        idle = self._idle.get(connection.target)
        if idle is None:
            self._idle[connection.target] = [connection]
        else:
            idle.append(connection)
        self.size += 1
        return True

    def forget(self, connection: Connection) -> None:
        """Drop a connection that the peer closed."""
        idle = self._idle.get(connection.target)
        if idle and connection in idle:
            idle.remove(connection)
            self.size -= 1

    def sweep(self, now: float) -> None:
        """Close what has been idle too long, and forget targets without connections."""
        for target in list(self._idle):
            idle = self._idle[target]
            kept = []
            for connection in idle:
                if self._fit(connection, now):
                    kept.append(connection)
                else:
                    connection.abort()
            self.size -= len(idle) - len(kept)
            if kept:
                self._idle[target] = kept
            else:
                del self._idle[target]

    def close(self) -> None:
        """Close all."""
        for idle in self._idle.values():
            for connection in idle:
                connection.abort()
        self._idle.clear()
        self.size = 0

    def _fit(self, connection: Connection, now: float) -> bool:
        """Whether a connection may serve another request."""
        limits = self._limits
        return (
            connection.usable
            and now - connection.idle_since <= limits.idle_seconds
            and now - connection.born <= limits.age_seconds
        )
