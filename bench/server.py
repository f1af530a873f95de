"""A hookferry under measurement: started as its users start it, watched from outside."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from bench.control import ROOT

API_KEY = "bench-key-of-at-least-24-characters"
SECRET = "whsec_" + "YmVuY2htYXJrLXNlY3JldC1vZi0zMi1ieXRlcyEh"
TICK_US = 1e6 / os.sysconf("SC_CLK_TCK")
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


_running: list[subprocess.Popen[bytes]] = []


def launch(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a program under measurement; ``kill_all`` ends it if nothing else does."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, **options)
    _running.append(process)
    return process


def kill_all() -> None:
    """End every program that still runs; for the end of a run, however it ends."""
    for process in _running:
        if process.poll() is None:
            process.kill()
            process.wait()


class Server:
    """One process of ``hookferry serve``.

    Args:
        name: names it in URLs and reports.
        data: its data folder.
        null: run the null engine: the same ingest and sender with nothing stored.
        **settings: further settings, as in the environment.
    """

    def __init__(self, name: str, data: Path, *, null: bool = False, **settings: Any) -> None:
        self.name = name
        self.data = data
        self.null = null
        self.port = free_port()
        self.settings = settings
        data.mkdir(parents=True, exist_ok=True)
        self.start()

    def start(self) -> None:
        """Start the process; ``started_ns`` is when."""
        environ = {k: v for k, v in os.environ.items() if not k.startswith("HOOKFERRY_")}
        # An installed program has its bytecode; from source it compiles itself with each start.
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        environ |= {
            "HOOKFERRY_PORT": str(self.port),
            "HOOKFERRY_DATA": str(self.data),
            "HOOKFERRY_API_KEY": API_KEY,
            "HOOKFERRY_ALLOW_HTTP": "true",
            "HOOKFERRY_ALLOW_TARGETS": "127.0.0.0/8",
            "HOOKFERRY_LOG_LEVEL": "error",
            "HOOKFERRY_DRAIN_TIMEOUT": "1",
        }
        if self.null:
            # What does not fit into memory waits in the ledger, and here there is none.
            environ |= {"HOOKFERRY_NULL_ENGINE": "true", "HOOKFERRY_LANE_MEMORY": "100000"}
        environ |= {f"HOOKFERRY_{k.upper()}": str(v) for k, v in self.settings.items()}
        self.started_ns = time.monotonic_ns()
        self.process = launch(
            [sys.executable, "-m", "hookferry.cli", "serve"],
            cwd=ROOT,
            env=environ,
            stderr=(self.data / "stderr.log").open("w"),
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                self.call("GET", "/readyz")
                return
            except (OSError, urllib.error.HTTPError):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(
                        f"bench: the server {self.name} does not start; {self.data}/stderr.log"
                    ) from None
                time.sleep(0.02)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Call the API; return the parsed JSON, or text."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"},
        )
        with _OPENER.open(request, timeout=30) as answer:
            text = answer.read()
            kind = answer.headers.get("Content-Type", "")
        return json.loads(text) if "json" in kind and text else text.decode()

    def subscribe(self, number: int, url: str, **fields: Any) -> dict[str, Any]:
        """Make the webhook that gets every event of type ``bench.<number>``."""
        try:
            made: dict[str, Any] = self.call(
                "POST",
                "/api/v1/webhooks",
                {
                    "name": f"bench-{number}",
                    "target_url": url,
                    "events": [f"bench.{number}"],
                    "profile": "standard",
                    "secret": SECRET,
                    **fields,
                },
            )
        except urllib.error.HTTPError as error:
            raise SystemExit(f"bench: webhook refused: {error.read().decode()}") from None
        return made

    def cpu_us(self) -> float:
        """Return CPU microseconds so far of the process and of the one that writes its ledger, all
        threads, user and system."""
        ticks = 0
        for folder in self._processes():
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks * TICK_US

    def memory_mb(self) -> float:
        """Return the greatest resident memory so far of both together, in MB (10^6 bytes)."""
        return sum(_most_kib(folder) for folder in self._processes()) * 1024 / 1e6

    def _processes(self) -> list[Path]:
        own = Path(f"/proc/{self.process.pid}")
        children = " ".join(path.read_text() for path in own.glob("task/*/children"))
        return [own, *(Path(f"/proc/{pid}") for pid in children.split())]

    def metric(self, name: str) -> dict[str, float]:
        """Return a metric's values by its labels as they are written."""
        values = {}
        for line in self.call("GET", "/metrics").splitlines():
            series, _, value = line.rpartition(" ")
            if series.partition("{")[0] == name:
                values[series.removeprefix(name)] = float(value)
        return values

    def settled(self, delivered: int) -> bool:
        """Tell whether so many deliveries were settled as delivered since the start."""
        counts = self.metric("hookferry_deliveries_total")
        return counts.get('{state="delivered"}', 0) >= delivered

    def stop(self) -> None:
        """Drain and end the process."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise SystemExit(f"bench: the server {self.name} did not drain") from None

    def ledger(self) -> dict[str, int]:
        """Count the deliveries in the ledger by state; the process must have ended."""
        from hookferry.domain.delivery import DeliveryState

        rows = self._query("SELECT state, count(*) FROM deliveries GROUP BY state")
        return {DeliveryState(state).name.lower(): count for state, count in rows}

    def caught(self) -> dict[str, int]:
        """Count what the ledger says of requests from outside; the process must have ended.

        ``events``, ``keys`` (different duplicate keys) and, by verdict and caller's address
        (``accepted 203.0.113.7``), requests.
        """
        from hookferry.domain.request import Verdict

        rows = self._query("SELECT verdict, client, count(*) FROM requests GROUP BY 1, 2")
        counts = {f"{Verdict(verdict).label} {client}": count for verdict, client, count in rows}
        [(events,)] = self._query("SELECT count(*) FROM events")
        [(keys,)] = self._query("SELECT count(DISTINCT key) FROM requests")
        return {"events": events, "keys": keys, **counts}

    def _query(self, sql: str) -> list[Any]:
        path = next(self.data.glob("*.sqlite3"))
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return connection.execute(sql).fetchall()


def _most_kib(folder: Path) -> int:
    for line in (folder / "status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise SystemExit("bench: /proc has no VmHWM")


def free_port() -> int:
    """Return a TCP port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
