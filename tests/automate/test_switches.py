"""Plugins: which there are, and switching them."""

from __future__ import annotations

import pytest

from automate.kit import Office
from hookferry.automate import plugins
from hookferry.automate.switches import PluginSwitches
from hookferry.catch.reception import WEBHOOKS
from hookferry.domain.automation import PluginState
from hookferry.errors import Conflict, InvalidField, NotFound
from hookferry.wire.profiles import plugins as profiles


@pytest.fixture
def switches(office: Office, monkeypatch: pytest.MonkeyPatch) -> PluginSwitches:
    def load(name: str) -> object:
        if name == "shop.broken":
            raise InvalidField("package shop can't be loaded", field="python")
        return print

    monkeypatch.setattr(plugins, "names", lambda: ("shop.works", "shop.broken"))
    monkeypatch.setattr(plugins, "load", load)
    monkeypatch.setattr(profiles, "names", lambda: ("shouting",))
    monkeypatch.setattr(profiles, "load", lambda name: name)
    return PluginSwitches(office.store, office.directory, office.ids, office.clock)


@pytest.fixture
async def office() -> Office:
    office = Office()
    await office.directory.refresh()
    return office


def test_what_packages_bring_is_listed_with_why_it_can_not_be_used(
    switches: PluginSwitches,
) -> None:
    listed = [(p.kind, p.name, p.enabled, p.problem) for p in switches.list()]
    assert listed == [
        ("built_in", WEBHOOKS, True, None),
        ("automation", "shop.broken", True, "package shop can't be loaded"),
        ("automation", "shop.works", True, None),
        ("profile", "shouting", True, None),
    ]


async def test_a_plugin_is_on_until_it_is_switched_off(
    office: Office, switches: PluginSwitches
) -> None:
    for on in (True, False, False, True):
        plugin = await switches.switch("shop.works", on=on)
        assert plugin.enabled is on
        assert office.directory.plugin_enabled("shop.works") is on
    [state] = office.saved(PluginState)
    assert (state.enabled, state.version) == (True, 2)
    assert office.directory.plugin_enabled("shop.broken")


async def test_a_profile_has_no_switch(switches: PluginSwitches) -> None:
    with pytest.raises(Conflict):
        await switches.switch("shouting", on=False)


async def test_what_no_package_brings_can_not_be_switched(switches: PluginSwitches) -> None:
    with pytest.raises(NotFound):
        await switches.switch("nothing", on=False)
