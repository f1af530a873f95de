"""Who calls: the address behind trusted proxies, and whether it is among those that may."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from hookferry.wire.headers import Headers, values_of

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_FORWARDED_FOR = b"x-forwarded-for"
MAX_HOPS = 32
"""Entries of X-Forwarded-For looked at, from the right."""
REMEMBERED = 4_096
"""Addresses, and values of X-Forwarded-For, whose reading is remembered."""
MAX_REMEMBERED = 128
"""Characters of each: what is longer is no address, and of a longer list each entry is looked at
anew."""


def address_of(text: str) -> Address | None:
    """Read an address as proxies write it: with a port, brackets or a zone; IPv4-mapped as IPv4."""
    text = text.strip(' \t"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


class Proxies:
    """Finds the caller's address.

    Args:
        trusted: networks of the reverse proxies in front of the server.
    """

    def __init__(self, trusted: Sequence[Network] = ()) -> None:
        self._trusted = tuple(trusted)
        # Senders have a few addresses each, and reading one costs more than a signature.
        self._judged = functools.lru_cache(maxsize=REMEMBERED)(self._judge)
        self._told = functools.lru_cache(maxsize=REMEMBERED)(self._caller)

    def caller(self, peer: str, headers: Headers) -> str:
        """Return the address of whoever called.

        X-Forwarded-For counts only when the peer is a trusted proxy, and then its right-most
        entry that is none: everything left of it may be made up by the caller.

        Args:
            peer: the address at the other end of the connection.
            headers: the request's, names in lower case.
        """
        value = headers.first.get(_FORWARDED_FOR)
        if value is None or not self._trusted or not self._judged(peer)[1]:
            return peer
        if headers.repeats:
            value = b",".join(values_of(headers, _FORWARDED_FOR))
        if len(value) > MAX_REMEMBERED:
            return self._caller(peer, value)
        return self._told(peer, value)

    def _caller(self, peer: str, forwarded: bytes) -> str:
        """Return the address of whoever called a trusted proxy.

        Args:
            peer: the proxy's.
            forwarded: all of X-Forwarded-For; several are one list (RFC 9110 section 5.3).
        """
        hops = forwarded.decode("latin-1").split(",") if forwarded else []
        nearest = peer
        for hop in reversed(hops[-MAX_HOPS:]):
            address, trusted = self._judged(hop) if len(hop) <= MAX_REMEMBERED else (None, False)
            if address is None:
                break  # whatever stands left of what nobody can read was not checked by anybody
            nearest = address
            if not trusted:
                break
        return nearest

    def _judge(self, text: str) -> tuple[str | None, bool]:
        """Return an address as it is written best, and whether it is a trusted proxy's."""
        address = address_of(text)
        if address is None:
            return None, False
        return str(address), _within(address, self._trusted)


class AllowList:
    """Addresses that may call.

    Args:
        networks: where they are.
    """

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = tuple(networks)

    def allows(self, address: str) -> bool:
        """Tell whether an address is in the list; what can't be read is not."""
        parsed = address_of(address)
        return parsed is not None and _within(parsed, self._networks)


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(
        address.version == network.version
        and int(address) & int(network.netmask) == int(network.network_address)
        for network in networks
    )
