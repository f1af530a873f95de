"""The demo plays to its end, and does not say that all is well when it is not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize(
    ("module", "held", "broken", "failed", "seen", "never"),
    [
        (
            "scene.py",
            'mode="sync_critical"',
            'mode="async"',
            "before an order: vetoed",
            "the publish went through",
            "before an order: agreed",
        ),
        (
            "catching.py",
            'verify={"preset": "github", "secret": SECRET}',
            'deduplicate={"header": "X-GitHub-Delivery"}, event_type="github.push"',
            "forged: quarantined",
            "answered 204 b'' instead of 401",
            "replayed from the inspector",
        ),
        (
            "automating.py",
            "disabled@bool: no",
            "disabled@bool: yes",
            "its script answers",
            "answered 404 instead of 200",
            "told what it saw",
        ),
    ],
    ids=[
        "a receiver that is not asked",
        "a source that does not verify",
        "a handler that is disabled",
    ],
)
def test_a_step_that_does_not_hold_ends_the_scene_with_a_failure(
    tmp_path: Path, module: str, held: str, broken: str, failed: str, seen: str, never: str
) -> None:
    shutil.copytree(ROOT / "demo", tmp_path / "demo")
    part = tmp_path / "demo" / module
    assert held in part.read_text()
    part.write_text(part.read_text().replace(held, broken))
    done = play(tmp_path)
    assert done.returncode == 1
    assert f"FAILED {failed}" in done.stdout
    assert seen in done.stdout
    assert never not in done.stdout
