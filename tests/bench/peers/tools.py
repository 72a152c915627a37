"""What the peers are, pinned: fetched once into `.darkroom/cache` by pip and Maven, apart from our own environment."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Final

from infra.local import fetch
from infra.local.fetch import FetchError, Part

HERE: Final = Path(__file__).parent
QUIX: Final = "3.28.1"
"""It wants confluent-kafka < 2.13, so it cannot live beside ours."""


def quix() -> Part:
    """Quix Streams in a virtual environment of its own."""
    venv = "{target}/venv"
    script = f'"{sys.executable}" -m venv {venv} && {venv}/bin/python -m pip install quixstreams=={QUIX}'
    return Part(
        "quix", f"Quix Streams {QUIX} by pip, 131 MB installed", "pip", script, ("sh", "-c", script), r"Collecting"
    )


def missing(part: Part | None) -> str:
    """Fetch a peer; return why that is not possible, or nothing."""
    if part is None:
        return ""
    if part.client == "mvn" and not (shutil.which("mvn") and shutil.which("javac")):
        return "it needs mvn and a JDK on the PATH"
    try:
        fetch.fetch([part])
    except FetchError as error:
        return str(error)
    return ""
