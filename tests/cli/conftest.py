"""A place with a configuration for the real stack, and one worker in it for all tests that need answers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.cli.worker import RunningWorker
from tests.command import Darkroom, make_place
from tests.support import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support import Stack


@pytest.fixture(scope="session")
def place(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Darkroom:
    """Return the place that most tests share."""
    folder = tmp_path_factory.mktemp("cli")
    return make_place(stack, folder, f"cli-{os.getpid()}-{folder.name}")


@pytest.fixture
def new_place(stack: Stack, tmp_path: Path) -> Darkroom:
    """Return a place of one test's own."""
    return make_place(stack, tmp_path, f"cli-{os.getpid()}-{tmp_path.name[-30:]}".rstrip("-_").replace("_", "-"))


@pytest.fixture(scope="session")
def worker(place: Darkroom) -> Iterator[RunningWorker]:
    """Run one worker for all tests that need answers."""
    with place.started("worker") as process:
        running = RunningWorker(process)
        wait_until(lambda: running.port, 60, what="the worker's start")
        yield running
        running.end()
