"""A source's requests as they come, over whatever breaks the connection to hookferry."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

from hookferry.client import ApiError, AsyncClient, Unreachable
from hookferry.client.listening import StreamedRequest

LONGEST_PAUSE: Final = 10.0
"""Seconds at most between two tries to connect."""
FIRST_PAUSE: Final = 0.1
"""Seconds at most before the second try; doubled for each further one."""
_LATER: Final = frozenset((408, 429, 500, 502, 503, 504))
"""Answers that may be others in a moment."""


class Feed:
    """Hears what a source catches.

    Args:
        client: asks the server.
        source: the source's id.
        answer: callers wait for this listener's answers for as long as it is connected.
        connected: called with None once connected, and with the reason when it is over.
    """

    def __init__(
        self,
        client: AsyncClient,
        source: str,
        *,
        answer: bool,
        connected: Callable[[str | None], None],
    ) -> None:
        self._client = client
        self._source = source
        self._answer = answer
        self._connected = connected

    async def requests(self, after: str) -> AsyncGenerator[StreamedRequest]:
        """Yield the requests after one, in the order of their ids, each once; never ends.

        Args:
            after: its id.

        Raises:
            ApiError: the server refuses, and would do so again.
        """
        failures = 0
        while True:
            began = time.monotonic()
            try:
                following = self._client.listening.follow(
                    self._source, after=after, answer=self._answer
                )
                async with aclosing(following):
                    async for request in following:
                        if request is None:
                            self._connected(None)
                        elif request.id > after:
                            failures = 0
                            yield request
                            after = request.id
                reason = "the server ended the stream"
            except Unreachable as error:
                reason = error.detail
            except ApiError as error:
                if error.status not in _LATER:
                    raise
                reason = error.detail
            self._connected(reason)
            # A connection that ends at once, again and again, is no success either.
            failures = 0 if time.monotonic() - began > LONGEST_PAUSE else failures + 1
            await asyncio.sleep(pause(failures))


def pause(failures: int) -> float:
    """Return the seconds to wait after so many failures: longer and longer, and never the same, so
    that many who wait for the same thing do not come back at the same moment."""
    longest: float = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures, 30))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311  spreads load, guards nothing
