"""What users can set, call and measure is in docs/, and the reference pages are current."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from hookferry.api.caught_views import CaughtView
from hookferry.settings import TOOL_VARIABLES, specs
from hookferry.telemetry import COUNTERS, GAUGES, HISTOGRAMS, Metrics

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SOURCE = ROOT / "src" / "hookferry"


def reference() -> Any:
    spec = importlib.util.spec_from_file_location("reference", DOCS / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "page", ["settings.md", "cli.md", "metrics.md", "providers.md", "language.md"]
)
def test_reference_pages_are_what_make_docs_would_write(page: str) -> None:
    assert (DOCS / page).read_text() == reference().PAGES[page](), "run make docs"


def test_every_setting_is_documented_with_flag_variable_and_default() -> None:
    text = (DOCS / "settings.md").read_text()
    for spec in specs():
        if not spec.hidden:
            for name in (spec.name, spec.flag, spec.env, spec.help, spec.default_text):
                assert name in text
            assert not spec.secret or f"{spec.env}_FILE" in text
    assert all(name in text for name in TOOL_VARIABLES)


def test_every_setting_is_read_by_something() -> None:
    code = "\n".join(
        path.read_text() for path in SOURCE.rglob("*.py") if path.parent.name != "settings"
    )
    refused = {"database", "workers"}  # for the scale-out ledger; other values are refused
    unread = [
        spec.name
        for spec in specs()
        if spec.name not in refused and not re.search(rf"settings\.{spec.name}\b", code)
    ]
    assert not unread, "a setting without effect promises something that does not happen"


def test_every_command_is_documented() -> None:
    text = (DOCS / "cli.md").read_text()
    names = [name for name, _ in reference().commands()]
    assert {"hookferry serve", "hookferry keys create"} <= set(names)
    for name in names:
        assert f"`{name}`" in text or any(other.startswith(f"{name} ") for other in names)


def test_every_field_of_a_caught_request_is_documented() -> None:
    rows = [r for r in (DOCS / "inspector.md").read_text().splitlines() if r.startswith("| `")]
    names = {name for row in rows for name in re.findall(r"`(\w+)`", row.split(" | ")[0])}
    assert set(CaughtView.__struct_fields__) <= names


def test_every_metric_that_is_served_is_documented() -> None:
    text = (DOCS / "metrics.md").read_text()
    metrics = Metrics()
    for name in GAUGES:
        metrics.gauge(name, lambda: 1)
    served = set(re.findall(r"^# TYPE (hookferry_\w+)", metrics.render().decode(), re.MULTILINE))
    assert served == {*COUNTERS, *HISTOGRAMS, *GAUGES}
    for name in served:
        assert f"`{name}`" in text


def test_every_metric_is_counted_by_something() -> None:
    code = "\n".join(
        path.read_text() for path in SOURCE.rglob("*.py") if path.name != "telemetry.py"
    )
    reading = {"counts", "collect", "render", "gauge", "describe"}
    counting = {name for name in vars(Metrics) if not name.startswith("_")} - reading
    for method in counting:
        assert re.search(rf"metrics\.{method}\b", code), f"nobody calls Metrics.{method}"
    for name in GAUGES:
        assert f'"{name}"' in code, f"nobody gives {name} a value"
