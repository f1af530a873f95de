"""Base64, addresses and query texts."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Final
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlsplit

from hookferry.errors import ScriptError
from hookferry.kata.fuel import CELL
from hookferry.kata.templates.library.coercion import from_octets, octets, text
from hookferry.kata.templates.registry import Run, register
from hookferry.kata.values import MAX_DEPTH, Value, text_of

_UNRESERVED: Final = "-._~"
_MAX_PARAMETERS: Final = 1000
"""Of a query text, as PHP's ``max_input_vars``."""


@register(
    "filter", "base64_encode", examples=(("{{ 'user:secret'|base64_encode }}", "dXNlcjpzZWNyZXQ="),)
)
def base64_encode(run: Run, value: Value) -> str:
    """Encode a text, or raw bytes, in base64."""
    return base64.b64encode(_paid(run, value, "|base64_encode")).decode()


@register(
    "filter", "base64_decode", examples=(("{{ 'dXNlcjpzZWNyZXQ='|base64_decode }}", "user:secret"),)
)
def base64_decode(run: Run, value: Value) -> str:
    """Decode base64, padded or not, in either alphabet; other characters are passed over."""
    return _decoded(_paid(run, value, "|base64_decode").translate(_PLAIN_ALPHABET))


@register("filter", "base64url_encode", examples=(("{{ 'a?b>c'|base64url_encode }}", "YT9iPmM"),))
def base64url_encode(run: Run, value: Value) -> str:
    """Encode a text, or raw bytes, in base64 as addresses and JSON Web Tokens have it."""
    coded = base64.urlsafe_b64encode(_paid(run, value, "|base64url_encode"))
    return coded.rstrip(b"=").decode()


@register("filter", "base64url_decode", examples=(("{{ 'YT9iPmM'|base64url_decode }}", "a?b>c"),))
def base64url_decode(run: Run, value: Value) -> str:
    """Decode base64 as addresses and JSON Web Tokens have it."""
    return _decoded(_paid(run, value, "|base64url_decode").translate(_PLAIN_ALPHABET))


_PLAIN_ALPHABET: Final = bytes.maketrans(b"-_", b"+/")


def _paid(run: Run, value: Value, name: str) -> bytes:
    said = text(run, value, name)
    run.fuel.build(2 * len(said))
    return octets(said)


def _decoded(coded: bytes) -> str:
    kept = coded.translate(None, _NO_BASE64)
    if len(kept) % 4 == 1:
        kept = kept[:-1]  # half a byte: PHP drops it as well
    try:
        return from_octets(binascii.a2b_base64(kept + b"=" * (-len(kept) % 4)))
    except binascii.Error:
        raise ScriptError("this is no base64") from None


_NO_BASE64: Final = bytes(
    set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
)


@register(
    "filter",
    "url_encode",
    examples=(
        ("{{ 'a b&c'|url_encode }}", "a%20b%26c"),
        ("{{ {name: 'Kina H', tags: ['x']}|url_encode }}", "name=Kina%20H&tags%5B0%5D=x"),
    ),
)
def url_encode(run: Run, value: Value) -> str:
    """Encode a text to stand in an address, or a dictionary as a query text (RFC 3986)."""
    if not isinstance(value, list | dict):
        said = text(run, value, "|url_encode")
        return _quoted(run, said)
    parts: list[str] = []
    _query(run, value, None, parts, 0)
    run.fuel.build(sum(map(len, parts)))
    return "&".join(parts)


def _quoted(run: Run, said: str) -> str:
    run.fuel.spend(len(said) // 20)
    run.fuel.build(3 * len(said))
    return quote(octets(said), safe=_UNRESERVED)


def _query(run: Run, value: Value, prefix: str | None, parts: list[str], depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise ScriptError(f"a value has at most {MAX_DEPTH} levels")
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in pairs:
        run.fuel.spend(2)
        name = str(key) if prefix is None else f"{prefix}[{key}]"
        if isinstance(item, list | dict):
            run.fuel.build(len(name))
            _query(run, item, name, parts, depth + 1)
        elif item is not None:
            said = "0" if item is False else text_of(item)
            run.fuel.build(CELL)
            parts.append(f"{_quoted(run, name)}={_quoted(run, said)}")


@register(
    "filter",
    "url_decode",
    examples=(
        ("{{ 'a%20b%26c'|url_decode }}", "a b&c"),
        ("{{ 'name=Kina&action=on'|url_decode('json') }}", '{"name":"Kina","action":"on"}'),
    ),
)
def url_decode(run: Run, value: Value, format: str = "") -> str:
    """Decode what stands in an address; format ``json`` returns a query text's fields as JSON."""
    said = text(run, value, "|url_decode")
    run.fuel.spend(said.count("%") // 3)
    run.fuel.build(len(said))
    if format != "json":
        return from_octets(unquote_to_bytes(octets(said)))
    run.fuel.spend(said.count("&"))
    run.fuel.build(2 * CELL * (said.count("&") + 1))
    try:
        fields = parse_qsl(said, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
    except ValueError:
        raise ScriptError(f"|url_decode reads at most {_MAX_PARAMETERS} fields") from None
    return json.dumps(dict(fields), separators=(",", ":")).replace("/", "\\/")


@register(
    "filter",
    "parse_url",
    examples=(
        ("{{ ('https://x.example:8080/find?q=1#top'|parse_url).port }}", "8080"),
        (
            "{{ 'https://x.example/find?q=1'|parse_url|json_encode(64) }}",
            '{"scheme":"https","host":"x.example","path":"/find","query":"q=1"}',
        ),
    ),
)
def parse_url(run: Run, value: Value) -> dict[str, Value] | bool:
    """Return the parts of an address that it has; false where it is none.

    They are scheme, host, port, user, pass, path, query and fragment.
    """
    said = text(run, value, "|parse_url")
    run.fuel.build(2 * len(said) + 8 * CELL)
    try:
        found = urlsplit(said)
        parts: dict[str, Value] = {
            "scheme": found.scheme,
            "host": found.hostname,
            "port": found.port,
            "user": found.username,
            "pass": found.password,
            "path": found.path,
            "query": found.query,
            "fragment": found.fragment,
        }
    except ValueError:
        return False
    return {name: part for name, part in parts.items() if part not in (None, "")}
