"""``http.request``: a script calls somebody, through the guard like every delivery."""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from hookferry import __version__
from hookferry.automate.actions.context import MAX_RESOURCES, Context
from hookferry.automate.answers import MAX_HEADERS, header, header_lines, json_of
from hookferry.domain.credential import Credential
from hookferry.engine.directory import Directory
from hookferry.engine.dispatch import authority
from hookferry.errors import HookferryError, InvalidField, ScriptError
from hookferry.kata.templates.library.coercion import octets
from hookferry.kata.values import size_of, text_of
from hookferry.transport.port import Outcome, Request, Transport
from hookferry.transport.target import parse_target
from hookferry.wire.hop_by_hop import OF_ONE_CONNECTION, TO_PROXIES
from hookferry.wire.hops import HOPS_HEADER, hops_line

METHODS: Final = ("GET", "HEAD", "OPTIONS", "DELETE", "PATCH", "POST", "PUT")
TIMEOUT: Final = 20.0
"""Seconds where a script does not say; the run's own time limit counts besides."""
MAX_TIMEOUT: Final = 60.0
MAX_BODY: Final = 1024 * 1024
"""Bytes of a request's body; and of an answer's, beyond which it is kept beside the dictionary."""
MAX_ANSWER: Final = 5 * 1024 * 1024
"""Bytes of an answer."""
_JSON = re.compile(r"application/(?:[\w.-]+\+)?json\b", re.IGNORECASE)
_FORM = "application/x-www-form-urlencoded"
_HEADERS: Final = "http.request:headers"
_WRITTEN: Final = OF_ONE_CONNECTION | {HOPS_HEADER.lower()}

Authorization = Callable[[Credential], tuple[str, str]]
"""Returns the header that presents a credential."""


class Requests:
    """Makes scripts' requests.

    Args:
        transport: what sends; keeps ``MAX_ANSWER`` bytes of an answer.
        directory: credentials.
        authorization: presents one.
    """

    def __init__(
        self, transport: Transport, directory: Directory, authorization: Authorization
    ) -> None:
        self._transport = transport
        self._directory = directory
        self._authorization = authorization

    def request(self, context: Context, inputs: Mapping[str, Any]) -> Any:
        """Send a request and return its answer.

        Raises:
            ScriptError: there was no answer, or one with a status of 400 or more, which is then
                in ``extra["output"]``.
        """
        request = self._rendered(context, inputs)
        outcome = context.waits(self._send(request))
        answer = _answer(outcome, inputs, context)
        if "error" in answer:
            raise ScriptError(str(answer["error"]), output=answer)
        return answer

    def _rendered(self, context: Context, inputs: Mapping[str, Any]) -> Request:
        method = text_of(inputs.get("method") or "GET").upper()
        if method not in METHODS:
            raise ScriptError(f"http.request:method is one of {', '.join(METHODS)}")
        try:
            target, path = parse_target(text_of(inputs.get("url")).strip())
        except InvalidField as error:
            raise ScriptError(error.detail.replace("target_url", "http.request:url")) from None
        headers = _headers(inputs.get("headers"))
        wanted = text_of(inputs.get("authentication")).strip()
        if wanted:
            name, value = self._credential(context, wanted)
            headers = [pair for pair in headers if pair[0].lower() != name.lower()]
            headers.append((name, value))
        body = _body(inputs.get("body"), headers, context)
        given = {name.lower() for name, _ in headers}
        if "user-agent" not in given:
            headers.insert(0, ("User-Agent", f"hookferry/{__version__}"))
        if "accept" not in given:
            headers.append(("Accept", "*/*"))
        hops = 1 if context.event is None else context.event.meta.hops + 1
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {authority(target)}",
            *(f"{name}: {value}" for name, value in headers),
        ]
        if body or method in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {len(body)}")
        if method == "HEAD":
            lines.append("Connection: close")  # its answer announces a body that never comes
        # Where it comes back to one of our own sources, the circle comes to its end.
        head = "\r\n".join([*lines, ""]).encode("latin-1") + hops_line(hops) + b"\r\n"
        return Request(target, head, body, _timeout(inputs.get("timeout")))

    def _credential(self, context: Context, wanted: str) -> tuple[str, str]:
        name = wanted.rpartition(":")[2]
        try:
            return self._authorization(self._directory.find_credential(context.tenant.id, name))
        except HookferryError as error:
            raise ScriptError(f"http.request:authentication: {error.detail}") from None

    async def _send(self, request: Request) -> Outcome:
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def done(outcome: Outcome) -> None:
            if not future.done():  # the script's time may be over
                future.set_result(outcome)

        self._transport.send(request, done)
        return await future


