"""``hookferry replay``: deliver an event once more."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from hookferry.cli.connection import ServerFlags, connect
from hookferry.cli.terminal import out, safe


def replay(
    event: Annotated[str, Parameter(help="The event's id, evt_...")],
    /,
    *,
    to: Annotated[
        list[str] | None,
        Parameter(negative=(), help="A webhook's id; repeat it. Default: those that match now."),
    ] = None,
    server: ServerFlags | None = None,
) -> None:
    """Deliver an event once more, as new deliveries, and print their ids."""
    with connect(server) as client:
        made = client.events.replay(event, webhooks=to)
    for delivery in made.items:
        name = safe(delivery.webhook_name or delivery.webhook)
        out.print(f"{delivery.id}  to {name}", markup=False)
    if not made.items:
        out.print("no webhook matches this event now; name one with --to", markup=False)
