"""Who called, behind proxies."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from hookferry.wire.client_address import MAX_REMEMBERED, REMEMBERED, Proxies
from hookferry.wire.headers import Headers

PROXY = "10.0.0.1"
NAME = b"x-forwarded-for"


@pytest.fixture
def proxies() -> Proxies:
    return Proxies([ip_network("10.0.0.0/8")])


@pytest.mark.parametrize(
    ("values", "caller"),
    [
        ([], PROXY),
        ([b""], PROXY),
        ([b"203.0.113.7"], "203.0.113.7"),
        ([b"198.51.100.9, 203.0.113.7, 10.0.0.2"], "203.0.113.7"),
        ([b"198.51.100.9", b"203.0.113.7, 10.0.0.2"], "203.0.113.7"),
        ([b"203.0.113.7, nonsense, 10.0.0.2"], "10.0.0.2"),
        ([b"203.0.113.7, " + b" " * MAX_REMEMBERED + b"10.0.0.2"], PROXY),
        ([b"198.51.100.9, " * 40 + b"203.0.113.7"], "203.0.113.7"),
    ],
)
def test_the_right_most_address_that_is_no_proxy_s_called(
    proxies: Proxies, values: list[bytes], caller: str
) -> None:
    headers = Headers([(NAME, value) for value in values])
    for _ in range(2):  # also from memory
        assert proxies.caller(PROXY, headers) == caller


def test_a_stranger_s_word_does_not_count(proxies: Proxies) -> None:
    headers = Headers([(NAME, b"203.0.113.7")])
    assert proxies.caller("198.51.100.9", headers) == "198.51.100.9"
    assert Proxies().caller(PROXY, headers) == PROXY


def test_what_is_remembered_is_bounded_in_number_and_length(proxies: Proxies) -> None:
    long = b"1" * (MAX_REMEMBERED + 1)
    proxies.caller(PROXY, Headers([(NAME, long)]))
    proxies.caller(PROXY, Headers([(NAME, b"10.0.0.2," + long)]))
    for cache in (proxies._judged, proxies._told):
        assert cache.cache_info().maxsize == REMEMBERED
    assert proxies._told.cache_info().currsize == 0
    assert proxies._judged.cache_info().currsize == 1, "the proxy's alone"
