"""Automating assembled: what runs scripts, and what their commands act with."""

from __future__ import annotations

from hookferry.automate.acting import Services
from hookferry.automate.actions.events import Events
from hookferry.automate.actions.queries import Queries
from hookferry.automate.actions.requests import Requests
from hookferry.automate.actions.storage import Storage
from hookferry.automate.automations import Automations
from hookferry.automate.dispatching import AutomationDispatcher
from hookferry.automate.plugins import Plugins
from hookferry.automate.running import RunLimits, Running
from hookferry.automate.simulator import Simulator
from hookferry.automate.switches import PluginSwitches
from hookferry.automate.ticking import Ticking
from hookferry.automate.timers import Timers
from hookferry.domain.webhook import AUTOMATION
from hookferry.engine.engine import Engine
from hookferry.store.ports import Store
from hookferry.transport.port import Transport


class Automating:
    """The automating part of one server; made before the engine sends anything.

    Args:
        engine: delivers to automations, and takes what they publish.
        store: what they store and look into.
        transport: sends their requests; keeps ``requests.MAX_ANSWER`` bytes of an answer.
        limits: what a run may use up.

    Attributes:
        running: runs automations.
        simulator: tries them.
        automations: the rules for them.
        timers: the rules for timers.
        ticking: fires timers, once it is started.
        plugins: what is switched on.
    """

    def __init__(
        self, engine: Engine, store: Store, transport: Transport, limits: RunLimits
    ) -> None:
        directory = engine.directory
        self.running = Running(
            directory,
            Services(
                requests=Requests(transport, directory, engine.planner.authorization),
                storage=Storage(store),
                events=Events(engine.intake, directory),
                queries=Queries(store),
            ).actions(),
            Plugins(directory),
            engine.ids,
            engine.clock,
            limits,
        )
        self.simulator = Simulator(self.running, store, engine.clock)
        config = store, directory, engine.ids, engine.clock
        self.automations = Automations(*config)
        self.timers = Timers(*config)
        self.plugins = PluginSwitches(*config)
        self.ticking = Ticking(directory, engine.intake, store, engine.clock, engine.intake.metrics)
        engine.dispatchers.add(
            AUTOMATION,
            AutomationDispatcher(self.running, directory, engine.clock, engine.intake.metrics),
        )
