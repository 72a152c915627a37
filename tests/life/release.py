"""The release before this one, kept as a wheel in `releases`: unpacked, it runs beside this one on its dependencies.

A wheel and not a git tag: a clone may be shallow, and nothing has to be built or fetched to run it. It is pure Python,
so unpacking is installing. docs/operations.md says when it is replaced.
"""

from __future__ import annotations

import tomllib
import zipfile
from pathlib import Path
from typing import Final

from tests.command import ROOT

RELEASES: Final = Path(__file__).parent / "releases"


def kept() -> Path:
    """Return the wheel; there is one."""
    (wheel,) = RELEASES.glob("*.whl")
    return wheel


def version_of(wheel: Path) -> tuple[int, ...]:
    """Return the version that the wheel's name says."""
    return _parsed(wheel.name.split("-")[1])


def present() -> tuple[int, ...]:
    """Return the version of this tree."""
    return _parsed(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def unpacked(folder: Path) -> dict[str, str]:
    """Unpack the previous release there and return the environment in which it is the one that runs."""
    with zipfile.ZipFile(kept()) as wheel:
        wheel.extractall(folder)
    return {"PYTHONPATH": str(folder)}


def _parsed(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
