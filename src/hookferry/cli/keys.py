"""``hookferry keys``: the API keys of a running server."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter
from rich.table import Table

from hookferry.cli.connection import ServerFlags, connect
from hookferry.cli.terminal import err, out, safe

keys = App(name="keys", help="Create, list and revoke API keys.")


@keys.command
def create(
    name: Annotated[str, Parameter(help="What the key is for.")],
    /,
    *,
    only: Annotated[
        str | None, Parameter(help="The only tenant it may touch. Default: all of them.")
    ] = None,
    server: ServerFlags | None = None,
) -> None:
    """Create an API key and print it. It is shown this once."""
    with connect(server) as client:
        made = client.keys.create(name, tenant=only)
    err.print(f"{made.id}: shown once, keep it now", style="dim", markup=False)
    out.print(made.key, markup=False)


@keys.command(name="list")
def list_(*, server: ServerFlags | None = None) -> None:
    """List the API keys."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for title in ("id", "for", "tenant", "created"):
        table.add_column(title, no_wrap=title == "id")
    with connect(server) as client:
        for key in client.keys.list():
            created = f"{key.created_at:%Y-%m-%d %H:%M}" if key.created_at else ""
            table.add_row(key.id, safe(key.name), safe(key.tenant or "all"), created)
    out.print(table, soft_wrap=False)


@keys.command
def revoke(
    key: Annotated[str, Parameter(help="The key's id, key_...")],
    /,
    *,
    server: ServerFlags | None = None,
) -> None:
    """Make an API key invalid, for good."""
    with connect(server) as client:
        client.keys.delete(key)
    out.print(f"{key} revoked", markup=False)
