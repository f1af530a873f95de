"""The real program in processes of their own, and a server for those that need one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hookferry.testing import Receiver

KEY = "hf_a_key_for_cli_tests_0123456789"


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


def environment(**settings: str) -> dict[str, str]:
    """Return this environment without hookferry's variables, and with these."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("HOOKFERRY_")}
    return environ | {"COLUMNS": "80", "NO_COLOR": "1"} | settings


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run ``hookferry`` in an empty folder and wait for its end."""

    def run(*arguments: str, stdin: bytes = b"", **settings: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "hookferry.cli", *arguments],
            input=stdin,
            capture_output=True,
            cwd=tmp_path,
            env=environment(**settings),
            timeout=60,
        )
        assert b"Traceback" not in done.stderr
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@dataclass
class Serving:
    """A server that runs."""

    url: str
    data: Path
    banner: str
    process: subprocess.Popen[bytes]

    def environ(self) -> dict[str, str]:
        """Settings under which a command finds this server."""
        return {"HOOKFERRY_URL": self.url, "HOOKFERRY_DATA": str(self.data)}


def serve(data: Path, **settings: str) -> Serving:
    """Start ``hookferry serve`` on a free port; return once it takes connections."""
    process = subprocess.Popen(
        [sys.executable, "-m", "hookferry.cli", "serve", "--port", "0", "--data", str(data)],
        stderr=subprocess.PIPE,
        cwd=data.parent,
        env=environment(
            HOOKFERRY_ALLOW_HTTP="true", HOOKFERRY_ALLOW_TARGETS="127.0.0.0/8", **settings
        ),
    )
    assert process.stderr is not None
    banner = ""
    while "readyz" not in banner:
        line = process.stderr.readline().decode()
        assert line, f"the server did not start: {banner}"
        banner += line
    url = next(line.split()[-1] for line in banner.splitlines() if line.startswith("listening on"))
    return Serving(url, data, banner, process)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server that made its own first key."""
    serving = serve(tmp_path_factory.mktemp("server") / "data")
    yield serving
    serving.process.terminate()
    assert serving.process.wait(30) == 0
    assert serving.process.stderr is not None
    serving.process.stderr.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver
