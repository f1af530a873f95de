"""A caught request as a Python program of the standard library (3.9 or later).

Exact in headers and body, and in path and query but for bytes beyond ASCII, which ``http.client``
refuses: they are percent-encoded.
"""

from __future__ import annotations

from hookferry.wire.copying import captured
from hookferry.wire.copying.captured import BODY_FILE, Captured, base64_lines, plain_text


def python(request: Captured) -> str:
    """Return the program that sends a request again and prints its answer."""
    said = captured.notes(request)
    target = captured.url_text(request.target, b"")
    if target.encode() != request.target:
        said.append("Bytes beyond ASCII in the path or query are percent-encoded here.")
    scheme, _, authority = request.origin.partition("://")
    kind = "HTTPSConnection" if scheme == "https" else "HTTPConnection"
    imports = ["http.client"]
    body = _body(request, imports)
    call = f"{request.method!r}, {target!r}, skip_accept_encoding=True"
    lines = [
        *(f"import {name}" for name in sorted(imports)),
        "",
        *([f"body = {body}"] if body else []),
        f"connection = http.client.{kind}({authority!r}, timeout=30)",
        f"connection.putrequest({call})",
    ]
    lines += [f"connection.putheader({n.decode()!r}, {v!r})" for n, v in request.headers]
    if body:
        lines.append('connection.putheader("Content-Length", str(len(body)))')
    lines += [
        f"connection.endheaders({'body' if body else ''})",
        "response = connection.getresponse()",
        "print(response.status, response.reason)",
        "print(response.read())",
    ]
    return captured.comments(said) + "\n".join(lines) + "\n"


def _body(request: Captured, imports: list[str]) -> str:
    """Return the expression of the body; empty where there is none."""
    body = request.body
    if not request.inline:
        imports.append("pathlib")
        return f"pathlib.Path({BODY_FILE!r}).read_bytes()"
    if not body:
        return 'b""' if request.wants_length else ""
    text = plain_text(body)
    if text is None:
        imports.append("base64")
        return f'base64.b64decode("""\n{base64_lines(body)}\n""")'
    parts = text.splitlines(keepends=True)
    if len(parts) == 1:
        return f"{text!r}.encode()"
    return "(\n" + "".join(f"    {part!r}\n" for part in parts) + ").encode()"
