"""The command as a user types it: an own process, in a folder with a configuration for the real stack."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from streams.compose.stores import make_store
from streams.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support import Stack

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Darkroom:
    """The command in one folder."""

    folder: Path
    config: Path
    settings: dict[str, str] = field(default_factory=dict)
    """Variables that every command gets."""

    def run(
        self, *arguments: str, limit: float = 60, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end; output is captured, so nothing is a terminal."""
        return subprocess.run(
            self.command(arguments),
            cwd=self.folder,
            env=self.environment(env or {}),
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )

    @contextmanager
    def started(self, *arguments: str, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
        """Start, and make sure that it is gone at the end."""
        with subprocess.Popen(
            self.command(arguments),
            cwd=self.folder,
            env=self.environment(env or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    @staticmethod
    def command(arguments: tuple[str, ...]) -> list[str]:
        """Return the command line."""
        return [sys.executable, "-m", "streams.cli.main", *arguments]

    def environment(self, variables: dict[str, str]) -> dict[str, str]:
        """Return the environment: the caller's without settings of ours, and what the test says."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DARKROOM_")}
        ours = {"PYTHONPATH": str(ROOT), "DARKROOM_CONFIG": str(self.config)}
        return {**kept, **ours, **self.settings, **variables}


def configuration(stack: Stack, name: str) -> str:
    """Return a configuration file for the real stack whose topics, group, buckets are nobody else's."""
    return f"""
[kafka]
bootstrap_servers = "{stack.bootstrap}"
topic_prefix = "{name}."
group = "{name}"
[registry]
url = "{stack.registry_url}"
[store]
endpoint = "{stack.s3_endpoint}"
access_key = "{stack.s3_access_key}"
secret_key = "{stack.s3_secret_key}"
secure = false
bucket = "{name}"
upload_bucket = "{name}-uploads"
[topics]
replication = 1
min_isr = 1
partitions = 4
[worker]
renderers = 1
"""


def make_place(stack: Stack, folder: Path, name: str, **settings: str) -> Darkroom:
    """Return a place with topics, subjects and buckets: made by the verbs that users have, but for the buckets.

    ``settings``: environment variables that every command of this place gets.
    """
    config = folder / "darkroom.toml"
    config.write_text(configuration(stack, name))
    darkroom = Darkroom(folder, config, settings)
    for verb in ("topics create", "schemas register"):
        done = darkroom.run(*verb.split())
        assert done.returncode == 0, done.stderr
    loaded = load(config).settings
    store = make_store(loaded)
    for bucket in (loaded.store.bucket, loaded.store.upload_bucket):
        store.make_bucket(bucket)
    return darkroom
