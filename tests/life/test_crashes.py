"""A record that takes its whole worker process with it, again and again, under a supervisor that restarts workers."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from infra.local.processes import die_with_parent
from tests.command import ROOT
from tests.life.poison import DEAD, POISON
from tests.runtime.test_engine import World
from tests.support import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support import Stack

RECORDS = 200
KEYS = 20


class Supervised:
    """One worker process that is started again whenever it dies, as an orchestrator does."""

    def __init__(self, *arguments: str) -> None:
        self._command = [sys.executable, "-m", "tests.life.poison", *arguments]
        self._over = False
        self.codes: list[int] = []
        """How each life ended."""
        self._process = self._start()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def end(self) -> None:
        """Stop it for good."""
        self._over = True
        self._process.terminate()
        self._thread.join(30)

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command,
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - it takes no lock
        )

    def _watch(self) -> None:
        while True:
            self.codes.append(self._process.wait())
            if self._over:
                return
            self._process = self._start()


@contextmanager
def _supervised(world: World, slots: int) -> Iterator[list[Supervised]]:
    where = (world.bootstrap, world.source, world.sink, world.group)
    running = [Supervised(*where, f"{world.group}-{number}") for number in range(slots)]
    try:
        yield running
    finally:
        for each in running:
            each.end()


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_record_that_kills_its_process_is_convicted(stack: Stack, unique: Callable[[str], str]) -> None:
    """It goes to failed as worker_crashed after a few deaths; each record is answered once, and nobody dies on."""
    world = World(stack.bootstrap, unique("in"), unique("out"), unique("deadly"))
    world.publish(RECORDS, KEYS)
    with _supervised(world, 2) as workers:
        found = world.outputs(RECORDS, limit=60)
        deaths = [code for each in workers for code in each.codes]

        wanted = [-number if number == POISON else number for number in range(RECORDS)]
        assert sorted(number for _, number in found) == sorted(wanted)
        assert deaths == [DEAD] * len(deaths)
        assert 3 <= len(deaths) <= 6, "three marks convict; two owners without progress come before the first"

        world.publish(RECORDS, KEYS, start=RECORDS)
        wait_until(
            lambda: len(world.outputs(2 * RECORDS, limit=5)) == 2 * RECORDS, 30, what="the answers of a healthy fleet"
        )
        assert sum(len(each.codes) for each in workers) == len(deaths)
    assert all(each.codes[-1] == 0 for each in workers)
