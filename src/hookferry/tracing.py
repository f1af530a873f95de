"""Traces: W3C Trace Context between publisher and receiver, and hookferry's own spans.

A publish that carries a trace context has it passed on with each of its requests, whether or not
anything is exported. Where the standard ``OTEL_*`` variables ask for it, hookferry adds spans of
its own: ``accept``, ``attempt``, ``settle``. That is decided once, at the start, so that a server
without it pays a comparison with None. Nothing here knows an engine, a store or a web framework;
metrics are in ``hookferry.telemetry``, log records in ``hookferry.logs``.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from hookferry.errors import BadSettings, StartupError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

TRACEPARENT = b"traceparent"
TRACESTATE = b"tracestate"
MAX_TRACESTATE = 512
"""Characters of a tracestate that is passed on; a longer one is dropped (section 3.3.1.5)."""
MAX_MEMBERS = 32
MAX_SETTLING = 10_000
"""Settle spans open at a time; an attempt beyond it gets none."""
FLUSH_SECONDS = 5.0
"""How long a shutdown waits for the exporter."""
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_CUT = 128
"""Characters of a publisher's own text in an attribute."""

# W3C Trace Context level 1, section 3.2.2: later versions may append fields after a dash.
_PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NO_TRACE = b"0" * 32
_NO_PARENT = b"0" * 16
# Section 3.3.1: a key is a name, or tenant@system; a value is printable without comma and equals.
_MEMBER = re.compile(
    r"([a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)


class TraceContext(msgspec.Struct, frozen=True, gc=False):
    """Whose trace a request belongs to: the headers, checked."""

    traceparent: str
    tracestate: str | None = None

    @property
    def lines(self) -> bytes:
        """The headers as they are sent, each line ended by CRLF."""
        line = f"traceparent: {self.traceparent}\r\n"
        if self.tracestate is not None:
            line += f"tracestate: {self.tracestate}\r\n"
        return line.encode()


def read_trace(headers: Iterable[tuple[bytes, bytes]]) -> TraceContext | None:
    """Return the trace context in a request's headers (W3C Trace Context level 1).

    What is malformed is ignored, as the specification says: a traceparent that is not one, or is
    there twice, with its tracestate; a bad or too long tracestate alone.

    Args:
        headers: names in lower case, and values.
    """
    parents: list[bytes] = []
    states: list[bytes] = []
    for name, value in headers:
        if name == TRACEPARENT:
            parents.append(value)
        elif name == TRACESTATE:
            states.append(value)
    parent = _parent(parents[0]) if len(parents) == 1 else None
    return None if parent is None else TraceContext(parent, _state(b",".join(states)))


def _parent(value: bytes) -> str | None:
    found = _PARENT.fullmatch(value.strip(b" \t"))
    if found is None:
        return None
    version, trace, span, flags, more = found.groups()
    if version == b"ff" or trace == _NO_TRACE or span == _NO_PARENT:
        return None
    if version == b"00":
        return None if more else found[0].decode()
    # A later version: what is known of it goes on, as the version known here (section 4.3).
    return f"00-{trace.decode()}-{span.decode()}-{int(flags, 16) & 1:02x}"


def _state(value: bytes) -> str | None:
    # latin-1 takes any byte; the pattern then takes ASCII only.
    members = [m for m in (part.strip(" \t") for part in value.decode("latin-1").split(",")) if m]
    if not members or len(members) > MAX_MEMBERS:
        return None
    keys = set()
    for member in members:
        found = _MEMBER.fullmatch(member)
        if found is None or found[1] in keys:
            return None
        keys.add(found[1])
    joined = ",".join(members)
    return joined if len(joined) <= MAX_TRACESTATE else None


class AcceptSpan:
    """From a publish to its commit, or to its refusal.

    Attributes:
        trace: what is kept with the event: its attempts are this span's children.
    """

    __slots__ = ("_span", "trace")

    def __init__(self, span: Span) -> None:
        self._span = span
        self.trace = _context_of(span)

    def accepted(self, event: str, deliveries: int, *, duplicate: bool) -> None:
        """End: it is durable, or it was before."""
        self._span.set_attributes(
            {
                "messaging.message.id": event,
                "hookferry.deliveries": deliveries,
                "hookferry.duplicate": duplicate,
            }
        )
        self._span.end()

    def refused(self, code: str) -> None:
        """End: nothing was stored, because of an error with this stable code."""
        self._span.set_attribute("error.type", code)
        self._span.set_status(_FAILED)
        self._span.end()


class AttemptSpan:
    """One request to a receiver.

    Attributes:
        delivery: its text id, and ``delivery_id`` its number.
        context: for the settle span, its child.
        lines: the headers that make the receiver's spans children of this one.
    """

    __slots__ = ("_span", "context", "delivery", "delivery_id", "lines")

    def __init__(self, span: Span, delivery_id: int, delivery: str) -> None:
        self._span = span
        self.delivery_id = delivery_id
        self.delivery = delivery
        self.context = set_span_in_context(span, Context())
        self.lines = _context_of(span).lines

    def ended(self, status: int | None, error: str | None) -> None:
        """End; the parameters are those of ``Tracing.attempted``."""
        span = self._span
        if status is not None:
            span.set_attribute("http.response.status_code", status)
        if error is not None:
            # Semantic conventions, HTTP client: the status as text where one came.
            span.set_attribute("error.type", error if status is None else str(status))
            span.set_status(_FAILED)
        span.end()


class Tracing:
    """Makes hookferry's spans; used from the event loop's thread only.

    Args:
        provider: where they go.
        version: hookferry's own.
    """

    def __init__(self, provider: TracerProvider, version: str) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("hookferry", version)
        self._settling: dict[int, Span] = {}

    def accept(self, trace: TraceContext | None, event_type: str) -> AcceptSpan:
        """Begin to accept an event.

        Args:
            trace: the publisher's; without one, a trace begins here.
            event_type: as published, checked or not.
        """
        return AcceptSpan(
            self._tracer.start_span(
                "accept",
                _remote(trace),
                SpanKind.SERVER,
                {
                    "messaging.system": "hookferry",
                    "messaging.operation.name": "accept",
                    "messaging.operation.type": "receive",
                    "hookferry.event.type": event_type[:_CUT],
                },
            )
        )

    def attempt(
        self,
        trace: TraceContext | None,
        *,
        delivery_id: int,
        delivery: str,
        event: str,
        webhook: str,
        number: int,
        url: str,
        host: str,
        port: int,
    ) -> AttemptSpan:
        """Begin an attempt.

        Args:
            trace: kept with the event; None for an event of a server that exported nothing.
            delivery_id: the delivery's number, and ``delivery``, ``event``, ``webhook`` its text
                ids.
            number: 1 for the first.
            url: where the request goes, without what may be secret: query and user.
            host: the receiver's name.
            port: and port.
        """
        attributes: dict[str, str | int] = {
            "messaging.system": "hookferry",
            "messaging.operation.name": "attempt",
            "messaging.operation.type": "send",
            "messaging.message.id": event,
            "http.request.method": "POST",
            "url.full": url,
            "server.address": host,
            "server.port": port,
            "hookferry.webhook.id": webhook,
            "hookferry.delivery.id": delivery,
            "hookferry.attempt": number,
        }
        if number > 1:
            attributes["http.request.resend_count"] = number - 1
        span = self._tracer.start_span("attempt", _remote(trace), SpanKind.CLIENT, attributes)
        return AttemptSpan(span, delivery_id, delivery)

    def attempted(self, attempt: AttemptSpan, status: int | None, error: str | None) -> None:
        """End an attempt, and begin to make its outcome durable.

        Args:
            attempt: which.
            status: of the answer, where one came.
            error: why it is no success: an error kind or ``status_...``; None when it is one.
        """
        attempt.ended(status, error)
        if len(self._settling) < MAX_SETTLING:
            self._settling[attempt.delivery_id] = self._tracer.start_span(
                "settle",
                attempt.context,
                SpanKind.INTERNAL,
                {
                    "messaging.system": "hookferry",
                    "messaging.operation.name": "settle",
                    "messaging.operation.type": "settle",
                    "hookferry.delivery.id": attempt.delivery,
                },
            )

    def settled(self, delivery_id: int, state: str, *, refused: bool = False) -> None:
        """End a settle span.

        Args:
            delivery_id: whose attempt.
            state: the delivery's new state.
            refused: it was not stored, because another node owns the delivery by now.
        """
        span = self._settling.pop(delivery_id, None)
        if span is None:
            return
        span.set_attribute("hookferry.delivery.state", state)
        if refused:
            span.set_attribute("error.type", "settle_refused")
            span.set_status(_FAILED)
        span.end()

    async def aclose(self, timeout: float = FLUSH_SECONDS) -> None:
        """Export what is left, for ``timeout`` seconds at most."""
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def shut_down() -> None:
            self._provider.shutdown()
            try:
                loop.call_soon_threadsafe(done.set)
            except RuntimeError:  # the loop did not wait so long
                return

        # A daemon: an exporter that hangs must hold up neither the drain nor the process.
        threading.Thread(target=shut_down, name="traces-shutdown", daemon=True).start()
        try:
            await asyncio.wait_for(done.wait(), timeout)
        except TimeoutError:
            return


_FAILED = Status(StatusCode.ERROR)
_propagator = TraceContextTextMapPropagator()


def _remote(trace: TraceContext | None) -> Context:
    """Return a context whose span is the remote one; an empty one begins a trace."""
    if trace is None:
        return Context()
    carrier = {"traceparent": trace.traceparent}
    if trace.tracestate is not None:
        carrier["tracestate"] = trace.tracestate
    return _propagator.extract(carrier, Context())


def _context_of(span: Span) -> TraceContext:
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, set_span_in_context(span, Context()))
    return TraceContext(carrier["traceparent"], carrier.get("tracestate"))


