"""The trace of a publish reaches its receivers, and hookferry's own spans hang together."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator

import msgspec
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id

from hookferry import ids
from hookferry.domain.webhook import Mode
from hookferry.engine.intake import Answer, Receipt
from hookferry.engine.publication import Publication
from hookferry.errors import BadSettings, StartupError
from hookferry.tracing import TraceContext, Tracing, read_trace, tracing_of
from hookferry.transport.port import ErrorKind, Outcome

from .kit import EXACT, HANGS, ONCE, Rig, answers

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
STATE = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"


def read(*headers: tuple[str, str]) -> TraceContext | None:
    return read_trace([(name.encode(), value.encode("latin-1")) for name, value in headers])


# ------------------------------------------------------------------ W3C Trace Context, level 1


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (PARENT, PARENT),
        (f"  {PARENT}\t", PARENT),
        (f"00-{TRACE}-b7ad6b7169203331-00", f"00-{TRACE}-b7ad6b7169203331-00"),
        (f"cc-{TRACE}-b7ad6b7169203331-01", PARENT),
        (f"cc-{TRACE}-b7ad6b7169203331-09-what-is-this", PARENT),
    ],
    ids=["as it is", "blanks around", "not sampled", "later version", "later version with more"],
)
def test_a_traceparent_is_read(sent: str, kept: str) -> None:
    assert read(("traceparent", sent)) == TraceContext(kept)


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "nonsense",
        PARENT.upper(),
        f"ff-{TRACE}-b7ad6b7169203331-01",
        f"00-{TRACE}-b7ad6b7169203331-01-more",
        f"cc-{TRACE}-b7ad6b7169203331-01.more",
        f"00-{TRACE}-b7ad6b7169203331",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"{PARENT}\r\nX-Injected: yes",
        f"00-{TRACE[:-1]}\xe9-b7ad6b7169203331-01",
    ],
)
def test_a_malformed_traceparent_is_ignored_with_its_tracestate(sent: str) -> None:
    assert read(("traceparent", sent), ("tracestate", STATE)) is None


def test_two_traceparents_are_none() -> None:
    assert read(("traceparent", PARENT), ("traceparent", PARENT)) is None


def test_a_tracestate_alone_is_ignored() -> None:
    assert read(("tracestate", STATE)) is None


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ([STATE], STATE),
        (["rojo=1", "congo=2"], "rojo=1,congo=2"),
        (["rojo=1 , ,\tcongo=2,"], "rojo=1,congo=2"),
        (["fw529a3039@dt=FfffffffffffffffffffF"], "fw529a3039@dt=FfffffffffffffffffffF"),
        ([""], None),
        (["rojo"], None),
        (["Rojo=1"], None),
        (["rojo=a=b"], None),
        (["rojo=1,rojo=2"], None),
        (["rojo=1\r\nX-Injected: yes"], None),
        ([",".join(f"k{n}=v" for n in range(32))], ",".join(f"k{n}=v" for n in range(32))),
        ([",".join(f"k{n}=v" for n in range(33))], None),
        ([f"a={'x' * 255},b={'y' * 252}"], f"a={'x' * 255},b={'y' * 252}"),
        ([f"a={'x' * 255},b={'y' * 253}"], None),
    ],
)
def test_a_tracestate_is_kept_where_it_is_one(sent: list[str], kept: str | None) -> None:
    found = read(("traceparent", PARENT), *(("tracestate", part) for part in sent))
    assert found == TraceContext(PARENT, kept)


# ------------------------------------------------------------------ passing it on


async def publish(rig: Rig, trace: TraceContext | None, *, key: str | None = None) -> Answer:
    told: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    publication = Publication(type="contact.created", data=msgspec.Raw(b"{}"))
    rig.engine.intake.publish(rig.tenant, publication, told.set_result, key, trace=trace)
    return await told


def traces(rig: Rig, name: str = "crm") -> list[tuple[str, str]]:
    return [(s.header("traceparent"), s.header("tracestate")) for s in rig.sent[name]]


async def test_without_an_exporter_every_try_carries_the_publishers_own_context(rig: Rig) -> None:
    await rig.webhook(retry=EXACT)
    rig.receivers["crm"] = answers(500, then=200)
    await publish(rig, TraceContext(PARENT, STATE))
    await rig.quiet()
    assert traces(rig) == [(PARENT, STATE)] * 2


async def test_an_event_without_a_trace_sends_none(rig: Rig) -> None:
    await rig.webhook()
    await publish(rig, None)
    await rig.quiet()
    [sent] = rig.sent["crm"]
    assert b"trace" not in sent.head.lower()


async def test_the_context_outlives_a_crash(rig: Rig) -> None:
    await rig.webhook(retry=EXACT)
    rig.receivers["crm"] = HANGS
    await publish(rig, TraceContext(PARENT, STATE))
    await rig.until(lambda: bool(rig.sent.get("crm")))
    rig.crash()
    rig.sent.clear()
    rig.receivers["crm"] = answers(200)
    await rig.boot()
    await rig.quiet()
    assert traces(rig) == [(PARENT, STATE)]


async def test_a_repeat_with_another_trace_is_still_a_repeat(rig: Rig) -> None:
    first = await publish(rig, TraceContext(PARENT), key="k-1")
    other = TraceContext(PARENT.replace("b7ad", "a7ad"))
    again = await publish(rig, other, key="k-1")
    assert isinstance(first, Receipt)
    assert isinstance(again, Receipt)
    assert again.duplicate
    assert again.event_id == first.event_id


# ------------------------------------------------------------------ hookferry's own spans


class Spans:
    """What was exported."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracing = Tracing(self.provider, "1.2.3")

    def named(self, name: str) -> list[ReadableSpan]:
        return [s for s in self._exporter.get_finished_spans() if s.name == name]

    def all(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()


@pytest.fixture
def spans() -> Iterator[Spans]:
    made = Spans()
    yield made
    made.provider.shutdown()


@pytest.fixture
async def traced(bare: Rig, spans: Spans) -> Rig:
    bare.tracing = spans.tracing
    await bare.boot()
    return bare


def context(span: ReadableSpan) -> tuple[str, str]:
    assert span.context is not None
    return format_trace_id(span.context.trace_id), format_span_id(span.context.span_id)


def parent(span: ReadableSpan) -> str | None:
    return None if span.parent is None else format_span_id(span.parent.span_id)


async def test_one_trace_leads_from_the_publisher_to_the_receiver_and_retries_are_siblings(
    traced: Rig, spans: Spans
) -> None:
    webhook = await traced.webhook(retry=EXACT)
    traced.receivers["crm"] = answers(500, then=200)
    answer = await publish(traced, TraceContext(PARENT, STATE))
    await traced.quiet()
    assert isinstance(answer, Receipt)
    [accept] = spans.named("accept")
    attempts, settles = spans.named("attempt"), spans.named("settle")
    assert {context(s)[0] for s in spans.all()} == {TRACE}
    assert parent(accept) == "b7ad6b7169203331"
    assert [parent(s) for s in attempts] == [context(accept)[1]] * 2
    assert [parent(s) for s in settles] == [context(s)[1] for s in attempts]
    # What the receiver is told is the try's own span.
    assert traces(traced) == [(f"00-{TRACE}-{context(s)[1]}-01", STATE) for s in attempts]
    assert accept.kind is SpanKind.SERVER
    assert attempts[0].kind is SpanKind.CLIENT
    event, delivery = ids.encode("evt", answer.event_id), await traced.delivery()
    assert dict(accept.attributes or {}) == {
        "messaging.system": "hookferry",
        "messaging.operation.name": "accept",
        "messaging.operation.type": "receive",
        "messaging.message.id": event,
        "hookferry.event.type": "contact.created",
        "hookferry.deliveries": 1,
        "hookferry.duplicate": False,
    }
    assert [dict(s.attributes or {}) for s in attempts] == [
        {
            "messaging.system": "hookferry",
            "messaging.operation.name": "attempt",
            "messaging.operation.type": "send",
            "messaging.message.id": event,
            "http.request.method": "POST",
            "url.full": "https://crm.example/in",
            "server.address": "crm.example",
            "server.port": 443,
            "hookferry.webhook.id": ids.encode("wh", webhook.id),
            "hookferry.delivery.id": ids.encode("dlv", delivery.id),
            "hookferry.attempt": number,
            "http.response.status_code": status,
            **more,
        }
        for number, status, more in (
            (1, 500, {"error.type": "500"}),
            (2, 200, {"http.request.resend_count": 1}),
        )
    ]
    assert [s.status.status_code for s in attempts] == [StatusCode.ERROR, StatusCode.UNSET]
    assert [(s.attributes or {})["hookferry.delivery.state"] for s in settles] == [
        "retrying",
        "delivered",
    ]


async def test_a_publisher_without_a_trace_begins_one(traced: Rig, spans: Spans) -> None:
    await traced.webhook()
    await publish(traced, None)
    await traced.quiet()
    [accept], [attempt] = spans.named("accept"), spans.named("attempt")
    assert accept.parent is None
    assert parent(attempt) == context(accept)[1]
    [sent] = traced.sent["crm"]
    assert sent.header("traceparent").startswith("00-{}-{}-".format(*context(attempt)))


async def test_what_the_publisher_does_not_sample_is_passed_on_and_not_exported(
    traced: Rig, spans: Spans
) -> None:
    await traced.webhook()
    await publish(traced, TraceContext(PARENT[:-2] + "00"))
    await traced.quiet()
    assert spans.all() == ()
    [sent] = traced.sent["crm"]
    _, trace, _, flags = sent.header("traceparent").split("-")
    assert (trace, flags) == (TRACE, "00")


async def test_a_retry_after_a_restart_belongs_to_the_same_trace(traced: Rig, spans: Spans) -> None:
    await traced.webhook(retry=EXACT)
    traced.receivers["crm"] = answers(500)
    await publish(traced, TraceContext(PARENT))
    await traced.until(lambda: len(spans.named("settle")) == 1)
    traced.crash()
    traced.receivers["crm"] = answers(200)
    await traced.boot()
    await traced.quiet()
    [accept] = spans.named("accept")
    attempts = spans.named("attempt")
    assert [(s.attributes or {})["hookferry.attempt"] for s in attempts] == [1, 2]
    assert {parent(s) for s in attempts} == {context(accept)[1]}


async def test_no_answer_is_an_error_by_its_kind(traced: Rig, spans: Spans) -> None:
    await traced.webhook(retry=ONCE)
    traced.receivers["crm"] = lambda _: (0.0, Outcome(error=ErrorKind.TLS_CERTIFICATE))
    await publish(traced, None)
    await traced.quiet()
    [attempt] = spans.named("attempt")
    assert (attempt.attributes or {})["error.type"] == "tls_certificate"
    assert "http.response.status_code" not in (attempt.attributes or {})
    assert attempt.status.status_code is StatusCode.ERROR


async def test_a_refused_event_and_a_repeat_say_so(traced: Rig, spans: Spans) -> None:
    told: list[Answer] = []
    bad = Publication(type="no type!" * 100, data=msgspec.Raw(b"1"))
    traced.engine.intake.publish(traced.tenant, bad, told.append)
    await publish(traced, None, key="k-1")
    await publish(traced, None, key="k-1")
    refused, first, again = (dict(s.attributes or {}) for s in spans.named("accept"))
    assert refused["error.type"] == "invalid_field"
    assert len(str(refused["hookferry.event.type"])) == 128
    assert [first["hookferry.duplicate"], again["hookferry.duplicate"]] == [False, True]
    assert first["messaging.message.id"] == again["messaging.message.id"]


async def test_a_synchronous_call_is_an_attempt_like_any_other(traced: Rig, spans: Spans) -> None:
    await traced.webhook(mode=Mode.SYNC)
    await publish(traced, TraceContext(PARENT))
    await traced.quiet()
    [accept], [attempt], [settle] = (spans.named(n) for n in ("accept", "attempt", "settle"))
    assert parent(attempt) == context(accept)[1]
    assert parent(settle) == context(attempt)[1]
    [sent] = traced.sent["crm"]
    assert sent.header("traceparent") == "00-{}-{}-01".format(*context(attempt))


async def test_no_secret_is_in_a_span(traced: Rig, spans: Spans) -> None:
    webhook = await traced.webhook(headers={"X-Api-Key": "hush-header"})
    await traced.change(webhook, target_url="https://crm.example/in?token=hush-query")
    await publish(traced, None)
    await traced.quiet()
    assert len(spans.all()) == 3
    text = "".join(span.to_json() for span in spans.all())
    assert "crm.example/in" in text
    assert "hush" not in text
    assert "whsec" not in text


# ------------------------------------------------------------------ deciding, and ending

ASKED = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        ASKED | {"OTEL_SDK_DISABLED": "TRUE"},
        ASKED | {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_SERVICE_NAME": "something"},
    ],
)
def test_nothing_is_exported_unless_asked_for(environ: dict[str, str]) -> None:
    assert tracing_of(environ, "1") is None


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "otlp"),
        (ASKED | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "4318"),
        (ASKED | {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"}, "http/protobuf"),
    ],
)
def test_what_hookferry_can_not_export_to_is_refused_at_the_start(
    environ: dict[str, str], says: str
) -> None:
    with pytest.raises(BadSettings, match=says):
        tracing_of(environ, "1")


def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(StartupError, match=r"pip install 'hookferry\[otel\]'"):
        tracing_of(ASKED, "1")


async def test_an_exporter_that_hangs_does_not_hold_up_the_end() -> None:
    released = threading.Event()

    class Hangs(TracerProvider):
        def shutdown(self) -> None:
            released.wait(30)
            super().shutdown()

    provider = Hangs(shutdown_on_exit=False)
    began = asyncio.get_running_loop().time()
    await Tracing(provider, "1").aclose(0.2)
    assert asyncio.get_running_loop().time() - began < 5
    released.set()
