"""The command as a user types it: an own process, in a folder with a configuration for the real stack."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from streams.compose.stores import make_store
from streams.settings import load
from tests.cli.worker import RunningWorker
from tests.support import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support import Stack

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Darkroom:
    """The command in one folder."""

    folder: Path
    config: Path

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
        return {**kept, "PYTHONPATH": str(ROOT), "DARKROOM_CONFIG": str(self.config), **variables}


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


@pytest.fixture(scope="session")
def place(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Darkroom:
    """Return a folder whose configuration has topics, subjects and buckets: made by the verbs that users have."""
    folder = tmp_path_factory.mktemp("cli")
    config = folder / "darkroom.toml"
    config.write_text(configuration(stack, f"cli-{os.getpid()}-{folder.name}"))
    darkroom = Darkroom(folder, config)
    for verb in ("topics create", "schemas register"):
        done = darkroom.run(*verb.split())
        assert done.returncode == 0, done.stderr
    settings = load(config).settings
    store = make_store(settings)
    for bucket in (settings.store.bucket, settings.store.upload_bucket):
        store.make_bucket(bucket)
    return darkroom


@pytest.fixture
def new_place(place: Darkroom, stack: Stack, tmp_path: Path, unique: Callable[[str], str]) -> Darkroom:
    """Return a place of a test's own group and topics, with the buckets of all."""
    name = unique("cli")
    shared = load(place.config).settings.store
    text = configuration(stack, name)
    text = text.replace(f'"{name}-uploads"', f'"{shared.upload_bucket}"')
    text = text.replace(f'bucket = "{name}"', f'bucket = "{shared.bucket}"')
    config = tmp_path / "darkroom.toml"
    config.write_text(text)
    darkroom = Darkroom(tmp_path, config)
    for verb in ("topics create", "schemas register"):
        done = darkroom.run(*verb.split())
        assert done.returncode == 0, done.stderr
    return darkroom


@pytest.fixture(scope="session")
def worker(place: Darkroom) -> Iterator[RunningWorker]:
    """Run one worker for all tests that need answers."""
    with place.started("worker") as process:
        running = RunningWorker(process)
        wait_until(lambda: running.port, 60, what="the worker's start")
        yield running
        running.end()