def tracing_of(environ: Mapping[str, str], version: str) -> Tracing | None:
    """Decide whether this process exports traces, and make what does.

    On where an OTLP endpoint is named or ``OTEL_TRACES_EXPORTER`` is ``otlp``; the exporter, the
    sampler, the batch processor and the resource read their own ``OTEL_*`` variables.

    Args:
        environ: the environment; the SDK itself reads the process's own.
        version: hookferry's own.

    Raises:
        StartupError: tracing is asked for, and the extra ``otel`` is not installed.
        BadSettings: an exporter or a protocol is asked for that hookferry does not have.
    """
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if exporter == "none" or not (exporter or any(environ.get(name) for name in _ENDPOINTS)):
        return None
    if exporter not in ("", "otlp"):
        raise BadSettings(
            f"OTEL_TRACES_EXPORTER is {exporter!r}; hookferry exports to otlp, or none",
            field="OTEL_TRACES_EXPORTER",
        )
    variable = next((name for name in _PROTOCOLS if environ.get(name)), None)
    if variable is not None and environ[variable].strip() != "http/protobuf":
        raise BadSettings(
            f"{variable} is {environ[variable]!r}; hookferry exports over http/protobuf, which "
            "collectors take on port 4318",
            field=variable,
        )
    try:
        return Tracing(_provider(version), version)
    except ImportError as error:
        raise StartupError(
            "the environment asks for traces (OTEL_*) and the exporter is not installed; run "
            f"pip install 'hookferry[otel]', or set OTEL_TRACES_EXPORTER=none ({error})"
        ) from None
    except (ValueError, RuntimeError) as error:
        raise BadSettings(f"the OTEL_* variables can't be used: {error}") from None


def _provider(version: str) -> TracerProvider:
    """Build the SDK's provider. Its queue is bounded, and its thread exports (OTEL_BSP_*)."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create()
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: "hookferry"}))
    resource = resource.merge(Resource({"service.version": version}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
