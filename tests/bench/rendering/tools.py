"""What the peers are, pinned: fetched once into `.darkroom/cache` by npm and pip, apart from our own environment."""

from __future__ import annotations

import shutil
import sys
from typing import Final

from infra.local import fetch
from infra.local.fetch import FetchError, Part

SHARP: Final = "0.35.5"
THUMBOR: Final = "7.8.0"


def sharp() -> Part:
    """Sharp with its own libvips."""
    script = f"mkdir -p {{target}} && cd {{target}} && npm init --yes > /dev/null && npm install sharp@{SHARP}"
    return Part("sharp", f"sharp {SHARP} by npm", "npm", script, ("sh", "-c", script), r"added")


def thumbor() -> Part:
    """Thumbor in a virtual environment of its own."""
    venv = "{target}/venv"
    script = f'"{sys.executable}" -m venv {venv} && {venv}/bin/python -m pip install thumbor=={THUMBOR} setuptools'
    return Part("thumbor", f"thumbor {THUMBOR} by pip", "pip", script, ("sh", "-c", script), r"Collecting")


def missing(part: Part) -> str:
    """Fetch a peer; return why that is not possible, or nothing."""
    if part.client == "npm" and not (shutil.which("npm") and shutil.which("node")):
        return "it needs node and npm on the PATH"
    try:
        fetch.fetch([part])
    except FetchError as error:
        return str(error)
    return ""
