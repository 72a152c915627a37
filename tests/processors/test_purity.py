"""Values and decisions are free of libvips: parents of render processes import them, and must stay clean."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module", ["facts", "recipe", "recipe_file", "fingerprint", "geometry", "plan", "ports", "sniff", "profile"]
)
def test_a_pure_module_loads_neither_libvips_nor_numpy(module: str) -> None:
    """Looked at in a fresh interpreter."""
    code = f"import sys, processors.{module}; print({{'pyvips', 'numpy'}} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "set()"
