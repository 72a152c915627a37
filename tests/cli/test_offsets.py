"""Positions and maps made again from the answers: nothing is answered twice, nothing is left out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from schemas.record import TopicPartition
from streams.adapters.kafka_groups import write_positions
from streams.compose.services import make_admin, make_topics
from streams.runtime.offset_map import HORIZON
from streams.runtime.ports import Position
from streams.runtime.rebuild import rebuild
from streams.settings import load
from tests.cli.pictures import photo
from tests.cli.worker import RunningWorker
from tests.integration.fleet import read_outputs
from tests.support import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Darkroom

TOPIC_ID = bytes(range(16))


def test_the_base_is_the_first_offset_without_an_answer() -> None:
    """What is answered beyond it goes into the map; answers of records that are gone do not count."""
    found = rebuild(TOPIC_ID, start=10, end=20, answered={3, 10, 11, 13, 14, 25})

    assert (found.map.base, found.map.done, found.beyond) == (12, frozenset({13, 14}), 0)


def test_everything_answered_means_the_end() -> None:
    """A partition that was worked off stands at its end; an untouched one at its start."""
    assert rebuild(TOPIC_ID, 10, 13, {10, 11, 12}).map.base == 13
    assert rebuild(TOPIC_ID, 10, 13, ()).map.base == 10


def test_what_no_map_can_hold_is_counted() -> None:
    """The map reaches a bounded way; what lies beyond would be answered again, and the operator has to know."""
    found = rebuild(TOPIC_ID, 0, 2 * HORIZON, {HORIZON - 1, HORIZON, HORIZON + 5})

    assert (found.map.base, found.map.done, found.beyond) == (0, frozenset({HORIZON - 1}), 2)


def test_an_unreadable_map_stops_the_partition_until_it_is_rebuilt(new_place: Darkroom, tmp_path: Path) -> None:
    """Damaged metadata: the worker says what to do; after `offsets rebuild` nothing is answered again."""
    for number in range(12):
        photo(tmp_path / "in" / f"{number}.jpg", 64, 48, shade=number)
    with new_place.started("worker") as process:
        worker = RunningWorker(process)
        assert new_place.run("publish", str(tmp_path / "in"), "--wait", limit=100).returncode == 0
        assert worker.end() == 0
    before = read_outputs(new_place)
    _damage(new_place)

    with new_place.started("worker") as process:
        worker = RunningWorker(process)
        said = wait_until(lambda: worker.events("partition_stopped"), 60, what="a stopped partition")
        assert "darkroom offsets rebuild" in said[0]["why"]
        assert worker.end() == 0
    done = new_place.run("offsets", "rebuild", "--json")

    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert sum(row["position"] for row in rows) == 12
    with new_place.started("worker") as process:
        worker = RunningWorker(process)
        assert new_place.run("publish", str(tmp_path / "in" / "0.jpg"), "--wait", limit=100).returncode == 0
        assert worker.end() == 0
    assert len(read_outputs(new_place)) == len(before) + 1


def _damage(place: Darkroom) -> None:
    """Write metadata that is no map, at the very start, onto every partition of the interactive lane."""
    settings = load(place.config).settings
    topic = make_topics(settings).uploaded
    places = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
    write_positions(make_admin(settings), settings.kafka.group, dict.fromkeys(places, Position(0, "AAAA")))
