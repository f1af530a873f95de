"""Debian's ``webhook`` (github.com/adnanh/webhook), a peer that receives: measured where installed.

It checks the same HMAC and starts its command in the background, which is what it is for; it writes
nothing to disk.
"""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from bench.github import SECRET
from bench.server import TICK_US, free_port, launch

PATH = "/hooks/bench"
TAKEN = 200
COMMAND = "/bin/true"
_HOOKS = [
    {
        "id": "bench",
        "execute-command": COMMAND,
        "http-methods": ["POST"],
        "trigger-rule": {
            "match": {
                "type": "payload-hmac-sha256",
                "secret": SECRET,
                "parameter": {"source": "header", "name": "X-Hub-Signature-256"},
            }
        },
    }
]


def installed() -> str | None:
    """Return the path of the program; None where it is not installed, or another has its name."""
    path = shutil.which("webhook")
    return path if path is not None and version(path) else None


def version(program: str) -> str:
    """Return its version, such as ``2.8.0``; empty where it does not tell one."""
    try:
        done = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    before, said, number = done.stdout.strip().rpartition("webhook version ")
    return number if said and not before else ""


class Peer:
    """One process of ``webhook`` with one hook.

    Args:
        program: its path.
        folder: for its configuration.
    """

    name = "webhook"

    def __init__(self, program: str, folder: Path) -> None:
        self.version = version(program)
        self.port = free_port()
        hooks = folder / "hooks.json"
        hooks.write_text(json.dumps(_HOOKS))
        where = ["-ip", "127.0.0.1", "-port", str(self.port)]
        self.process = launch([program, "-hooks", str(hooks), *where], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("bench: webhook does not start") from None
                time.sleep(0.02)

    def cpu_us(self) -> float:
        """Return CPU microseconds so far, of it and of the commands that it ran."""
        return sum(self._ticks()) * TICK_US

    def ran_commands(self) -> bool:
        """Tell whether commands that it ran have used CPU."""
        return sum(self._ticks()[2:]) > 0

    def _ticks(self) -> list[int]:
        """Return user and system time of the process, then of its children that ended."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return [int(field) for field in fields[11:15]]

    def stop(self) -> None:
        """End the process."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
