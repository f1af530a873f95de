"""What is counted comes out of ``/metrics``; what is logged has no secret and no payload in it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from hookferry import logs
from hookferry.telemetry import Metrics


def samples(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def test_counts_come_out_by_label() -> None:
    metrics = Metrics()
    metrics.accepted(3, unmatched=1)
    metrics.deliveries("delivered", 2)
    metrics.attempt(True, None, 0.004)
    metrics.attempt(False, "timeout", 15)
    metrics.attempt(False, None, 0.5)
    found = samples(metrics)
    assert found["hookferry_events_accepted_total", ()] == 3
    assert found["hookferry_events_unmatched_total", ()] == 1
    assert found["hookferry_deliveries_total", ("delivered",)] == 2
    by_result = {
        labels: value for (name, labels), value in found.items() if name.endswith("attempts_total")
    }
    assert sorted(by_result.values()) == [1, 1, 1]
    assert {frozenset(labels) for labels in by_result} == {
        frozenset({"success", ""}),
        frozenset({"failure", "timeout"}),
        frozenset({"failure", "http_status"}),
    }


def test_histograms_are_cumulative_and_end_in_infinity() -> None:
    metrics = Metrics()
    for rows in (1, 3, 2000):
        metrics.commit(0.002, rows)
    found = samples(metrics)
    assert found["hookferry_commit_batch_bucket", ("1.0",)] == 1
    assert found["hookferry_commit_batch_bucket", ("5.0",)] == 2
    assert found["hookferry_commit_batch_bucket", ("1000.0",)] == 2
    assert found["hookferry_commit_batch_bucket", ("+Inf",)] == 3
    assert found["hookferry_commit_batch_count", ()] == 3
    assert found["hookferry_commit_batch_sum", ()] == 2004
    assert found["hookferry_commit_seconds_sum", ()] == pytest.approx(0.006)


def test_runs_come_out_by_exit_and_with_their_seconds() -> None:
    metrics = Metrics()
    metrics.automation_run("return", 0.004)
    metrics.automation_run("error", 25)
    found = samples(metrics)
    assert found["hookferry_automation_runs_total", ("return",)] == 1
    assert found["hookferry_automation_runs_total", ("error",)] == 1
    assert found["hookferry_automation_run_seconds_bucket", ("0.005",)] == 1
    assert found["hookferry_automation_run_seconds_sum", ()] == pytest.approx(25.004)


def test_gauges_are_read_when_asked_for_and_only_known_ones_exist() -> None:
    metrics = Metrics()
    level = [1]
    metrics.gauge("hookferry_in_flight", lambda: level[0])
    level[0] = 7
    assert samples(metrics)["hookferry_in_flight", ()] == 7
    with pytest.raises(KeyError):
        metrics.gauge("hookferry_of_my_own", lambda: 1)


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_secrets_and_payloads_are_masked_by_name_at_any_depth(stream: io.StringIO) -> None:
    logs.configure("info", "json", stream)
    structlog.get_logger("test").info(
        "sent",
        webhook="wh_1",
        api_key="hf_hush",
        Authorization="Bearer hush",
        payload=b"hush",
        headers={"x": "hush"},
        nested=[{"signing_secret": "hush", "deep": {"proxy-authorization": "hush", "ok": 1}}],
    )
    assert "hush" not in stream.getvalue()
    record = json.loads(stream.getvalue())
    assert record["webhook"] == "wh_1"
    assert record["nested"][0]["deep"]["ok"] == 1


def test_a_traceback_shows_no_local_variables(stream: io.StringIO) -> None:
    for log_format in ("json", "console"):
        logs.configure("info", log_format, stream)  # type: ignore[arg-type]
        hidden = "hush" + str(len(log_format))
        try:
            raise ValueError(len(hidden))
        except ValueError:
            structlog.get_logger("test").exception("failed")
    assert "ValueError" in stream.getvalue()
    assert "hush4" not in stream.getvalue()
    assert "hush7" not in stream.getvalue()


def test_a_long_value_is_cut(stream: io.StringIO) -> None:
    logs.configure("info", "json", stream)
    structlog.get_logger("test").info("x", text="y" * 100_000, things=["z"] * 100_000)
    assert len(stream.getvalue()) < 3 * logs.VALUE_LIMIT


def test_the_standard_librarys_loggers_go_the_same_way_and_libraries_stay_quiet(
    stream: io.StringIO,
) -> None:
    logs.configure("info", "json", stream)
    logging.getLogger("asyncio").error("task %s died", "seven")
    logging.getLogger("uvicorn.access").info("GET /secret")
    structlog.get_logger("test").debug("not asked for")
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["event"] == "task seven died"
