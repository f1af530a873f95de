"""The garbage collector of processes that serve; in one of their own, for it is the process's."""

from __future__ import annotations

import subprocess
import sys

LOADS_AND_SERVES = """
import gc
from hookferry.collector import load_without_the_collector, spare_the_collector

load_without_the_collector()
assert not gc.isenabled()
spare_the_collector()
assert gc.isenabled()
assert gc.get_threshold()[0] == 50_000
assert gc.get_freeze_count() > 0
"""


def test_the_collector_rests_while_a_server_is_loaded_and_works_afterwards() -> None:
    subprocess.run([sys.executable, "-c", LOADS_AND_SERVES], check=True)
