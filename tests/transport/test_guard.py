"""Every address gets the verdict its registry gives it, however it is written or wrapped."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hookferry.transport.guard import Guard, Verdict

GUARD = Guard()

TABLE = {
    "8.8.8.8": Verdict.ALLOW_PUBLIC,
    "9.255.255.255": Verdict.ALLOW_PUBLIC,
    "11.0.0.0": Verdict.ALLOW_PUBLIC,
    "172.15.255.255": Verdict.ALLOW_PUBLIC,
    "172.32.0.0": Verdict.ALLOW_PUBLIC,
    "100.63.255.255": Verdict.ALLOW_PUBLIC,
    "100.128.0.0": Verdict.ALLOW_PUBLIC,
    "223.255.255.255": Verdict.ALLOW_PUBLIC,
    "2606:4700::1111": Verdict.ALLOW_PUBLIC,
    "3ffe::1": Verdict.ALLOW_PUBLIC,
    "0.0.0.0": Verdict.DENY_UNSPECIFIED,
    "0.1.2.3": Verdict.DENY_UNSPECIFIED,
    "::": Verdict.DENY_UNSPECIFIED,
    "127.0.0.1": Verdict.DENY_LOOPBACK,
    "127.255.255.255": Verdict.DENY_LOOPBACK,
    "::1": Verdict.DENY_LOOPBACK,
    "10.0.0.0": Verdict.DENY_PRIVATE,
    "172.16.0.1": Verdict.DENY_PRIVATE,
    "172.31.255.255": Verdict.DENY_PRIVATE,
    "192.168.1.1": Verdict.DENY_PRIVATE,
    "fc00::1": Verdict.DENY_PRIVATE,
    "fdff::1": Verdict.DENY_PRIVATE,
    "169.254.0.1": Verdict.DENY_LINK_LOCAL,
    "fe80::1": Verdict.DENY_LINK_LOCAL,
    "fe80::1%eth0": Verdict.DENY_LINK_LOCAL,
    "febf::1": Verdict.DENY_LINK_LOCAL,
    "169.254.169.254": Verdict.DENY_LINK_LOCAL_METADATA,
    "169.254.170.2": Verdict.DENY_LINK_LOCAL_METADATA,
    "100.100.100.200": Verdict.DENY_LINK_LOCAL_METADATA,
    "168.63.129.16": Verdict.DENY_LINK_LOCAL_METADATA,
    "192.0.0.192": Verdict.DENY_LINK_LOCAL_METADATA,
    "fd00:ec2::254": Verdict.DENY_LINK_LOCAL_METADATA,
    "fd20:ce::254": Verdict.DENY_LINK_LOCAL_METADATA,
    "fe80::a9fe:a9fe": Verdict.DENY_LINK_LOCAL_METADATA,
    "100.64.0.1": Verdict.DENY_CGNAT,
    "100.127.255.255": Verdict.DENY_CGNAT,
    "fec0::1": Verdict.DENY_SITE_LOCAL,
    "feff::1": Verdict.DENY_SITE_LOCAL,
    "224.0.0.1": Verdict.DENY_MULTICAST,
    "239.255.255.255": Verdict.DENY_MULTICAST,
    "ff02::1": Verdict.DENY_MULTICAST,
    "192.0.2.1": Verdict.DENY_DOCUMENTATION,
    "198.51.100.1": Verdict.DENY_DOCUMENTATION,
    "203.0.113.1": Verdict.DENY_DOCUMENTATION,
    "2001:db8::1": Verdict.DENY_DOCUMENTATION,
    "3fff::1": Verdict.DENY_DOCUMENTATION,
    "192.0.0.1": Verdict.DENY_RESERVED,
    "192.88.99.1": Verdict.DENY_RESERVED,
    "198.18.0.1": Verdict.DENY_RESERVED,
    "198.19.255.255": Verdict.DENY_RESERVED,
    "240.0.0.1": Verdict.DENY_RESERVED,
    "255.255.255.255": Verdict.DENY_RESERVED,
    "100::1": Verdict.DENY_RESERVED,
    "2001:2::1": Verdict.DENY_RESERVED,
    "2001:20::1": Verdict.DENY_RESERVED,
    "4000::1": Verdict.DENY_RESERVED,
    "5f00::1": Verdict.DENY_RESERVED,
    "::ffff:0:7f00:1": Verdict.DENY_RESERVED,
    "::7f00:1": Verdict.DENY_IPV4_COMPATIBLE,
    "::8.8.8.8": Verdict.DENY_IPV4_COMPATIBLE,
    "::ffff:8.8.8.8": Verdict.ALLOW_PUBLIC,
    "::ffff:127.0.0.1": Verdict.DENY_LOOPBACK,
    "::ffff:169.254.169.254": Verdict.DENY_LINK_LOCAL_METADATA,
    "64:ff9b::8.8.8.8": Verdict.ALLOW_PUBLIC,
    "64:ff9b::10.0.0.1": Verdict.DENY_NAT64_EMBEDDED,
    "64:ff9b::169.254.169.254": Verdict.DENY_NAT64_EMBEDDED,
    "64:ff9b:1::8.8.8.8": Verdict.DENY_NAT64_EMBEDDED,
    "2002:808:808::1": Verdict.ALLOW_PUBLIC,
    "2002:7f00:1::1": Verdict.DENY_6TO4_EMBEDDED,
    "2002:c0a8:101::1": Verdict.DENY_6TO4_EMBEDDED,
    "2001:0:808:808:0:ffff:f7f7:f7f7": Verdict.ALLOW_PUBLIC,
    "2001:0:808:808:0:ffff:80ff:fffe": Verdict.DENY_TEREDO_EMBEDDED,  # client 127.0.0.1
    "2001:0:a00:1:0:ffff:f7f7:f7f7": Verdict.DENY_TEREDO_EMBEDDED,  # server 10.0.0.1
}


@pytest.mark.parametrize(("address", "verdict"), TABLE.items())
def test_each_kind_of_address_has_its_verdict(address: str, verdict: Verdict) -> None:
    assert GUARD.judge(address) is verdict


def test_every_verdict_on_addresses_is_in_the_table() -> None:
    elsewhere = {Verdict.ALLOW_CONFIGURED, Verdict.DENY_HTTP}
    assert set(TABLE.values()) == set(Verdict) - elsewhere


@given(st.ip_addresses(v=4))
def test_nothing_is_allowed_that_the_standard_library_calls_not_global(
    address: IPv4Address,
) -> None:
    verdict = GUARD.judge(address)
    if verdict.allowed:
        assert address.is_global
        assert not address.is_multicast


@given(st.ip_addresses(v=6))
@example(IPv6Address("2002:100::"))
@example(IPv6Address("2001:0:808:808::f7f7:f7f7"))
def test_an_allowed_ipv6_address_is_global_unicast(address: IPv6Address) -> None:
    if not GUARD.judge(address).allowed or address.ipv4_mapped is not None:
        return
    if address in ip_network("64:ff9b::/96"):
        return  # NAT64, 6to4 and Teredo are judged by what they embed: the next test
    assert address in ip_network("2000::/3")
    assert address.sixtofour is not None or address.teredo is not None or address.is_global


@given(st.ip_addresses(v=4))
def test_an_embedded_address_is_judged_not_its_wrapping(address: IPv4Address) -> None:
    number = int(address)
    plain = GUARD.judge(address)
    assert GUARD.judge(IPv6Address(0xFFFF << 32 | number)) is plain
    nat64 = GUARD.judge(IPv6Address(0x64FF9B << 96 | number))
    assert nat64 is (Verdict.ALLOW_PUBLIC if plain.allowed else Verdict.DENY_NAT64_EMBEDDED)
    six = GUARD.judge(IPv6Address(0x2002 << 112 | number << 80 | 1))
    assert six is (Verdict.ALLOW_PUBLIC if plain.allowed else Verdict.DENY_6TO4_EMBEDDED)


@given(st.ip_addresses())
def test_a_text_and_its_address_get_the_same_verdict(address: IPv4Address | IPv6Address) -> None:
    assert GUARD.judge(str(address)) is GUARD.judge(address)


def test_configured_networks_are_allowed_and_nothing_beside_them() -> None:
    guard = Guard([ip_network("10.1.0.0/16"), ip_network("fd00:1::/32")])
    assert guard.judge("10.1.2.3") is Verdict.ALLOW_CONFIGURED
    assert guard.judge("::ffff:10.1.2.3") is Verdict.ALLOW_CONFIGURED
    assert guard.judge("fd00:1::5") is Verdict.ALLOW_CONFIGURED
    assert guard.judge("10.2.0.1") is Verdict.DENY_PRIVATE
    assert guard.judge("fd00:2::5") is Verdict.DENY_PRIVATE
    assert guard.judge("64:ff9b::10.1.2.3") is Verdict.DENY_NAT64_EMBEDDED
    assert guard.judge("8.8.8.8") is Verdict.ALLOW_PUBLIC


def test_a_network_of_one_family_allows_nothing_of_the_other() -> None:
    everything = Guard([ip_network("::/0")])
    assert everything.judge("127.0.0.1") is Verdict.DENY_LOOPBACK
    assert Guard([ip_network("0.0.0.0/0")]).judge("::1") is Verdict.DENY_LOOPBACK


def test_what_is_no_address_raises() -> None:
    with pytest.raises(ValueError, match="does not appear"):
        GUARD.judge("example.com")
