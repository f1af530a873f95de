"""What the doors need of the house; ``hookferry.app`` fills it in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hookferry.api.wire import PageSizes
from hookferry.automate.automations import Automations
from hookferry.automate.simulator import Simulator
from hookferry.automate.switches import PluginSwitches
from hookferry.automate.ticking import Ticking
from hookferry.automate.timers import Timers
from hookferry.catch.catching import Catching
from hookferry.catch.sources import Sources
from hookferry.clock import Clock
from hookferry.engine.actions import Actions
from hookferry.engine.credentials import Credentials
from hookferry.engine.directory import Directory
from hookferry.engine.intake import Intake
from hookferry.engine.keys import Keys
from hookferry.engine.log_view import SentRequests
from hookferry.engine.pings import Pings
from hookferry.engine.sealing import Sealer
from hookferry.engine.tenants import Tenants
from hookferry.engine.webhooks import Webhooks
from hookferry.ids import IdSource
from hookferry.store.ports import Answers, ConfigStore, Log, Requests, Runs
from hookferry.wire.client_address import Proxies


class ApiStore(Log, Requests, Runs, Answers, ConfigStore, Protocol):
    """What the doors ask the ledger themselves: searches, and repeated answers."""

    async def ping(self) -> None:
        """Succeed when the ledger can be read."""
        ...


@dataclass(frozen=True)
class Services:
    """Everything behind the doors."""

    store: ApiStore
    clock: Clock
    ids: IdSource
    directory: Directory
    intake: Intake
    actions: Actions
    keys: Keys
    tenants: Tenants
    webhooks: Webhooks
    credentials: Credentials
    sources: Sources
    catching: Catching
    simulator: Simulator
    automations: Automations
    timers: Timers
    ticking: Ticking
    plugins: PluginSwitches
    proxies: Proxies
    """Finds callers' addresses."""
    requests: SentRequests
    pings: Pings
    sealer: Sealer
    render_metrics: Callable[[], bytes]
    """Returns the metrics in Prometheus' text format."""
    pages: PageSizes = PageSizes()  # noqa: RUF009 - frozen
    """Sizes of a page of a list."""
    idempotency_s: float = 24 * 3600.0
    """Seconds that an answer is kept for its Idempotency-Key."""
    draining: Callable[[], bool] = lambda: False
    """Tells whether the server is shutting down, so that ``/readyz`` says no."""
