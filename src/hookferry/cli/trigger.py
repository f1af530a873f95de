"""``hookferry trigger``: publish one event from a terminal, and show what was said to it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from hookferry.cli.connection import ServerFlags, connect
from hookferry.cli.reading import read_bytes
from hookferry.cli.terminal import CommandError, Exit, out, safe
from hookferry.client import Outcome, SynchronousWebhookFailed, Vetoed

MESSAGE = 1_000
"""Characters of a receiver's message that are shown: all that the server passes on."""
_STYLES = {"delivered": "green", "vetoed": "bold red", "failed": "bold red", "skipped": "dim"}


def trigger(
    type: Annotated[str, Parameter(help="The event's type, such as invoice.paid.")],
    /,
    *,
    data: Annotated[
        str,
        Parameter(
            allow_leading_hyphen=True,  # for -, and for a negative number
            help="The event's data: JSON, @FILE, or - for stdin; sent as it is.",
        ),
    ] = "{}",
    id: Annotated[
        str | None, Parameter(help="Your own id: publishing the same id again changes nothing.")
    ] = None,
    application: Annotated[
        str | None, Parameter(help="The application it is of; webhooks may ask for one.")
    ] = None,
    channel: Annotated[
        list[str] | None,
        Parameter(negative=(), help="A channel it is in; repeat it. Webhooks may ask for some."),
    ] = None,
    server: ServerFlags | None = None,
) -> None:
    """Publish an event and print its id.

    When this returns, the event is stored durably; `hookferry tail` shows where it goes. With
    synchronous webhooks it waits for them and prints what each said: it exits 4 when one of them
    vetoed the event, and 1 when one failed although the event stands.
    """
    payload = read_bytes(data, "--data")
    try:
        json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise CommandError(f"--data is not JSON: {error}", Exit.USAGE) from None
    with connect(server) as client:
        try:
            made = client.publish(
                type, payload, id=id, application=application, channels=channel or None
            )
        except SynchronousWebhookFailed as error:
            vetoed = isinstance(error, Vetoed)
            out.print(f"{safe(error.id)}  {'vetoed' if vetoed else 'stored'}", markup=False)
            _show(error.outcomes)
            what = "vetoed" if vetoed else "a synchronous webhook failed"
            raise CommandError(
                f"{what}: {error.detail}",
                Exit.VETOED if vetoed else Exit.FAILED,
            ) from None
    again = ", published before" if made.duplicate else ""
    out.print(f"{made.id}  deliveries: {made.deliveries}{again}", markup=False)
    _show(made.outcomes)


def _show(outcomes: Sequence[Outcome]) -> None:
    """Print what each synchronous webhook said, a line each."""
    if not outcomes:
        return
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(max_width=24, overflow="fold")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for one in outcomes:
        table.add_row(
            Text(f"  {one.outcome}", _STYLES.get(one.outcome, "yellow")),
            Text(safe(one.name)),
            str(one.status or ""),
            "" if one.duration_ms is None else f"{one.duration_ms:,.0f} ms",
            Text(safe(" ".join((one.detail or "").split()), MESSAGE)),
        )
    out.print(table, soft_wrap=False)
