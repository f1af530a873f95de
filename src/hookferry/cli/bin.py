"""``hookferry bin``: an address that takes any request, and what comes to it."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from hookferry.cli.connection import ServerFlags, address, connect
from hookferry.cli.listen import Forward, Json, Timeout, check_timeout, title_of
from hookferry.cli.listening.forwarding import forward_url
from hookferry.cli.listening.session import Wish, run
from hookferry.cli.terminal import err, out
from hookferry.client.requests import BEGINNING


def bin(
    name: Annotated[
        str | None, Parameter(help="What it is called. Default: the server names it.")
    ] = None,
    /,
    *,
    forward: Forward = None,
    follow: Annotated[
        bool, Parameter(negative="--no-follow", help="Show what comes, or end at once.")
    ] = True,
    timeout: Timeout = 30.0,
    json: Json = False,
    server: ServerFlags | None = None,
) -> int | None:
    """Make an address that takes any request, print it, and show what comes, until q or Ctrl-C.

    The address and what it took are deleted after a day. `hookferry listen` follows it again.
    """
    check_timeout(timeout)
    url = None if forward is None else forward_url(forward)
    with connect(server) as client:
        made = client.sources.create_bin(name)
    out.print(made.url, markup=False)
    if not follow:
        return None
    err.print(f"listening to {made.name}, deleted after a day", style="dim", markup=False)
    where, key = address(server)
    return run(
        Wish(
            server=where,
            key=key,
            tenant=server.tenant if server else None,
            source=made.id,
            title=title_of(made, url),
            forward=url,
            begin=BEGINNING,
            timeout=timeout,
            json=json,
        )
    )
