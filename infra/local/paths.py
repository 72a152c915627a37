"""Where the local stack keeps its things; all of it below the git-ignored `.darkroom`."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DARKROOM = ROOT / ".darkroom"
CACHE = DARKROOM / "cache"
"""Fetched servers, a folder for each pin."""
RUNS = DARKROOM / "runs"
"""Stacks of test runs: a folder each, with logs; data only while it runs."""
UP = DARKROOM / "up"
"""Data, logs and pids of `just up`."""
LOCAL_TOML = DARKROOM / "local.toml"
"""The configuration that every `darkroom` command finds by itself."""
