"""``hookferry trigger``: publish one event from a terminal."""

from __future__ import annotations

import json
from typing import Annotated

from cyclopts import Parameter

from hookferry.cli.connection import ServerFlags, connect
from hookferry.cli.reading import read_bytes
from hookferry.cli.terminal import CommandError, Exit, out


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
    server: ServerFlags | None = None,
) -> None:
    """Publish an event and print its id.

    When this returns, the event is stored durably; `hookferry tail` shows where it goes.
    """
    payload = read_bytes(data, "--data")
    try:
        json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise CommandError(f"--data is not JSON: {error}", Exit.USAGE) from None
    with connect(server) as client:
        made = client.publish(type, payload, id=id)
    again = ", published before" if made.duplicate else ""
    out.print(f"{made.id}  deliveries: {made.deliveries}{again}", markup=False)
