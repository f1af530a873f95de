"""A profile of another package: found by its entry point, used like ours, nothing else touched."""

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from rendered import ORIGIN, TENANT, WEBHOOK, event

from hookferry.domain.tenant import Tenant
from hookferry.engine.directory import Directory
from hookferry.engine.dispatch import Carrier
from hookferry.engine.planner import Planner
from hookferry.errors import InvalidField
from hookferry.wire.profiles import PROFILES, STANDARD, plugins, profile_named

SHOUTING = """
from hookferry.wire.profiles.base import Profile, Rendering


class Shout(Rendering):
    content_type = "text/plain"

    def body(self, event, event_id):
        return event.type.upper().encode() + b"!"

    def headers(self, event, event_id, body, secrets, now_s, attempt):
        return b"X-Volume: 11\\r\\n"


class Shouting(Profile):
    name = "shouting"

    def new_secret(self): ...
    def check_secret(self, secret): ...
    def prepare_secret(self, secret): ...

    def rendering(self, webhook, tenant, origin):
        return Shout()


SHOUTING = Shouting()
"""


class Packages:
    """Makes installed packages out of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def install(self, name: str, code: str, *entries: str) -> None:
        module = name.replace("-", "_")
        (self._folder / f"{module}.py").write_text(code)
        info = self._folder / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("\n".join(["[hookferry.profiles]", *entries, ""]))


class OneTenant(Directory):
    """A directory that needs no ledger."""

    def __init__(self) -> None: ...

    def tenant_by_id(self, tenant_id: int) -> Tenant:
        return TENANT


def opened(sealed: bytes, *, row: int, field: str) -> bytes:
    return sealed


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Packages]:
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    found = (plugins._entry_points, plugins._load)  # read once, since packages stay as they are
    for cached in found:
        cached.cache_clear()
    yield Packages(tmp_path)
    for cached in found:
        cached.cache_clear()
    for name in set(sys.modules) - before:
        del sys.modules[name]


def broken(name: str) -> str:
    with pytest.raises(InvalidField) as refused:
        profile_named(name)
    assert refused.value.field == "profile"
    return refused.value.detail


def test_a_plugins_profile_is_found_by_name_and_renders_through_the_engines_plan(
    packages: Packages,
) -> None:
    packages.install("shouting-plugin", SHOUTING, "shouting = shouting_plugin:SHOUTING")
    assert profile_named("shouting") is profile_named("shouting")
    planner = Planner(OneTenant(), opened, default_timeout=15.0, origin=ORIGIN)
    plan = planner.plan(msgspec.structs.replace(WEBHOOK, profile="shouting"))
    head, _, body = plan.render(Carrier(event("door.opened")), 0, 1)
    assert body == b"DOOR.OPENED!"
    assert b"\r\nContent-Type: text/plain\r\n" in head
    assert b"\r\nX-Volume: 11\r\n" in head
    assert "shouting" in broken("shoutin")


def test_a_plugin_can_not_take_the_name_of_a_profile_of_ours(packages: Packages) -> None:
    packages.install("evil", "raise SystemExit('never imported')", "standard = evil:X")
    assert profile_named("standard") is STANDARD
    assert plugins.names() == ("standard",)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import no_such_module_anywhere", "ModuleNotFoundError"),
        ("1 / 0", "ZeroDivisionError"),
        ("raise SystemExit(3)", "SystemExit"),
        ("syntax error here", "SyntaxError"),
        ("", "AttributeError"),
        ("PROFILE = 5", "is a int"),
        ("from hookferry.wire.profiles import STANDARD as PROFILE", "calls itself 'standard'"),
    ],
)
def test_a_broken_plugin_is_named_with_its_package_and_hurts_nothing_else(
    packages: Packages, code: str, why: str
) -> None:
    packages.install("broken-plugin", code, "odd = broken_plugin:PROFILE")
    packages.install("shouting-plugin", SHOUTING, "shouting = shouting_plugin:SHOUTING")
    said = broken("odd")
    assert "'odd' of package broken-plugin" in said
    assert why in said
    assert broken("odd") == said
    assert profile_named("shouting").name == "shouting"
    assert all(profile_named(name) is profile for name, profile in PROFILES.items())


def test_an_entry_point_that_is_no_reference_is_a_broken_plugin_too(packages: Packages) -> None:
    packages.install("broken-plugin", "", "odd = !!!")
    assert "package broken-plugin can't be loaded" in broken("odd")


def test_two_packages_that_offer_one_name_are_both_named(packages: Packages) -> None:
    packages.install("a-plugin", SHOUTING, "shouting = a_plugin:SHOUTING")
    packages.install("b-plugin", SHOUTING, "shouting = b_plugin:SHOUTING")
    said = broken("shouting")
    assert "package a-plugin and package b-plugin" in said
    assert "uninstall all but one" in said


def test_a_plugin_is_imported_when_it_is_asked_for_and_not_before(packages: Packages) -> None:
    packages.install("shouting-plugin", SHOUTING, "shouting = shouting_plugin:SHOUTING")
    broken("another")
    assert "shouting_plugin" not in sys.modules
    profile_named("shouting")
    assert "shouting_plugin" in sys.modules
