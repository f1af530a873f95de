"""The limit on open files: how many a server needs, and raising what is allowed to that."""

from __future__ import annotations

import resource

from hookferry.settings import Settings

SPARE = 512
"""For the ledger, logs, DNS and whatever else is no connection."""


def needed(settings: Settings) -> int:
    """Return how many files a server may have open at once: a connection is one too."""
    return settings.in_flight + settings.connections + SPARE


def most_allowed() -> int | None:
    """Return how many files a process may have open after ``raise_limit``; None for any number."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if hard == resource.RLIM_INFINITY else hard


def raise_limit(settings: Settings) -> None:
    """Raise the soft limit on open files to what the server needs, as far as the hard one goes.

    Many systems start processes with 1,024 for the sake of programs that use ``select``, and let
    every other one raise it by itself.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = needed(settings)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
