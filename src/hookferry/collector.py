"""Python's cyclic garbage collector, in processes that serve: it has next to nothing to find."""

from __future__ import annotations

import gc
from typing import Final

_COLLECT_AFTER: Final = (50_000, 20, 100)
"""Thresholds; Python's own are 700, 10 and 10."""


def load_without_the_collector() -> None:
    """Switch the collector off until ``spare_the_collector``: of what loading builds, nothing is
    garbage, and walking it takes a tenth of a server's start."""
    gc.disable()


def spare_the_collector() -> None:
    """Let the cyclic garbage collector leave alone what was built, and run a tenth as often.

    What starting built lives as long as the process, and is most of the heap: each full collection
    walked all of it, for tens of milliseconds in the middle of requests. Requests and commits leave
    next to no cycles: reference counts free them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)
    gc.enable()
