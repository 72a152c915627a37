"""The look at the build tools: one message with each missing or old tool, the version wanted, how to get it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from infra.local.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def look(path: Path) -> subprocess.CompletedProcess[str]:
    """Run the look with only that folder on the PATH."""
    command = [sys.executable, "-m", "infra.local.tools"]
    return subprocess.run(command, cwd=ROOT, env={"PATH": str(path)}, capture_output=True, text=True, check=False)


def put(folder: Path, name: str, says: str, code: int = 0) -> None:
    """Make a program that says something and ends with the code."""
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{says}'\nexit {code}\n")
    program.chmod(0o755)


@pytest.fixture
def complete(tmp_path: Path) -> Path:
    """Return a folder with every tool, just new enough."""
    put(tmp_path, "java", 'openjdk version "17.0.1" 2021-10-19')
    put(tmp_path, "keytool", "Key and Certificate Management Tool")
    put(tmp_path, "mvn", "Apache Maven 3.6.3")
    put(tmp_path, "go", "go version go1.24.0 linux/amd64")
    return tmp_path


def test_silent_when_all_is_there(complete: Path) -> None:
    """Nothing is said and nothing is wrong."""
    answer = look(complete)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")


def test_names_everything_missing_at_once(tmp_path: Path) -> None:
    """A machine without any of them learns it from one message, not one a run."""
    answer = look(tmp_path)
    assert answer.returncode == 2
    for words in ("java 17 or newer", "keytool", "mvn 3.6.3 or newer", "go 1.24 or newer"):
        assert words in answer.stderr
    assert answer.stderr.count("Get it:") == 4


@pytest.mark.parametrize(
    ("name", "says", "wanted", "found"),
    [
        ("java", 'openjdk version "11.0.2" 2019-01-15', "java 17", "11.0.2"),
        ("java", 'java version "1.8.0_292"', "java 17", "1.8.0"),
        ("mvn", "Apache Maven 3.6.2", "mvn 3.6.3", "3.6.2"),
        ("go", "go version go1.19.8 linux/amd64", "go 1.24", "1.19.8"),
    ],
)
def test_names_the_wanted_and_the_found_version(complete: Path, name: str, says: str, wanted: str, found: str) -> None:
    """Too old is as good as missing, and the message has both numbers."""
    put(complete, name, says)
    answer = look(complete)
    assert answer.returncode == 2
    assert wanted in answer.stderr
    assert found in answer.stderr
    assert answer.stderr.count("\n") == 2


def test_a_tool_that_cannot_run_is_quoted(complete: Path) -> None:
    """A launcher without a JDK behind it is on the PATH and yet useless."""
    put(complete, "java", "Unable to locate a Java Runtime", code=1)
    assert "Unable to locate a Java Runtime" in look(complete).stderr
