"""``hookferry tail``: watch deliveries change state, one line a change.

Polls the API: new deliveries by their ids, which grow, and those it has seen that still owe
something. What it remembers and asks for is bounded; under a flood it shows the newest and says
how many it passed over.
"""

from __future__ import annotations

import itertools
import time
from collections import OrderedDict
from collections.abc import Iterator
from typing import Annotated

from cyclopts import Parameter
from rich.text import Text

from hookferry.cli.connection import ServerFlags, connect
from hookferry.cli.terminal import CommandError, Exit, err, out, safe
from hookferry.client import ApiError, Client, Delivery, Unreachable

REMEMBERED = 2_000
"""Deliveries whose last shown state is remembered."""
NEW_AT_ONCE = 500
"""New deliveries shown per look."""
WATCHED_AT_ONCE = 50
"""Deliveries seen before that are asked for again per look, in turn."""
_OWING = ("pending", "retrying")
_STYLES = {
    "delivered": "green",
    "retrying": "yellow",
    "failed": "bold red",
    "vetoed": "bold red",
    "cancelled": "magenta",
    "skipped": "dim",
    "pending": "cyan",
}


def tail(
    *,
    webhook: Annotated[str | None, Parameter(help="Only deliveries to this webhook's id.")] = None,
    event_type: Annotated[str | None, Parameter(help="Only events of this type.")] = None,
    last: Annotated[int, Parameter(help="Begin with so many of the latest deliveries.")] = 10,
    interval: Annotated[float, Parameter(help="Seconds between two looks.")] = 0.5,
    follow: Annotated[
        bool, Parameter(negative="--no-follow", help="Go on watching, or end after one look.")
    ] = True,
    server: ServerFlags | None = None,
) -> None:
    """Follow deliveries: one line for each new state, until Ctrl-C.

    Goes on by itself when the server is restarted.
    """
    if not 0 <= last <= NEW_AT_ONCE:
        raise CommandError(f"--last goes from 0 to {NEW_AT_ONCE}", Exit.USAGE)
    if not 0.05 <= interval <= 3600:
        raise CommandError("--interval goes from 0.05 to 3600 seconds", Exit.USAGE)
    with connect(server) as client:
        watch = Watch(client, webhook, event_type)
        for delivery in watch.begin(last):
            show(delivery)
        away = False
        while follow:
            time.sleep(interval)
            try:
                for delivery in watch.look():
                    show(delivery)
                away = False
            except Unreachable:
                if not away:
                    err.print("the server does not answer; waiting for it", style="yellow")
                away = True


class Watch:
    """What was seen, and what changed since.

    Args:
        client: asks the server.
        webhook: only deliveries to it.
        event_type: only those of this type.
    """

    def __init__(self, client: Client, webhook: str | None, event_type: str | None) -> None:
        self._client = client
        self._webhook = webhook
        self._event_type = event_type
        self._newest = ""
        self._seen: OrderedDict[str, tuple[str, int]] = OrderedDict()

    def begin(self, last: int) -> list[Delivery]:
        """Take note of where things stand; return the ``last`` deliveries, oldest first."""
        found = list(itertools.islice(self._list(), max(last, 1)))
        if found:
            self._newest = found[0].id
        shown = found[:last][::-1]
        for delivery in shown:
            self._note(delivery)
        return shown

    def look(self) -> Iterator[Delivery]:
        """Yield what is new or changed since the last look, oldest first."""
        fresh = list(
            itertools.islice(
                itertools.takewhile(lambda d: d.id > self._newest, self._list()), NEW_AT_ONCE
            )
        )
        if len(fresh) == NEW_AT_ONCE:
            err.print(f"more than {NEW_AT_ONCE} at once; showing the newest", style="yellow")
        known = {delivery.id for delivery in fresh}
        owing = [i for i, (state, _) in self._seen.items() if state in _OWING and i not in known]
        for identity in owing[:WATCHED_AT_ONCE]:
            self._seen.move_to_end(identity)  # the next look asks for others first
            try:
                delivery = self._client.deliveries.get(identity)
            except ApiError as error:
                if error.status != 404:
                    raise
                del self._seen[identity]  # retention took it
                continue
            if self._note(delivery):
                yield delivery
        for delivery in reversed(fresh):
            self._newest = max(self._newest, delivery.id)
            if self._note(delivery):
                yield delivery

    def _list(self) -> Iterator[Delivery]:
        return iter(
            self._client.deliveries.list(
                webhook=self._webhook, event_type=self._event_type, limit=100
            )
        )

    def _note(self, delivery: Delivery) -> bool:
        """Remember a delivery's state; return whether it is news."""
        now = (delivery.state, delivery.attempts)
        if self._seen.get(delivery.id) == now:
            return False
        self._seen[delivery.id] = now
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return True


def show(delivery: Delivery) -> None:
    """Print one line."""
    when = delivery.updated_at.astimezone() if delivery.updated_at else None
    webhook = delivery.webhook_name or delivery.webhook
    what = delivery.last_error or (str(delivery.last_status) if delivery.last_status else "")
    if delivery.waiting_for is not None:
        what = f"waits for {delivery.waiting_for}"
    tries = f"#{delivery.attempts}" if delivery.attempts else ""
    out.print(
        Text.assemble(
            (f"{when:%H:%M:%S} " if when else "", "dim"),
            (f"{delivery.state:<9} ", _STYLES.get(delivery.state, "")),
            f"{safe(delivery.event_type or '', 40)} -> {safe(webhook, 24)}  ",
            f"{' '.join(filter(None, (safe(what, 40), tries)))}  ",
            (delivery.id, "dim"),
        )
    )
