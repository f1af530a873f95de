"""The demo plays to its end, and does not say that all is well when it is not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def play(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "demo.scene", "--once"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_scene_holds_from_beginning_to_end() -> None:
    done = play(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED" not in done.stdout
    assert "every line was observed by a receiver" in done.stdout


def test_a_step_that_does_not_hold_ends_the_scene_with_a_failure(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "demo", tmp_path / "demo")
    scene = tmp_path / "demo" / "scene.py"
    scene.write_text(scene.read_text().replace('mode="sync_critical"', 'mode="async"'))
    done = play(tmp_path)
    assert done.returncode == 1
    assert "FAILED before an order: vetoed" in done.stdout
    assert "the publish went through" in done.stdout
    assert "before an order: agreed" not in done.stdout
