"""The previous release and this one in one group, under load: upgraded, killed in the middle, and rolled back."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from schemas.record import TopicPartition
from streams.adapters.kafka import KafkaBroker
from streams.client.uploads import Upload
from streams.compose.services import make_topics
from streams.runtime.offset_map import decode
from streams.settings import load
from tests.command import ROOT, make_place
from tests.life.fleet import Fleet
from tests.life.load import Load, picture
from tests.life.release import kept, present, unpacked, version_of
from tests.support import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.command import Darkroom
    from tests.support import Stack

NEW = {"PYTHONPATH": str(ROOT)}
HELD_BACK = 7
"""Uploads whose recipe is deployed later: each holds its partition's base, and what is done beyond it is in the map.

With so many there is one in each of the four partitions."""
RECIPE = '[[variant]]\nname = "only"\nformat = "webp"\nwidth = 32\nheight = 32\n'
LIMIT_S = 30.0


def test_the_kept_release_is_an_earlier_one(tmp_path: Path) -> None:
    """Else an upgrade would be tried from a release to itself; and what runs with its environment is the kept one."""
    assert version_of(kept()) < present()

    code = "import importlib.metadata as m, streams; print(m.version('darkroom'), streams.__file__)"
    old = unpacked(tmp_path)
    said = subprocess.run(
        [sys.executable, "-c", code], env=old, cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert said.stdout.split() == [kept().name.split("-")[1], str(tmp_path / "streams" / "__init__.py")]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_an_upgrade_and_a_rollback_lose_and_double_nothing(
    stack: Stack, tmp_path: Path, unique: Callable[[str], str]
) -> None:
    """Each takes over from the other by a kill and by a restart, with maps that matter: all is answered once."""
    old, recipes = unpacked(tmp_path / "previous"), tmp_path / "recipes"
    recipes.mkdir()
    place = make_place(
        stack,
        tmp_path,
        unique("upgrade"),
        DARKROOM_KAFKA__SESSION_TIMEOUT_S="6",
        DARKROOM_RECIPES__FOLDER=str(recipes),
    )
    # The registry of an upgrade has the schemas of both: the previous release's from before, this one's by the upgrade.
    registered = place.run("schemas", "register", env=old)
    assert registered.returncode == 0, registered.stderr
    with Fleet(place, 2, **old) as fleet, Load(place, 12.0) as steady:
        steady.extra += [Upload(picture(10**6 + n), "tenant-0", f"later-{n}", "later") for n in range(HELD_BACK)]
        steady.more(20)
        wait_until(lambda: _done_beyond_base(place), LIMIT_S, what="maps of the previous release")

        fleet.kill(0)
        fleet.start(0, **NEW)
        steady.more(20)
        fleet.stop(1)
        fleet.start(1, **NEW)
        steady.more(20)
        wait_until(lambda: _done_beyond_base(place), LIMIT_S, what="maps of this release")

        fleet.kill(1)
        (recipes / "later.toml").write_text(RECIPE)
        fleet.start(1, **old)
        steady.more(20)
        fleet.stop(0)
        fleet.start(0, **old)
        steady.end()
        steady.assert_exactly_once()
        assert [each.events("partition_stopped") for each in fleet.workers] == [[], []]


def _done_beyond_base(place: Darkroom) -> int:
    """Return how many records are done beyond the base, in the partition that has the fewest of them."""
    settings = load(place.config).settings
    topic = make_topics(settings).uploaded.name
    positions = KafkaBroker({"bootstrap.servers": settings.kafka.bootstrap_servers}).positions(settings.kafka.group)
    topic_id = positions.topic_ids([topic], LIMIT_S)[topic]
    partitions = [TopicPartition(topic, number) for number in range(settings.topics.partitions)]
    found = positions.read(partitions, LIMIT_S).values()
    return min(len(decode(each.metadata, topic_id, each.offset or 0).done) for each in found)
