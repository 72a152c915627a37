"""Write the two lock files from pyproject.toml: hashed, for every platform, without a registry's address.

Pins that still fit are kept, so that a second run changes nothing; `--upgrade` takes newer versions.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUN = ROOT / "requirements.lock"
DEV = ROOT / "requirements-dev.lock"
UV = Path(sys.executable).parent / "uv"
STAMP = "# of the dependencies in pyproject.toml with sha256 "


def declared() -> str:
    """Return the hash of everything in pyproject.toml that a lock follows from."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    parts = [
        project["project"]["requires-python"],
        project["project"]["dependencies"],
        project["project"]["optional-dependencies"],
        project["dependency-groups"],
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _compile(target: Path, arguments: list[str]) -> None:
    command = [str(UV), "pip", "compile", "pyproject.toml", *arguments, "--universal", "--generate-hashes", "--quiet"]
    command += ["--no-emit-index-url", "--no-header", "--no-annotate", "--output-file", target.name]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    target.write_text(f"# Written by `just lock`; do not edit.\n{STAMP}{declared()}\n{target.read_text()}")


def main() -> int:
    """Write both files, the larger first: the smaller takes its versions, so that one environment serves both."""
    parser = argparse.ArgumentParser(prog="just lock", description="Write the lock files from pyproject.toml.")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that fit")
    newest = ["--upgrade"] if parser.parse_args().upgrade else []
    _compile(DEV, ["--all-extras", "--group", "dev", *newest])
    _compile(RUN, ["--extra", "client", "--extra", "worker", "--group", "run", "--constraint", DEV.name, *newest])
    return 0


if __name__ == "__main__":
    sys.exit(main())
