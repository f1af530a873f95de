"""Which addresses may be called: every address gets a named verdict before a socket is opened.

The verdict is the log entry, the metric label and the message. The table is our own: the standard
library's ``is_global`` passes NAT64, multicast and fec0::/10. URLs are read in
``hookferry.transport.target``; nothing here resolves names or opens sockets.

Sources: the IANA special-purpose address registries (RFC 6890 and its updates); NAT64 RFC 6052 and
RFC 8215; 6to4 RFC 3056; Teredo RFC 4380; documented metadata addresses of AWS, Azure, Google,
Alibaba and Oracle clouds.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Verdict(enum.StrEnum):
    """What the guard says of an address, or of a target as a whole; stable names."""

    ALLOW_PUBLIC = "allow_public"
    ALLOW_CONFIGURED = "allow_configured"
    """Not public, but inside HOOKFERRY_ALLOW_TARGETS."""
    DENY_HTTP = "deny_http"
    """The target is http and HOOKFERRY_ALLOW_HTTP is off."""
    DENY_UNSPECIFIED = "deny_unspecified"
    DENY_LOOPBACK = "deny_loopback"
    DENY_PRIVATE = "deny_private"
    DENY_LINK_LOCAL = "deny_link_local"
    DENY_LINK_LOCAL_METADATA = "deny_link_local_metadata"
    """A cloud's metadata service, wherever in the address space that cloud put it."""
    DENY_CGNAT = "deny_cgnat"
    DENY_SITE_LOCAL = "deny_site_local"
    DENY_MULTICAST = "deny_multicast"
    DENY_DOCUMENTATION = "deny_documentation"
    DENY_RESERVED = "deny_reserved"
    DENY_IPV4_COMPATIBLE = "deny_ipv4_compatible"
    DENY_NAT64_EMBEDDED = "deny_nat64_embedded"
    DENY_6TO4_EMBEDDED = "deny_6to4_embedded"
    DENY_TEREDO_EMBEDDED = "deny_teredo_embedded"

    @property
    def allowed(self) -> bool:
        """Whether a connection may be opened."""
        return self is Verdict.ALLOW_PUBLIC or self is Verdict.ALLOW_CONFIGURED


_V = Verdict

# First match wins, so the exceptions stand before the blocks that hold them.
_IPV4 = tuple(
    (int(IPv4Network(block).network_address), int(IPv4Network(block).netmask), verdict)
    for block, verdict in (
        ("169.254.169.254/32", _V.DENY_LINK_LOCAL_METADATA),  # AWS, Azure, Google, Oracle, ...
        ("169.254.170.2/32", _V.DENY_LINK_LOCAL_METADATA),  # AWS, containers' credentials
        ("169.254.170.23/32", _V.DENY_LINK_LOCAL_METADATA),  # AWS, pods' credentials
        ("100.100.100.200/32", _V.DENY_LINK_LOCAL_METADATA),  # Alibaba
        ("192.0.0.192/32", _V.DENY_LINK_LOCAL_METADATA),  # Oracle, classic
        ("168.63.129.16/32", _V.DENY_LINK_LOCAL_METADATA),  # Azure's host, in public space
        ("0.0.0.0/8", _V.DENY_UNSPECIFIED),  # Linux connects 0.0.0.0 to itself
        ("127.0.0.0/8", _V.DENY_LOOPBACK),
        ("10.0.0.0/8", _V.DENY_PRIVATE),
        ("172.16.0.0/12", _V.DENY_PRIVATE),
        ("192.168.0.0/16", _V.DENY_PRIVATE),
        ("169.254.0.0/16", _V.DENY_LINK_LOCAL),
        ("100.64.0.0/10", _V.DENY_CGNAT),
        ("192.0.2.0/24", _V.DENY_DOCUMENTATION),
        ("198.51.100.0/24", _V.DENY_DOCUMENTATION),
        ("203.0.113.0/24", _V.DENY_DOCUMENTATION),
        ("192.0.0.0/24", _V.DENY_RESERVED),  # IETF protocol assignments
        ("192.88.99.0/24", _V.DENY_RESERVED),  # 6to4 relays, withdrawn by RFC 7526
        ("198.18.0.0/15", _V.DENY_RESERVED),  # benchmarking
        ("224.0.0.0/4", _V.DENY_MULTICAST),
        ("240.0.0.0/4", _V.DENY_RESERVED),  # broadcast included
    )
)

