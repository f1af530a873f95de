"""Profiles that other installed packages bring: entry points of the group ``hookferry.profiles``.

An entry point's name is the profile's, its object an instance of ``Profile``. Which there are is
read once, at the first name that is not ours; a plugin's code is imported when it is first asked
for. One that is broken is an error of what asks for it, and of nothing else.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from hookferry.errors import InvalidField
from hookferry.wire.profiles.base import Profile

GROUP = "hookferry.profiles"


def names() -> tuple[str, ...]:
    """Return the names that plugins offer, working or not."""
    return tuple(_entry_points())


def load(name: str) -> Profile | None:
    """Return the profile that a plugin offers under this name, or None when none does.

    Raises:
        InvalidField: one does, and it can't be used; the detail names its package and says why.
    """
    found = _entry_points().get(name)
    if found is None:
        return None
    loaded = _load(name, found)
    if isinstance(loaded, str):
        raise InvalidField(loaded, field="profile")
    return loaded


@cache
def _entry_points() -> dict[str, tuple[EntryPoint, ...]]:
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for entry in entry_points(group=GROUP):
        found[entry.name] = (*found.get(entry.name, ()), entry)
    return found


@cache
def _load(name: str, entries: tuple[EntryPoint, ...]) -> Profile | str:
    """Return the profile, or why there is none: asked again, the answer is the same."""
    packages = " and ".join(sorted({_package(entry) for entry in entries}))
    if len(entries) > 1:
        return f"profile {name!r} is offered by {packages}; uninstall all but one"
    try:
        profile = entries[0].load()
    except (Exception, SystemExit) as error:  # a plugin's import may raise anything
        return (
            f"profile {name!r} of {packages} can't be loaded ({type(error).__name__}: {error}); "
            "repair or uninstall it"
        )
    if not isinstance(profile, Profile):
        return (
            f"profile {name!r} of {packages} is a {type(profile).__name__}, and has to be an "
            "instance of hookferry.wire.profiles.base.Profile"
        )
    if profile.name != name:
        return f"profile {name!r} of {packages} calls itself {profile.name!r}; both must agree"
    return profile


def _package(entry: EntryPoint) -> str:
    return f"package {entry.dist.name}" if entry.dist is not None else f"module {entry.module}"
