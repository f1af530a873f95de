"""A caught request as a command for curl (7.55 or later) in a POSIX shell.

Exact in path, query, headers and body. What curl would add of its own is switched off where the
request did not have it.
"""

from __future__ import annotations

import re

from hookferry.wire.copying import captured, shell
from hookferry.wire.copying.captured import BODY_FILE, Captured, Header, plain_text

_IN_URL = re.compile(rb"[A-Za-z0-9\-._~!$&'()*+,;=:@/?%]*")
"""What curl passes on in a URL as it stands."""
_MAY_EXPECT = 1024
"""Bytes of body from which some versions of curl ask first whether it is wanted."""


def curl(request: Captured) -> str:
    """Return the command that sends a request again."""
    body = request.body
    with_body = bool(body) or request.wants_length
    words = [_command(request, with_body), *_address(request)]
    words += [f"-H {_header(pair)}" for pair in request.headers]
    for name in ("Accept", "User-Agent"):
        if not request.has(name.lower().encode()):
            words.append(f"-H '{name}:'")
    if with_body and not request.has(b"content-type"):
        words.append("-H 'Content-Type:'")
    if len(body) > _MAY_EXPECT:
        words.append("-H 'Expect:'")
    command = shell.lines(words)
    if not request.inline:
        command = shell.lines([command, f"--data-binary @{BODY_FILE}"])
    elif with_body:
        text = plain_text(body) if len(body) <= captured.MAX_ARGUMENT else None
        if text is None:
            command = shell.fed(shell.lines([command, "--data-binary @-"]), body)
        else:
            command = shell.lines([command, f"--data-raw {shell.word(body)}"])
    return captured.comments(captured.notes(request)) + command + "\n"


def _command(request: Captured, with_body: bool) -> str:
    if request.method == "HEAD":
        if not with_body:
            return "curl --http1.1 --head"
        # The answer announces a body and has none, which curl knows of its own HEAD only: here the
        # connection's end has to be the answer's.
        return "curl --http1.1 -X HEAD -H 'Connection: close' --ignore-content-length"
    if request.method == ("POST" if with_body else "GET"):
        return "curl --http1.1"
    return f"curl --http1.1 -X {shell.word(request.method.encode())}"


def _address(request: Captured) -> list[str]:
    options = ["--globoff"] if "[" in request.origin else []
    if _IN_URL.fullmatch(request.target):
        url = request.origin.encode() + request.target
        return [*options, f"--path-as-is {shell.word(url)}"]
    return [
        *options,
        f"--request-target {shell.word(request.target)}",
        shell.word(request.origin.encode()),
    ]


def _header(pair: Header) -> str:
    name, value = pair
    return shell.word(name + b": " + value if value else name + b";")
