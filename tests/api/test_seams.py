"""The seams of uvicorn that the protocol relies on; a new version has to show them unchanged."""

from __future__ import annotations

import hashlib
import inspect

import uvicorn
from uvicorn.protocols.http import flow_control, httptools_impl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

# SHA-256 (first 12 digits) of each function that is overridden, called or relied on in its details.
# When one changes: read the new version beside the protocol, adapt it, then the digest.
SEAMS = {
    HttpToolsProtocol.__init__: "4f0899941034",
    HttpToolsProtocol.connection_made: "6efb565ff3d3",
    HttpToolsProtocol.connection_lost: "c91a4c9bf2e2",
    HttpToolsProtocol.data_received: "010a7ae59a5d",
    HttpToolsProtocol.on_message_begin: "96d377fdc7c2",
    HttpToolsProtocol.on_url: "37be44e962b0",
    HttpToolsProtocol.on_header: "65d62c044f61",
    HttpToolsProtocol.on_headers_complete: "1ea8589acfad",
    HttpToolsProtocol.on_body: "dba9c32aeba3",
    HttpToolsProtocol.on_message_complete: "1fbad42dc31f",
    HttpToolsProtocol.on_response_complete: "64e254f28e38",
    HttpToolsProtocol._start_asgi_task: "9c08c2571ae9",
    HttpToolsProtocol.shutdown: "d7351fa33f00",
    HttpToolsProtocol.pause_writing: "17a8fd215d96",
    HttpToolsProtocol.resume_writing: "7844bbaa8cce",
    RequestResponseCycle.send: "abdd8601b326",
    RequestResponseCycle.receive: "8124ae006be7",
    flow_control.FlowControl.pause_reading: "7c27388bb984",
    flow_control.FlowControl.pause_writing: "93d4a08a9f2d",
    uvicorn.Server._serve: "4575b7a50adf",
    uvicorn.Server.startup: "2aa1d70a244b",
    uvicorn.Server.on_tick: "60ea49b06ccf",
    uvicorn.Server.shutdown: "9b33c5056299",
}


def digest(function: object) -> str:
    return hashlib.sha256(inspect.getsource(function).encode()).hexdigest()[:12]  # type: ignore[arg-type]


def test_uvicorn_is_as_it_was_when_the_protocol_was_written() -> None:
    changed = {f.__qualname__: digest(f) for f, known in SEAMS.items() if digest(f) != known}
    assert changed == {}


def test_there_is_a_status_line_for_every_status_that_is_answered() -> None:
    for status in (200, 202, 400, 408, 413, 431, 503):
        assert httptools_impl.STATUS_LINE[status].startswith(b"HTTP/1.1 %d " % status)
