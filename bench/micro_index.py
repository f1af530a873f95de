"""Time the subscription index: 10,000 webhooks, microseconds per match, cached and not.

Run: python bench/micro_index.py
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable

from hookferry.match.index import SubscriptionIndex

WEBHOOKS = 10_000
APPLICATIONS = 500
ROUNDS = 5
CALLS = 2_000


def build() -> SubscriptionIndex[int]:
    """Subscribe 10,000 webhooks: exact types, one application's all, one verb of all, and all."""
    index: SubscriptionIndex[int] = SubscriptionIndex()
    for number in range(WEBHOOKS):
        application = f"app{number % APPLICATIONS}"
        if number % 1000 == 0:
            patterns = ["*"]
        elif number % 10 == 0:
            patterns = [f"{application}.*"]
        elif number % 10 == 1:
            patterns = [f"*.verb{number}", f"{application}.*.changed"]
        else:
            patterns = [f"{application}.created", f"{application}.updated"]
        index.put(number, patterns, number)
    return index


def microseconds(call: Callable[[], object]) -> float:
    """Return the median over the rounds of the mean time of one call."""
    rounds = []
    for _ in range(ROUNDS):
        begun = time.perf_counter_ns()
        for _ in range(CALLS):
            call()
        rounds.append((time.perf_counter_ns() - begun) / CALLS / 1000)
    return round(statistics.median(rounds), 2)


def main() -> None:
    """Print the figures as JSON."""
    begun = time.perf_counter()
    index = build()
    built = time.perf_counter() - begun
    uncached: SubscriptionIndex[int] = SubscriptionIndex(cached_types=0)
    for number, (patterns, value) in index._entries.items():
        uncached.put(number, patterns, value)
    figures = {
        "webhooks": len(index),
        "build_ms": round(built * 1000, 1),
        "match": {
            event_type: {
                "webhooks": len(index.match(event_type)),
                "cached_us": microseconds(lambda t=event_type: index.match(t)),  # type: ignore[misc]
                "uncached_us": microseconds(lambda t=event_type: uncached.match(t)),  # type: ignore[misc]
            }
            for event_type in ("app3.created", "app7.deal.changed", "nobody.asked.for.this")
        },
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
