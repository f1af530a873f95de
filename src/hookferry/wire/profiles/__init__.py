"""Profiles: how an event looks and is signed for one kind of receiver. One small file each."""

from __future__ import annotations

from hookferry.errors import InvalidField
from hookferry.wire.profiles.base import Profile
from hookferry.wire.profiles.raw import RAW
from hookferry.wire.profiles.standard import STANDARD

PROFILES: dict[str, Profile] = {p.name: p for p in (STANDARD, RAW)}


def profile_named(name: str) -> Profile:
    """Return the profile with this name.

    Raises:
        InvalidField: there is none.
    """
    try:
        return PROFILES[name]
    except KeyError:
        raise InvalidField(
            f"there is no profile {name[:40]!r}; choose one of {', '.join(sorted(PROFILES))}",
            field="profile",
        ) from None
