"""What a greeting is answered with, and how the parts of one are read and judged.

What each provider asks is in the modules beside. All that is repeated to a caller is plain text or
JSON that browsers take as such, has passed ``unfit`` or an alphabet, and is short: no answer can be
read as a page or break out of a header.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from hookferry.wire.inbound.received import Received

MAX_ECHO = 1024
"""Bytes of UTF-8 that are echoed; a longer challenge is refused. Providers' have below 500."""
MAX_PARAMETERS = 64
"""Parameters of a query that is looked at for a challenge."""
MAX_BODY = 16 * 1024
"""Bytes of a body that may be a handshake; providers' have below 4 KB."""
MAX_TOKEN = 200
"""Characters of a ``TOKEN``; X's and Zoom's have below 60."""
TOKEN = re.compile(rf"[A-Za-z0-9+/=_-]{{1,{MAX_TOKEN}}}")
"""What may be signed for a caller: the alphabet of base64 and its URL form. No JSON object can be
written in it, and neither ``v0:`` nor an address."""

_ADDRESS = re.compile(r"[!-~]{1,1024}")

_NOSNIFF = ("x-content-type-options", "nosniff")
_TEXT: Final = (("content-type", "text/plain; charset=utf-8"), _NOSNIFF)
_JSON: Final = (("content-type", "application/json"), _NOSNIFF)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Greeting(msgspec.Struct, frozen=True, kw_only=True):
    """A handshake, and its answer. Refused, if it has a reason."""

    name: str
    """Which one, of ``GREETINGS``."""
    status: int
    headers: tuple[tuple[str, str], ...] = ()
    """ASCII, without line breaks."""
    body: bytes = b""
    confirm: str | None = None
    """An https address that is to be fetched with GET, through the guard: the provider takes that
    as consent. Its host was judged here as far as the protocol has a rule for it."""
    adopt_secret: str | None = None
    """A secret that the sender hands over: the source's from now on, if it has none yet."""
    reason: str | None = None
    """Why it is refused, as a stable name."""
    detail: str | None = None
    """Why, for the operator."""

    def __repr__(self) -> str:
        """Without what is echoed or adopted: that may be a secret, and this goes into logs."""
        return f"Greeting(name={self.name!r}, status={self.status}, reason={self.reason!r})"


class Terms(msgspec.Struct, frozen=True):
    """What a source brings to its handshakes; parameters of ``greet``."""

    secrets: Sequence[str]
    genuine: Callable[[], bool]
    token: str | None
    per_minute: int | None


def parameter(request: Received, name: str) -> str | None:
    """Return the first value of a query parameter, its name in any case; None without one.

    Decoded as form data (``+`` is a blank); bytes that are no UTF-8 become U+FFFD.
    """
    try:
        pairs = parse_qsl(
            request.query.decode("utf-8", "replace"),
            keep_blank_values=True,
            max_num_fields=MAX_PARAMETERS,
        )
    except ValueError:  # more of them than a greeting has
        return None
    # SharePoint writes validationtoken, Graph validationToken.
    return next((value for known, value in pairs if known.lower() == name), None)


def header(request: Received, name: bytes) -> str | None:
    """Return the first value of a header, by its name in lower case, without outer blanks."""
    for known, value in request.headers:
        if known == name:
            return value.decode("latin-1").strip(" \t")
    return None


def content(request: Received, decode: Callable[[bytes], Any] = _decode) -> Any:
    """Return a small body's JSON; None for anything else.

    Args:
        request: what came.
        decode: reads it; one that knows what it looks for passes over the rest faster.
    """
    try:
        return decode(request.body) if len(request.body) <= MAX_BODY else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def member(value: Any, name: str) -> Any:
    """Return a member of a JSON object; None without one, and for what is no object."""
    return value.get(name) if isinstance(value, dict) else None


def same(given: str, expected: str) -> bool:
    """Tell whether two texts are equal, in a time that says nothing of what they have in common."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def https_host(address: str) -> str | None:
    """Return the host of an address that may be fetched: https on its own port, without a user.

    None for any other, and for more than 1 KB or characters that no address has.
    """
    if not _ADDRESS.fullmatch(address) or "\\" in address:
        return None
    try:
        parts = urlsplit(address)
        plain = parts.scheme == "https" and parts.port in (None, 443) and "@" not in parts.netloc
    except ValueError:
        return None
    return parts.hostname if plain else None


def unfit(name: str, text: str) -> Greeting | None:
    """Return the refusal of what is not repeated: too long, or not plain text.

    Args:
        name: the greeting's.
        text: what its answer would have in it.
    """
    if len(text) > MAX_ECHO or len(text.encode("utf-8", "replace")) > MAX_ECHO:
        return refused(
            name,
            400,
            "challenge_too_long",
            f"the challenge has more than {MAX_ECHO:,} bytes, so it is not repeated",
        )
    # Not printable: controls, line breaks of any kind, lone surrogates, and what reorders text.
    if not text or not text.isprintable():
        return refused(
            name,
            400,
            "challenge_not_text",
            "the challenge is empty or has characters that can't be printed, so it is not repeated",
        )
    return None


def echo(name: str, challenge: str) -> Greeting:
    """Return the answer that repeats a challenge as plain text."""
    return unfit(name, challenge) or Greeting(
        name=name, status=200, headers=_TEXT, body=challenge.encode()
    )


def json_answer(name: str, members: dict[str, object]) -> Greeting:
    """Return an answer in JSON; texts of a caller's have passed ``unfit``."""
    return Greeting(name=name, status=200, headers=_JSON, body=_encode(members))


def done(name: str, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Greeting:
    """Return an answer without a body."""
    return Greeting(name=name, status=status, headers=headers)


def refused(name: str, status: int, reason: str, detail: str) -> Greeting:
    """Return a refusal. The caller is told no reason."""
    return Greeting(name=name, status=status, reason=reason, detail=detail)
