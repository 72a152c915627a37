"""How a worker belongs to its group: static members with one name, and brokers that know the classic protocol only."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from streams.settings import SettingsError, load
from tests.command import make_place
from tests.life.broker import classic_broker
from tests.life.fleet import Fleet, ready
from tests.life.load import Load
from tests.support import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support import Stack

LIMIT_S = 30.0
FENCED, USAGE = 4, 2


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_of_two_workers_with_one_slot_the_older_ends(
    stack: Stack, tmp_path: Path, unique: Callable[[str], str]
) -> None:
    """Without any record to commit: the group tells it, it names the slot and ends with a code of its own."""
    slot = unique("slot")
    place = make_place(
        stack,
        tmp_path,
        unique("rivals"),
        DARKROOM_KAFKA__STATIC_MEMBERSHIP="true",
        DARKROOM_KAFKA__TRANSACTIONAL_ID=slot,
    )
    with Fleet(place, 1) as fleet:
        older = fleet.workers[0]
        wait_until(lambda: older.events("partitions_assigned"), LIMIT_S, what="an assignment")

        newer = ready(fleet.launch())

        assert older.process.wait(LIMIT_S) == FENCED
        wait_until(lambda: any("fenced" in line and slot in line for line in older.other), LIMIT_S, what="the reason")
        assert newer.end() == 0


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_broker_without_kip_848(stack: Stack, tmp_path: Path, unique: Callable[[str], str]) -> None:
    """Classic members work there; one that is set to the other protocol ends and says what to set."""
    with classic_broker(tmp_path / "broker") as bootstrap:
        other = replace(stack, bootstrap=bootstrap)
        place = make_place(other, tmp_path, unique("classic"))
        with Fleet(place, 1) as fleet, Load(place, 20.0) as steady:
            modern = fleet.launch(DARKROOM_KAFKA__GROUP_PROTOCOL="consumer", DARKROOM_KAFKA__GROUP=unique("modern"))
            assert modern.process.wait(LIMIT_S) == USAGE
            wait_until(lambda: any("kafka.group_protocol" in line for line in modern.other), LIMIT_S, what="the remedy")
            steady.more(20)
            fleet.stop(0)
            fleet.start(0)
            steady.end()
            steady.assert_exactly_once()


def test_static_membership_is_for_the_classic_protocol(tmp_path: Path) -> None:
    """With KIP-848 a killed worker could not come back for 45 s, so the two together are refused with a remedy."""
    config = tmp_path / "darkroom.toml"
    config.write_text('[kafka]\ngroup_protocol = "consumer"\nstatic_membership = true\n')

    with pytest.raises(SettingsError) as caught:
        load(config)

    assert 'kafka.group_protocol = "classic"' in str(caught.value)
