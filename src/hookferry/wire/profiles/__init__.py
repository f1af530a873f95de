"""Profiles: how an event looks and is signed for one kind of receiver. One small file each.

Those of other packages are found by ``hookferry.wire.profiles.plugins``.
"""

from __future__ import annotations

from hookferry.errors import InvalidField
from hookferry.wire.profiles import plugins
from hookferry.wire.profiles.base import Profile
from hookferry.wire.profiles.cloudevents import CLOUDEVENTS
from hookferry.wire.profiles.happyfox import HAPPYFOX
from hookferry.wire.profiles.hornbill import HORNBILL
from hookferry.wire.profiles.raw import RAW
from hookferry.wire.profiles.standard import STANDARD
from hookferry.wire.profiles.superoffice import SUPEROFFICE

PROFILES: dict[str, Profile] = {
    p.name: p for p in (STANDARD, RAW, SUPEROFFICE, HAPPYFOX, HORNBILL, CLOUDEVENTS)
}
"""Those that are part of hookferry; a plugin can't take one of these names."""


def profile_named(name: str) -> Profile:
    """Return the profile with this name, one of ours or a plugin's.

    Raises:
        InvalidField: there is none, or its plugin is broken; the detail names the package.
    """
    try:
        return PROFILES[name]
    except KeyError:
        pass
    found = plugins.load(name)
    if found is None:
        names = sorted({*PROFILES, *plugins.names()})
        raise InvalidField(
            f"there is no profile {name[:40]!r}; choose one of {', '.join(names)}",
            field="profile",
        )
    return found
