"""The calls that both clients share are as well typed as if they were written out twice."""

import subprocess
import sys
from pathlib import Path


def test_a_type_checker_knows_parameters_and_results_of_every_call_on_both_clients() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(Path(__file__).with_name("typed_calls.py"))],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
