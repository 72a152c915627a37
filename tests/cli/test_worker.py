"""A worker's life as its operator sees it: health, an orderly end, an end at once, and a rival."""

from __future__ import annotations

import json
import signal
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from tests.cli.forwarder import Forwarder
from tests.cli.pictures import photo
from tests.cli.worker import RunningWorker
from tests.support import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.command import Darkroom
    from tests.support import Stack

START_S = 60


@contextmanager
def running(place: Darkroom, **variables: str) -> Iterator[RunningWorker]:
    """Start a worker and wait until it is ready."""
    with place.started("worker", env=variables) as process:
        worker = RunningWorker(process)
        wait_until(lambda: worker.port and worker.ask("/readyz")[0] == 200, START_S, what="a ready worker")
        yield worker


def test_sigterm_drains_and_leaves_the_group(new_place: Darkroom) -> None:
    """Ready and live while it works; after SIGTERM exit code 0, and the group is empty at once, not after a session."""
    with running(new_place) as worker:
        assert worker.ask("/livez")[0] == 200
        assert worker.ask("/livez")[1]["live"] is True
        assert worker.ask("/nowhere")[0] == 404
        address = f"127.0.0.1:{worker.port}"
        assert f"worker {address}: working for " in new_place.run("status", "--worker", address).stdout

        assert worker.end() == 0

    status = json.loads(new_place.run("status", "--json", "--worker", address).stdout)
    assert status["members"] == []
    assert status["workers"][address]["ready"] is False


def test_a_store_that_falls_silent_makes_it_unready_but_not_dead(
    new_place: Darkroom, stack: Stack, tmp_path: Path
) -> None:
    """503 names the store, liveness stays; a drain waits for what is in progress, a second signal ends it at once."""
    with (
        closing(Forwarder(stack.s3_endpoint)) as line,
        running(new_place, DARKROOM_STORE__ENDPOINT=line.address, DARKROOM_WORKER__DRAIN_S="100") as worker,
    ):
        line.stalled.set()
        wait_until(lambda: "store" in worker.ask("/readyz")[1].get("reason", ""), START_S, what="an unready worker")
        assert worker.ask("/readyz")[0] == 503
        assert worker.ask("/livez")[0] == 200
        assert new_place.run("publish", str(photo(tmp_path / "late.jpg"))).returncode == 0
        wait_until(lambda: worker.ask("/readyz")[1]["in_flight"] == 1, START_S, what="work in progress")

        worker.process.send_signal(signal.SIGTERM)
        wait_until(lambda: worker.events("draining"), START_S, what="the drain")
        begun = time.monotonic()
        worker.process.send_signal(signal.SIGTERM)

        assert worker.process.wait(START_S) == 130
        assert time.monotonic() - begun < 5


def test_a_rival_with_the_same_transactional_id_ends_the_first(new_place: Darkroom, tmp_path: Path) -> None:
    """Two workers must never share one; the one that was there first says so and leaves with a code of its own."""
    rival = {"DARKROOM_KAFKA__TRANSACTIONAL_ID": f"{new_place.folder.name}-twice"}
    with running(new_place, **rival) as first, running(new_place, **rival):
        for number in range(12):
            photo(tmp_path / "many" / f"{number}.jpg", shade=number)
        assert new_place.run("publish", str(tmp_path / "many")).returncode == 0

        assert first.process.wait(START_S) == 4
        assert any("fenced" in line for line in first.other)


def test_workers_of_one_host_get_slots_of_their_own(place: Darkroom, worker: RunningWorker) -> None:
    """Each has the first free number behind group and host name."""
    with running(place) as second:
        ids = [each.events("worker_started")[0]["transactional_id"] for each in (worker, second)]

        assert ids[0] != ids[1]
        assert ids[0].rpartition("-")[0] == ids[1].rpartition("-")[0]
        assert second.end() == 0
