"""Target URLs: every spelling of an address is known for that address, the rest is refused."""

from __future__ import annotations

import string
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookferry.errors import InvalidField
from hookferry.transport.guard import Guard, Verdict
from hookferry.transport.target import MAX_URL, parse_host, parse_target

LOOPBACKS = [
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0X7F.1",
    "0177.0.0.1",
    "0177.0x0.0.01",
    "017700000001",
    "\uff11\uff12\uff17.0.0.1",
    "127\u30020\u30020\u30021",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:0:0:1]",
]


@pytest.mark.parametrize("host", LOOPBACKS)
def test_every_spelling_of_loopback_is_denied(host: str) -> None:
    target, _ = parse_target(f"https://{host}/")
    assert Guard().judge(target.host) is Verdict.DENY_LOOPBACK


@given(st.ip_addresses(v=4), st.data())
def test_numbers_in_any_base_and_length_are_the_same_address(
    address: IPv4Address, data: st.DataObject
) -> None:
    number = int(address)
    parts = data.draw(st.integers(1, 4))
    high = [number >> (24 - 8 * i) & 255 for i in range(parts - 1)]
    low = number & (1 << 8 * (5 - parts)) - 1
    written = [
        data.draw(st.sampled_from(["{}", "0x{:x}", "0X{:X}", "0{:o}"])) for _ in range(parts)
    ]
    host = ".".join(form.format(n) for form, n in zip(written, [*high, low], strict=True))
    assert parse_host(host) == str(address)


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "path"),
    [
        ("https://Example.COM", "https", "example.com", 443, "/"),
        ("HTTPS://example.com./hooks?x=1", "https", "example.com", 443, "/hooks?x=1"),
        ("http://example.com:8080/a%20b", "http", "example.com", 8080, "/a%20b"),
        ("https://example.com?q", "https", "example.com", 443, "/?q"),
        ("https://example.com:/x", "https", "example.com", 443, "/x"),
        ("https://b\u00fccher.example/", "https", "xn--bcher-kva.example", 443, "/"),
        ("https://example.com/b\u00fccher", "https", "example.com", 443, "/b%C3%BCcher"),
        ("https://my_service:9000/", "https", "my_service", 9000, "/"),
        ("https://[2606:4700:0::1111]:8443/", "https", "2606:4700::1111", 8443, "/"),
        ("https://1.2.3.4/@user", "https", "1.2.3.4", 443, "/@user"),
    ],
)
def test_a_good_url_is_read(url: str, scheme: str, host: str, port: int, path: str) -> None:
    target, request_path = parse_target(url, ca="pem", client_certificate=b"pem", proxy="http://p")
    assert (target.scheme, target.host, target.port) == (scheme, host, port)
    assert (target.ca, target.client_certificate, target.proxy) == ("pem", b"pem", "http://p")
    assert request_path == path


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("example.com/hooks", "absolute URL"),
        ("//example.com", "absolute URL"),
        ("", "absolute URL"),
        ("ftp://example.com/", "https://"),
        ("file:///etc/passwd", "https://"),
        ("https:///x", "no host"),
        ("https://:443/", "no host"),
        ("https://user@example.com/", "user name"),
        ("https://user:pass@example.com/", "user name"),
        ("https://1.1.1.1@127.0.0.1/", "user name"),
        ("https://example.com/#x", "fragment"),
        ("https://example.com#", "fragment"),
        ("https://example.com/\r\nX-Injected: 1", "control character"),
        ("https://exa\tmple.com/", "control character"),
        ("https://example.com/a b", "control character"),
        (" https://example.com/", "control character"),
        ("https://example.com\\@evil.example/", "backslash"),
        ("https://example.com/\x7f", "control character"),
        ("https://example.com/\u2028", "control character"),
        ("https://%31%32%37.0.0.1/", "percent-encoded host"),
        ("https://[fe80::1%25eth0]/", "bracketed host"),
        ("https://[::1/", "bracketed host"),
        ("https://[127.0.0.1]/", "bracketed host"),
        ("https://[::1]x/", "bracketed host"),
        ("https://example.com:0/", "port"),
        ("https://example.com:65536/", "port"),
        ("https://example.com:99999999999/", "port"),
        ("https://example.com:-1/", "port"),
        ("https://example.com:http/", "port"),
        ("https://example.com:\u0661/", "port"),
        ("https://256.1.1.1/", "no IPv4 address"),
        ("https://1.2.3.4.5/", "no IPv4 address"),
        ("https://127.0.0.1.1/", "no IPv4 address"),
        ("https://4294967296/", "no IPv4 address"),
        ("https://0x100000000/", "no IPv4 address"),
        ("https://08.0.0.1/", "no IPv4 address"),
        ("https://example.0x7f/", "no IPv4 address"),
        ("https://1..2/", "no IPv4 address"),
        ("https://a..b/", "neither a name nor an address"),
        ("https://-a.example/", "neither a name nor an address"),
        ("https://a!b.example/", "neither a name nor an address"),
        (f"https://{'a' * 64}.example/", "neither a name nor an address"),
        (f"https://{'a.' * 130}example/", "neither a name nor an address"),
        ("https://a\u00b7b.example/", "internationalized"),
        ("https://" + "a" * MAX_URL, "longer than"),
    ],
)
def test_a_bad_url_is_refused_and_says_why(url: str, says: str) -> None:
    with pytest.raises(InvalidField, match=says) as caught:
        parse_target(url)
    assert caught.value.field == "target_url"


@given(st.text(max_size=60))
def test_no_text_makes_it_raise_anything_else(text: str) -> None:
    for url in (text, "https://" + text, "https://example.com/" + text):
        try:
            _, path = parse_target(url)
        except InvalidField:
            continue
        assert path.isascii()
        assert path.isprintable()
        assert " " not in path
        assert path.startswith("/")


@given(st.text(string.ascii_letters + string.digits + ".-_x[]:%", max_size=30))
def test_a_host_that_is_read_is_written_one_way(text: str) -> None:
    try:
        host = parse_host(text)
    except InvalidField:
        return
    again = f"[{host}]" if ":" in host else host
    assert parse_host(again) == host