_IPV6 = tuple(
    (int(IPv6Network(block).network_address), int(IPv6Network(block).netmask), verdict)
    for block, verdict in (
        ("fd00:ec2::254/128", _V.DENY_LINK_LOCAL_METADATA),  # AWS
        ("fd00:ec2::23/128", _V.DENY_LINK_LOCAL_METADATA),  # AWS, pods' credentials
        ("fd20:ce::254/128", _V.DENY_LINK_LOCAL_METADATA),  # Google
        ("fe80::a9fe:a9fe/128", _V.DENY_LINK_LOCAL_METADATA),  # OpenStack
        ("::/128", _V.DENY_UNSPECIFIED),
        ("::1/128", _V.DENY_LOOPBACK),
        ("::/96", _V.DENY_IPV4_COMPATIBLE),  # deprecated by RFC 4291
        ("64:ff9b:1::/48", _V.DENY_NAT64_EMBEDDED),  # local translators, RFC 8215
        ("fc00::/7", _V.DENY_PRIVATE),
        ("fe80::/10", _V.DENY_LINK_LOCAL),
        ("fec0::/10", _V.DENY_SITE_LOCAL),
        ("ff00::/8", _V.DENY_MULTICAST),
        ("2001:db8::/32", _V.DENY_DOCUMENTATION),
        ("3fff::/20", _V.DENY_DOCUMENTATION),
        ("2001::/23", _V.DENY_RESERVED),  # IETF protocol assignments (Teredo is taken out before)
        ("2000::/3", _V.ALLOW_PUBLIC),  # the only global unicast there is
        ("::/0", _V.DENY_RESERVED),
    )
)

_MAPPED = 0xFFFF  # ::ffff:0:0/96, shifted
_NAT64 = 0x0064_FF9B << 64  # 64:ff9b::/96, shifted
_TEREDO = 0x2001_0000  # 2001::/32, shifted
_6TO4 = 0x2002  # 2002::/16, shifted
_LOW32 = 0xFFFF_FFFF


class Guard:
    """Judges addresses.

    Args:
        allow: networks that may be called although they are not public
            (``HOOKFERRY_ALLOW_TARGETS``). They also overrule the metadata addresses: who lists
            169.254.169.254 means it.
        allow_http: whether targets without TLS may be called (``HOOKFERRY_ALLOW_HTTP``).
    """

    def __init__(self, allow: Sequence[Network] = (), *, allow_http: bool = False) -> None:
        self.allow_http = allow_http
        self._allow = tuple(
            (network.version, int(network.network_address), int(network.netmask))
            for network in allow
        )

    def judge(self, address: str | Address) -> Verdict:
        """Return the verdict on an address (about 2 us; the pool keeps it with the connection).

        An IPv4-mapped IPv6 address is the embedded address to the kernel, so it gets exactly that
        address's verdict. NAT64, 6to4 and Teredo addresses are public only if what they embed is.

        Raises:
            ValueError: the text is not an address.
        """
        if isinstance(address, str):
            address = ip_address(address.partition("%")[0])
        number = int(address)
        version = address.version
        if version == 6 and number >> 32 == _MAPPED:
            number &= _LOW32
            version = 4
        for allowed_version, network, mask in self._allow:
            if version == allowed_version and number & mask == network:
                return _V.ALLOW_CONFIGURED
        return _judge_ipv4(number) if version == 4 else _judge_ipv6(number)


def _judge_ipv4(number: int) -> Verdict:
    for network, mask, verdict in _IPV4:
        if number & mask == network:
            return verdict
    return _V.ALLOW_PUBLIC


def _judge_ipv6(number: int) -> Verdict:
    if number >> 32 == _NAT64:
        if _judge_ipv4(number & _LOW32).allowed:
            return _V.ALLOW_PUBLIC
        return _V.DENY_NAT64_EMBEDDED
    if number >> 112 == _6TO4:
        if _judge_ipv4(number >> 80 & _LOW32).allowed:
            return _V.ALLOW_PUBLIC
        return _V.DENY_6TO4_EMBEDDED
    if number >> 96 == _TEREDO:
        server, client = number >> 64 & _LOW32, number & _LOW32 ^ _LOW32
        if _judge_ipv4(server).allowed and _judge_ipv4(client).allowed:
            return _V.ALLOW_PUBLIC
        return _V.DENY_TEREDO_EMBEDDED
    for network, mask, verdict in _IPV6:
        if number & mask == network:
            return verdict
    raise AssertionError("the last row of the IPv6 table matches everything")
