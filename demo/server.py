"""A real ``hookferry serve`` in a process of its own, for the demo: start, kill, start again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

START_SECONDS = 30.0


class Server:
    """One server process on a data folder.

    Args:
        data: its data folder.
        port: where it listens; 0 takes a free port, and a restart takes the same again.
    """

    def __init__(self, data: Path, port: int = 0) -> None:
        self.data = data
        self.url = ""
        self._port = port
        self._process: subprocess.Popen[str] | None = None
        self._log = data.parent / "hookferry.log"

    def start(self) -> None:
        """Start and wait until it listens.

        Raises:
            RuntimeError: it did not; the message has what it said.
        """
        environment = {k: v for k, v in os.environ.items() if not k.startswith("HOOKFERRY_")}
        environment |= {
            "HOOKFERRY_DATA": str(self.data),
            "HOOKFERRY_PORT": str(self._port),
            "HOOKFERRY_LOG_FORMAT": "json",
            # The scene's receivers listen on this machine, without TLS; no others may be called.
            "HOOKFERRY_ALLOW_TARGETS": "127.0.0.1/32",
            "HOOKFERRY_ALLOW_HTTP": "true",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hookferry.cli", "serve"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.data.parent,
        )
        self.url = ""
        listening = threading.Event()
        reader = threading.Thread(
            target=self._read, args=(self._process, listening), daemon=True, name="server-log"
        )
        reader.start()
        listening.wait(START_SECONDS)
        if not self.url:
            self.kill()
            raise RuntimeError(f"hookferry did not start; it said:\n{self._log.read_text()}")
        self._port = int(self.url.rsplit(":", 1)[1])

    def _read(self, process: subprocess.Popen[str], listening: threading.Event) -> None:
        assert process.stderr is not None
        with self._log.open("a") as log:
            for line in process.stderr:
                log.write(line)
                log.flush()
                if not listening.is_set() and '"listening"' in line:
                    self.url = json.loads(line)["url"]
                    listening.set()
        listening.set()  # it ended

    @property
    def api_key(self) -> str:
        """The administrator's key it made."""
        return (self.data / "admin.key").read_text().strip()

    def kill(self) -> None:
        """SIGKILL: what a power cut looks like to the process."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM: drain and end."""
        self._end(signal.SIGTERM)

    def wait(self) -> None:
        """Wait until it ends by itself."""
        if self._process is not None:
            self._process.wait()

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(60)
            self._process = None
