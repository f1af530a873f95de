"""Target URLs: read strictly, written one way.

Hosts are read as browsers read them (WHATWG URL, "host parsing"), so that every spelling of an
address (``127.1``, ``0x7f000001``, ``2130706433``, ``0177.0.0.1``, full-width digits) is known for
the address it is before the guard judges it. What has no business in a target (user names,
fragments, control characters, percent-encoded hosts) is refused, never repaired.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote

import idna

from hookferry.errors import InvalidField
from hookferry.transport.port import Target

MAX_URL = 2_048
"""Characters of a target URL."""

_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]*)?"
)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"0[xX][0-9A-Fa-f]*|[0-9]+")
_PORTS = {"http": 80, "https": 443}
_FIELD = "target_url"


def parse_target(
    url: str,
    *,
    ca: str | None = None,
    client_certificate: bytes | None = None,
    proxy: str | None = None,
) -> tuple[Target, str]:
    """Read a target URL.

    Args:
        url: an absolute http or https URL.
        ca: PEM certificates to trust instead of the system's; taken over.
        client_certificate: PEM chain and key; taken over.
        proxy: URL of a CONNECT proxy; taken over.

    Returns:
        The target and the request path with its query, ready for a request line.

    Raises:
        InvalidField: the URL can't be a target; the detail says what is wrong.
    """
    if len(url) > MAX_URL:
        raise _wrong(f"is longer than {MAX_URL} characters")
    if any(c <= " " or c == "\x7f" or c == "\\" for c in url) or not url.isprintable():
        raise _wrong("holds a space, a control character or a backslash; percent-encode it")
    if "#" in url:
        raise _wrong("has a fragment (#...), which is never sent; leave it out")
    match = _URL.fullmatch(url)
    if match is None:
        raise _wrong("must be an absolute URL such as https://example.com/hooks")
    scheme = match["scheme"].lower()
    if scheme not in _PORTS:
        raise _wrong(f"must start with https:// (not {scheme}://)")
    host, port = _authority(match["authority"], scheme)
    # UTF-8 percent-encoding of what is not ASCII; what is encoded already stays as it is.
    path = quote(
        (match["path"] or "/") + (match["query"] or ""), safe="!#$%&'()*+,/:;=?@[]~^|`{}<>\""
    )
    return Target(
        scheme=scheme,
        host=host,
        port=port,
        ca=ca,
        client_certificate=client_certificate,
        proxy=proxy,
    ), path


def extended(base: str, path: bytes, query: bytes) -> bytes:
    """Return a request path with another one behind it, ready for a request line.

    Args:
        base: a target's path and query, as ``parse_target`` returns them.
        path: what follows that path; a lone slash adds nothing.
        query: what follows that query.
    """
    own_path, _, own_query = base.encode().partition(b"?")
    if path.strip(b"/"):
        own_path = own_path.rstrip(b"/") + path
    queries = b"&".join(filter(None, (own_query, query)))
    return own_path + b"?" + queries if queries else own_path


def parse_host(host: str) -> str:
    """Return a host in its one spelling: an IPv4 address in four decimal parts, an IPv6 address
    compressed and without brackets, or a name in lower-case ASCII without a trailing dot.

    Raises:
        InvalidField: it is neither a name nor an address.
    """
    if host.startswith("["):
        return _ipv6(host)
    if "%" in host:
        raise _wrong("has a percent-encoded host; write it plainly")
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise _wrong(f"has a host that is no valid internationalized name: {error}") from None
    host = host.lower()
    if host.endswith("."):
        host = host[:-1]
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _ipv4(labels)
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _wrong("has a host that is neither a name nor an address")
    return host


def _authority(authority: str, scheme: str) -> tuple[str, int]:
    if "@" in authority:
        raise _wrong("holds a user name or password; use the webhook's credential instead")
    host, colon, digits = authority.rpartition(":")
    if not colon or "]" in digits:
        host, digits = authority, ""
    if not host:
        raise _wrong("has no host")
    if not digits:
        return parse_host(host), _PORTS[scheme]
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 5 and 0 < int(digits) < 65536):
        raise _wrong("has a port that is not between 1 and 65535")
    return parse_host(host), int(digits)


def _ipv6(host: str) -> str:
    try:
        if not host.endswith("]") or "%" in host:
            raise ValueError
        return str(IPv6Address(host[1:-1]))
    except ValueError:
        raise _wrong(
            "has a bracketed host that is no IPv6 address (zones are not allowed)"
        ) from None


def _ipv4(parts: list[str]) -> str:
    """Read 1 to 4 numbers, decimal, octal (0) or hexadecimal (0x); the last fills the rest."""
    numbers = []
    try:
        for part in parts:
            if not _NUMBER.fullmatch(part):
                raise ValueError
            if part[:2] in ("0x", "0X"):
                numbers.append(int(part[2:] or "0", 16))
            else:
                numbers.append(int(part, 8 if part[0] == "0" else 10))
        *high, low = numbers
        if len(parts) > 4 or any(n > 255 for n in high) or low >= 256 ** (4 - len(high)):
            raise ValueError
    except ValueError:
        raise _wrong("has a host that ends in a number but is no IPv4 address") from None
    for place, number in enumerate(high):
        low += number << (24 - 8 * place)
    return str(IPv4Address(low))


def _wrong(what: str) -> InvalidField:
    return InvalidField(f"{_FIELD} {what}", field=_FIELD)
