"""A caught request as a command for HTTPie (3.x) in a POSIX shell.

Exact in method, body and the values of headers, repeats included. HTTPie sends headers in an order
of its own, writes some paths and queries differently, and can't send every header; the notes above
the command say so where it is the case.
"""

from __future__ import annotations

import re

from hookferry.wire.copying import captured, shell
from hookferry.wire.copying.captured import BODY_FILE, Captured, Header, plain_text

_KEPT = re.compile(rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*")
_UNRESERVED = re.compile(rb"%(?:2[dDeE]|3[0-9]|[46][1-9a-fA-F]|[57][0-9aA]|5[fF]|7[eE])")
"""Percent-encodings that it undoes (RFC 3986 section 2.3)."""
_OWN = ("Accept", "Accept-Encoding", "User-Agent")
"""Headers that it adds."""


def httpie(request: Captured) -> str:
    """Return the command that sends a request again."""
    body = request.body
    exact = [pair for pair in request.headers if _takes(pair)]
    given = [f"{_item(pair)}" for pair in exact]
    own = (*_OWN, "Content-Type") if body else _OWN
    given += [f"{name}:" for name in own if not request.has(name.lower().encode())]
    text = plain_text(body) if len(body) <= captured.MAX_ARGUMENT else None
    options, feed = "--ignore-stdin", ""
    if not request.inline:
        options, feed = "", f"< {BODY_FILE}"
    elif body and text is None:
        options = ""
    elif body:
        options += f" --raw={shell.word(body)}"
    url = request.origin + captured.url_text(request.target, b"")
    start = " ".join(filter(None, ("http --path-as-is", options)))
    words = [start, f"{shell.word(request.method.encode())} {shell.word(url.encode())}", *given]
    command = shell.lines([*words, feed] if feed else words)
    if request.inline and body and text is None:
        command = shell.fed(command, body)
    return captured.comments(_notes(request, exact)) + command + "\n"


def _takes(pair: Header) -> bool:
    """Tell whether it can be made to send a header as it is."""
    name, value = pair
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return False
    # A backslash before one of its separators is taken for an escape, however often it is written.
    escaped = re.search(r"\\[:;=@]", text) is not None
    return not name.startswith(b"-") and text == text.strip() and not escaped


def _item(pair: Header) -> str:
    name, value = pair
    if not value:
        return shell.word(name + b";")
    # Name:@value would read a file, and Name:=value is JSON.
    return shell.word(name + b":" + (b"\\" if value[:1] in (b"@", b"=") else b"") + value)


def _notes(request: Captured, exact: list[Header]) -> list[str]:
    said = captured.notes(request)
    missing = dict.fromkeys(
        name.decode() for name, value in request.headers if (name, value) not in exact
    )
    if missing:
        said.append(f"HTTPie can't send these headers as they came: {', '.join(missing)}.")
    if not _KEPT.fullmatch(request.target) or _UNRESERVED.search(request.target):
        said.append("HTTPie writes this path or query differently; the copy for curl is exact.")
    return said