def _timeout(value: Any) -> float:
    if value is None or value == "":
        return TIMEOUT
    try:
        seconds = float(text_of(value))
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= MAX_TIMEOUT:
        raise ScriptError(f"http.request:timeout is a number of seconds, at most {MAX_TIMEOUT:g}")
    return seconds


def _headers(value: Any) -> list[tuple[str, str]]:
    """Read headers: a dictionary, or lines ``Name: value``."""
    if value is None or value == "":
        return []
    pairs = value.items() if isinstance(value, dict) else header_lines(value, _HEADERS)
    if len(pairs) > MAX_HEADERS:
        raise ScriptError(f"{_HEADERS} has at most {MAX_HEADERS} entries")
    headers = [header(name, text_of(content), _HEADERS) for name, content in pairs]
    for name, _ in headers:
        lowered = name.lower()
        if lowered in _WRITTEN or lowered.startswith(TO_PROXIES):
            raise ScriptError(f"{_HEADERS}: {name} is written by hookferry; leave it out")
    return headers


def _body(value: Any, headers: list[tuple[str, str]], context: Context) -> bytes:
    """Return a body; a dictionary is encoded as its Content-Type says, else as a form."""
    if isinstance(value, dict | list):
        context.fuel.build(size_of(value, context.fuel))
        kind = next((v for n, v in headers if n.lower() == "content-type"), "")
        if not kind:
            kind = _FORM if isinstance(value, dict) else "application/json"
            headers.append(("Content-Type", kind))
        # JSON is YAML, too (YAML 1.2, section 1.3).
        if isinstance(value, list) or _JSON.match(kind) or "yaml" in kind.lower():
            body = json_of(value, "http.request:body")
        else:
            body = _form(value)
    else:
        text = text_of(value)
        large = context.gathered.resources.get(text)
        if large is not None:  # a large answer is passed on as it came
            return large
        body = octets(text)
    if len(body) > MAX_BODY:
        raise ScriptError(f"http.request:body has at most {MAX_BODY:,} bytes")
    return body


def _form(fields: Mapping[str, Any]) -> bytes:
    """Return a form; the values of a list come one by one."""
    pairs = [
        (name, octets(text_of(one)))
        for name, value in fields.items()
        for one in (value if isinstance(value, list) else [value])
    ]
    return urlencode(pairs, errors="surrogateescape").encode()


def _answer(outcome: Outcome, inputs: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Return an answer as scripts see it; with ``error`` where it is one."""
    url = text_of(inputs.get("url"))
    if outcome.status is None:
        return {"url": url, "error": f"{outcome.error}: {outcome.detail or 'no answer came'}"}
    headers = _named(outcome.head)
    answer: dict[str, Any] = {
        "status_code": outcome.status,
        "url": url,
        "content_type": headers.get("content-type", ""),
        "headers": headers,
        **_content(outcome, headers.get("content-type", ""), context),
    }
    if outcome.truncated and text_of(inputs.get("method")).upper() != "HEAD":
        answer["error"] = (
            f"the answer was cut off: it has more than {MAX_ANSWER:,} bytes, or broke off"
        )
    elif outcome.status >= 400:
        answer["error"] = f"the answer has status {outcome.status}"
    return answer


def _named(head: bytes) -> dict[str, str]:
    """Return the headers of an answer, names in lower case; several of a name are one."""
    headers: dict[str, str] = {}
    for line in head.split(b"\r\n")[1:]:
        raw, colon, value = line.partition(b":")
        if colon:
            name, text = raw.decode("latin-1").lower(), value.decode("latin-1").strip()
            headers[name] = f"{headers[name]}, {text}" if name in headers else text
    return headers


def _content(outcome: Outcome, content_type: str, context: Context) -> dict[str, Any]:
    """Return the body: as text; binary as a data: URI; a large one beside the dictionary."""
    body = outcome.body
    if len(body) > MAX_BODY:
        if sum(map(len, context.gathered.resources.values())) + len(body) > MAX_RESOURCES:
            raise ScriptError(f"a run holds at most {MAX_RESOURCES:,} bytes of large answers")
        uri = f"cerb:automation_resource:{secrets.token_hex(16)}"
        context.gathered.resources[uri] = body
        return {"body": uri, "is_data_uri": False, "is_cerb_uri": True}
    context.fuel.build(len(body))
    try:
        return {"body": body.decode(), "is_data_uri": False, "is_cerb_uri": False}
    except UnicodeDecodeError:
        kind = content_type.partition(";")[0].strip() or "application/octet-stream"
        encoded = base64.b64encode(body).decode()
        return {"body": f"data:{kind};base64,{encoded}", "is_data_uri": True, "is_cerb_uri": False}
