"""``python -m bench``: measure rows, print a table, write ``bench/results/<time>.json``."""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import json
import os
import platform
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from bench.figures import BASELINE, Figure, baseline_us
from bench.rows import ROWS, null_engine
from bench.server import kill_all
from bench.windows import FULL, QUICK, Bench

RESULTS = Path(__file__).parent / "results"
_STYLES = {"moonshot": "bold green", "met": "green", "missed": "bold red", "not measured": "yellow"}


def machine() -> dict[str, Any]:
    """Describe this machine, without naming it."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {"cpu": model, "cores": os.cpu_count(), "python": platform.python_version()}


def calibrate(bench: Bench) -> None:
    """Make this machine the one the budgets in microseconds refer to."""
    figures = [bench.reference_us() for _ in range(25)]
    BASELINE.write_text(
        json.dumps({"us": round(statistics.median(figures), 3), **machine()}, indent=1) + "\n"
    )
    print(BASELINE.read_text(), end="")


def show(figures: list[Figure], console: Console) -> None:
    """Print the table."""
    table = Table(title="hookferry bench", title_justify="left", box=SIMPLE, pad_edge=False)
    table.add_column("what", overflow="fold")
    for name in ("measured", "budget", "moonshot", "verdict"):
        table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    for f in figures:
        notes = [] if f.value is None else [f"{f.windows} windows, {f.void} void"]
        if f.raw is not None:
            notes.append(f"raw {f.raw:,.4g} {f.unit}")
        if f.note:
            notes.append(f.note)
        table.add_row(
            f"{f.what}\n[dim]{'; '.join(notes)}[/dim]",
            "-" if f.value is None else f"{f.value:,.4g} {f.unit}",
            f"{f.budget:g}",
            f"{f.moonshot:g}",
            f"[{_STYLES[f.verdict]}]{f.verdict}[/]",
        )
    console.print(table)


def main() -> int:
    """Run; the exit code says whether the run was valid, not whether budgets were met."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rows", default=",".join(ROWS), help="which rows, separated by commas")
    parser.add_argument("--quick", action="store_true", help="short windows and small ledgers")
    parser.add_argument("--calibrate", action="store_true", help=calibrate.__doc__)
    options = parser.parse_args()
    names = options.rows.split(",")
    if unknown := set(names) - set(ROWS):
        parser.error(f"no row {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    console = Console()
    bench = Bench(QUICK if options.quick else FULL)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: stopped"))
    began = time.monotonic()
    figures: list[Figure] = []
    try:
        if options.calibrate:
            calibrate(bench)
            return 0
        references = [bench.reference_us()]
        with tempfile.TemporaryDirectory(prefix="hookferry-bench-") as folder:
            null = null_engine(bench, Path(folder))
            for name in names:
                console.print(f"[dim]measuring {name}: {ROWS[name].__doc__}[/dim]")
                with tempfile.TemporaryDirectory(dir=folder) as own:
                    figures += ROWS[name](bench, null, Path(own))
                references.append(bench.reference_us())
            bench.audit(null)
    finally:
        kill_all()
        bench.close()
    reference = statistics.median(references)
    show(figures, console)
    console.print(
        f"Reference workload: {reference:.2f} us here, {baseline_us():.2f} us on the machine the "
        f"budgets refer to (bench/reference.json); normalised = raw x {baseline_us():.2f} / the "
        f"reference measured around the same window. Duplicates: {bench.duplicates}. "
        f"{time.monotonic() - began:.0f} s."
    )
    RESULTS.mkdir(exist_ok=True)
    now = dt.datetime.now(dt.UTC)
    path = RESULTS / f"{now:%Y-%m-%dT%H%M%SZ}{'-quick' if options.quick else ''}.json"
    document = {
        "at": now.isoformat(timespec="seconds"),
        "machine": machine(),
        "plan": dataclasses.asdict(bench.plan),
        "reference_us": reference,
        "baseline_us": baseline_us(),
        "duplicates": bench.duplicates,
        "figures": [dataclasses.asdict(f) | {"verdict": f.verdict} for f in figures],
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
    console.print(f"written: {path.relative_to(Path.cwd())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
