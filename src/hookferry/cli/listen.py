"""``hookferry listen``: a source's requests, forwarded to a program on this machine."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from hookferry import ids
from hookferry.cli.connection import ServerFlags, address, connect
from hookferry.cli.listening.forwarding import forward_url
from hookferry.cli.listening.session import Wish, run
from hookferry.cli.reading import read_bytes
from hookferry.cli.terminal import CommandError, Exit, safe
from hookferry.client import Client, Source
from hookferry.client.requests import BEGINNING

MAX_CONCURRENCY: Final = 64
MAX_TIMEOUT: Final = 3_600.0
_AGO = re.compile(r"([0-9]{1,9})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

Forward = Annotated[
    str | None,
    Parameter(
        help="Where the program is: a URL, host:port, or a port of this machine. Left out,"
        " requests are only shown."
    ),
]
Timeout = Annotated[
    float, Parameter(help="Seconds that the program has for each request, 3,600 at most.")
]
Json = Annotated[
    bool, Parameter(negative=(), help="Print one JSON document a line for each request.")
]


def listen(
    source: Annotated[str, Parameter(help="The source's name or id, src_...")],
    /,
    *,
    forward: Forward = None,
    answer: Annotated[
        bool, Parameter(negative=(), help="The program's answers become the callers'.")
    ] = False,
    everything: Annotated[
        bool,
        Parameter(
            name="--all",
            negative=(),
            help="Also requests that were not accepted, and duplicates.",
        ),
    ] = False,
    since: Annotated[
        str | None,
        Parameter(
            help="Begin with what came since then: 90s, 10m, 2h, 3d ago, or a time with its zone."
        ),
    ] = None,
    from_start: Annotated[
        bool, Parameter(negative=(), help="Begin with the oldest request that is kept.")
    ] = False,
    path: Annotated[
        bool,
        Parameter(
            negative="--no-path",
            help="Put what follows the source's own address behind the path of --forward.",
        ),
    ] = True,
    state: Annotated[
        Path | None,
        Parameter(
            help="File that keeps what was forwarded. Default: one for each server, source and"
            " --forward, in $XDG_STATE_HOME/hookferry/listen."
        ),
    ] = None,
    ca: Annotated[
        Path | None,
        Parameter(help="File of PEM certificates to trust, for a --forward with https."),
    ] = None,
    timeout: Timeout = 30.0,
    concurrency: Annotated[
        int,
        Parameter(help="Requests at a time, 1 to 64. With 1 they arrive in their order."),
    ] = 1,
    json: Json = False,
    server: ServerFlags | None = None,
) -> int:
    """Forward what a source catches to a program here, until q or Ctrl-C.

    Requests arrive as they were caught, with their id in Hookferry-Request. It goes on where it
    stopped whatever is restarted, the program, hookferry or itself: nothing is left out, and what
    the program may have had before has Hookferry-Redelivery: true. On a terminal, up and down
    select a request, r sends it again, d shows all of it.
    """
    if since is not None and from_start:
        raise CommandError("give --since or --from-start, not both", Exit.USAGE)
    if forward is None and (answer or state is not None):
        raise CommandError("--answer and --state go with --forward", Exit.USAGE)
    if not 1 <= concurrency <= MAX_CONCURRENCY:
        raise CommandError(f"--concurrency goes from 1 to {MAX_CONCURRENCY}", Exit.USAGE)
    check_timeout(timeout)
    begin = BEGINNING if from_start else None if since is None else id_at(since)
    url = None if forward is None else forward_url(forward)
    with connect(server) as client:
        found = find_source(client, source)
    if found.bin and answer:
        raise CommandError("a bin answers by itself; --answer needs a source", Exit.USAGE)
    where, key = address(server)
    return run(
        Wish(
            server=where,
            key=key,
            tenant=server.tenant if server else None,
            source=found.id,
            title=title_of(found, url),
            forward=url,
            begin=begin,
            answer=answer,
            everything=everything,
            with_path=path,
            ca=None if ca is None else read_bytes(f"@{ca}", "--ca").decode("ascii", "replace"),
            state=state,
            timeout=timeout,
            concurrency=concurrency,
            json=json,
        )
    )


def title_of(source: Source, forward: str | None) -> str:
    """Return what is said of a listener in a few words."""
    return safe(source.name, 40) + (f" -> {safe(forward, 80)}" if forward else "")


def check_timeout(timeout: float) -> None:
    """Raise CommandError unless a time limit is one."""
    if not 0.1 <= timeout <= MAX_TIMEOUT:
        raise CommandError(f"--timeout goes from 0.1 to {MAX_TIMEOUT:,.0f} seconds", Exit.USAGE)


def find_source(client: Client, named: str) -> Source:
    """Return a source by its id or its name.

    Raises:
        CommandError: there is none.
    """
    if named.startswith("src_"):
        return client.sources.get(named)
    found = next(iter(client.sources.list(name=named, limit=1)), None)
    if found is None:
        raise CommandError(f"there is no source called {safe(named)!r}")
    return found


def id_at(text: str) -> str:
    """Return an id that is just below those of requests that came at a time."""
    ago = _AGO.fullmatch(text)
    try:
        if ago is not None:
            when = datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        else:
            when = datetime.fromisoformat(text)
        if when.tzinfo is None:
            raise ValueError
    except (ValueError, OverflowError):
        raise CommandError(
            "--since is a time ago such as 90s, 10m, 2h or 3d, or a time with its zone such as "
            "2026-01-31T12:00:00+01:00",
            Exit.USAGE,
        ) from None
    first = ids.lowest_at(int(when.timestamp() * 1000))
    return ids.encode("req", max(0, first - 1))
