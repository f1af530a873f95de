"""Traces of the real program: over real sockets, to a collector that takes OTLP over HTTP."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from hookferry.testing import Receiver

from .kit import PATIENCE, serving

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PUBLISHER = "00f067aa0ba902b7"
HEADERS = {"traceparent": f"00-{TRACE}-{PUBLISHER}-01", "tracestate": "congo=t61rcWkgMzE"}


def spans_at(collector: Receiver) -> list[dict[str, Any]]:
    """What a collector was sent, oldest first."""
    found = []
    for request in collector.requests:
        assert request.path == "/v1/traces"
        sent = ExportTraceServiceRequest.FromString(request.body)
        for group in sent.resource_spans:
            resource = {a.key: a.value.string_value for a in group.resource.attributes}
            for scope in group.scope_spans:
                found += [
                    {
                        "service": resource["service.name"],
                        "name": span.name,
                        "trace": span.trace_id.hex(),
                        "id": span.span_id.hex(),
                        "parent": span.parent_span_id.hex(),
                        "start": span.start_time_unix_nano,
                    }
                    for span in scope.spans
                ]
    return sorted(found, key=lambda span: span["start"])


async def test_one_trace_leads_from_the_publisher_over_hookferry_to_the_receiver(
    tmp_path: Path,
) -> None:
    async with Receiver() as receiver, Receiver() as collector:
        traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        async with serving(tmp_path / "data", **traced) as (server, calls):
            await calls.subscribe("crm", receiver.url, retry={"schedule": [0.1], "jitter": 0})
            receiver.fail_next(1)
            event = {"type": "to.crm", "data": 1}
            told = await calls.client.post("/api/v1/events", json=event, headers=HEADERS)
            assert told.status_code == 202
            first, second = await receiver.wait_for_async(2, PATIENCE)
            await calls.settled(told.json()["id"])
            server.terminate()
            assert await server.ended() == 0  # the drain exports what is left
        spans = spans_at(collector)
    assert {span["trace"] for span in spans} == {TRACE}
    assert {span["service"] for span in spans} == {"hookferry"}
    [accept] = [span for span in spans if span["name"] == "accept"]
    attempts = [span for span in spans if span["name"] == "attempt"]
    settles = [span for span in spans if span["name"] == "settle"]
    assert accept["parent"] == PUBLISHER
    assert [span["parent"] for span in attempts] == [accept["id"]] * 2
    assert [span["parent"] for span in settles] == [span["id"] for span in attempts]
    assert [request.header("traceparent") for request in (first, second)] == [
        f"00-{TRACE}-{span['id']}-01" for span in attempts
    ]
    assert {r.header("tracestate") for r in (first, second)} == {HEADERS["tracestate"]}


async def test_without_an_exporter_the_publishers_headers_arrive_by_every_door(
    tmp_path: Path,
) -> None:
    event = {"type": "to.crm", "data": 1}
    async with Receiver() as receiver, serving(tmp_path / "data") as (_, calls):
        await calls.subscribe("crm", receiver.url)
        await calls.client.post("/api/v1/events", json=event, headers=HEADERS)
        await calls.client.post("/api/v1/events/batch", json=[event, event], headers=HEADERS)
        await calls.client.post("/api/v1/events", json=event, headers={"traceparent": "broken"})
        requests = await receiver.wait_for_async(4, PATIENCE)
    seen = sorted((r.header("traceparent") or "", r.header("tracestate") or "") for r in requests)
    assert seen == [("", ""), *[(HEADERS["traceparent"], HEADERS["tracestate"])] * 3]


async def test_a_collector_that_hangs_holds_up_neither_deliveries_nor_the_end(
    tmp_path: Path,
) -> None:
    async with Receiver() as receiver, Receiver() as collector:
        collector.hang_next(100)
        traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "10"}
        async with serving(tmp_path / "data", **traced) as (server, calls):
            await calls.subscribe("crm", receiver.url)
            await calls.publish("crm")
            await collector.wait_for_async(1, PATIENCE)
            event = await calls.publish("crm")  # while the exporter is stuck
            await receiver.wait_for_async(2, PATIENCE)
            assert (await calls.settled(event))[0]["state"] == "delivered"
            began = time.monotonic()
            server.terminate()
            assert await server.ended() == 0
            assert time.monotonic() - began < PATIENCE / 2
        collector.release()
