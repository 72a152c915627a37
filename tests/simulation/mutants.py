"""``just mutants``: break the engine on purpose, one rule at a time, and see that something notices.

Each mutation is applied to a copy of the real code. First seeded schedules run, one by one; what they do not catch the
engine's unit tests must. A mutation that survives both means that a rule is not held by anything.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.simulation.mutations import MUTATIONS, Mutation

ROOT = Path(__file__).parents[2]
COPIED = ("streams", "schemas", "processors", "tests", "pyproject.toml")
UNIT_TESTS = ("test_committer.py", "test_loop.py", "test_ledger_machine.py", "test_offset_map.py", "test_fair.py")
LIMIT_S = 300.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one mutation."""

    mutation: Mutation
    caught_by: str
    """Empty: it survived."""


def try_one(mutation: Mutation, schedules: int) -> Verdict:
    """Apply a mutation to a copy and look for whoever notices."""
    with tempfile.TemporaryDirectory(prefix="darkroom-mutant-") as folder:
        copy = Path(folder)
        _copy_to(copy)
        _apply(mutation, copy)
        command = ["-m", "tests.simulation", "--until-broken", "--runs", str(schedules)]
        command += ["--images"] if mutation.images else []
        run = _python(copy, command)
        if run.returncode:
            return Verdict(
                mutation, f"schedule {run.stdout.strip().splitlines()[-1]}" if run.stdout else "schedule 1 (crash)"
            )
        tests = [f"tests/runtime/{name}" for name in UNIT_TESTS]
        run = _python(copy, ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests])
        return Verdict(mutation, "unit test" if run.returncode == 1 else "")


def _copy_to(copy: Path) -> None:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "recorded"))
        else:
            shutil.copy(source, copy / name)


def _apply(mutation: Mutation, copy: Path) -> None:
    path = copy / mutation.file
    text = path.read_text()
    if text.count(mutation.old) != 1:
        raise ValueError(f"{mutation.name}: its text stands {text.count(mutation.old)} times in {mutation.file}")
    path.write_text(text.replace(mutation.old, mutation.new))


def _python(copy: Path, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-B", *arguments]
    try:
        # The copy is the current folder, and so the first place that `python -m` imports from.
        return subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "never ends", "")


def main() -> int:
    """Try all mutations, or those whose name contains a word, and return the exit code."""
    parser = argparse.ArgumentParser(prog="just mutants", description="Break the engine on purpose.")
    parser.add_argument("--schedules", type=int, default=150, help="how many a mutation may survive (default 150)")
    parser.add_argument("--only", default="", help="only mutations whose name contains this")
    wanted = parser.parse_args()
    chosen = [mutation for mutation in MUTATIONS if wanted.only in mutation.name]
    began = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        verdicts = []
        for verdict in pool.map(lambda mutation: try_one(mutation, wanted.schedules), chosen):
            verdicts.append(verdict)
            print(f"{verdict.caught_by or 'SURVIVED':<24} {verdict.mutation.name}", flush=True)  # noqa: T201
    caught = sum(bool(verdict.caught_by) for verdict in verdicts)
    print(f"{caught}/{len(verdicts)} caught in {time.monotonic() - began:.0f} s")  # noqa: T201
    return 0 if caught == len(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
