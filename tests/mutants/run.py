"""``make mutants``: each patch here removes a safeguard, and its named test must then fail.

A patch is a unified diff whose first line is ``# kills: <pytest node id>``. It is applied to a
copy of the working tree; the test must pass there without it and fail with it (a failing test,
not a test that can't be collected). Whatever else happens is reported and fails the run.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).parent
WORKERS = 2
TIME_LIMIT = 300.0
"""Seconds for one test; a mutant that makes it hang is not killed but stuck."""
_PASSED, _FAILED = 0, 1
"""Exit codes of pytest; 2 and above mean that it did not get to run the test."""


@dataclass(frozen=True)
class Mutant:
    """One patch."""

    name: str
    patch: Path
    test: str


@dataclass(frozen=True)
class Result:
    """What became of one mutant."""

    mutant: Mutant
    killed: bool
    note: str
    output: str = ""


def load(names: list[str]) -> list[Mutant]:
    """Read the patches, all or those named."""
    mutants = []
    for patch in sorted(FOLDER.glob("*.patch")):
        if names and patch.stem not in names:
            continue
        first = patch.read_text().partition("\n")[0]
        if not first.startswith("# kills: "):
            raise SystemExit(f"{patch.name}: its first line must be '# kills: <pytest node id>'")
        mutants.append(Mutant(patch.stem, patch, first.removeprefix("# kills: ").strip()))
    if not mutants:
        raise SystemExit(f"no patches in {FOLDER}")
    return mutants


def copy_tree(to: Path) -> Path:
    """Copy the working tree without what git ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    return to


def pytest(tree: Path, tests: list[str]) -> tuple[int, str]:
    """Run tests on the package of this tree; return pytest's exit code and output."""
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith("HOOKFERRY_")
    }
    environ |= {
        "PYTHONPATH": str(tree / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(
            command,
            cwd=tree,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIME_LIMIT * len(tests),
        )
    except subprocess.TimeoutExpired:
        return -1, f"no end after {TIME_LIMIT:.0f} s"
    return done.returncode, done.stdout.decode(errors="replace")


def try_mutant(mutant: Mutant) -> Result:
    """Apply one patch to a fresh copy and run its test."""
    with tempfile.TemporaryDirectory(prefix="hookferry-mutant-") as folder:
        tree = copy_tree(Path(folder))
        applied = subprocess.run(
            ["git", "apply", "--whitespace=nowarn", str(mutant.patch)],
            cwd=tree,
            capture_output=True,
        )
        if applied.returncode:
            return Result(mutant, False, "does not apply", applied.stderr.decode())
        code, output = pytest(tree, [mutant.test])
    if code == _FAILED:
        return Result(mutant, True, "killed")
    if code == _PASSED:
        return Result(mutant, False, "SURVIVED", output)
    return Result(mutant, False, f"could not be tried (pytest {code})", output)


def main() -> int:
    """Try every mutant, print a table, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only these patches, without .patch")
    mutants = load(parser.parse_args().names)
    with tempfile.TemporaryDirectory(prefix="hookferry-mutant-") as folder:
        tests = sorted({mutant.test for mutant in mutants})
        code, output = pytest(copy_tree(Path(folder)), tests)
    if code != _PASSED:
        print(output)
        print("the named tests must pass on the tree as it is; they do not")
        return 1
    width = max(len(mutant.name) for mutant in mutants)
    killed = 0
    with ThreadPoolExecutor(WORKERS) as pool:
        for result in pool.map(try_mutant, mutants):
            killed += result.killed
            print(f"{result.mutant.name:<{width}}  {result.note}  {result.mutant.test}", flush=True)
            if not result.killed and result.output:
                print("    " + "\n    ".join(result.output.strip().splitlines()[-15:]), flush=True)
    print(f"{killed} of {len(mutants)} mutants killed")
    return 0 if killed == len(mutants) else 1


if __name__ == "__main__":
    sys.exit(main())
