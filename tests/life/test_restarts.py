"""Restarts of workers under load: what readers see of them, and what the other workers notice."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from streams.settings import load
from tests.command import make_place
from tests.life.fleet import DRAIN_S, Fleet, moves
from tests.life.group import generations
from tests.life.load import Load, p99
from tests.support import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support import Stack

WORKERS = 3
RATE = 15.0
"""Uploads a second: well below what two cores render, so that what is waited for is the restart."""


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_rolling_restart_of_all_workers(
    stack: Stack, tmp_path: Path, unique: Callable[[str], str], protocol: str
) -> None:
    """Under load: every input has one ready answer, and none waits a drain budget longer than in calm times."""
    place = make_place(stack, tmp_path, unique("rolling"), DARKROOM_KAFKA__GROUP_PROTOCOL=protocol)
    with Fleet(place, WORKERS) as fleet, Load(place, RATE) as steady:
        steady.more(20)
        calm = time.monotonic()
        steady.more(30)
        begun = time.monotonic()
        fleet.roll()
        over = time.monotonic()
        steady.more(10)
        steady.end()

        steady.assert_exactly_once()
        _assert_wait(steady, calm, begun, over)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_static_members_come_back_and_no_other_notices(
    stack: Stack, tmp_path: Path, unique: Callable[[str], str]
) -> None:
    """One is killed, the others restarted: the group keeps its generation, nothing moves, and all is answered once."""
    place = make_place(
        stack,
        tmp_path,
        unique("static"),
        DARKROOM_KAFKA__STATIC_MEMBERSHIP="true",
        DARKROOM_KAFKA__SESSION_TIMEOUT_S="20",
    )
    group = load(place.config).settings.kafka.group
    with Fleet(place, WORKERS) as fleet, Load(place, RATE) as steady:
        wait_until(lambda: _settled(fleet), 60, what="partitions for all")
        calm = time.monotonic()
        steady.more(40)
        before, noticed = generations(stack.bootstrap, group)[-1], [moves(each) for each in fleet.workers]
        begun = time.monotonic()

        fleet.kill(0)
        fleet.start(0)
        steady.more(10)
        assert [moves(each) for each in fleet.workers[1:]] == noticed[1:]
        fleet.stop(1)
        fleet.start(1)
        fleet.stop(2)
        fleet.start(2)

        over = time.monotonic()
        steady.more(10)
        steady.end()
        assert set(generations(stack.bootstrap, group)[-2:]) == {before}
        assert [moves(each) for each in fleet.workers] == [["partitions_assigned"]] * WORKERS
        steady.assert_exactly_once()
        _assert_wait(steady, calm, begun, over)


def _settled(fleet: Fleet) -> bool:
    return all(each.ask("/readyz")[1]["assigned"] for each in fleet.workers)


def _assert_wait(steady: Load, calm: float, begun: float, over: float) -> None:
    usual, rolling = steady.waits(calm, begun), steady.waits(begun, over)
    print(f"publish -> ready, p99: calm {p99(usual):.2f} s, restarting {p99(rolling):.2f} s")  # noqa: T201
    assert p99(rolling) - p99(usual) < DRAIN_S
