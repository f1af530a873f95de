"""Addresses and networks that a source names as its callers.

Held against a caller's address in ``hookferry.catch.gate``; here is only what a text means.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from hookferry.errors import InvalidField

Network = IPv4Network | IPv6Network
MAX_LENGTH = 60
"""Characters of an entry; the longest that says something new has 49."""
_MAPPED = IPv6Network("::ffff:0:0/96")


def network_of(text: str, *, field: str) -> Network:
    """Return the network that an entry of an allow-list names.

    An address alone is that one host (/32, /128). An IPv4-mapped one (RFC 4291 section 2.5.5.2)
    is the IPv4 address inside it.

    Args:
        text: an address, or one with a prefix length.
        field: what to name in the error.

    Raises:
        InvalidField: it is neither, has bits behind its prefix, or a zone.
    """
    try:
        if len(text) > MAX_LENGTH or "%" in text:
            raise ValueError
        network = ip_network(text, strict=False)
    except ValueError:
        raise InvalidField(
            f"{text[:MAX_LENGTH]!r} is neither an address nor a network; write 203.0.113.7, "
            "203.0.113.0/24, 2001:db8::7 or 2001:db8::/32",
            field=field,
        ) from None
    if ip_address(text.partition("/")[0]) != network.network_address:
        raise InvalidField(
            f"{text} has bits set behind its prefix; write {network} for the network, or the "
            "address alone for one host",
            field=field,
        )
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        inner = network.network_address.ipv4_mapped
        return ip_network(f"{inner}/{network.prefixlen - 96}")
    return network
