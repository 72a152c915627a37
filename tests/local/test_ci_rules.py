"""The test suite's own rules: in CI a skip is a failure; benches count what children do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from infra.local.paths import ROOT
from tests.bench import harness

if TYPE_CHECKING:
    from pathlib import Path

BUSY = """
import time

kept = b"x" * 200_000_000
end = time.process_time() + 0.3
while time.process_time() < end:
    pass
"""
SKIPPING = """
import pytest

def test_one():
    pytest.skip("no such thing here")

@pytest.mark.skip(reason="marked")
def test_two():
    pass

@pytest.mark.xfail(reason="known", strict=True)
def test_three():
    assert False
"""


@pytest.mark.parametrize(
    ("environment", "summary"), [({}, "2 skipped, 1 xfailed"), ({"CI": "true"}, "1 failed, 1 xfailed, 1 error")]
)
def test_a_skip_fails_in_ci(tmp_path: Path, environment: dict[str, str], summary: str) -> None:
    """Elsewhere a skip is a skip; an expected failure is one everywhere."""
    (tmp_path / "test_it.py").write_text(SKIPPING)
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "--rootdir", str(tmp_path), str(tmp_path)]
    quiet = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("PYTEST")}
    environment = quiet | {"PYTHONPATH": str(ROOT)} | environment
    answer = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert summary in answer.stdout.splitlines()[-1]


def test_a_skipped_module_fails_in_ci(tmp_path: Path) -> None:
    """A whole file that leaves itself out is no better."""
    (tmp_path / "test_it.py").write_text("import pytest\npytest.skip('not here', allow_module_level=True)\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "--rootdir", str(tmp_path), str(tmp_path)]
    quiet = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environment = quiet | {"PYTHONPATH": str(ROOT), "CI": "true"}
    answer = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode != 0
    assert "a skip counts as a failure in CI: " in answer.stdout


def test_a_bench_counts_children_and_ends_with_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The CPU time and memory of a child are the contender's; the last line is for machines."""

    def idle() -> int:
        return 1

    def child() -> int:
        subprocess.run([sys.executable, "-c", BUSY], check=True)
        return 1

    harness.compare("demonstration", {"idle": idle, "child": child}, rounds=2, warm_up=False)

    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["bench"] == "demonstration"
    assert said["medians"]["child"]["cpu_ms_per_unit"] >= 300
    assert said["medians"]["child"]["peak_rss_mb"] >= 200 + said["medians"]["idle"]["peak_rss_mb"] / 2
    assert said["ratios_to_idle"]["child"]["cpu_ms_per_unit"] > 1
