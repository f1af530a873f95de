"""What a script returned, as the answer to a request: status, headers, body (behaviours 2b).

A script decides what is answered, not how a message is framed: a value that could end a header is
refused, never cleaned. What goes out as JSON, and which headers can be sent at all, is the same for
the requests that scripts make.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec

from hookferry.errors import ScriptError
from hookferry.kata.templates.library.coercion import octets
from hookferry.kata.values import kind_of, text_of

MAX_BODY: Final = 5 * 1024 * 1024
"""Bytes of an answer."""
MAX_HEADERS: Final = 64
MAX_HEADER: Final = 4 * 1024
"""Bytes of a header's value."""
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}")  # RFC 9110 section 5.6.2
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")  # RFC 9110 section 5.5
_DATA_URI = re.compile(r"data:([!-~]{0,256}?);base64,", re.IGNORECASE)
_NO_BODY: Final = (204, 205, 304)


class ScriptAnswer(msgspec.Struct, frozen=True):
    """An answer, ready to be written."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def head(self) -> bytes:
        """Status line and headers, lines ended by CRLF, as an HTTP answer begins."""
        try:
            phrase = HTTPStatus(self.status).phrase
        except ValueError:
            phrase = ""
        lines = [f"HTTP/1.1 {self.status} {phrase}", *(f"{n}: {v}" for n, v in self.headers)]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


NOTHING = ScriptAnswer(200, (), b"")
"""Of a script that ended without a verdict."""
NOBODY = ScriptAnswer(404, (), b"")
"""Where no handler is enabled (S-CB-18)."""


def answer_of(returned: Mapping[str, Any], resources: Mapping[str, bytes]) -> ScriptAnswer:
    """Return what ``return:`` says as an answer.

    Args:
        returned: ``status_code`` (200), ``headers``, ``body``.
        resources: large values of the run, by their URI; a body may be one (S-CB-23).

    Raises:
        ScriptError: it can't be one; says which part and why.
    """
    status = _status(returned.get("status_code"))
    headers = _headers(returned.get("headers"))
    body = _body(returned.get("body"), headers, resources)
    if status in _NO_BODY and body:
        raise ScriptError(f"an answer with status {status} has no body (RFC 9110 section 15)")
    if len(body) > MAX_BODY:
        raise ScriptError(f"an answer's body has at most {MAX_BODY:,} bytes")
    return ScriptAnswer(status, tuple(headers), body)


def _status(value: Any) -> int:
    if value is None or value == "":
        return 200
    text = text_of(value).strip()
    if not re.fullmatch(r"[0-9]{3}", text) or not 200 <= int(text) <= 599:
        raise ScriptError(f"return:status_code is 200 to 599, not {text[:40]!r}")
    return int(text)


def _headers(value: Any) -> list[tuple[str, str]]:
    if value is None or value == "":
        return []
    pairs = value.items() if isinstance(value, dict) else header_lines(value, "return:headers")
    if len(pairs) > MAX_HEADERS:
        raise ScriptError(f"return:headers has at most {MAX_HEADERS} entries")
    return [header(name, text_of(content), "return:headers") for name, content in pairs]


def header_lines(text: Any, where: str) -> list[tuple[str, str]]:
    """Read headers written as lines ``Name: value``.

    Args:
        text: the lines.
        where: the key that they stand at, for messages.

    Raises:
        ScriptError: it is no text, or a line is no header.
    """
    if not isinstance(text, str):
        raise ScriptError(f"{where} is a dictionary or lines of text, not {kind_of(text)}")
    found = []
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if line.strip() and not colon:
            raise ScriptError(f"{where} has a line without a colon: {line[:40]!r}")
        if line.strip():
            found.append((name.strip(), value.strip()))
    return found


def header(name: str, value: str, where: str) -> tuple[str, str]:
    """Return a header that can be sent: what is beyond ASCII as the bytes of UTF-8.

    Args:
        name, value: as the script says.
        where: the key that it stands at, for messages.

    Returns:
        Name and value, each character of which is a byte.

    Raises:
        ScriptError: it can't be sent.
    """
    if not _NAME.fullmatch(name):
        raise ScriptError(
            f"{where}: {name[:64]!r} is not a header name: 1 to 64 letters, digits and "
            "!#$%&'*+-.^_`|~ (RFC 9110 section 5.6.2)"
        )
    sent = octets(value.strip(" \t")).decode("latin-1")
    if not _VALUE.fullmatch(sent) or len(sent) > MAX_HEADER:
        raise ScriptError(
            f"{where}: the value of {name} has at most {MAX_HEADER:,} bytes, and no line breaks "
            "or other control characters"
        )
    return name, sent


def json_of(value: Any, what: str) -> bytes:
    """Return a value as JSON; raises ScriptError where a text in it is none."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        raise ScriptError(
            f"{what} holds bytes that are no text, and JSON can't; use |base64_encode first"
        ) from None


def _body(value: Any, headers: list[tuple[str, str]], resources: Mapping[str, bytes]) -> bytes:
    """Return a body; its own type is said unless the script says one."""
    if isinstance(value, dict | list):
        _typed(headers, "application/json")
        return json_of(value, "return:body")
    text = text_of(value)
    found = resources.get(text)
    if found is not None:
        return found
    uri = _DATA_URI.match(text)
    if uri is None:
        return octets(text)
    try:
        body = base64.b64decode(text[uri.end() :], validate=True)
    except ValueError:
        raise ScriptError("return:body is a data: URI whose base64 can't be decoded") from None
    if uri[1]:
        _typed(headers, uri[1])
    return body


def _typed(headers: list[tuple[str, str]], content_type: str) -> None:
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", content_type))
